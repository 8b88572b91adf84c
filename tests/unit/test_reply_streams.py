"""
Replies that stream: what is sent, in which order, and how whatever goes wrong with a stream is mended.

All of it happens on a virtual clock.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from assistant_gateway.adapter import (
    Budget,
    CallKind,
    Control,
    Limits,
    Piece,
    StreamLimits,
    Task,
    TaskStatus,
)
from assistant_gateway.config import load_config
from assistant_gateway.errors import (
    AdapterError,
    GatewayError,
    OutcomeUnknown,
    PostGone,
    StreamEnded,
    StreamOpen,
    StreamRefused,
    TooLong,
    Unmendable,
)
from assistant_gateway.events import (
    RunRequiresAction,
    RunRestarted,
    TextDelta,
    ToolCallCreated,
    ToolCallDone,
    ToolCallProgress,
)
from assistant_gateway.gateway import Gateway
from assistant_gateway.replies.pacing import Pacer
from assistant_gateway.testing.adapter import After, FakeAdapter
from assistant_gateway.testing.metered import MeteredAdapter
from assistant_gateway.values import Answer, FunctionCall, Post, ReplyTarget, Run, RunStatus
from fixtures.replies import Script, done, now, on_virtual_clock, platform

LIMITS = Limits(text_length=2000, edit_interval=1.0)
ROOMY = StreamLimits(length=1500, seconds=240.0, grace=30.0)
RUN = Run("run_1", "t", "default")


def streaming(limits: StreamLimits = ROOMY, *, latency: float = 0.0, life: float = 300.0) -> FakeAdapter:
    return platform(LIMITS, latency=latency, streams=limits, stream_life=life)


def pieces(script: Script) -> list[str]:
    """What was streamed, piece by piece."""
    return [call.piece.text for _, call in script.adapter.log if call.piece is not None]


async def grown(script: Script, words: list[str], *, every: float) -> None:
    """Say *words*, and stop growing."""
    growing = asyncio.ensure_future(script.reply.grow())
    await script.say(words, every=every)
    script.reply.close()
    await growing


@on_virtual_clock
async def test_a_stream_begins_with_the_first_words_and_goes_on_by_the_others() -> None:
    """Three words in 3 s are a start at once, two appends and a stop; nothing is posted or edited."""
    script = Script(streaming())

    await script.tell(["Hello", " wide", " world"], every=1.0)

    assert ["start", "append", "append", "stop"] == script.calls
    assert ["Hello", " wide", " world", ""] == pieces(script)
    assert 0.0 == script.adapter.log[0][0]
    assert ["Hello wide world"] == script.adapter.shown
    assert {} == script.adapter.streaming


@on_virtual_clock
async def test_the_end_is_one_call() -> None:
    """The last words come with the stop, at the moment at which the model has ended."""
    script = Script(streaming())

    await script.tell(["word "] * 20, every=0.1)

    at, call = script.adapter.log[-1]
    assert ("stop", 2.0) == (call.method, round(at, 3))
    assert [script.text] == script.adapter.shown


@on_virtual_clock
async def test_an_answer_that_is_there_at_once_is_posted() -> None:
    """What does not grow is not streamed: one post."""
    script = Script(streaming())

    await script.reply.finish(done("Hello"))

    assert ["post"] == script.calls


@on_virtual_clock
async def test_what_may_be_taken_back_is_not_sent() -> None:
    """Half a link, half a table and a marker wait; what is sent, joined, is the text."""
    script = Script(streaming())
    text = "See [the docs](https://example.org) now.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> **so** it is"

    await script.tell(list(text), every=0.5)

    shown = script.adapter.posts["p1"]
    assert text == "".join(pieces(script))
    assert all(frame == text[: len(frame)] for frame in shown)
    assert not any(frame.endswith(("[the", "](https://", "| a | b |\n", "\n> **")) for frame in shown)


@on_virtual_clock
async def test_an_open_fence_is_closed_at_the_end() -> None:
    """Code that the model has not closed is closed by the stop."""
    script = Script(streaming())

    await script.tell(["```python\n", "print(1)\n", "print(2)"], every=1.0)

    assert ["```python\nprint(1)\nprint(2)\n```"] == script.adapter.shown
    assert ["start", "append", "stop"] == script.calls


@on_virtual_clock
async def test_a_stream_that_is_full_goes_on_in_a_new_one() -> None:
    """40 lines of code in streams of 300 bytes: each is a block of its own, stopped before the next."""
    script = Script(streaming(StreamLimits(length=300, seconds=240.0)))
    lines = [f"print({number})  # a comment\n" for number in range(40)]

    await script.tell(["```python\n", *lines, "```\n"], every=0.5)

    shown = script.adapter.shown
    assert 4 <= len(shown) <= 8
    assert all(text.startswith("```python\n") and text.rstrip().endswith("\n```") for text in shown)
    assert all(len(text.encode()) <= 300 for text in shown)
    told = [line for text in shown for line in text.splitlines() if line.startswith("print")]
    assert [line.rstrip() for line in lines] == told
    assert set(script.calls) == {"start", "append", "stop"}


@on_virtual_clock
async def test_a_stream_is_stopped_before_it_is_too_old() -> None:
    """Between 240 and 270 s it waits for the end of a paragraph, and goes on in a new stream there."""
    script = Script(streaming(StreamLimits(length=100_000, seconds=240.0, grace=30.0)))
    words = [("end.\n\n" if number % 50 == 49 else "word ") for number in range(300)]

    await script.tell(words, every=1.0)

    first, second = script.adapter.shown
    (stopped, _), _ = [(at, call) for at, call in script.adapter.log if call.method == "stop"]
    assert 249 <= stopped <= 252
    assert first.endswith("end.")
    assert script.text.split() == (first + " " + second).split()
    assert set(script.calls) == {"start", "append", "stop"}


@on_virtual_clock
async def test_a_paragraph_that_does_not_end_is_cut_in_time() -> None:
    """Without an end until 270 s it ends behind a word; no stream lives for 300 s."""
    script = Script(streaming(StreamLimits(length=100_000, seconds=240.0, grace=30.0)))

    await script.tell(["word "] * 600, every=1.0)

    begins = [at for at, call in script.adapter.log if call.method == "start"]
    ends = [at for at, call in script.adapter.log if call.method == "stop"]
    lives = [end - begin for begin, end in zip(begins, ends, strict=True)]
    assert all(life <= 271 for life in lives)
    assert 3 == len(lives)
    assert script.text.split() == " ".join(script.adapter.shown).split()


@on_virtual_clock
async def test_a_silent_stream_is_stopped_in_time_too() -> None:
    """A model that says nothing for 20 minutes leaves no stream open; the rest is shown at the end."""
    script = Script(streaming())
    growing = asyncio.ensure_future(script.reply.grow())
    await script.say(["Let me think."], every=1200.0)
    left_open = dict(script.adapter.streaming)

    await script.say([" Done."], every=1.0)
    script.reply.close()
    await growing
    await script.reply.finish(done(script.text))

    assert {} == left_open
    assert 271 > next(at for at, call in script.adapter.log if call.method == "stop")
    assert "Let me think. Done." == " ".join(script.adapter.shown)


@on_virtual_clock
async def test_tools_are_tasks_of_the_stream() -> None:
    """A slow tool is pending, then in progress, tells how far it is, and is complete; a quick one is none."""
    script = Script(streaming())
    tell = script.reply.on_event
    growing = asyncio.ensure_future(script.reply.grow())
    await tell(TextDelta("m", "Let me look."))
    await tell(ToolCallCreated("c1", "get_weather"))
    await tell(ToolCallCreated("c2", "quick"))
    await tell(ToolCallDone("c2", "quick"))
    await asyncio.sleep(2)
    await tell(RunRequiresAction(RUN, (FunctionCall("c1", "get_weather", "{}"),)))
    await asyncio.sleep(1)
    await tell(ToolCallProgress("c1", "3 of 10"))
    await asyncio.sleep(1)
    await tell(ToolCallDone("c1", "get_weather"))
    await asyncio.sleep(1)
    script.reply.close()
    await growing
    await script.reply.finish(done("Let me look."))

    told = [task for _, call in script.adapter.log if call.piece for task in call.piece.tasks]
    assert [
        Task("c1", "get weather", TaskStatus.PENDING),
        Task("c1", "get weather", TaskStatus.IN_PROGRESS),
        Task("c1", "get weather: 3 of 10", TaskStatus.IN_PROGRESS),
        Task("c1", "get weather", TaskStatus.COMPLETE),
    ] == [Task(task.id, task.title.replace("_", " "), task.status) for task in told]
    assert ["Let me look."] == script.adapter.shown
    assert set() == script.adapter.left_open


@on_virtual_clock
async def test_a_tool_may_begin_a_stream() -> None:
    """Before any words there is a task alone; the words follow in the same stream."""
    script = Script(streaming())
    growing = asyncio.ensure_future(script.reply.grow())
    await script.reply.on_event(ToolCallCreated("c1", "search", kind="web_search"))
    await asyncio.sleep(3)
    await script.reply.on_event(ToolCallDone("c1", "search", kind="web_search", ok=False))
    await script.say(["Found nothing."], every=1.0)
    script.reply.close()
    await growing
    await script.reply.finish(done(script.text))

    first = script.adapter.log[0][1].piece
    assert first == Piece("", (Task("c1", "search", TaskStatus.IN_PROGRESS),))
    assert ["start", "append", "stop"] == script.calls
    assert ["Found nothing."] == script.adapter.shown


@on_virtual_clock
async def test_no_task_is_open_when_its_stream_ends() -> None:
    """A tool that runs for 20 min is closed in each stream that ends, and goes on in the next one."""
    script = Script(streaming())
    growing = asyncio.ensure_future(script.reply.grow())
    await script.say(["Let me look."], every=0.0)
    await script.reply.on_event(ToolCallCreated("c1", "search"))
    await asyncio.sleep(1200)
    await script.reply.on_event(ToolCallDone("c1", "search"))
    await script.say([" Found it."], every=1.0)
    script.reply.close()
    await growing
    await script.reply.finish(done(script.text))

    assert set() == script.adapter.left_open
    assert {} == script.adapter.streaming
    assert "Let me look. Found it." == " ".join(text for text in script.adapter.shown if text)


@on_virtual_clock
async def test_a_place_without_streams_is_posted_to_at_once() -> None:
    """A start that is refused costs no second; no other one is tried in this reply."""
    script = Script(streaming())
    script.adapter.script(StreamRefused("channel_type_not_supported"), on="start")

    await script.tell(["Hello", " world"], every=1.0)

    assert ["start", "post", "edit"] == script.calls
    assert 0.0 == script.adapter.log[1][0]
    assert ["Hello world"] == script.adapter.shown


@on_virtual_clock
async def test_a_start_that_may_have_happened_is_looked_for() -> None:
    """It is found, stopped and mended: one post, no stream open."""
    script = Script(streaming())
    script.adapter.script(After(OutcomeUnknown("connection lost")), on="start")

    await script.tell(["Hello", " world"], every=3.0)

    assert ["start", "find", "mend", "stop", "mend", "mend"] == script.calls
    assert ["Hello world"] == script.adapter.shown
    assert {} == script.adapter.streaming


@on_virtual_clock
async def test_a_start_that_did_not_happen_is_made_again() -> None:
    """Looked for and not found: there is one stream."""
    script = Script(streaming())
    script.adapter.script(OutcomeUnknown("connection lost"), on="start")

    await script.tell(["Hello", " world"], every=3.0)

    assert ["start", "find", "start", "append", "stop"] == script.calls
    assert ["Hello world"] == script.adapter.shown


DOUBTS = [
    After(OutcomeUnknown("lost")),
    OutcomeUnknown("lost"),
    AdapterError("invalid_chunks"),
    TooLong("full"),
]


@pytest.mark.parametrize("doubt", DOUBTS, ids=str)
@on_virtual_clock
async def test_an_append_in_doubt_is_never_repeated(doubt: GatewayError | After) -> None:
    """Whether it was appended or not: the stream is stopped and the post mended, so nothing is said twice."""
    script = Script(streaming())
    script.adapter.script(doubt, on="append")

    await script.tell(["Hello", " wide", " world"], every=2.0)

    assert ["start", "append", "stop", "mend", "mend"] == script.calls
    assert ["Hello wide world"] == script.adapter.shown


@on_virtual_clock
async def test_a_stop_without_an_answer_is_repeated() -> None:
    """It was stopped, says the second try; one edit makes sure of what is shown."""
    script = Script(streaming())
    script.adapter.script(After(OutcomeUnknown("lost")), on="stop")

    await script.tell(["Hello", " world"], every=2.0)

    assert ["start", "append", "stop", "stop", "mend"] == script.calls
    assert ["Hello world"] == script.adapter.shown


@on_virtual_clock
async def test_a_last_piece_that_is_refused_comes_by_an_edit() -> None:
    """The stop is repeated without it."""
    script = Script(streaming())
    script.adapter.script(TooLong("full"), on="stop")

    await script.tell(["word "] * 4, every=0.1)

    assert ["stop", "stop", "mend"] == script.calls[-3:]
    assert "" == pieces(script)[-1]
    assert [script.text] == script.adapter.shown


@on_virtual_clock
async def test_a_stream_that_the_platform_has_ended_is_mended() -> None:
    """A stream that dies after 5 s: the same post goes on by edits, and ends complete."""
    script = Script(streaming(life=5.0))

    await script.tell(["word "] * 100, every=0.1)

    assert 1 == script.calls.count("start")
    assert script.calls.index("mend") == script.calls.index("append", 1) + script.calls.count("append")
    assert [script.text] == script.adapter.shown


@on_virtual_clock
async def test_what_cannot_be_mended_is_deleted_and_made_anew() -> None:
    """The whole text is in a new post; the journal had forgotten the old one before it was deleted."""
    script = Script(streaming(life=1.0))
    script.adapter.script(Unmendable("block_mismatch"), on="mend")

    await script.tell(["Hello", " world"], every=2.0)

    assert ["start", "append", "mend", "delete", "post"] == script.calls
    assert ["Hello world"] == script.adapter.shown
    assert ["p1", "", "p2"] == [post.id for post in script.journal[1:]]


@on_virtual_clock
async def test_a_persons_stop_is_an_end() -> None:
    """Nothing is appended or edited after it, until the end is told on the same post."""
    script = Script(streaming())
    growing = asyncio.ensure_future(script.reply.grow())
    await script.say(["Once upon"], every=1.0)
    script.adapter.press_stop("p1")

    await script.say([" a time"] * 5, every=1.0)
    script.reply.close()
    await growing
    calls = len(script.calls)
    await script.reply.finish(Answer("Once upon a time", RunStatus.CANCELLED))

    assert ["start", "append"] == script.calls[:calls]
    assert ["mend"] == script.calls[calls:]
    assert ["Once upon a time\n\n_Stopped._"] == script.adapter.shown


@on_virtual_clock
async def test_a_stream_that_people_removed_stays_removed() -> None:
    """One append learns of it; nothing is posted."""
    script = Script(streaming())
    script.adapter.script(None, PostGone("unknown"), on="append")

    await script.tell(["a ", "b ", "c ", "d "], every=1.0)

    assert ["start", "append", "append"] == script.calls


@on_virtual_clock
async def test_words_that_are_void_are_taken_back_by_an_edit() -> None:
    """After a restart of the run the stream can't go on: it is stopped, and the post says the new words."""
    script = Script(streaming())
    growing = asyncio.ensure_future(script.reply.grow())
    await script.say(["Once upon"], every=2.0)
    await script.reply.on_event(RunRestarted(RUN))
    script.text = ""
    await script.say(["There ", "was"], every=2.0)
    script.reply.close()
    await growing
    await script.reply.finish(done(script.text))

    assert ["start", "stop", "mend", "mend"] == script.calls
    assert ["There was"] == script.adapter.shown


