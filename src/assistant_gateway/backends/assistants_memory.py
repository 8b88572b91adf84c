"""
What a remote thread is known to hold, so that only what it lacks is sent.

The gateway owns the thread; the remote one is a cache. It counts how many items of the window it
was told and keeps a hash over them: a window that does not begin with exactly these items (taken
back, edited, shortened, answered by somebody else in between) is told to a new remote thread.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from assistant_gateway import items
from assistant_gateway.backends.assistants_wire import an_id
from assistant_gateway.values import JsonObject, JsonValue

_TOLD = frozenset({"message", "function_call", "function_call_output"})


@dataclass(frozen=True, slots=True)
class Memory:
    """
    A remote thread as the last step has left it.

    Attributes:
        thread: Its id.
        items: How many items of the window it was told.
        digest: Hash over them, and over how they were told.
        message: Id of its newest message; empty where nobody knows it.
        files: Ids of the pictures that were uploaded for it.
        run: Id of the run that waits for outputs; empty where none does.
        calls: The provider's ids of the calls that it waits for, by ours.
        known: The provider's ids of what that run has done before.
    """

    thread: str
    items: int
    digest: str
    message: str = ""
    files: tuple[str, ...] = ()
    run: str = ""
    calls: Mapping[str, str] = field(default_factory=dict)
    known: tuple[str, ...] = ()

    @classmethod
    def read(cls, state: JsonObject) -> Memory | None:
        """The memory in a step's state; None where there is none that can be used."""
        thread, count, run = an_id(state.get("thread")), state.get("items"), state.get("run")
        if not thread or type(count) is not int or count < 0:
            return None
        memory = cls(
            thread,
            count,
            str(state.get("digest") or ""),
            an_id(state.get("message")),
            tuple(id for id in _texts(state.get("files")) if an_id(id)),
        )
        if not isinstance(run, dict):
            return memory
        calls = run.get("calls")
        return cls(
            thread,
            count,
            memory.digest,
            memory.message,
            memory.files,
            an_id(run.get("id")),
            {key: str(id) for key, id in calls.items()} if isinstance(calls, dict) else {},
            tuple(_texts(run.get("known"))),
        )

    def state(self) -> JsonObject:
        """The state to keep."""
        told: dict[str, JsonValue] = {
            "thread": self.thread,
            "items": self.items,
            "digest": self.digest,
            "message": self.message,
        }
        if self.files:
            told["files"] = list(self.files)
        if self.run:
            told["run"] = {"id": self.run, "calls": dict(self.calls), "known": list(self.known)}
        return told

    def rest(self, told: Sequence[JsonObject], manner: JsonObject) -> list[JsonObject] | None:
        """What follows of the items to be *told*; None where the remote thread holds something else."""
        if digest(told[: self.items], manner) != self.digest or self.items > len(told):
            return None
        return list(told[self.items :])

    def outputs(self, rest: Iterable[JsonObject]) -> list[JsonObject] | None:
        """The outputs that the run waits for; None where *rest* is anything else than exactly them."""
        found: dict[str, JsonObject] = {}
        for body in rest:
            output, theirs = body.get("output"), self.calls.get(str(body.get("call_id")))
            if items.kind(body) != "function_call_output" or theirs is None or theirs in found:
                return None
            text = output if isinstance(output, str) else json.dumps(output)
            found[theirs] = {"tool_call_id": theirs, "output": text}
        return list(found.values()) if found.keys() == set(self.calls.values()) else None


def worth_telling(bodies: Iterable[JsonObject]) -> list[JsonObject]:
    """The items that a remote thread is told; the others stay in the house."""
    return [body for body in bodies if items.kind(body) in _TOLD]


def is_closed(rest: Sequence[JsonObject]) -> bool:
    """Whether each output among *rest* has its call there, before it."""
    asked: set[object] = set()
    for body in rest:
        kind = items.kind(body)
        if kind == "function_call":
            asked.add(body.get("call_id"))
        elif kind == "function_call_output" and body.get("call_id") not in asked:
            return False
    return True


def digest(told: Iterable[JsonObject], manner: JsonObject) -> str:
    """A hash over items in their order, and over the *manner* in which they are told."""
    found = hashlib.sha256()
    for body in (manner, *told):
        found.update(json.dumps(body, sort_keys=True, separators=(",", ":")).encode())
        found.update(b"\n")
    return found.hexdigest()


def _texts(value: JsonValue) -> list[str]:
    return [each for each in (value if isinstance(value, list) else ()) if isinstance(each, str)]
