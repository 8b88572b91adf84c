"""
Call the functions that a model asked for, each at most once.

A call is journaled before it starts and after it ended. One that was started by a process
that died is made again only if its tool is idempotent, under the same key; otherwise the
model is told that it may have run.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from itertools import count
from typing import Protocol

from assistant_gateway import items
from assistant_gateway.events import RunEvent, ToolCallDone, ToolCallProgress
from assistant_gateway.store import Claim, Store
from assistant_gateway.tools import Toolbox, ToolContext
from assistant_gateway.values import CallRecord, CallState, FunctionCall, JsonObject, Run


def error_output(kind: str, message: str) -> str:
    """A structured error for the model."""
    return json.dumps({"error": {"type": kind, "message": message}})


MAY_HAVE_RUN = error_output(
    "unknown_outcome",
    "The gateway was restarted during this call: it may have run. Do not repeat it without asking.",
)
INTERRUPTED = error_output("interrupted", "The run ended before this call had a result; it may have run.")
NOT_STARTED = error_output("interrupted", "The run ended before this call was started; it did not run.")


def requested(run: Run, call: FunctionCall) -> CallRecord:
    """The journal's row of a new call, with the key that stays the same over restarts."""
    key = hashlib.sha256(f"{_asked(run)}\n{call.call_id}".encode()).hexdigest()[:32]
    return CallRecord(call, key)


def closing(bodies: Sequence[JsonObject], records: Iterable[CallRecord]) -> list[JsonObject]:
    """The outputs that *bodies* lack: what the journal knows of a call, else that it was cut off."""
    # What was not journaled was not started: a call is on disk before it is made.
    outputs = {call.call_id: NOT_STARTED for call in items.calls_of(bodies)}
    for record in records:
        outputs[record.call.call_id] = _known(record)
    for body in bodies:
        if items.kind(body) == "function_call_output":
            outputs.pop(str(body["call_id"]), None)
    return [items.function_call_output(call_id, output) for call_id, output in outputs.items()]


def _known(record: CallRecord) -> str:
    match record.state:
        case CallState.DONE:
            return record.output
        case CallState.STARTED:
            return INTERRUPTED
        case CallState.REQUESTED:
            return NOT_STARTED


def _is_told(line: int) -> bool:
    """Whether people are told a call's progress line: all of the first hundred, then ever fewer of many."""
    return bool(line % 10 ** max(0, len(str(line)) - 2) == 0)


def output_id(run: Run, body: JsonObject) -> str:
    """The id of an output's item: one for each call, whichever attempt writes it."""
    return f"{_asked(run)}.out.{body['call_id']}"


def _asked(run: Run) -> str:
    """The run, and which question it answers: a changed one is answered by calls of its own."""
    return f"{run.id}.r{run.revision}" if run.revision else run.id


class WatchesCalls(Protocol):
    """What is told about calls, for metrics."""

    def tool_called(self, name: str, ok: bool) -> None: ...


class Calls:
    """The function calls of one run."""

    def __init__(
        self,
        store: Store,
        toolbox: Toolbox,
        claim: Claim,
        emit: Callable[[RunEvent], Awaitable[None]],
        watch: WatchesCalls,
        *,
        offered: frozenset[str],
    ) -> None:
        self._store = store
        self._toolbox = toolbox
        self._claim = claim
        self._emit = emit
        self._watch = watch
        self._offered = offered
        self._started: set[str] = set()  # ids of the calls that this attempt has started
        self._slots = asyncio.Semaphore(toolbox.max_parallel)
        self._word = asyncio.Lock()  # calls run side by side, but handlers are told one thing at a time

    def as_it_stands(self, record: CallRecord) -> CallRecord:
        """*record*, which may have been started since it was taken down."""
        if record.state is CallState.REQUESTED and record.call.call_id in self._started:
            return replace(record, state=CallState.STARTED)
        return record

    async def make(self, run: Run, records: Iterable[CallRecord]) -> list[CallRecord]:
        """Make the calls that are not done yet, in parallel; all of them with their outputs."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._make(run, record), name=f"call:{record.call.name}")
                    for record in records
                ]
        except ExceptionGroup as faults:
            # Tools don't raise: what comes out here is the store's refusal, the same for every call.
            raise faults.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _make(self, run: Run, record: CallRecord) -> CallRecord:
        call = record.call
        async with self._slots:
            if record.state is CallState.STARTED and not self._toolbox.is_idempotent(call.name):
                record = replace(record, state=CallState.DONE, output=MAY_HAVE_RUN, ok=False)
                await self._store.save_call(self._claim, record)
            if record.state is not CallState.DONE:
                record = replace(record, state=CallState.STARTED)
                await self._store.save_call(self._claim, record)
                self._started.add(call.call_id)
                result = await self._toolbox.call(call, self._context(run, record), offered=self._offered)
                record = replace(record, state=CallState.DONE, output=result.output, ok=result.ok)
                await self._store.save_call(self._claim, record)
        self._watch.tool_called(call.name, record.ok)
        await self._tell(
            ToolCallDone(
                call.call_id, call.name, arguments=call.arguments, output=record.output, ok=record.ok
            )
        )
        return record

    async def _tell(self, event: RunEvent) -> None:
        async with self._word:
            await self._emit(event)

    def _context(self, run: Run, record: CallRecord) -> ToolContext:
        inbound = self._claim.message.inbound
        call_id = record.call.call_id
        lines = count()

        async def progress(text: str) -> None:
            if _is_told(next(lines)):
                await self._tell(ToolCallProgress(call_id, text))

        return ToolContext(
            user=inbound.user,
            conversation=inbound.conversation,
            run_id=run.id,
            thread_id=run.thread_id,
            call_id=call_id,
            idempotency_key=record.key,
            metadata=inbound.metadata,
            report=progress,
        )
