"""Chat Completions without a socket: fragments, thoughts and messages, whatever comes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant_gateway import items
from assistant_gateway.backends.chat_answer import Answer
from assistant_gateway.backends.chat_messages import messages
from assistant_gateway.backends.chat_request import Manner, build
from assistant_gateway.backends.dialects import DIALECTS
from assistant_gateway.errors import BackendError
from assistant_gateway.events import ItemDone, ReasoningDelta, StepEvent
from assistant_gateway.testing.backend import a_step, assert_calls_add_up, assert_parts_add_up
from assistant_gateway.values import JsonObject, JsonValue
from emulators.openai import Call
from emulators.openai_chat_rules import RULES, check_chat
from emulators.openai_chat_wire import Speech, fragments
from fixtures.backends import asked_for
from fixtures.windows import MINE, windows

TOOLS = ("get_weather", "get", "weather")
names = st.sampled_from(TOOLS)
values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.sampled_from(['{"', '}"', "\\"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
calls = st.lists(
    st.tuples(names, st.dictionaries(st.text(min_size=1, max_size=4), values, min_size=1, max_size=3)),
    min_size=1,
    max_size=5,
)


def told(chunks: Iterable[JsonObject], answer: Answer | None = None) -> list[StepEvent]:
    answer = answer or Answer("run-0", tools=TOOLS)
    events = [event for chunk in chunks for event in answer.feed(chunk)]
    events += answer.feed({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]})
    return [*events, *answer.end(declared=True)]


def delta(**more: JsonValue) -> JsonObject:
    return {"choices": [{"index": 0, "delta": more}]}


def ids() -> Iterator[str]:
    return (f"call_{number}" for number in range(1, 1000))


def split(text: str, cuts: list[int]) -> list[str]:
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    return [text[a:b] for a, b in pairwise(places)]


@settings(max_examples=300, deadline=None)
@given(calls, st.data())
def test_any_split_of_any_calls_is_put_together(
    wanted: list[tuple[str, dict[str, object]]], data: st.DataObject
) -> None:
    """300 lists of calls, each cut anywhere, told in turns or one after the other: the same calls."""
    queues: list[list[dict[str, JsonValue]]] = []
    for number, (name, arguments) in enumerate(wanted):
        text = json.dumps(arguments, ensure_ascii=data.draw(st.booleans()))
        pieces = split(text, data.draw(st.lists(st.integers(0, 60), max_size=8)))
        head: JsonObject = {"name": name, "arguments": pieces[0]}
        queue: list[dict[str, JsonValue]] = [{"index": number, "id": f"c{number}", "function": head}]
        queue += [{"index": number, "function": {"arguments": piece}} for piece in pieces[1:]]
        queues.append(queue)
    chunks = []
    in_turns = data.draw(st.booleans())
    while any(queues):
        waiting = [queue for queue in queues if queue]
        queue = data.draw(st.sampled_from(waiting)) if in_turns else waiting[0]
        chunks.append(delta(tool_calls=[queue.pop(0)]))

    found = asked_for(told(chunks))

    assert sorted(map(repr, wanted)) == sorted(map(repr, found)) if in_turns else wanted == found


MANNERS = [
    Speech(index=index, ids=id, arguments=arguments, names=name, together=together)  # type: ignore[arg-type]
    for index, id, arguments, name, together in product(
        ("counted", "missing", "zero", "moved"),
        ("first", "each", "missing", "empty", "same", "name"),
        ("pieces", "whole", "object"),
        ("first", "pieces", "late", "each"),
        (False, True),
    )
    # Arguments before their name were seen of servers that count; a name in pieces, of those that do and of
    # those that say nothing; and nobody who repeats names lets an index slip.
    if (name != "late" or (index, id) == ("counted", "first"))
    and (
        name != "pieces" or (index in ("counted", "missing") and id not in ("same", "name") and not together)
    )
    and (name != "each" or index != "moved")
    and not (together and (arguments == "pieces" and name == "each"))
]


@pytest.mark.parametrize("speech", MANNERS, ids=lambda speech: "-".join(map(str, vars(speech).values()))[:50])
def test_calls_are_put_together_however_they_are_told(speech: Speech) -> None:
    """Three calls, two of them of one function, in each manner that was seen: the same calls."""
    wanted: list[tuple[str, dict[str, object]]] = [
        ("get_weather", {"city": "Paris"}),
        ("get_weather", {"city": 'Rome {x} \\ "}'}),
        ("weather", {"in": {"days": [1, 2]}}),
    ]
    told_calls = [Call(name, arguments) for name, arguments in wanted]
    parts: list[JsonValue] = list(fragments(told_calls, speech, ids()))  # type: ignore[arg-type]
    chunks = [delta(tool_calls=parts)] if speech.together else [delta(tool_calls=[part]) for part in parts]

    assert wanted == asked_for(told(chunks))


bits = st.sampled_from(["<think>", "</think>", "<", "<thi", "nk>", "</thi", " ", "\n", "a", "<b>"])
texts = st.lists(bits, max_size=8).map("".join)


def parted(text: str) -> tuple[str, str]:
    """What is thought, and what is said, in a *text* that is complete."""
    begin, tag, body = text.partition("<think>")
    thought, end, answer = body.partition("</think>")
    if not tag or begin.strip():
        return "", text
    return (thought, answer.lstrip()) if end else (body, f"<think>{body}")


@settings(max_examples=500, deadline=None)
@given(texts, st.lists(st.integers(0, 40), max_size=6))
def test_a_text_is_parted_the_same_wherever_it_is_cut(text: str, cuts: list[int]) -> None:
    """500 texts of tags, bits of tags and space, cut anywhere: no word is lost, none changes sides."""
    pieces = split(text, cuts)

    events = told((delta(content=piece) for piece in pieces), Answer("run-0", thoughts="think"))

    assert_parts_add_up(events)
    thought = "".join(event.delta for event in events if isinstance(event, ReasoningDelta))
    said = items.said(event.body for event in events if isinstance(event, ItemDone))
    assert parted(text) == (thought, said)


words = st.sampled_from(["", "a", "Hi \ud83d", "\ude00", '{"a"', ": 1}", "{}", "<think>", "</think>"])
junk: st.SearchStrategy[JsonValue] = st.one_of(
    st.none(),
    st.integers(-1, 2),
    words,
    st.lists(words, max_size=2),
    st.dictionaries(words, words, max_size=2),
)
fragment = st.fixed_dictionaries(
    {},
    optional={
        "index": st.sampled_from([0, 1, 0, None, "0", True, -1]),
        "id": st.sampled_from(["a", "b", "", None, 3]),
        "function": st.one_of(
            junk,
            st.fixed_dictionaries({}, optional={"name": st.one_of(names, junk), "arguments": junk}),
        ),
        "extra_content": junk,
    },
)
deltas = st.fixed_dictionaries(
    {},
    optional={
        "content": st.one_of(words, junk),
        "reasoning_content": junk,
        "reasoning": junk,
        "refusal": junk,
        "tool_calls": st.one_of(junk, st.lists(st.one_of(fragment, junk), max_size=3)),
        "function_call": st.one_of(junk, fragment),
    },
)
chunks = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.one_of(
            junk,
            st.lists(
                st.one_of(
                    junk,
                    st.fixed_dictionaries(
                        {"delta": st.one_of(deltas, junk)},
                        optional={
                            "index": st.sampled_from([0, 0, 1, None]),
                            "finish_reason": st.sampled_from(
                                [None, "stop", "length", "tool_calls", "odd", 5]
                            ),
                        },
                    ),
                ),
                min_size=1,
                max_size=2,
            ),
        ),
        "usage": st.one_of(junk, st.fixed_dictionaries({"prompt_tokens": junk, "completion_tokens": junk})),
    },
)


@settings(max_examples=1500, deadline=None)
@given(st.lists(chunks, max_size=8), st.sampled_from(["", "think"]))
def test_whatever_a_server_sends_the_answer_holds_or_says_why_not(
    sent: list[dict[str, JsonValue]], thoughts: str
) -> None:
    """1500 senseless streams: parts and calls add up to the end, or a typed error ends them."""
    answer = Answer("run-0", thoughts=thoughts, origin="main/0", keeps_thoughts=True, tools=TOOLS)
    found: list[StepEvent] = []
    try:
        for chunk in sent:
            found.extend(answer.feed(chunk))
        found.extend(answer.end(declared=True))
    except BackendError:
        pass
    assert_parts_add_up(found)
    assert_calls_add_up(found)
    for event in found:
        repr(event).encode()
        json.dumps(event.body if isinstance(event, ItemDone) else None, ensure_ascii=False).encode()


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
@settings(max_examples=60, deadline=None)
@given(window=windows, instructions=st.sampled_from(["", "Be brief."]))
async def test_any_window_is_taken_by_each_strict_provider(
    dialect: str, window: list[JsonObject], instructions: str
) -> None:
    """60 windows of messages, calls, outputs, reasoning and junk for each dialect: no 400."""
    known = [body for body in window if isinstance(body, dict)]

    request = await build(a_step(*known, instructions=instructions), "m", Manner(DIALECTS[dialect], MINE))

    check_chat(json.loads(json.dumps(request.body)), RULES[dialect], models=None)
    json.dumps(request.body, ensure_ascii=False).encode()


def test_messages_always_end_with_something_to_answer() -> None:
    """Nothing at all, and an answer at the end: a person asks to go on."""
    for window in ([], [{"type": "message", "role": "assistant", "content": "Hi"}]):
        found = messages(window, "", DIALECTS["compatible"])

        assert {"role": "user", "content": "(Please go on.)"} == found[-1]
