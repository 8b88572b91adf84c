"""
One step as the body of a `POST /responses`.

Only fields that every server of this wire knows are sent, unless the assistant's options name
more. The gateway owns the thread: nothing is stored at the provider and the whole window goes
with each request. Keys of our own never leave the house.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assistant_gateway import items
from assistant_gateway.backend import Step
from assistant_gateway.backends.characters import label, whole
from assistant_gateway.backends.files import KINDS, Inliner
from assistant_gateway.backends.hosted import includes_for, tools_for
from assistant_gateway.backends.options import check_options, listed
from assistant_gateway.backends.repair import repair
from assistant_gateway.values import JsonObject, JsonValue

RESERVED = frozenset(
    {
        "background",
        "conversation",
        "input",
        "instructions",
        "model",
        "previous_response_id",
        "prompt",
        "store",
    }
    | {"stream", "max_output_tokens"}
)
"""Fields that options may not set: they would give the thread away or contradict the step."""

EMPTY = "(empty message)"
ENCRYPTED_REASONING = "reasoning.encrypted_content"
_PHASES = ("commentary", "final_answer")


@dataclass(frozen=True, slots=True)
class Leeway:
    """
    What a request may contain; a provider that refuses one of these gets the request without it.

    Attributes:
        origin: The mark of opaque items that this provider can read; empty sends none.
        encrypted: Ask for encrypted reasoning, and give a message's phase back.
        kinds: Kinds of files that are inlined beside text; notes stand in the places of the others.
        cache_key: Name the thread, so that its requests meet the same cache.
    """

    origin: str = ""
    encrypted: bool = False
    kinds: frozenset[str] = KINDS
    cache_key: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """The body, and the kinds of files that it holds beside text."""

    body: dict[str, JsonValue]
    kinds: frozenset[str] = frozenset()


async def build(step: Step, model: str, leeway: Leeway) -> Request:
    """
    The request for *step*.

    Raises:
        BackendRefused: An option is the gateway's own to set.
    """
    check_options(step.options, RESERVED)
    files = Inliner(step, kinds=leeway.kinds)
    body: dict[str, JsonValue] = {
        "model": model,
        "input": await easy_items(repair(step.items, origin=leeway.origin), files, phases=leeway.encrypted),
        "store": False,
        "stream": True,
    }
    if step.instructions:
        body["instructions"] = whole(step.instructions)
    if step.max_output_tokens is not None:
        body["max_output_tokens"] = step.max_output_tokens
    tools: list[JsonValue] = [
        {
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
            "strict": tool.strict,
        }
        for tool in step.tools
    ]
    tools += tools_for(step)
    include: list[JsonValue] = [ENCRYPTED_REASONING] if leeway.encrypted else []
    include += includes_for(tools)
    if leeway.cache_key:
        # `prompt_cache_key`, openai 3.54.0: requests of one key go to the machine that has their beginning.
        body["prompt_cache_key"] = hashlib.sha256(step.thread_id.encode()).hexdigest()[:32]
    for key, value in step.options.items():
        if key == "tools":
            tools += listed(value)
        elif key == "include":
            include += [name for name in listed(value) if name not in include]
        # `reasoning = true` is ours: this server speaks encrypted reasoning. A table is the provider's.
        elif key != "reasoning" or not isinstance(value, bool):
            body[key] = value
    if tools:
        body["tools"] = tools
    if include:
        body["include"] = include
    return Request(body, frozenset(files.used))


def names_people(bodies: Sequence[JsonObject]) -> bool:
    """Whether more than one person speaks in *bodies*, so that they must be told apart by name."""
    senders = {str(body.get("sender") or "") for body in bodies if items.role(body) == "user"} - {""}
    return len(senders) > 1


async def easy_items(
    bodies: Sequence[JsonObject], files: Inliner, *, phases: bool = False, named: bool | None = None
) -> list[JsonObject]:
    """
    Repaired items in the provider's easy form: files inlined, and people told apart by name.

    Args:
        named: Whether people are told apart; without it, as *bodies* themselves need it.
    """
    named = names_people(bodies) if named is None else named
    sent: list[JsonObject] = []
    # The newest first: where not all files fit, the older ones are left out.
    for body in reversed(bodies):
        kind = items.kind(body)
        if kind == "message":
            sender = label(str(body.get("sender") or "")) if named else ""
            message = await _message(body, sender, files)
            # OpenAI's newer models want it back: `EasyInputMessageParam.phase`, openai 3.54.0.
            phase = body.get("phase") if phases else None
            sent.append({**message, "phase": phase} if phase in _PHASES else message)
        elif kind in ("function_call", "function_call_output"):
            sent.append(
                {key: whole(value) if isinstance(value, str) else value for key, value in body.items()}
            )
        else:
            sent.append(body)
    sent.reverse()
    return sent or [{"type": "message", "role": "user", "content": EMPTY}]


async def _message(body: JsonObject, sender: str, files: Inliner) -> JsonObject:
    """The message in the provider's easy form, which servers agree on far better than on output items."""
    role = items.role(body)
    if role != "user":
        return {"type": "message", "role": role, "content": whole(items.text_of(body))}
    content = body.get("content")
    parts: list[JsonObject] = []
    for part in content if isinstance(content, list) else [{"type": "input_text", "text": content}]:
        if isinstance(part, Mapping) and part.get("type") in ("input_image", "input_file"):
            parts.append(await files.inline(part))
        elif isinstance(part, Mapping) and isinstance(part.get("text"), str) and str(part["text"]).strip():
            parts.append({"type": "input_text", "text": whole(str(part["text"]))})
    texts = [str(part["text"]) for part in parts if part["type"] == "input_text"]
    if not parts:
        texts = [EMPTY]
    if len(texts) < len(parts):
        named: list[JsonValue] = [{"type": "input_text", "text": f"{sender}:"}] if sender else []
        return {"type": "message", "role": role, "content": [*named, *parts]}
    text = "\n\n".join(texts)
    return {"type": "message", "role": role, "content": f"{sender}: {text}" if sender else text}
