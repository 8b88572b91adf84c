"""
What happened while a message was answered, to be followed live or read afterwards.

Ids only grow, also over a restart: each attempt of a run counts from its own billion, and
within it every character of text counts one, every other line one. So a reader can go on
after any id it has seen, and one that was slow gets what it missed in one piece. The
finished journal is kept with the answer; of an attempt that a crash cut off nothing is
kept, and `run.restarted` tells that what it said is void.
"""

from __future__ import annotations

import asyncio
import json
from bisect import bisect_right
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from assistant_gateway.adapter import JournalEntry
from assistant_gateway.events import (
    FileDone,
    RunCreated,
    RunDone,
    RunEvent,
    RunRequiresAction,
    RunRestarted,
    ToolCallCreated,
    ToolCallDone,
    ToolCallProgress,
)
from assistant_gateway.handler import RunHandler
from assistant_gateway.speech import Speech
from assistant_gateway.values import Answer, FileRef, JsonObject, Message, Run, RunFailure, RunStatus, Usage

ATTEMPT = 1_000_000_000  # ids between the beginnings of two attempts
CREATED = 2  # the id of `run.created`: it follows `message.accepted`
TEXT = "text.delta"


@dataclass(slots=True)
class _Line:
    """One entry, or a stretch of text whose characters have the ids ``first`` to ``last``."""

    event: str
    first: int
    last: int
    data: JsonObject = field(default_factory=dict)
    pieces: list[str] = field(default_factory=list)

    def after(self, id: int) -> JournalEntry:
        """The entry, or the text behind *id*."""
        if self.event != TEXT:
            return JournalEntry(self.last, self.event, self.data)
        missing = self.last - id
        tail: list[str] = []
        for piece in reversed(self.pieces):
            if missing <= 0:
                break
            tail.append(piece[-missing:])
            missing -= len(piece)
        return JournalEntry(self.last, TEXT, {"delta": "".join(reversed(tail))})


