"""
Follow a run: override the callbacks that you care about.

One handler spans the whole run, all tool rounds included. Each callback fires exactly once
per fact and one at a time, snapshots are up to date when it fires, and `on_end` always comes
last. A callback that raises is logged and the run goes on: no handler can break another one,
or the run.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from assistant_gateway.events import (
    AnnotationAdded,
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
from assistant_gateway.values import FileRef, FunctionCall, JsonObject, Run, RunFailure, RunStatus


class RunHandler:
    """No-op callbacks, in the names of the Assistants API's event handler."""

    async def on_event(self, event: RunEvent) -> None:
        """Every event, before its own callback."""

    async def on_run_created(self, run: Run) -> None:
        """The run begins."""

    async def on_run_restarted(self, run: Run) -> None:
        """An earlier attempt was cut off; what it said is void and will be said again."""

    async def on_run_step_created(self, index: int) -> None:
        """A model call begins."""

    async def on_run_step_done(self, step: StepDone) -> None:
        """A model call is over."""

    async def on_text_created(self, item_id: str) -> None:
        """A part of text begins; it is empty."""

    async def on_text_delta(self, delta: str, snapshot: str) -> None:
        """More text; *snapshot* is the part so far, *delta* included."""

    async def on_text_done(self, text: str) -> None:
        """A part of text is complete."""

    async def on_reasoning_delta(self, delta: str) -> None:
        """A piece of the model's reasoning summary."""

    async def on_tool_call_created(self, call: ToolCallCreated) -> None:
        """The model begins a tool call."""

    async def on_tool_call_delta(self, delta: str, snapshot: str) -> None:
        """More of a call's arguments; *snapshot* holds them so far."""

    async def on_tool_call_progress(self, progress: ToolCallProgress) -> None:
        """A running function told how far it is."""

    async def on_tool_call_done(self, call: ToolCallDone) -> None:
        """A tool call is over; its output is known."""

    async def on_requires_action(self, run: Run, calls: Sequence[FunctionCall]) -> None:
        """The model asked for functions; the toolbox calls them."""

    async def on_file_done(self, file: FileRef) -> None:
        """The assistant made a file."""

    async def on_annotation_added(self, annotation: JsonObject) -> None:
        """The text names a source, in the provider's own shape; untrusted, and maybe no address at all."""

    async def on_run_done(self, run: Run, text: str) -> None:
        """The run has ended, well or not; *text* is all that was said."""

    async def on_error(self, error: RunFailure) -> None:
        """The run failed or expired; fires before `on_run_done`."""

    async def on_end(self) -> None:
        """Nothing follows. Always the last callback."""


class Handlers:
    """The handlers of one run: accumulates snapshots, then calls each handler back."""

    def __init__(self, handlers: Sequence[RunHandler]) -> None:
        self._handlers = tuple(handlers)
        self._log = structlog.get_logger()
        # A snapshot costs a copy of the text: it is made only for handlers that look at it.
        self._snapshots = any(
            type(handler).on_text_delta is not RunHandler.on_text_delta for handler in self._handlers
        )
        self._texts: dict[tuple[str, int], str] = {}
        self._arguments: dict[str, str] = {}
        self._told: set[tuple[type[RunEvent], str]] = set()
        self._closed = False

    async def emit(self, event: RunEvent) -> None:
        """Give one event to every handler; not what was told of a call already, nor what follows the end."""
        if self._closed:
            return
        match event:
            case ToolCallCreated(call_id=call_id) | ToolCallDone(call_id=call_id):
                fact = (type(event), call_id)
                if fact in self._told:
                    return
                self._told.add(fact)
            case TextDelta(item_id=item_id, delta=delta, part=part) if self._snapshots:
                self._texts[item_id, part] = self._texts.get((item_id, part), "") + delta
            case ToolCallDelta(call_id=call_id, delta=delta):
                self._arguments[call_id] = self._arguments.get(call_id, "") + delta
            case RunRestarted():
                self._texts.clear()
                self._arguments.clear()
                self._told.clear()
            case _:
                pass
        quiet = isinstance(event, TextDelta) and not self._snapshots
        for handler in self._handlers:
            try:
                await handler.on_event(event)
            except Exception:
                self._note_failure(handler, event)
            if not quiet:
                try:
                    await self._call_back(handler, event)
                except Exception:
                    self._note_failure(handler, event)

    async def _call_back(self, handler: RunHandler, event: RunEvent) -> None:
        match event:
            case TextDelta(item_id=item_id, delta=delta, part=part):
                await handler.on_text_delta(delta, self._texts[item_id, part])
            case TextCreated(item_id=item_id):
                await handler.on_text_created(item_id)
            case TextDone(text=text):
                await handler.on_text_done(text)
            case ReasoningDelta(delta=delta):
                await handler.on_reasoning_delta(delta)
            case ToolCallCreated():
                await handler.on_tool_call_created(event)
            case ToolCallDelta(call_id=call_id, delta=delta):
                await handler.on_tool_call_delta(delta, self._arguments[call_id])
            case ToolCallProgress():
                await handler.on_tool_call_progress(event)
            case ToolCallDone():
                await handler.on_tool_call_done(event)
            case RunRequiresAction(run=run, calls=calls):
                await handler.on_requires_action(run, calls)
            case AnnotationAdded(annotation=annotation):
                await handler.on_annotation_added(annotation)
            case FileDone(file=file):
                await handler.on_file_done(file)
            case StepCreated(index=index):
                await handler.on_run_step_created(index)
            case StepDone():
                await handler.on_run_step_done(event)
            case RunCreated(run=run):
                await handler.on_run_created(run)
            case RunRestarted(run=run):
                await handler.on_run_restarted(run)
            case RunDone(run=run, text=text):
                if run.error is not None and run.status in (RunStatus.FAILED, RunStatus.EXPIRED):
                    await handler.on_error(run.error)
                await handler.on_run_done(run, text)
            case _:
                pass

    async def close(self) -> None:
        """Tell every handler, once, that nothing follows."""
        if self._closed:
            return
        self._closed = True
        for handler in self._handlers:
            try:
                await handler.on_end()
            except Exception:
                self._note_failure(handler, None)

    def _note_failure(self, handler: RunHandler, event: RunEvent | None) -> None:
        self._log.exception(
            "handler.failed",
            handler=type(handler).__name__,
            event_type=type(event).__name__ if event is not None else "end",
        )
