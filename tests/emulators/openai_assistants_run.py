"""
A run of the Assistants API while it is made: its steps, its messages, its events in their order.

Events as in "Assistants streaming", OpenAI's API reference, 2026-08. What a run does stays in its
thread, whether anybody listens or not.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from emulators.openai import (
    Abort,
    Act,
    Call,
    Eof,
    ErrorEvent,
    Event,
    Failed,
    Incomplete,
    Raw,
    Refuse,
    Say,
    Silence,
    Wait,
)
from emulators.openai_hosted import RunCode, SearchFiles
from emulators.shapes import Given, Json, encoded

Entry: TypeAlias = tuple[str, ...]
"""What a model sees: ("user" or "assistant", text), ("call", id, name, arguments), ("output", id, text)."""


@dataclass(frozen=True)
class Show:
    """A message of several parts: texts, and pictures that the assistant has made."""

    parts: Sequence[str | bytes]


@dataclass(frozen=True)
class Expire:
    """The run takes too long."""


@dataclass(frozen=True)
class CancelRun:
    """Somebody else cancels the run."""


@dataclass(frozen=True)
class Named:
    """One event as it is, under a name."""

    name: str
    data: Given


RunAct: TypeAlias = Act | Show | Expire | CancelRun | Named


@dataclass(frozen=True)
class Play:
    """
    What happens in one stream of a run.

    Attributes:
        acts: In order. Calls of functions are the last of them: the run then waits for their outputs.
        leave_out: Names of events that are not sent, as by servers that know less of the ladder.
        leave_out_keys: Keys that events lack.
        split: Bytes of each write; 0 writes each event whole.
        pace: Seconds before each event.
        usage: Told at the end.
    """

    acts: Sequence[RunAct] = ()
    leave_out: frozenset[str] = frozenset()
    leave_out_keys: frozenset[str] = frozenset()
    split: int = 0
    pace: float = 0.0
    usage: Given | None = None


@dataclass
class Thread:
    """
    One thread.

    Attributes:
        entries: All that a model sees of it.
    """

    id: str
    tool_resources: object = None
    messages: list[Json] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def add(self, message: Json) -> None:
        """Put a message of a person, or one that is brought along, onto the thread."""
        self.messages.append(message)
        self.entries.append((str(message["role"]), text_of(message)))


@dataclass
class Run:
    """One run."""

    id: str
    thread: Thread
    body: Given
    created_at: int
    expires_at: float
    status: str = "queued"
    error: Given | None = None
    reason: str = ""
    usage: Given | None = None
    waiting: list[Json] = field(default_factory=list)
    open_step: Json | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def told(self) -> Json:
        """The run object."""
        action: Given | None = None
        if self.status == "requires_action":
            action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": self.waiting}}
        return {
            "id": self.id,
            "object": "thread.run",
            "created_at": self.created_at,
            "thread_id": self.thread.id,
            "assistant_id": self.body["assistant_id"],
            "status": self.status,
            "required_action": action,
            "last_error": self.error,
            "incomplete_details": {"reason": self.reason} if self.reason else None,
            "expires_at": int(self.expires_at),
            "model": self.body.get("model"),
            "instructions": self.body.get("instructions"),
            "tools": self.body.get("tools", []),
            "usage": self.usage,
        }


class Playing:
    """
    One stream of a run.

    Args:
        give_id: Makes ids.
        keep_file: Keeps a file that was made; its id.
    """

    def __init__(
        self, run: Run, play: Play, give_id: Callable[[str], str], keep_file: Callable[[bytes], str]
    ) -> None:
        self._run = run
        self._play = play
        self._give_id = give_id
        self._keep_file = keep_file
        self._beats = self._begin()

    async def events(self) -> AsyncIterator[bytes | None]:
        """The stream; None tears the connection down."""
        for beat in self._beats:
            if isinstance(beat, Abort):
                yield None
                return
            if isinstance(beat, Eof):
                return
            if isinstance(beat, Silence | Wait):
                waits = {asyncio.create_task(self._run.ended.wait())}
                if isinstance(beat, Wait):
                    waits.add(asyncio.create_task(beat.until.wait()))
                try:
                    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in waits:
                        task.cancel()
            elif isinstance(beat, bytes):
                yield beat
            if self._run.ended.is_set() and self._run.status == "cancelled":
                for data in self._event("thread.run.cancelled", self._run.told()):
                    yield data
                yield b"event: done\ndata: [DONE]\n\n"
                return

    def go_on_alone(self) -> None:
        """Bring the run to where it ends or waits, for nobody."""
        while not self._run.ended.is_set() and next(self._beats, None) is not None:
            pass

    def _begin(self) -> Iterator[object]:
        run = self._run
        if run.open_step is not None:
            step, run.open_step = run.open_step, None
            step["status"] = "completed"
            run.status = "in_progress"
            yield from self._event("thread.run.step.completed", step)
            yield from self._event("thread.run.queued", {**run.told(), "status": "queued"})
        else:
            yield from self._event("thread.run.created", run.told())
            yield from self._event("thread.run.queued", run.told())
            run.status = "in_progress"
        yield from self._event("thread.run.in_progress", run.told())
        calls: list[Call] = []
        for act in self._play.acts:
            if isinstance(act, Call):
                calls.append(act)
                continue
            yield from self._act(act)
            if run.status != "in_progress" or isinstance(act, ErrorEvent):
                return
        if calls:
            yield from self._wait_for(calls)
        else:
            run.usage = self._play.usage or {
                "prompt_tokens": 120,
                "completion_tokens": 30,
                "total_tokens": 150,
            }
            yield from self._end("completed")
        yield b"event: done\ndata: [DONE]\n\n"

    def _act(self, act: RunAct) -> Iterator[object]:
        match act:
            case Say(text=text, pieces=pieces, annotations=annotations):
                words = pieces if pieces is not None else re.findall(r"\s*\S+|\s+\Z", text)
                whole: Json = {"type": "text", "text": {"value": text, "annotations": list(annotations)}}
                deltas: list[Json] = [{"type": "text", "text": {"value": word}} for word in words]
                deltas += [
                    {"type": "text", "text": {"annotations": [{"index": number, **annotation}]}}
                    for number, annotation in enumerate(annotations)
                ]
                yield from self._message([whole], [(0, delta) for delta in deltas])
            case Refuse(text=text):
                refusal: Json = {"type": "refusal", "refusal": text}
                yield from self._message([refusal], [(0, refusal)])
            case Show(parts=parts):
                content = [self._part(part) for part in parts]
                yield from self._message(content, list(enumerate(content)))
            case RunCode():
                yield from self._run_code(act)
            case SearchFiles():
                call: Json = {"id": self._give_id("call"), "type": "file_search", "file_search": {}}
                yield from self._hosted(call, [call])
            case Incomplete(reason=reason):
                self._run.reason = reason
                yield from self._end("incomplete")
            case Failed(code=code, message=message):
                self._run.error = {"code": code, "message": message}
                yield from self._end("failed")
            case Expire():
                yield from self._end("expired")
            case CancelRun():
                yield from self._end("cancelling")
                yield from self._end("cancelled")
            case ErrorEvent(code=code, message=message, nested=nested):
                error: Json = {"code": code, "message": message, "param": None, "type": code}
                yield from self._event("error", {"error": error} if nested else error)
            case Named(name=name, data=data):
                yield from self._event(name, data)
            case Event(data=data):
                yield from self._event("unknown", data)
            case Raw(data=raw):
                yield raw
            case Abort() | Eof() | Silence() | Wait():
                yield act
            case _:
                raise AssertionError(f"no act of this wire: {act}")

    def _part(self, part: str | bytes) -> Json:
        if isinstance(part, str):
            return {"type": "text", "text": {"value": part, "annotations": []}}
        return {"type": "image_file", "image_file": {"file_id": self._keep_file(part), "detail": "auto"}}

    def _message(self, content: Sequence[Given], deltas: Sequence[tuple[int, Given]]) -> Iterator[object]:
        message = new_message(self._give_id("msg"), self._run.thread.id, "assistant", [], run=self._run.id)
        details = {"type": "message_creation", "message_creation": {"message_id": message["id"]}}
        step = self._new_step("message_creation", details)
        yield from self._event("thread.run.step.created", step)
        yield from self._event("thread.run.step.in_progress", step)
        self._run.thread.messages.append(message)
        # A model that comes later sees what there is of it by then.
        place = len(self._run.thread.entries)
        self._run.thread.entries.append(("assistant", ""))
        yield from self._event("thread.message.created", message)
        yield from self._event("thread.message.in_progress", message)
        said = ""
        for index, delta in deltas:
            told = {"id": message["id"], "object": "thread.message.delta"}
            text = delta.get("text")
            said += str(text.get("value", "")) if isinstance(text, dict) else ""
            self._run.thread.entries[place] = ("assistant", said)
            yield from self._event(
                "thread.message.delta", {**told, "delta": {"content": [{"index": index, **delta}]}}
            )
        message |= {"status": "completed", "content": list(content)}
        self._run.thread.entries[place] = ("assistant", text_of(message))
        yield from self._event("thread.message.completed", message)
        step["status"] = "completed"
        yield from self._event("thread.run.step.completed", step)

    def _run_code(self, act: RunCode) -> Iterator[object]:
        outputs: list[Json] = [{"type": "logs", "logs": act.logs}] if act.logs else []
        outputs += [
            {"type": "image", "image": {"file_id": self._keep_file(picture)}} for picture in act.pictures
        ]
        base: Json = {"id": self._give_id("call"), "type": "code_interpreter"}
        whole: Json = {**base, "code_interpreter": {"input": act.code, "outputs": outputs}}
        deltas: list[Json] = [{**base, "code_interpreter": {"input": "", "outputs": []}}]
        deltas += [
            {"type": "code_interpreter", "code_interpreter": {"input": piece}}
            for piece in re.findall(r".{1,7}", act.code, re.DOTALL)
        ]
        deltas += [
            {"type": "code_interpreter", "code_interpreter": {"outputs": [{"index": number, **output}]}}
            for number, output in enumerate(outputs)
        ]
        yield from self._hosted(whole, deltas, status=act.status)

    def _hosted(self, call: Json, deltas: Sequence[Given], *, status: str = "completed") -> Iterator[object]:
        step = self._new_step("tool_calls", {"type": "tool_calls", "tool_calls": []})
        yield from self._event("thread.run.step.created", step)
        yield from self._event("thread.run.step.in_progress", step)
        for delta in deltas:
            yield from self._step_delta(step, {"index": 0, **delta})
        step["status"] = status
        step["step_details"] = {"type": "tool_calls", "tool_calls": [call]}
        yield from self._event(f"thread.run.step.{status}", step)

    def _wait_for(self, calls: Sequence[Call]) -> Iterator[object]:
        run = self._run
        step = self._new_step("tool_calls", {"type": "tool_calls", "tool_calls": []})
        yield from self._event("thread.run.step.created", step)
        yield from self._event("thread.run.step.in_progress", step)
        waiting: list[Json] = []
        for index, call in enumerate(calls):
            text = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
            id = call.call_id or self._give_id("call")
            function: Json = {"name": call.name, "arguments": "", "output": None}
            yield from self._step_delta(
                step, {"index": index, "id": id, "type": "function", "function": function}
            )
            for piece in re.findall(r".{1,6}", text, re.DOTALL):
                told: Json = {"index": index, "type": "function", "function": {"arguments": piece}}
                yield from self._step_delta(step, told)
            waiting.append({"id": id, "type": "function", "function": {"name": call.name, "arguments": text}})
            run.thread.entries.append(("call", id, call.name, text))
        step["step_details"] = {"type": "tool_calls", "tool_calls": waiting}
        run.waiting, run.open_step = waiting, step
        run.status = "requires_action"
        yield from self._event("thread.run.requires_action", run.told())

    def _end(self, status: str) -> Iterator[object]:
        self._run.status = status
        if status != "cancelling":
            self._run.ended.set()
        return self._event(f"thread.run.{status}", self._run.told())

    def _new_step(self, kind: str, details: Given) -> Json:
        return {
            "id": self._give_id("step"),
            "object": "thread.run.step",
            "run_id": self._run.id,
            "type": kind,
            "status": "in_progress",
            "step_details": details,
            "usage": None,
        }

    def _step_delta(self, step: Given, call: Given) -> Iterator[bytes]:
        details = {"type": "tool_calls", "tool_calls": [call]}
        told = {"id": step["id"], "object": "thread.run.step.delta", "delta": {"step_details": details}}
        return self._event("thread.run.step.delta", told)

    def _event(self, name: str, data: Given) -> Iterator[bytes]:
        if name in self._play.leave_out:
            return
        told = {key: value for key, value in data.items() if key not in self._play.leave_out_keys}
        yield b"event: %b\ndata: %b\n\n" % (name.encode(), encoded(told))


def new_message(id: str, thread: str, role: object, content: object, *, run: str | None = None) -> Json:
    """A message object; *content* as it was given."""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    assert isinstance(parts, list)
    told = [
        {"type": "text", "text": {"value": part["text"], "annotations": []}}
        if part["type"] == "text"
        else part
        for part in parts
    ]
    return {
        "id": id,
        "object": "thread.message",
        "thread_id": thread,
        "role": role,
        "status": "in_progress" if run else "completed",
        "content": told,
        "run_id": run,
    }


def text_of(message: Given) -> str:
    """What a message says; a picture is told by its file."""
    parts = message["content"]
    assert isinstance(parts, list)
    said = []
    for part in parts:
        match part["type"]:
            case "text":
                said.append(part["text"]["value"])
            case "image_file":
                said.append(f"[picture {part['image_file']['file_id']}]")
            case _:
                said.append(str(part.get("refusal", "")))
    return "\n\n".join(said)