class Journal(RunHandler):
    """The journal of one message; as a `RunHandler` it writes down its run."""

    def __init__(self, message: Message) -> None:
        self._message = message
        self._speech = Speech()
        self._lines: list[_Line] = []
        self._next = 1
        self._waiters: list[asyncio.Future[None]] = []
        self._sealed = False
        self._cut_off = False  # what an earlier attempt said is not void yet
        self.closed = False
        self.followed_by: Journal | None = None
        self._write(
            "message.accepted",
            {
                "id": message.inbound.message_id,
                "conversation": message.inbound.conversation.channel,
                "thread": message.thread_id,
            },
        )

    @classmethod
    def load(cls, message: Message, kept: str) -> Journal:
        """The finished journal of an answered message."""
        journal = cls(message)
        journal._lines = [
            _Line(event, first, last, {} if event == TEXT else data, [data] if event == TEXT else [])
            for event, first, last, data in json.loads(kept)
        ]
        journal._next = journal._lines[-1].last + 1
        journal.closed = True
        return journal

    def begin(self, attempt: int) -> None:
        """Count from the beginning of an attempt."""
        self._next = max(self._next, (attempt - 1) * ATTEMPT + 2)
        self._sealed = False
        self._cut_off = attempt > 1

    async def on_event(self, event: RunEvent) -> None:
        if self._sealed:
            return
        piece = self._speech.hear(event)
        if piece:
            self._say(piece)
            return
        match event:
            case RunCreated(run=run):
                self._write("run.created", {"run": run_data(run)})
            case RunRestarted(run=run):
                self._remember_beginning(run)
                self._write("run.restarted", {"run": run_data(run)})
                self._cut_off = False
            case ToolCallCreated():
                self._write(
                    "tool_call.created", {"call_id": event.call_id, "name": event.name, "kind": event.kind}
                )
            case ToolCallProgress():
                self._write("tool_call.progress", {"call_id": event.call_id, "text": event.text})
            case ToolCallDone():
                self._write(
                    "tool_call.done",
                    {
                        "call_id": event.call_id,
                        "name": event.name,
                        "kind": event.kind,
                        "arguments": event.arguments,
                        "output": event.output,
                        "ok": event.ok,
                    },
                )
            case RunRequiresAction(run=run, calls=calls):
                asked: list[JsonObject] = [
                    {"call_id": call.call_id, "name": call.name, "arguments": call.arguments}
                    for call in calls
                ]
                self._write("run.requires_action", {"run": run_data(run), "calls": asked})
            case FileDone(file=file):
                self._write("file", file_data(file))
            case RunDone():
                pass  # `close` writes the end, once the answer is on disk
            case _:
                pass

    def ended(self, run: Run | None, answer: Answer) -> str:
        """
        The whole journal with its end, to be kept with the answer; readers don't see the end yet.

        Nothing is written down any more: what is kept and what readers see are the same.
        """
        self._sealed = True
        ending = self._ending(run, answer)
        return json.dumps(
            [
                [line.event, line.first, line.last, "".join(line.pieces) if line.event == TEXT else line.data]
                for line in (*self._lines, *ending)
            ],
            ensure_ascii=False,
            separators=(",", ":"),
        )

    def close(self, run: Run | None, answer: Answer) -> None:
        """Write the end; the answer is on disk now."""
        if not self.closed:
            self._lines += self._ending(run, answer)
            self._next = self._lines[-1].last + 1
            self._sealed = self.closed = True
            self._wake()

    def abandon(self) -> None:
        """Let readers go without an end: this process will not write it."""
        self.closed = True
        self._wake()

    def forward(self, other: Journal) -> None:
        """What happens to *other* happens to this message from now on: it was merged into it."""
        self.followed_by = other
        self.closed = True
        self._wake()

    async def wait_closed(self) -> None:
        """Return when the end is written."""
        journal = self
        while True:
            while not journal.closed:
                await journal._changed()
            if journal.followed_by is None:
                return
            journal = journal.followed_by

    async def follow(self, after: int = 0) -> AsyncIterator[JournalEntry]:
        """
        The entries behind *after*, as they come, to the end.

        Raises:
            LookupError: No entry with such an id has been written.
        """
        if self.followed_by is not None and after >= self._next:
            # An id that a reader of both has seen: this journal ends before it.
            async for entry in self.followed_by.follow(after):
                yield entry
            return
        if after < 0 or (after >= self._next and not self._lost(after)):
            raise LookupError(f"no entry {after} in this journal")
        while True:
            number = bisect_right(self._lines, after, key=lambda line: line.last)
            if number < len(self._lines):
                entry = self._lines[number].after(after)
                after = entry.id
                yield entry
            elif self.closed:
                break
            else:
                await self._changed()
        if self.followed_by is not None:
            async for entry in self.followed_by.follow(1):
                yield entry

    def _lost(self, id: int) -> bool:
        """Whether *id* may stem from an attempt that another process began and this one will repeat."""
        return self._message.run is not None and id < self._message.run.attempt * ATTEMPT and not self.closed

    def _remember_beginning(self, run: Run) -> None:
        """The first attempt's `run.created`, under the id that it had in the process that died."""
        if self._lines[-1].last < CREATED:
            first = replace(run, attempt=1, usage=Usage())
            self._lines.append(_Line("run.created", CREATED, CREATED, {"run": run_data(first)}))

    def _say(self, piece: str) -> None:
        last = self._lines[-1]
        if last.event != TEXT or last.last + 1 != self._next:
            last = _Line(TEXT, self._next, self._next - 1)
            self._lines.append(last)
        last.pieces.append(piece)
        last.last += len(piece)
        self._next = last.last + 1
        self._wake()

    def _write(self, event: str, data: JsonObject) -> None:
        self._lines.append(_Line(event, self._next, self._next, data))
        self._next += 1
        self._wake()

    def _ending(self, run: Run | None, answer: Answer) -> list[_Line]:
        lines = []
        id = self._next
        if run is not None and self._cut_off:
            # The run ends before this attempt has said a word: what stands is what earlier ones have kept.
            self._remember_beginning(run)
            begun = run_data(replace(run, status=RunStatus.IN_PROGRESS))
            lines.append(_Line("run.restarted", id, id, {"run": begun}))
            if answer.text:
                lines.append(_Line(TEXT, id + 1, id + len(answer.text), pieces=[answer.text]))
            id = lines[-1].last + 1
        if run is not None:
            word = "failed" if answer.status is RunStatus.EXPIRED else answer.status.value
            data: dict[str, object] = {"run": run_data(run)}
            if answer.error is not None:
                data["error"] = failure_data(answer.error)
            lines.append(_Line(f"run.{word}", id, id, data))  # type: ignore[arg-type]
            id += 1
        if answer.status in (RunStatus.COMPLETED, RunStatus.INCOMPLETE):
            lines.append(_Line("message.answered", id, id, {"text": answer.text}))
        elif answer.status is RunStatus.CANCELLED:
            lines.append(_Line("message.cancelled", id, id, {"text": answer.text}))
        else:
            error = failure_data(answer.error) if answer.error else None
            lines.append(_Line("message.failed", id, id, {"text": answer.text, "error": error}))
        return lines

    async def _changed(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def _wake(self) -> None:
        if self._waiters:
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)


class Journals:
    """The journals of the messages that this process is answering or that somebody follows."""

    def __init__(self) -> None:
        self._open: dict[int, Journal] = {}

    def open(self, message: Message) -> Journal:
        """The journal of a message that is not answered yet."""
        journal = self._open.get(message.id)
        if journal is None:
            journal = self._open[message.id] = Journal(message)
        return journal

    def abandon(self) -> None:
        """Nothing more happens in this process: let nobody wait for it."""
        for journal in self._open.values():
            journal.abandon()
        self._open.clear()

    def get(self, id: int) -> Journal | None:
        """The open journal of a message, if there is one."""
        return self._open.get(id)

    def drop(self, id: int) -> None:
        """Let go of a journal that is kept in the store now. Readers hold on to it themselves."""
        self._open.pop(id, None)


def run_data(run: Run) -> JsonObject:
    """A run as programs see it."""
    return {
        "id": run.id,
        "status": run.status.value,
        "assistant": run.assistant,
        "attempt": run.attempt,
        "usage": {
            "input_tokens": run.usage.input_tokens,
            "output_tokens": run.usage.output_tokens,
            "total_tokens": run.usage.total_tokens,
        },
    }


def failure_data(error: RunFailure) -> JsonObject:
    """A failure as programs see it."""
    return {"code": error.code, "message": error.message, "id": error.id}


def file_data(file: FileRef) -> JsonObject:
    """A file as programs see it."""
    return {"id": file.id, "name": file.name, "content_type": file.content_type, "size": file.size}
