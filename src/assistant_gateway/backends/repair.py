"""
Make a window acceptable: no provider takes half a function call.

A crash, a stop or a trimmed window can leave a call without its output or an output without its
call; a provider answers such a list with 400, and goes on doing so for the rest of the thread.
Whatever list of items comes in, what goes out can be sent. It is a pure function of the items.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import deque
from collections.abc import Iterable, Sequence

from assistant_gateway import items
from assistant_gateway.values import JsonObject, JsonValue

ORIGIN = "x_backend"
"""Key under which an item says which backend made it; never sent."""

EXTRA = "x_extra"
"""Key under which a call keeps what its maker wants back with it; goes to its maker alone."""

INTERRUPTED = '{"error":"interrupted"}'
"""What the model is told about a call whose output nobody knows."""

OPAQUE = frozenset({"reasoning", "compaction"})
"""Items that only their maker can read: an encrypted blob, bound to organisation and model."""

CALL_ID_LENGTH = 64  # characters: OpenAI's 400 "string_above_max_length" for input[].call_id, 2026-11
NAME_LENGTH = 64  # characters: `FunctionTool.name` in the OpenAPI document, 2026-11

_ROLES = frozenset({"user", "assistant", "system", "developer"})


def repair(bodies: Iterable[object], *, origin: str = "", readable: bool = False) -> list[JsonObject]:
    """
    The items that may be sent, every call directly followed by its output.

    Messages keep their shape; calls, outputs and opaque items are rebuilt without ids. Opaque items
    stay only where *origin* made them and what they led to still follows; with *readable*, so does
    reasoning in plain words. Items of unknown type go, and so does what an assistant said without a word.
    """
    known = [body for body in bodies if isinstance(body, dict) and _is_known(body, origin, readable)]
    outputs = _outputs(known)
    sent: list[JsonObject] = []
    answers: list[JsonObject] = []
    used: set[str] = set()
    for position, body in enumerate(known):
        kind = items.kind(body)
        following = _after_reasoning(known, position)
        if kind == "function_call":
            call_id = unused_id(str(body["call_id"]), used)
            sent.append(_call(body, call_id, origin))
            answers.append(items.function_call_output(call_id, outputs.get(position, INTERRUPTED)))
        elif kind == "reasoning" and following is not None and _is_made_by_model(following):
            sent.append(_reasoning(body))
        elif kind == "compaction":
            sent.append({"type": kind, "encrypted_content": body["encrypted_content"]})
        elif kind == "message":
            sent.append(body)
        if answers and (following is None or items.kind(following) != "function_call"):
            sent.extend(answers)
            answers = []
    return sent


def _is_known(body: JsonObject, origin: str, readable: bool) -> bool:
    kind = items.kind(body)
    if kind == "message":
        role = items.role(body)
        return role == "user" or (role in _ROLES and bool(items.text_of(body).strip()))
    if kind == "function_call":
        return isinstance(body.get("call_id"), str) and isinstance(body.get("name"), str)
    if kind == "function_call_output":
        return isinstance(body.get("call_id"), str)
    if kind not in OPAQUE or not origin or body.get(ORIGIN) != origin:
        return False
    blob = body.get("encrypted_content")
    return (isinstance(blob, str) and bool(blob)) or (readable and bool(reasoning_text(body)))


def _outputs(known: Sequence[JsonObject]) -> dict[int, str]:
    """The outputs of calls, by the calls' positions. An output before its call belongs to nothing."""
    found: dict[int, str] = {}
    waiting: dict[str, tuple[int, deque[int]]] = {}
    group = 0
    for position, body in enumerate(known):
        kind = items.kind(body)
        if kind == "function_call":
            # An id that comes again in a later group is another call; the earlier one was never answered.
            began, calls = waiting.get(str(body["call_id"]), (group, deque[int]()))
            calls = calls if began == group else deque()
            calls.append(position)
            waiting[str(body["call_id"])] = (group, calls)
        elif kind == "function_call_output":
            group += 1
            _, calls = waiting.get(str(body["call_id"]), (group, deque[int]()))
            if calls:
                output = body.get("output")
                found[calls.popleft()] = output if isinstance(output, str) else json.dumps(output)
        elif kind == "message":
            group += 1
    return found


def _after_reasoning(known: Sequence[JsonObject], position: int) -> JsonObject | None:
    """The next item that is no reasoning."""
    for at in range(position + 1, len(known)):
        if items.kind(known[at]) != "reasoning":
            return known[at]
    return None


def _is_made_by_model(body: JsonObject) -> bool:
    return items.kind(body) == "function_call" or items.role(body) == "assistant"


def unused_id(call_id: str, used: set[str]) -> str:
    """*call_id*, or an id made from it where it is too long, empty or in *used*; it is then used too."""
    # Some servers count calls from 0 in every response; others give ids that OpenAI finds too long.
    wanted = call_id
    if not wanted or len(wanted) > CALL_ID_LENGTH:
        wanted = "call_" + hashlib.sha256(call_id.encode("utf-8", "replace")).hexdigest()[:32]
    found, number = wanted, 1
    while found in used:
        number += 1
        found = f"{wanted[: CALL_ID_LENGTH - 10]}_{number}"
    used.add(found)
    return found


def reasoning_text(body: JsonObject) -> str:
    """The plain words of a reasoning item; empty where it has none."""
    content = body.get("content") if items.kind(body) == "reasoning" else None
    parts = content if isinstance(content, list) else ()
    return "".join(str(part.get("text") or "") for part in parts if isinstance(part, dict))


def _call(body: JsonObject, call_id: str, origin: str) -> JsonObject:
    name = re.sub(r"[^a-zA-Z0-9_-]", "_", str(body["name"]))[:NAME_LENGTH] or "unknown"
    arguments, extra = body.get("arguments"), body.get(EXTRA)
    call: dict[str, JsonValue] = {
        "type": "function_call",
        "call_id": call_id,
        "name": name,
        "arguments": arguments if isinstance(arguments, str) and arguments else "{}",
    }
    if isinstance(extra, dict) and origin and body.get(ORIGIN) == origin:
        # Both keys stay: a window that was repaired once is not changed by being repaired again.
        call |= {EXTRA: extra, ORIGIN: origin}
    return call


def _reasoning(body: JsonObject) -> JsonObject:
    if not body.get("encrypted_content"):
        return {"type": "reasoning", "content": body["content"], ORIGIN: body[ORIGIN]}
    summary = body.get("summary")
    parts: list[JsonValue] = [
        {"type": "summary_text", "text": part["text"]}
        for part in (summary if isinstance(summary, list) else ())
        if isinstance(part, dict) and isinstance(part.get("text"), str)
    ]
    return {"type": "reasoning", "summary": parts, "encrypted_content": body["encrypted_content"]}
