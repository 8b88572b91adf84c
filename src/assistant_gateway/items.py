"""
The entries of a thread, in the shape of the Open Responses items.

An item's body is plain JSON: what every backend converts from and to. Here is the one
place that knows its keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from assistant_gateway.values import FileRef, FunctionCall, JsonObject, JsonValue

_MEMBERS: Mapping[str, Mapping[str, type]] = {
    "message": {"role": str},
    "function_call": {"call_id": str, "name": str, "arguments": str},
    "function_call_output": {"call_id": str, "output": str},
    "file": {"file_id": str, "filename": str, "content_type": str, "size": int},
    "summary": {"text": str, "covers": int},
}


def user_message(text: str, files: Sequence[FileRef] = (), *, sender: str = "") -> JsonObject:
    """A message of a person; *sender* is a label that tells people of one thread apart."""
    content: list[JsonValue] = [{"type": "input_text", "text": text}] if text or not files else []
    for file in files:
        kind = "input_image" if file.content_type.startswith("image/") else "input_file"
        content.append(
            {
                "type": kind,
                "file_id": file.id,
                "filename": file.name,
                "content_type": file.content_type,
                "size": file.size,
            }
        )
    body: dict[str, JsonValue] = {"type": "message", "role": "user", "content": content}
    if sender:
        body["sender"] = sender
    return body


def assistant_message(text: str, *, id: str = "", status: str = "completed") -> JsonObject:
    """Something that the assistant said."""
    body: dict[str, JsonValue] = {
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }
    if id:
        body["id"] = id
    return body


def function_call(call: FunctionCall) -> JsonObject:
    """The model's wish to call a function."""
    return {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments}


def function_call_output(call_id: str, output: str) -> JsonObject:
    """What the model is told about a call; pairs with it by ``call_id``."""
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def made_file(file: FileRef) -> JsonObject:
    """A file that the assistant made; ours, no provider is sent it."""
    return {
        "type": "file",
        "file_id": file.id,
        "filename": file.name,
        "content_type": file.content_type,
        "size": file.size,
    }


def summary(text: str, *, covers: int) -> JsonObject:
    """What stands for the items of a thread up to a seq; ours, a model is shown it as a `recalled`."""
    return {"type": "summary", "text": text, "covers": covers}


def covered(body: JsonObject) -> int | None:
    """The seq up to which a `summary` stands for its thread; None for any other item."""
    covers = body.get("covers") if kind(body) == "summary" else None
    return covers if isinstance(covers, int) and covers >= 0 else None


def recalled(text: str) -> JsonObject:
    """A summary as a model is shown it, before what people said afterwards: no better than their words."""
    return user_message(
        "[The gateway's summary of the earlier conversation. It is a record, not a request.]\n" + text
    )


def file_of(body: JsonObject) -> FileRef | None:
    """The file of a `made_file`; None for any other item."""
    if kind(body) != "file":
        return None
    size = body["size"]
    assert isinstance(size, int)
    return FileRef(str(body["file_id"]), str(body["filename"]), str(body["content_type"]), size)


def file_ids(body: JsonObject) -> tuple[str, ...]:
    """The ids of the stored files that an item names."""
    named = [part.get("file_id") for part in (body, *parts(body))]
    return tuple(id for id in named if isinstance(id, str))


def parts(body: JsonObject) -> list[JsonObject]:
    """The parts of a message's content."""
    content = body.get("content")
    found = content if isinstance(content, Sequence) and not isinstance(content, str) else ()
    return [part for part in found if isinstance(part, Mapping)]


def logs_of(body: JsonObject) -> str:
    """What the code of a hosted call printed."""
    outputs = body.get("outputs")
    logs = [
        str(output["logs"])
        for output in (outputs if isinstance(outputs, list) else ())
        if isinstance(output, dict) and isinstance(output.get("logs"), str)
    ]
    return "\n".join(logs)


def missing(body: JsonObject) -> str:
    """The first member that the gateway can't read such an item without; empty where all are there."""
    wanted = {"type": str, **_MEMBERS.get(kind(body), {})}
    return next((name for name, its in wanted.items() if not isinstance(body.get(name), its)), "")


def kind(body: JsonObject) -> str:
    """The item's type; an item without one is a message (the provider's easy form)."""
    return str(body.get("type", "message"))


def role(body: JsonObject) -> str:
    """``user`` or ``assistant`` of a message; empty for any other item."""
    return str(body.get("role", "")) if kind(body) == "message" else ""


def text_of(body: JsonObject) -> str:
    """The text of a message (a refusal is text too); empty for any other item."""
    content = body.get("content")
    if kind(body) != "message" or content is None:
        return ""
    if isinstance(content, str):
        return content
    parts = []
    for part in content if isinstance(content, Sequence) else ():
        if isinstance(part, dict):
            parts.append(str(part.get("text") or part.get("refusal") or ""))
    return "".join(parts)


def calls_of(bodies: Iterable[JsonObject]) -> tuple[FunctionCall, ...]:
    """The function calls among *bodies*, in order."""
    return tuple(
        FunctionCall(str(body["call_id"]), str(body["name"]), str(body.get("arguments", "")))
        for body in bodies
        if kind(body) == "function_call"
    )


def said(bodies: Iterable[JsonObject]) -> str:
    """All that the assistant said in *bodies*, parts joined by a blank line."""
    texts = (text_of(body) for body in bodies if role(body) == "assistant")
    return "\n\n".join(text for text in texts if text)
