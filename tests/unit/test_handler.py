"""
The event handler: the names of the Assistants API, without the surprises of its SDK.

Each numbered test is the answer to one quirk that was measured in the SDK's handler.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from assistant_gateway.events import (
    FileDone,
    ReasoningDelta,
    RunCreated,
    RunDone,
    RunEvent,
    RunRequiresAction,
    RunRestarted,
    StepCreated,
    StepDone,
    TextCreated,
    TextDelta,
    TextDone,
    ToolCallCreated,
    ToolCallDelta,
    ToolCallDone,
    ToolCallProgress,
)
from assistant_gateway.handler import Handlers, RunHandler
from assistant_gateway.values import FileRef, FunctionCall, Run, RunFailure, RunStatus

RUN = Run("run_1", "thread_1", "default", RunStatus.IN_PROGRESS)
FILE = FileRef("file_1", "a.txt", "text/plain", 3)
CALL = FunctionCall("c1", "add", "{}")
FAILURE = RunFailure("stream_cut", "The stream ended early.", "e-1")


class Recorder(RunHandler):
    """Writes every callback down, but `on_event`."""

    def __init__(self) -> None:
        self.log: list[tuple[object, ...]] = []

    async def on_run_created(self, run: Run) -> None:
        self.log.append(("run_created", run.status))

    async def on_run_restarted(self, run: Run) -> None:
        self.log.append(("run_restarted", run.attempt))

    async def on_run_step_created(self, index: int) -> None:
        self.log.append(("step_created", index))

    async def on_run_step_done(self, step: StepDone) -> None:
        self.log.append(("step_done", step.status))

    async def on_text_created(self, item_id: str) -> None:
        self.log.append(("text_created", item_id))

    async def on_text_delta(self, delta: str, snapshot: str) -> None:
        self.log.append(("text_delta", delta, snapshot))

    async def on_text_done(self, text: str) -> None:
        self.log.append(("text_done", text))

    async def on_reasoning_delta(self, delta: str) -> None:
        self.log.append(("reasoning_delta", delta))

    async def on_tool_call_created(self, call: ToolCallCreated) -> None:
        self.log.append(("call_created", call.call_id))

    async def on_tool_call_delta(self, delta: str, snapshot: str) -> None:
        self.log.append(("call_delta", delta, snapshot))

    async def on_tool_call_progress(self, progress: ToolCallProgress) -> None:
        self.log.append(("call_progress", progress.text))

    async def on_tool_call_done(self, call: ToolCallDone) -> None:
        self.log.append(("call_done", call.call_id))

    async def on_requires_action(self, run: Run, calls: Sequence[FunctionCall]) -> None:
        self.log.append(("requires_action", tuple(calls)))

    async def on_file_done(self, file: FileRef) -> None:
        self.log.append(("file_done", file.id))

    async def on_run_done(self, run: Run, text: str) -> None:
        self.log.append(("run_done", run.status, text))

    async def on_error(self, error: RunFailure) -> None:
        self.log.append(("error", error.code))

    async def on_end(self) -> None:
        self.log.append(("end",))


class Watcher(RunHandler):
    """Looks at events alone."""

    def __init__(self) -> None:
        self.seen: list[RunEvent] = []

    async def on_event(self, event: RunEvent) -> None:
        self.seen.append(event)


async def told(*events: RunEvent) -> list[tuple[object, ...]]:
    """What a handler is told of *events* and their end."""
    recorder = Recorder()
    handlers = Handlers([recorder])
    for event in events:
        await handlers.emit(event)
    await handlers.close()
    return recorder.log


async def test_every_event_has_its_callback() -> None:
    """15 events reach 15 callbacks in their order, and `on_end` comes last."""
    log = await told(
        RunCreated(RUN),
        StepCreated(0),
        ReasoningDelta("rs_1", "Hm"),
        TextCreated("msg_1"),
        TextDelta("msg_1", "Hi"),
        TextDone("msg_1", "Hi"),
        ToolCallCreated("c1", "add"),
        ToolCallDelta("c1", "{}"),
        StepDone(),
        RunRequiresAction(RUN, (CALL,)),
        ToolCallProgress("c1", "half"),
        ToolCallDone("c1", "add"),
        FileDone(FILE),
        RunRestarted(replace(RUN, attempt=2)),
        RunDone(replace(RUN, status=RunStatus.COMPLETED), "Hi"),
    )

    assert log == [
        ("run_created", RunStatus.IN_PROGRESS),
        ("step_created", 0),
        ("reasoning_delta", "Hm"),
        ("text_created", "msg_1"),
        ("text_delta", "Hi", "Hi"),
        ("text_done", "Hi"),
        ("call_created", "c1"),
        ("call_delta", "{}", "{}"),
        ("step_done", "completed"),
        ("requires_action", (CALL,)),
        ("call_progress", "half"),
        ("call_done", "c1"),
        ("file_done", "file_1"),
        ("run_restarted", 2),
        ("run_done", RunStatus.COMPLETED, "Hi"),
        ("end",),
    ]


async def test_1_snapshots_are_up_to_date() -> None:
    """The snapshot holds the delta that comes with it: 'One ', then 'One two'."""
    log = await told(TextCreated("msg_1"), TextDelta("msg_1", "One "), TextDelta("msg_1", "two"))

    assert log[1:3] == [("text_delta", "One ", "One "), ("text_delta", "two", "One two")]


async def test_2_created_is_empty_and_no_word_comes_twice() -> None:
    """Appending each delta, and nothing at `on_text_created`, gives the text."""
    log = await told(
        TextCreated("msg_1"),
        TextDelta("msg_1", "One "),
        TextDelta("msg_1", "two"),
        TextDone("msg_1", "One two"),
    )

    assert log[0] == ("text_created", "msg_1")
    assert "".join(str(entry[1]) for entry in log if entry[0] == "text_delta") == "One two"


async def test_3_a_call_is_created_and_then_grows() -> None:
    """All of a call's arguments come as deltas behind its creation, the first piece too."""
    log = await told(ToolCallCreated("c1", "add"), ToolCallDelta("c1", '{"a"'), ToolCallDelta("c1", ":1}"))

    assert log[:3] == [
        ("call_created", "c1"),
        ("call_delta", '{"a"', '{"a"'),
        ("call_delta", ":1}", '{"a":1}'),
    ]