@pytest.mark.parametrize("is_known", [True, False])
@on_virtual_clock
async def test_another_process_ends_the_stream_of_a_dead_one(is_known: bool) -> None:
    """Killed in the midst of a stream, its id journaled or not: stopped, mended, one answer, none open."""
    adapter = streaming()
    first = Script(adapter)
    growing = asyncio.ensure_future(first.reply.grow())
    await first.say(["Hel"], every=2.0)
    growing.cancel()
    await asyncio.wait([growing])

    second = Script(adapter, [first.journal[-1] if is_known else first.journal[0]])
    await second.reply.on_event(RunRestarted(RUN))
    await second.tell(["Hello ", "again"], every=2.0)

    assert ["start", *([] if is_known else ["find"]), "mend", "stop", "mend", "mend"] == second.calls
    assert ["Hello again"] == adapter.shown
    assert {} == adapter.streaming


@on_virtual_clock
async def test_a_leftover_stream_is_stopped_before_it_is_deleted() -> None:
    """An attempt that died in its second stream is followed by a short answer: no stream stays open."""
    adapter = streaming(StreamLimits(length=200, seconds=240.0))
    first = Script(adapter)
    growing = asyncio.ensure_future(first.reply.grow())
    await first.say(["word "] * 60, every=0.1)
    growing.cancel()
    await asyncio.wait([growing])
    known = list({post.part: post for post in first.journal}.values())

    second = Script(adapter, known)
    await second.reply.finish(done("Short."))

    assert 2 == len(known)
    assert ["Short."] == adapter.shown
    assert {} == adapter.streaming
    assert ["stop", "delete"] == second.calls[-2:]


