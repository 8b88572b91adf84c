"""
A thread's items as the messages of Chat Completions.

What the assistant said and the calls that it asked for in the same breath are one message; each
output follows with its call's id. Messages of one role that stand together become one, since many
models' templates refuse two. Whatever the items are, the result begins with the instructions and
ends with something to answer.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence

from assistant_gateway import items
from assistant_gateway.backends.characters import whole
from assistant_gateway.backends.dialects import Dialect
from assistant_gateway.backends.jsontext import parsed
from assistant_gateway.backends.repair import EXTRA, reasoning_text
from assistant_gateway.values import JsonObject, JsonValue

CONTINUE = "(Please go on.)"
EARLIER = "(Earlier messages are not shown.)"
UNANSWERED = "(No answer was given.)"

_Message = dict[str, JsonValue]


def messages(bodies: Sequence[JsonObject], instructions: str, dialect: Dialect) -> list[JsonValue]:
    """
    The messages for *bodies*, which are repaired and in the easy form.

    Args:
        instructions: The system text; system messages among the items are added to it.
    """
    told = _told(bodies, dialect)
    if dialect.alternates:
        told = list(_taking_turns(told))
    if not told or told[-1]["role"] == "assistant":
        told.append({"role": "user", "content": CONTINUE})
    system = "\n\n".join(text for text in (whole(instructions), *_system_texts(bodies)) if text)
    if system and dialect.system == "user":
        if told[0]["role"] == "user":
            told[0] = {**told[0], "content": _joined(system, told[0]["content"])}
        else:
            told.insert(0, {"role": "user", "content": system})
    elif system:
        told.insert(0, {"role": dialect.system, "content": system})
    return [*told]


def call_id_for(call_id: str, length: int) -> str:
    """*call_id*, or one of *length* letters and digits made from it; 0 takes any."""
    if not length or re.fullmatch(rf"[a-zA-Z0-9]{{{length}}}", call_id):
        return call_id
    return hashlib.sha256(call_id.encode("utf-8", "replace")).hexdigest()[:length]


def _told(bodies: Iterable[JsonObject], dialect: Dialect) -> list[_Message]:
    told: list[_Message] = []
    thought = ""
    for body in bodies:
        kind, role = items.kind(body), items.role(body)
        if kind == "reasoning":
            thought += reasoning_text(body)
        elif kind == "function_call_output":
            call_id = call_id_for(str(body["call_id"]), dialect.call_id_length)
            told.append({"role": "tool", "tool_call_id": call_id, "content": body["output"]})
        elif kind == "function_call" or role == "assistant":
            message = _assistants(told, dialect)
            if dialect.reasoning_key:
                message[dialect.reasoning_key] = f"{message[dialect.reasoning_key]}{thought}"
            thought = ""
            if kind == "function_call":
                _add_call(message, body, dialect)
            else:
                message["content"] = _joined(message["content"], str(body["content"]))
        elif role == "user":
            content = _content(body["content"])
            if told and told[-1]["role"] == "user":
                told[-1]["content"] = _joined(told[-1]["content"], content)
            else:
                told.append({"role": "user", "content": content})
    return told


def _assistants(told: list[_Message], dialect: Dialect) -> _Message:
    """The assistant's message at the end of *told*; a new one where somebody else spoke last."""
    if not told or told[-1]["role"] != "assistant":
        told.append({"role": "assistant", "content": None})
        if dialect.reasoning_key:
            # It must be there even where nothing was thought: deepseek-ai/deepseek-harness 739.
            told[-1][dialect.reasoning_key] = ""
    return told[-1]


def _add_call(message: _Message, body: JsonObject, dialect: Dialect) -> None:
    calls = message.get("tool_calls")
    before = calls if isinstance(calls, list) else []
    call: _Message = {
        "id": call_id_for(str(body["call_id"]), dialect.call_id_length),
        "type": "function",
        "function": {"name": body["name"], "arguments": _arguments(str(body["arguments"]))},
    }
    extra = body.get(EXTRA) or ({} if before else dialect.call_extra)
    if extra:
        call["extra_content"] = extra
    message["tool_calls"] = [*before, call]


def _arguments(text: str) -> str:
    # vLLM, llama.cpp and Ollama read the arguments of old calls, and fail where a model wrote no object.
    return text if isinstance(parsed(text), dict) else json.dumps({"not_json": text})


def _content(content: JsonValue) -> JsonValue:
    if not isinstance(content, list):
        return content
    return [_part(part) for part in content if isinstance(part, dict)]


def _part(part: JsonObject) -> JsonObject:
    match part["type"]:
        case "input_image":
            return {"type": "image_url", "image_url": {"url": part["image_url"]}}
        case "input_file":
            return {
                "type": "file",
                "file": {"filename": part["filename"], "file_data": part["file_data"]},
            }
        case _:
            return {"type": "text", "text": part["text"]}


def _joined(first: JsonValue, second: JsonValue) -> JsonValue:
    """Two contents as one: texts with a blank line between, parts one after the other."""
    if not first or not second:
        return first or second
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    return [*_parts(first), *_parts(second)]


def _parts(content: JsonValue) -> list[JsonValue]:
    return [*content] if isinstance(content, list) else [{"type": "text", "text": content}]


def _system_texts(bodies: Iterable[JsonObject]) -> list[str]:
    return [str(body["content"]) for body in bodies if items.role(body) in ("system", "developer")]


def _taking_turns(told: Iterable[_Message]) -> Iterable[_Message]:
    before = ""
    for message in told:
        role = str(message["role"])
        if not before and role != "user":
            yield {"role": "user", "content": EARLIER}
        if before == "tool" and role == "user":
            yield {"role": "assistant", "content": UNANSWERED}
        yield message
        before = role