async def test_4_a_part_is_done_at_its_own_end() -> None:
    """The first of two parts is done before the second is created."""
    log = await told(
        TextCreated("msg_1", 0),
        TextDelta("msg_1", "One", 0),
        TextDone("msg_1", "One", 0),
        TextCreated("msg_1", 1),
        TextDelta("msg_1", "Two", 1),
        TextDone("msg_1", "Two", 1),
    )

    names = [entry[0] for entry in log]
    assert names == ["text_created", "text_delta", "text_done"] * 2 + ["end"]


async def test_5_a_call_is_created_and_done_once() -> None:
    """Told three times that a call is over, a handler hears it once; so do those that follow all events."""
    recorder, watcher = Recorder(), Watcher()
    handlers = Handlers([recorder, watcher])

    await handlers.emit(ToolCallCreated("c1", "add"))
    for _ in range(3):
        await handlers.emit(ToolCallDone("c1", "add"))
    await handlers.emit(ToolCallCreated("c1", "add"))

    assert recorder.log == [("call_created", "c1"), ("call_done", "c1")]
    assert len(watcher.seen) == 2


async def test_6_calls_of_two_steps_are_told_apart() -> None:
    """The first call of the second step has arguments of its own."""
    log = await told(
        StepCreated(0),
        ToolCallCreated("c1", "add"),
        ToolCallDelta("c1", "[1]"),
        ToolCallDone("c1", "add"),
        StepCreated(1),
        ToolCallCreated("c2", "add"),
        ToolCallDelta("c2", "[2]"),
        ToolCallDone("c2", "add"),
    )

    assert [entry[2] for entry in log if entry[0] == "call_delta"] == ["[1]", "[2]"]
    assert [entry[1] for entry in log if entry[0] == "call_created"] == ["c1", "c2"]


async def test_7_parts_of_two_messages_are_told_apart() -> None:
    """Part 0 of the second message does not go on with the text of the first one's part 0."""
    log = await told(
        TextDelta("msg_1", "One"),
        TextDelta("msg_2", "Two"),
        TextDelta("msg_1", "!", 1),
        TextDelta("msg_1", "?"),
    )

    assert [entry[2] for entry in log if entry[0] == "text_delta"] == ["One", "Two", "!", "One?"]