@on_virtual_clock
async def test_a_stream_that_does_not_end_is_given_up_in_time() -> None:
    """A platform that says 'streaming' to edits and 'not streaming' to stops is asked a few times."""
    script = Script(streaming(life=1.0))
    script.adapter.script(*[StreamOpen("streaming")] * 50, on="mend")
    script.adapter.script(*[StreamEnded("ended")] * 50, on="stop")

    with pytest.raises(AdapterError):
        await script.tell(["Hello", " world"], every=2.0)
    assert len(script.calls) < 60
    assert now() < 30


@on_virtual_clock
async def test_a_post_that_nobody_can_find_is_made_anew_in_the_end() -> None:
    """After 390 s of looking the whole answer is posted once more, and says so; not before."""
    adapter = platform(LIMITS)
    adapter.script(*[OutcomeUnknown("no echo, no history")] * 100, on="find")

    early = Script(adapter, [Post("run_1.0", 0)])
    with pytest.raises(OutcomeUnknown):
        await early.reply.finish(done("Hello"), searched=389.0)
    late = Script(adapter, [Post("run_1.0", 0)])
    await late.reply.finish(done("Hello"), searched=390.0)

    assert 1 == late.calls.count("post")
    assert ["_(resumed)_\n\nHello"] == adapter.shown


