"""Many replies on one platform's budget: nothing lost, nothing hasty, ends in time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from assistant_gateway.adapter import Budget, CallKind, Limits
from assistant_gateway.replies.pacing import HOLD, Pacer
from assistant_gateway.testing.metered import MeteredAdapter
from assistant_gateway.values import Conversation, ReplyTarget, User
from fixtures.replies import Script, done, now, on_virtual_clock

LIMITS = Limits(text_length=4000, edit_interval=60.0)  # the interval is none where there are budgets


def slack(target: ReplyTarget, call: CallKind) -> Sequence[Budget]:
    """Quotas like Slack's: 50 edits a minute for the workspace, a post a second for a channel."""
    if call == "post":
        return [Budget(f"post:{target.conversation.channel}", 1, 1.0)]
    return [Budget(call, 50, 60.0)]


async def tell(adapter: MeteredAdapter, pacer: Pacer, number: int, seconds: float, channel: str) -> float:
    """One answer of *seconds* seconds at 30 words a second; how late its end was."""
    target = ReplyTarget(Conversation("fake", "T1", channel, str(number)), f"m{number}", User("U1"))
    script = Script(adapter, pacer=pacer, target=target, run_id=f"run_{number}")
    growing = asyncio.ensure_future(script.reply.grow())
    await script.say([f"{number} "] * round(seconds * 30), every=1 / 30)
    ended = now()
    script.reply.close()
    await growing
    await script.reply.finish(done(script.text))
    script.reply.leave()
    assert adapter.posts[adapter.keys[f"run_{number}.0"]][-1] == script.text
    return now() - ended


def platform(*, told_edits: int = 50, moods: float = 0.0, seed: int = 1) -> MeteredAdapter:
    """Quotas as above; *moods* is the share of calls that get a 429 of 1 to 30 s for no reason."""
    chance = random.Random(seed)

    def told(target: ReplyTarget, call: CallKind) -> Sequence[Budget]:
        return [Budget(call, told_edits, 60.0)] if call == "edit" else slack(target, call)

    return MeteredAdapter(
        slack,
        told=told,
        limits=LIMITS,
        latency=lambda: chance.uniform(0.08, 0.2),
        moods=lambda: chance.uniform(1, 30) if chance.random() < moods else 0.0,
    )


@pytest.mark.parametrize("replies", [1, 5, 20, 45])
@on_virtual_clock
async def test_replies_at_once_cost_no_429_and_end_in_time(replies: int) -> None:
    """Up to 45 answers of 10 to 30 s that share 50 edits a minute: no 429, each end within 0.5 s."""
    adapter, pacer = platform(), Pacer()
    chance = random.Random(replies)

    late = await asyncio.gather(
        *(tell(adapter, pacer, number, chance.uniform(10, 30), f"C{number}") for number in range(replies))
    )

    assert adapter.refused == []
    assert max(late) < 0.5


@on_virtual_clock
async def test_first_words_come_although_edits_are_spent() -> None:
    """After 50 edits in 20 s a new answer of 20 s begins within 10 s, and is whole when edits come back."""
    adapter, pacer = platform(), Pacer()
    await asyncio.gather(*(tell(adapter, pacer, number, 20.0, f"C{number}") for number in range(40)))

    began = now()
    await tell(adapter, pacer, 99, 20.0, "C99")

    shown = next(each for each in adapter.history if each.target.message_id == "m99")
    assert shown.at - began < HOLD + 0.2
    assert adapter.refused == []


@on_virtual_clock
async def test_short_answers_are_posted_whole_when_edits_are_spent() -> None:
    """200 answers of 1 s in a moment, of which edits could complete 50 a minute: all are there after 3 s."""
    adapter, pacer = platform(), Pacer()

    late = await asyncio.gather(*(tell(adapter, pacer, number, 1.0, f"C{number}") for number in range(200)))

    assert max(late) < 2.0
    assert adapter.refused == []


@on_virtual_clock
async def test_first_words_come_at_once_while_edits_come_back() -> None:
    """20 answers of 20 s that begin one a second: each begins within 0.3 s."""
    adapter, pacer = platform(), Pacer()

    async def one(number: int) -> float:
        await asyncio.sleep(number)
        await tell(adapter, pacer, number, 20.0, f"C{number}")
        shown = next(each for each in adapter.history if each.target.message_id == f"m{number}")
        return shown.at - number

    waits = await asyncio.gather(*map(one, range(20)))

    assert max(waits) - min(waits) < 0.3
    assert adapter.refused == []


@on_virtual_clock
async def test_two_hundred_replies_survive_a_moody_platform() -> None:
    """200 answers, 3 % of all calls refused for 1 to 30 s: each ends complete, no call within a refusal."""
    adapter, pacer = platform(moods=0.03), Pacer()

    async def one(number: int) -> None:
        await asyncio.sleep(number * 2.0)
        await tell(adapter, pacer, number, 5.0, f"C{number % 20}")

    with capture_logs():
        await asyncio.gather(*(one(number) for number in range(200)))

    assert len(adapter.refused) > 5
    assert adapter.hasty == 0


@on_virtual_clock
async def test_a_budget_that_others_use_up_is_learned() -> None:
    """Told of 100 edits a minute where 50 are allowed: a few 429s, all answers complete, none hasty."""
    adapter, pacer = platform(told_edits=100), Pacer()

    with capture_logs():
        for round_ in range(6):
            await asyncio.gather(
                *(tell(adapter, pacer, round_ * 10 + number, 20.0, f"C{number}") for number in range(10))
            )

    edits = sum(1 for _, call in adapter.log if call.method == "edit")
    assert adapter.hasty == 0
    assert len(adapter.refused) <= edits / 10


@on_virtual_clock
async def test_a_text_is_made_when_its_turn_comes() -> None:
    """A reply that waited 50 s for its edit shows what was said until then, not what it had asked with."""
    adapter = MeteredAdapter(
        lambda target, kind: [Budget(kind, 1, 60.0)] if kind == "edit" else [], limits=LIMITS
    )
    pacer = Pacer()
    await tell(adapter, pacer, 1, 1.0, "C1")  # spends the only edit
    target = ReplyTarget(Conversation("fake", "T1", "C2"), "m2", User("U1"))
    script = Script(adapter, pacer=pacer, target=target, run_id="run_2")

    await script.tell(["word "] * 300, every=0.1)

    edits = [each for each in adapter.history if each.target == target][1:]
    assert [len(each.text) for each in edits] == [1500]
    assert 60 < edits[0].at < 63
