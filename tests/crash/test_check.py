"""The checker notices each broken invariant, and nothing where nothing is broken."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from crash.check import INVARIANTS, check
from crash.record import Asked, CalledBack, Death, Effect, Posted, Record, Said, Shown, Told

KEY = "run_0a.0"


def good() -> Record:
    """
    Three messages and all that should follow: a chat's first one needs a function, its second one none,
    and one webhook's stream is cut.
    """
    return Record(
        said=[
            Said(1, "chat", "chat-0", "m1", acked=1),
            Said(2, "chat", "chat-0", "m2", acked=10),
            Said(3, "webhook", "webhook-0", "m3", acked=20),
        ],
        asked=[
            Asked(2, 1, 1, "call_1_1", "", cut=False),
            Asked(5, 1, 2, "", "[1.2] yes [end:1.2]", cut=False),
            Asked(11, 2, 1, "", "[2.1] no [end:2.1]", cut=False),
            Asked(21, 3, 1, "", "[3.1] perhaps [end:3.1]", cut=True),
        ],
        effects=[Effect(3, 1, "", executed=True)],
        told=[Told(4, "call_1_1", '{"done": 1}')],
        posts=[
            Posted(
                "p1", KEY, "chat-0", "m1", [Shown(6, "[1.2] y"), Shown(7, "[1.2] yes [end:1.2]", final=True)]
            ),
            Posted("p2", "run_0b.0", "chat-0", "m2", [Shown(12, "[2.1] ")]),
            Posted("p3", "run_0b.1", "chat-0", "m2", [Shown(13, "no [end:2.1]", final=True)]),
        ],
        callbacks=[called_back(22, "cb_1"), called_back(23, "cb_1")],
        deaths=[Death(8, "final_sent_not_saved", 1, "[1.2] yes [end:1.2]")],
        ticks=30,
    )


def called_back(
    tick: int, id: str, text: str = "[3.1] perh", number: int = 3, verified: bool = True
) -> CalledBack:
    """A callback that says that the model was cut off."""
    error = {"code": "stream_cut", "message": "It ended early.", "id": "e-1"}
    data = {"id": f"m{number}", "conversation": "webhook-0", "text": text, "error": error}
    return CalledBack(tick, id, json.dumps({"type": "message.failed", "data": data}), verified)


def test_a_good_record_breaks_nothing() -> None:
    """Parts, tool calls, cut streams and repeated callbacks are all as they should be: 9 invariants hold."""
    checked = check(good())

    assert {} == checked.counts
    assert 9 == len(INVARIANTS)


def test_a_cut_answer_in_a_chat_ends_visibly() -> None:
    """What the model said before it was cut off, and a note with an id, is a final answer."""
    record = good()
    record.asked[2].cut = True
    record.posts[2].shown.append(Shown(14, "no\n\n⚠️ It ended early. (`e-0f`)", final=True))

    assert {} == check(record).counts


def breaking(record: Record) -> dict[str, Callable[[], object]]:
    """A way to break a record, by what it is and the invariant that it breaks."""
    posts = record.posts
    return {
        "I1 nothing was posted": lambda: posts.pop(0),
        "I1 the answer stops in the middle": lambda: posts[0].shown.pop(),
        "I1 a part is missing": lambda: posts.pop(2),
        "I1 no callback": lambda: record.callbacks.clear(),
        "I1 a failure without a fault": lambda: setattr(record.asked[3], "cut", False),
        "I2 a key posted twice": lambda: posts.append(posts[0]),
        "I2 a key posted twice, the first deleted": lambda: posts.append(
            Posted("p9", KEY, "chat-0", "m1", [Shown(6, "[1.1]")], deleted=7)
        ),
        "I2 a second run": lambda: posts.append(
            Posted("p9", "run_0c.0", "chat-0", "m1", [Shown(9, "[1.2] yes [end:1.2]")])
        ),
        "I2 a second callback id": lambda: record.callbacks.append(called_back(24, "cb_2")),
        "I2 a callback with another content": lambda: record.callbacks.append(
            called_back(24, "cb_1", "[3.1] p")
        ),
        "I3 an orphan beside the answer": lambda: posts.append(
            Posted("p9", "run_0a.1", "chat-0", "m1", [Shown(6, "[1.1]")])
        ),
        "I3 a post that nobody finished": lambda: setattr(posts[2], "shown", [Shown(13, "n")]),
        "I4 in another conversation": lambda: setattr(posts[0], "conversation", "chat-1"),
        "I4 about another message": lambda: posts[0].shown.insert(0, Shown(6, "[2.1]")),
        "I5 the next one began too early": lambda: setattr(record.asked[2], "tick", 6),
        "I5 an edit after the next one began": lambda: posts[0].shown.append(
            Shown(12, "[1.2] yes [end:1.2]", final=True)
        ),
        "I6 an unkeyed call twice": lambda: record.effects.append(Effect(4, 1, "", executed=True)),
        "I6 two keys for one booking": lambda: record.effects.extend(
            Effect(4, 2, key, executed=True) for key in ("a", "b")
        ),
        "I7 the model was told nothing": lambda: record.told.clear(),
        "I7 the model was told something else": lambda: setattr(record.told[0], "output", "no such tool"),
        "I8 a key that is none": lambda: setattr(posts[0], "key", "hello"),
        "I8 the key of another message": lambda: setattr(posts[1], "key", KEY),
        "I8 a callback with a wrong signature": lambda: setattr(record.callbacks[0], "verified", False),
        "I8 a callback to nobody": lambda: record.callbacks.append(called_back(24, "cb_9", number=9)),
        "I9 asked again after the final edit": lambda: record.asked.append(
            Asked(9, 1, 3, "", "[1.3] yes [end:1.3]", cut=False)
        ),
        "I9 asked again after a callback": lambda: record.asked.append(
            Asked(25, 3, 2, "", "[3.2] sure [end:3.2]", cut=False)
        ),
        "I9 another text than on disk": lambda: setattr(record.deaths[0], "text", "[1.1] yes [end:1.1]"),
    }


@pytest.mark.parametrize("name", breaking(good()))
def test_a_broken_record_is_noticed(name: str) -> None:
    """Each of the 27 ways to break a good record breaks the invariant that it is named for."""
    record = good()

    breaking(record)[name]()

    assert name.partition(" ")[0] in check(record).counts