@on_virtual_clock
async def test_a_resumed_post_keeps_within_its_length() -> None:
    """The mark before the second of three full posts moves words on, and loses none."""
    limits = Limits(text_length=100, edit_interval=0.0)
    adapter = platform(limits)
    first = Script(adapter)
    text = "word " * 58
    await first.reply.finish(done(text))
    known = list({post.part: post for post in first.journal}.values())
    adapter.script(*[OutcomeUnknown("can't tell")] * 100, on="find")

    second = Script(adapter, [known[0], Post("run_1.1", 1), known[2]])
    await second.reply.finish(done(text), searched=1000.0)

    shown = [adapter.posts[id][-1] for id in ("p1", "p4", "p3", "p5")]
    assert shown[1].startswith("_(resumed)_\n\n")
    assert text.split() == " ".join(shown).replace("_(resumed)_", "").split()
    assert all(len(each) <= 100 for each in shown)


@on_virtual_clock
async def test_the_last_post_alone_carries_buttons() -> None:
    """Of three posts the last one has Stop while it grows, and the others in the end; no other has any."""
    script = Script(platform(Limits(text_length=100, edit_interval=0.0)), controls=tuple(Control))

    await script.tell(["12345 6789"] * 25, every=0.1)

    seen = [call.content for _, call in script.adapter.log if call.content is not None]
    assert {(), (Control.STOP,)} == {content.controls for content in seen[:-1]}
    assert all(content.final != bool(content.controls) for content in seen[:-1])
    assert {"p1": (), "p2": (), "p3": (Control.REGENERATE, Control.FEEDBACK)} == script.adapter.controls
    assert {"run_1"} == {content.run_id for content in seen if content.controls}