async def test_8_one_handler_spans_all_steps() -> None:
    """Two steps with functions between them are one run: created, done and ended once."""
    log = await told(
        RunCreated(RUN),
        StepCreated(0),
        StepDone(),
        RunRequiresAction(RUN, (CALL,)),
        StepCreated(1),
        StepDone(),
        RunDone(replace(RUN, status=RunStatus.COMPLETED)),
    )

    names = [entry[0] for entry in log]
    assert [names.count(name) for name in ("run_created", "run_done", "end", "step_created")] == [1, 1, 1, 2]


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.EXPIRED])
async def test_9_a_failed_run_is_an_error(status: RunStatus) -> None:
    """The failure is told once, before `on_run_done`, and `on_end` still comes."""
    log = await told(RunDone(replace(RUN, status=status, error=FAILURE), "It is"))

    assert log == [("error", "stream_cut"), ("run_done", status, "It is"), ("end",)]


@pytest.mark.parametrize("status", [RunStatus.CANCELLED, RunStatus.INCOMPLETE])
async def test_9_a_run_that_was_ended_early_is_no_error(status: RunStatus) -> None:
    """Who was stopped, or ran out of tokens, did not fail."""
    log = await told(RunDone(replace(RUN, status=status, error=FAILURE)))

    assert [entry[0] for entry in log] == ["run_done", "end"]


class Broken(RunHandler):
    """Raises wherever it is called."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def on_event(self, event: RunEvent) -> None:
        self.calls.append("event")
        raise RuntimeError("event")

    async def on_text_delta(self, delta: str, snapshot: str) -> None:
        self.calls.append(snapshot)
        raise RuntimeError("delta")

    async def on_end(self) -> None:
        self.calls.append("end")
        raise RuntimeError("end")


async def test_11_a_broken_callback_harms_nobody() -> None:
    """A handler that raises is called all the same; the one behind it misses nothing; both hear the end."""
    broken, recorder = Broken(), Recorder()
    handlers = Handlers([broken, recorder])

    await handlers.emit(TextDelta("msg_1", "One"))
    await handlers.emit(TextDelta("msg_1", " two"))
    await handlers.close()

    assert broken.calls == ["event", "One", "event", "One two", "end"]
    assert recorder.log == [("text_delta", "One", "One"), ("text_delta", " two", "One two"), ("end",)]


async def test_11_nothing_follows_the_end() -> None:
    """What a call that outlives its run still reports reaches nobody, and a second end is none."""
    recorder = Recorder()
    handlers = Handlers([recorder])

    await handlers.close()
    await handlers.emit(ToolCallProgress("c1", "still here"))
    await handlers.close()

    assert recorder.log == [("end",)]


async def test_11_cancellation_is_let_through() -> None:
    """A run that is cancelled while a callback waits ends there; the callback does not keep it."""

    class Slow(RunHandler):
        def __init__(self) -> None:
            self.waiting = asyncio.Event()

        async def on_event(self, event: RunEvent) -> None:
            self.waiting.set()
            await asyncio.Event().wait()

    slow = Slow()
    task = asyncio.create_task(Handlers([slow]).emit(RunCreated(RUN)))
    async with asyncio.timeout(10):
        await slow.waiting.wait()

    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()


async def test_12_a_delta_without_its_creation_is_no_error() -> None:
    """A part that was never created has its snapshot all the same."""
    log = await told(TextDelta("msg_9", "Hi"), ToolCallDelta("c9", "{"))

    assert log[:2] == [("text_delta", "Hi", "Hi"), ("call_delta", "{", "{")]


async def test_a_restart_begins_the_snapshots_anew() -> None:
    """After `on_run_restarted` the same part, and the same call, begin from nothing."""
    log = await told(
        TextDelta("msg_1", "Hel"),
        ToolCallCreated("c1", "add"),
        ToolCallDelta("c1", "{"),
        RunRestarted(RUN),
        TextDelta("msg_1", "Hello"),
        ToolCallCreated("c1", "add"),
        ToolCallDelta("c1", "{}"),
    )

    assert log[4:7] == [
        ("text_delta", "Hello", "Hello"),
        ("call_created", "c1"),
        ("call_delta", "{}", "{}"),
    ]


async def test_a_handler_of_events_alone_sees_every_delta() -> None:
    """`on_event` gets each event as it is, also where nobody asks for snapshots."""
    watcher = Watcher()
    handlers = Handlers([watcher])
    events: list[RunEvent] = [TextCreated("msg_1"), TextDelta("msg_1", "a"), TextDelta("msg_1", "b")]

    for event in events:
        await handlers.emit(event)

    assert watcher.seen == events
