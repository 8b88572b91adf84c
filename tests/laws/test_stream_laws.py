"""Streams: what holds for every text, however it arrives, and whatever the platform does to them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import assume, given, settings
from hypothesis import strategies as st

import markdown_texts as texts
from assistant_gateway.adapter import Budget, CallKind, Control, Limits, StreamLimits
from assistant_gateway.errors import (
    AdapterError,
    GatewayError,
    OutcomeUnknown,
    RateLimited,
)
from assistant_gateway.events import ToolCallCreated, ToolCallDone
from assistant_gateway.replies.continued import Pager, pages
from assistant_gateway.replies.layout import MOST
from assistant_gateway.replies.pacing import Pacer
from assistant_gateway.replies.split import measure
from assistant_gateway.testing.adapter import After, FakeAdapter
from assistant_gateway.testing.clock import run_virtual
from assistant_gateway.testing.metered import MeteredAdapter
from assistant_gateway.values import Conversation, ReplyTarget, User
from fixtures.replies import Script, done, now

LIMITS = Limits(text_length=400, edit_interval=0.5)
answers = st.lists(texts.documents, min_size=1, max_size=4).map("\n\n".join)
plain_answers = st.lists(texts.plain, min_size=1, max_size=40).map("\n\n".join)
arrivals = st.lists(st.tuples(st.integers(1, 60), st.floats(0.0, 3.0)), min_size=1, max_size=8)
faults: st.SearchStrategy[tuple[str, GatewayError | After | None]] = st.tuples(
    st.sampled_from(["start", "append", "stop", "mend", "find", "post", "delete"]),
    st.sampled_from(
        [
            None,
            None,
            OutcomeUnknown("lost"),
            After(OutcomeUnknown("lost")),
            AdapterError("refused"),
            RateLimited(2.0),
        ]
    ),
)


async def tell(script: Script, text: str, arrival: Sequence[tuple[int, float]]) -> None:
    """Say *text* in pieces and pauses, with a tool at work in between, and finish it."""
    growing = asyncio.ensure_future(script.reply.grow())
    at, turn = 0, 0
    while at < len(text):
        size, pause = arrival[turn % len(arrival)]
        await script.say([text[at : at + size]], every=pause)
        if turn % 5 == 2:
            await script.reply.on_event(ToolCallCreated(f"c{turn}", "search"))
        if turn % 5 == 4:
            await script.reply.on_event(ToolCallDone(f"c{turn - 2}", "search"))
        at, turn = at + size, turn + 1
    script.reply.close()
    await growing
    await script.reply.finish(done(text))
    script.reply.leave()


@settings(max_examples=40, deadline=None)
@given(answers | texts.hostile.filter(str.strip), arrivals, st.integers(150, 400), st.integers(5, 60))
def test_a_stream_shows_what_the_model_said(
    text: str, arrival: list[tuple[int, float]], length: int, seconds: int
) -> None:
    """Every piece goes on where the one before ended; no stream is too long, too old or has open code."""
    assume(len(pages(text, length, "bytes")) <= MOST // 2)

    async def main() -> None:
        limits = StreamLimits(length=length, seconds=seconds, grace=3.0)
        adapter = FakeAdapter(limits=LIMITS, clock=now, streams=limits, stream_life=seconds + 10)
        script = Script(adapter)

        await tell(script, text, arrival)

        assert {} == adapter.streaming
        assert set() == adapter.left_open
        assert {"append", "start", "stop", "post"} >= set(script.calls)
        assert all(measure(shown, "bytes") <= length * 1.1 for shown in adapter.shown)
        assert not any(texts.open_fence(shown) for shown in adapter.shown)
        for frames in adapter.posts.values():
            assert all(later.startswith(earlier) for earlier, later in pairwise(frames))

    run_virtual(main())


@settings(max_examples=60, deadline=None)
@given(plain_answers, arrivals, st.lists(faults, max_size=12), st.integers(100, 400), st.integers(2, 60))
def test_nothing_is_lost_or_said_twice(
    text: str,
    arrival: list[tuple[int, float]],
    scripted: list[tuple[str, GatewayError | After | None]],
    length: int,
    seconds: int,
) -> None:
    """Whatever calls fail, and whenever the platform ends a stream: the posts together are the text."""

    async def main() -> None:
        limits = StreamLimits(length=length, seconds=seconds, grace=1.0)
        adapter = FakeAdapter(limits=LIMITS, clock=now, streams=limits, stream_life=seconds + 1.5)
        for method, outcome in scripted:
            adapter.script(outcome, on=method)
        script = Script(adapter, controls=tuple(Control))

        await tell(script, text, arrival)

        assert "".join(text.split()) == "".join("".join(adapter.shown).split())
        assert {} == adapter.streaming
        assert [(Control.REGENERATE, Control.FEEDBACK)] == [
            buttons for id, buttons in adapter.controls.items() if buttons and id not in adapter.deleted
        ]

    run_virtual(main())


@settings(max_examples=150, deadline=None)
@given(
    answers | texts.hostile,
    st.integers(60, 300),
    st.lists(st.tuples(st.integers(1, 60), st.booleans(), st.booleans()), min_size=1, max_size=8),
)
def test_a_page_never_ends_before_what_was_sent_of_it(
    text: str, limit: int, steps: list[tuple[int, bool, bool]]
) -> None:
    """However pages are ended early: their sources are the text, and each begins with what was sent."""
    pager = Pager(limit, "bytes")
    sent: dict[int, str] = {}
    end, turn = 0, 0
    while end < len(text):
        size, ends, anywhere = steps[turn % len(steps)]
        end, turn = end + size, turn + 1
        found = pager.pages(text[:end], growing=True)
        if ends and pager.end(text[:end], anywhere=anywhere):
            found = pager.pages(text[:end], growing=True)
        for part, page in enumerate(found):
            before = sent.get(part, "")
            assert page.firm.startswith(before) or before.startswith(page.firm)
            if page.firm.startswith(before):
                sent[part] = page.firm
                pager.keep(part, page.firm, ends_soon=ends)
        assert text[:end] == "".join(page.source for page in found)

    complete = pager.pages(text)
    assert text == "".join(page.source for page in complete)
    assert all(page.shown.startswith(sent.get(part, "")) for part, page in enumerate(complete))


@settings(max_examples=100, deadline=None)
@given(answers | texts.hostile, st.integers(60, 300), st.integers(60, 300), st.integers(0, 6))
def test_pages_before_a_new_limit_stay(text: str, limit: int, other: int, kept: int) -> None:
    """With another limit from some page on, those before it are what they were, and nothing is lost."""
    before = pages(text, limit)
    pager = Pager(limit)
    pager.pages(text)

    pager.resize(kept, other)
    after = pager.pages(text)

    stay = min(kept, len(before) - 1)
    assert before[:stay] == after[:stay]
    assert text == "".join(page.source for page in after)
    assert all(len(page.shown) <= other for page in after[kept:])


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(0, 10_000), st.booleans())
def test_no_budget_is_overdrawn(replies: int, seed: int, bursts: bool) -> None:
    """Up to 40 replies with 20 starts, 20 stops, 100 appends and 50 edits a minute cost no 429."""
    chance = random.Random(seed)
    calls = {"start": 20, "stop": 20, "append": 100, "edit": 50}

    def rules(target: ReplyTarget, call: CallKind) -> Sequence[Budget]:
        return [Budget(call, calls[call], 60.0)] if call in calls else []

    async def one(adapter: MeteredAdapter, pacer: Pacer, number: int) -> None:
        await asyncio.sleep(0.0 if bursts else chance.uniform(0, 30))
        target = ReplyTarget(Conversation("fake", "T1", f"D{number}"), f"m{number}", User("U1"))
        script = Script(adapter, pacer=pacer, target=target, run_id=f"run_{number}")
        await tell(script, f"{number} " * chance.randint(20, 300), [(chance.randint(2, 30), 0.1)])
        assert adapter.posts[adapter.keys[f"run_{number}.0"]][-1].split() == script.text.split()

    async def main() -> None:
        adapter = MeteredAdapter(
            rules,
            limits=Limits(text_length=4000),
            streams=StreamLimits(length=4000, seconds=240.0),
            latency=lambda: chance.uniform(0.08, 0.2),
        )
        pacer = Pacer()
        await asyncio.gather(*(one(adapter, pacer, number) for number in range(replies)))

        assert [] == adapter.refused
        assert {} == adapter.streaming

    run_virtual(main())