@on_virtual_clock
async def test_stop_goes_although_the_text_stays() -> None:
    """An answer that was shown completely is edited once more, for its buttons; without any, it is not."""
    with_buttons, without = Script(platform(), controls=tuple(Control)), Script(platform())

    for script in (with_buttons, without):
        await script.tell(["Hello"], every=5.0)

    assert (["post", "edit"], ["post"]) == (with_buttons.calls, without.calls)


@on_virtual_clock
async def test_a_stream_that_waits_for_its_budget_is_a_post() -> None:
    """Of three answers at once where one stream may begin and end, two are posted at once."""

    def rules(target: ReplyTarget, call: CallKind) -> list[Budget]:
        return [Budget(call, 1, 60.0)] if call in ("start", "stop") else []

    adapter, pacer = MeteredAdapter(rules, limits=LIMITS, streams=ROOMY), Pacer()
    scripts = [Script(adapter, pacer=pacer, run_id=f"run_{number}") for number in range(3)]

    await asyncio.gather(*(script.tell(["Hello", " world"], every=1.0) for script in scripts))

    begun = [(at, call.method) for at, call in adapter.log if call.method in ("start", "post")]
    assert [(0.0, "post"), (0.0, "post"), (0.0, "start")] == sorted(begun)
    assert ["Hello world"] * 3 == adapter.shown
    assert [] == adapter.refused


