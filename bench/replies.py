"""
How far behind the model people read, against the best that the platform's budget allows.

    python bench/replies.py [--cold]

Replies run on a virtual clock against a platform in memory that enforces its quotas (sliding
windows) and answers 429 beyond them: Slack with 50 `chat.update` a minute for a whole workspace, and
where it streams 20 starts, 20 stops and 100 appends beside them; Discord with 5 edits in 5 s for a
channel and 50 calls a second for the bot. Calls take 80–200 ms; the model says 30 tokens a second.

The optimum is what somebody could do who knows beforehand when each answer ends: all calls of the
window, less one for each final, given to the replies so that the sum of what is unseen is smallest
(n edits at even distances leave a speaker of v characters a second v · seconds / 2(n + 1) behind),
plus the time that a call travels. Where calls come back within seconds (Discord) nothing can be saved
up: the optimum is one call each second, shared by those who speak. A gateway does not know when
an answer ends: it has to keep a call for each final at all times, which the last line but one prices.
With `--cold` it has seen no answer before. Where Slack streams, the optimum streams the first 20
answers, for that is decided with their first words, and edits the others; ends cost no append.

The last line is on the machine's own clock: from the model's first token to the platform's call.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from assistant_gateway.adapter import Budget, CallKind, Limits, StreamLimits
from assistant_gateway.events import TextDelta
from assistant_gateway.replies import Reply
from assistant_gateway.replies.pacing import Pacer
from assistant_gateway.replies.spread import PROMPT
from assistant_gateway.testing.adapter import FakeAdapter
from assistant_gateway.testing.clock import run_virtual
from assistant_gateway.testing.metered import MeteredAdapter, Rules
from assistant_gateway.values import Answer, Conversation, FileRef, Post, ReplyTarget, RunStatus, User

TOKENS = 30  # a second
TOKEN = "word "
SPEED = TOKENS * len(TOKEN)  # characters a second
LATENCY = (0.08, 0.2)  # seconds
ON_THE_WAY = sum(LATENCY) / 4  # seconds until the average call has taken effect
USUAL = 20.0  # seconds of an answer
STREAMS = StreamLimits(length=9_000, seconds=240.0, grace=30.0)
A_MINUTE = {"start": 20, "append": 100, "stop": 20}  # calls, for all streams together


def slack(target: ReplyTarget, call: CallKind) -> Sequence[Budget]:
    place = target.conversation
    if call == "post":
        return [Budget(f"post:{place.tenant}:{place.channel}", 5, 5.0), Budget("post", 300, 60.0)]
    return [Budget(f"{call}:{place.tenant}", A_MINUTE.get(call, 50), 60.0)]


def discord(target: ReplyTarget, call: CallKind) -> Sequence[Budget]:
    return [Budget(f"{call}:{target.conversation.channel}", 5, 5.0), Budget("bot", 50, 1.0)]


@dataclass
class Told:
    """One answer: when it was said, and where people saw it."""

    target: ReplyTarget
    began: float
    seconds: float
    text: str
    ended: float = 0.0


class Counting:
    """Metrics that nobody reads."""

    def posted(self, adapter: str) -> None: ...
    def edited(self, adapter: str) -> None: ...
    def rate_limited(self, adapter: str) -> None: ...


async def no_journal(post: Post) -> None: ...


async def no_file(name: str, content_type: str, data: bytes) -> FileRef:
    raise AssertionError("no answer here is that long")


async def answer(adapter: FakeAdapter, pacer: Pacer, channel: str, number: int, seconds: float) -> Told:
    """One answer, as the worker brings it."""
    clock = asyncio.get_running_loop().time
    target = ReplyTarget(Conversation("bench", "T1", channel, str(number)), f"m{number}", User("U1"))
    reply = Reply(
        adapter,
        target,
        f"run_{number}",
        save=no_journal,
        posts=(),
        watch=Counting(),
        pacer=pacer,
        keep_file=no_file,
    )
    told = Told(target, clock(), seconds, TOKEN * round(seconds * TOKENS))
    growing = asyncio.ensure_future(reply.grow())
    for token in range(round(seconds * TOKENS)):
        await reply.on_event(TextDelta("msg_1", TOKEN))
        await asyncio.sleep(max(0.0, told.began + (token + 1) / TOKENS - clock()))
    told.ended = clock()
    reply.close()
    await growing
    await reply.finish(Answer(told.text, RunStatus.COMPLETED))
    reply.leave()
    return told


@dataclass
class Seen:
    """
    What people saw of some answers.

    Attributes:
        behind: Mean characters that were said and not seen, while the model spoke.
        freeze: The longest time without a change, in seconds.
        late: Seconds from the model's end to the complete text, of each answer.
    """

    behind: float
    freeze: float
    late: list[float]
    lost: int


def seen(adapter: MeteredAdapter, answers: Sequence[Told]) -> Seen:
    behind, freeze, late, lost = 0.0, 0.0, [], 0
    for told in answers:
        posts: dict[str, str] = {}
        changes = [(told.began, 0)]
        for shown in adapter.history:
            if shown.target == told.target:
                posts[shown.post_id] = shown.text
                changes.append((shown.at, sum(map(len, posts.values()))))
        for (at, length), (until, _) in pairwise([*changes, (told.ended, 0)]):
            until = min(until, told.ended)
            if until > at:
                middle = (at + until) / 2 - told.began
                behind += max(0.0, middle * SPEED + len(TOKEN) / 2 - length) * (until - at)
        freeze = max([freeze, *(later - earlier for (earlier, _), (later, _) in pairwise(changes[1:]))])
        late.append(changes[-1][0] - told.ended)
        lost += " ".join(text.strip() for text in posts.values()) != told.text.strip()
    return Seen(behind / sum(told.seconds for told in answers), freeze, late, lost)


def optimum(lengths: Sequence[float], edits: int) -> float:
    """The mean of what is unseen, in characters, if *edits* are given to speakers of such *lengths*, in s."""
    given = [(-length * length / 2 + length * length / 4, length, 0) for length in lengths]
    heapq.heapify(given)
    for _ in range(edits):
        _, length, number = given[0]
        number += 1
        gain = length * length / 2 * (1 / (number + 1) - 1 / (number + 2))
        heapq.heapreplace(given, (-gain, length, number))
    unseen = sum(
        length * length / 2 / (number + 1) + ON_THE_WAY * length * number / (number + 1)
        for _, length, number in given
    )
    return SPEED * unseen / sum(lengths)


def streamed(lengths: Sequence[float]) -> float:
    """The same if as many as may begin in a minute are streamed, and the others edited."""
    streams, others = lengths[: A_MINUTE["start"]], lengths[A_MINUTE["start"] :]
    unseen = optimum(streams, A_MINUTE["append"]) * sum(streams)
    if others:
        unseen += optimum(others, 50 - len(others)) * sum(others)
    return unseen / sum(lengths)


def shared(lengths: Sequence[float], every: float) -> float:
    """The same where one call is free *every* so many seconds, too few of them to be saved up."""
    unseen, before = 0.0, 0.0
    for number, length in enumerate(sorted(lengths)):
        live = len(lengths) - number
        unseen += live * (live * every / 2 + ON_THE_WAY) * (length - before)
        before = length
    return SPEED * unseen / sum(lengths)


def spread(count: int, around: float) -> list[float]:
    """Lengths from half of *around* to one and a half, mixed."""
    lengths = [around * (0.5 + (number + 0.5) / count) for number in range(count)]
    random.Random(count).shuffle(lengths)
    return lengths


def lengths_of(name: str, count: int) -> list[float]:
    return [USUAL] * count if name == "20 s each" else spread(count, USUAL)


def warm(lengths: Sequence[float], *, cold: bool) -> Pacer:
    pacer = Pacer()
    if not cold:
        for length in spread(32, USUAL) if len(set(lengths)) > 1 else [USUAL] * 32:
            pacer.lifetimes.add(length)
    return pacer


def platform(rules: Rules, length: int, seed: int, *, streams: StreamLimits | None = None) -> MeteredAdapter:
    chance = random.Random(seed)
    return MeteredAdapter(
        rules,
        limits=Limits(text_length=length),
        streams=streams,
        latency=lambda: chance.uniform(*LATENCY),
    )


async def at_once(
    adapter: MeteredAdapter, pacer: Pacer, lengths: Sequence[float], channels: int
) -> list[Told]:
    return await asyncio.gather(
        *(
            answer(adapter, pacer, f"C{number % channels}", number, length)
            for number, length in enumerate(lengths)
        )
    )


async def one_after_another(adapter: MeteredAdapter, pacer: Pacer, lanes: int, minutes: float) -> list[Told]:
    """People who ask again 5 s after each answer."""
    clock = asyncio.get_running_loop().time
    answers: list[Told] = []

    async def lane(number: int) -> None:
        chance = random.Random(number)
        await asyncio.sleep(chance.uniform(0, 20))
        turn = 0
        while clock() < minutes * 60:
            turn += 1
            length = chance.uniform(USUAL / 2, USUAL * 1.5)
            answers.append(await answer(adapter, pacer, f"C{number}", number * 1000 + turn, length))
            await asyncio.sleep(5)

    await asyncio.gather(*(lane(number) for number in range(lanes)))
    return answers


async def first_words(count: int) -> list[float]:
    """Milliseconds of the machine from the first token to the call that shows it."""
    clock = asyncio.get_running_loop().time
    adapter = FakeAdapter(streams=STREAMS, clock=clock)
    waited = []
    for number in range(count):
        told = await answer(adapter, Pacer(), "D1", number, 1 / TOKENS)
        began = next(at for at, call in adapter.log if call.key == f"run_{number}.0")
        waited.append((began - told.began) * 1000)
    return waited


def row(what: str, adapter: MeteredAdapter, answers: Sequence[Told], best: float) -> None:
    found = seen(adapter, answers)
    late = sorted(found.late)
    print(
        f"{what:44} {found.behind:7.0f} {best:8.0f} {found.behind / best:6.2f} {found.freeze:8.1f} "
        f"{statistics.mean(late):7.2f} {late[-1]:6.2f} {len(adapter.refused):5} {found.lost:5}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cold", action="store_true")
    cold = parser.parse_args().cold
    print(
        f"{'':44} {'behind':>7} {'optimum':>8} {'ratio':>6} {'freeze':>8} "
        f"{'late':>7} {'worst':>6} {'429s':>5} {'lost':>5}"
    )
    for name in ("20 s each", "10-30 s"):
        for count in (1, 5, 20, 50):
            lengths = lengths_of(name, count)
            adapter = platform(slack, 4000, count)
            answers = run_virtual(at_once(adapter, warm(lengths, cold=cold), lengths, count))
            row(f"Slack, {count} at once, {name}", adapter, answers, optimum(lengths, max(0, 50 - count)))
    lengths = spread(5, USUAL)
    adapter = platform(slack, 4000, 7)
    answers = run_virtual(at_once(adapter, warm(lengths, cold=cold), lengths, 1))
    row("Slack, 5 at once in one channel, 10-30 s", adapter, answers, optimum(lengths, 45))
    for lanes in (1, 2, 5, 10):
        adapter = platform(slack, 4000, 7)
        answers = run_virtual(one_after_another(adapter, warm(lengths, cold=cold), lanes, 20))
        spoken = sum(told.seconds for told in answers)
        edits = int(50 * max(told.ended for told in answers) / 60) - len(answers)
        best = optimum([told.seconds for told in answers], edits)
        row(f"Slack, {lanes} people for 20 min ({spoken / 1200:.1f} live)", adapter, answers, best)
    for name in ("20 s each", "10-30 s"):
        for count in (1, 5, 20, 50):
            lengths = lengths_of(name, count)
            adapter = platform(slack, 12_000, count, streams=STREAMS)
            answers = run_virtual(at_once(adapter, warm(lengths, cold=cold), lengths, count))
            row(f"Slack, streamed, {count} at once, {name}", adapter, answers, streamed(lengths))
    for name in ("20 s each", "10-30 s"):
        for count in (1, 5, 20, 50):
            lengths = lengths_of(name, count)
            adapter = platform(discord, 2000, count)
            answers = run_virtual(at_once(adapter, warm(lengths, cold=cold), lengths, count))
            best = shared([USUAL], max(1.0, count / 50))
            row(f"Discord, {count} at once, {name}", adapter, answers, best)
    for count in (2, 3, 5):
        lengths = spread(count, USUAL)
        adapter = platform(discord, 2000, count)
        answers = run_virtual(at_once(adapter, warm(lengths, cold=cold), lengths, 1))
        best = shared(lengths, 1.0)
        row(f"Discord, {count} at once in one channel, 10-30 s", adapter, answers, best)
    kept = shared([USUAL], (5.0 - PROMPT) / 4)
    print(f"Discord's optimum for one who keeps a call so that no final waits over {PROMPT} s: {kept:.0f}")
    waited = sorted(asyncio.run(first_words(200)))
    print(
        f"first token to first call: median {waited[100]:.2f} ms, "
        f"worst of 200 {waited[-1]:.2f} ms (aim: < 20)"
    )


if __name__ == "__main__":
    main()