@on_virtual_clock
async def test_a_start_that_is_refused_for_its_rate_is_a_post_at_once() -> None:
    """Somebody else has spent the starts: one 429 tells it, and the words of nobody wait for a stream."""

    def told(target: ReplyTarget, call: CallKind) -> list[Budget]:
        return [Budget(call, 20, 60.0)] if call == "start" else []

    def rules(target: ReplyTarget, call: CallKind) -> list[Budget]:
        return [Budget(call, 1, 60.0)] if call == "start" else []

    adapter, pacer = MeteredAdapter(rules, told=told, limits=LIMITS, streams=ROOMY), Pacer()
    scripts = [Script(adapter, pacer=pacer, run_id=f"run_{number}") for number in range(3)]

    for script in scripts:
        await script.tell(["Hello", " world"], every=1.0)

    begun = [(at, call.method) for at, call in adapter.log if call.method in ("start", "post")]
    assert [(0.0, "start"), (2.0, "post"), (4.0, "post")] == begun
    assert [2.0] == adapter.refused
    assert ["Hello world"] * 3 == adapter.shown


async def test_what_the_gateway_says_itself_has_no_buttons(tmp_path: Path) -> None:
    """An answer of the assistant can be regenerated and rated; that to /help can't."""
    adapter = FakeAdapter()
    environ = {"ASSISTANT_GATEWAY_STORE": f"sqlite:///{tmp_path}/gateway.db"}
    config = load_config(None, environ)
    async with Gateway(config, adapters={"fake": adapter}) as gateway:
        running = asyncio.create_task(adapter.run(gateway.inbox))
        for text in ("Hello", "/help"):
            receipt = await adapter.deliver(text)
            assert receipt.message is not None
            await gateway.inbox.answered(receipt.message, timeout=30)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    assert [(Control.REGENERATE, Control.FEEDBACK), ()] == list(adapter.controls.values())
