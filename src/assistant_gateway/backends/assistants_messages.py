"""
A thread's items as the messages of a remote thread.

The wire knows what people and what the assistant said, and nothing else: calls of the past and
their outputs are told in the assistant's words. Whatever the items are, there are at most as many
messages as a thread may begin with, each as long as it may be, and the last one is a person's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from assistant_gateway import items
from assistant_gateway.backends.chat_messages import CONTINUE
from assistant_gateway.backends.files import fenced
from assistant_gateway.errors import ContextOverflow
from assistant_gateway.values import JsonObject, JsonValue

MOST_MESSAGES = 32  # of a new thread: openai-php/client issue 269, community.openai.com 754574
LONGEST = 256_000  # characters of one message: openai/openai-openapi pull request 219
NEAR = 20_000  # characters from the end of a message that is cut: it ends with a line or a word there
TRANSCRIPT = "(The beginning of this conversation, as a transcript. Each line of it is quoted.)"

_TEXT, _PICTURE = "text", "image_file"
_LABELS = {"user": "User:", "assistant": "Assistant:"}


@dataclass(frozen=True, slots=True)
class _Message:
    """Who speaks, and the parts of what is said: texts and pictures as the wire has them."""

    role: str
    parts: tuple[JsonObject, ...]


def messages(
    easy: Sequence[JsonObject], *, most: int = MOST_MESSAGES, longest: int = LONGEST
) -> list[JsonObject]:
    """
    The messages for items that are repaired, in the easy form, and whose pictures are uploaded.

    Args:
        most: Messages that a thread may begin with.
        longest: Characters of one message.

    Raises:
        ContextOverflow: They are more than a thread can begin with, however they are told.
    """
    told = [piece for message in _merged(_spoken(easy)) for piece in _cut(message, longest)]
    if not told or told[-1].role != "user":
        told.append(_Message("user", (_text(CONTINUE),)))
    return [_on_the_wire(message) for message in _folded(told, most, longest)]


def system_texts(bodies: Iterable[JsonObject]) -> list[str]:
    """What messages of the system say: the wire has no such messages, a run's instructions hold them."""
    found = (items.text_of(body) for body in bodies if items.role(body) in ("system", "developer"))
    return [text for text in found if text]


def _spoken(easy: Sequence[JsonObject]) -> Iterable[_Message]:
    outputs = {body["call_id"]: body for body in easy if items.kind(body) == "function_call_output"}
    for body in easy:
        if items.kind(body) == "function_call":
            yield _Message("assistant", (_text(_recounted(body, outputs[body["call_id"]])),))
        elif items.role(body) in _LABELS:
            content = body["content"]
            parts = content if isinstance(content, list) else [_text(str(content))]
            yield _Message(items.role(body), tuple(_part(part) for part in parts if isinstance(part, dict)))


def _recounted(call: JsonObject, output: JsonObject) -> str:
    """A call and its output in the assistant's words; fences keep them apart from what it says itself."""
    return (
        f"I called the function {call['name']} with these arguments:\n{fenced(str(call['arguments']))}\n"
        f"It returned:\n{fenced(str(output['output']))}"
    )


def _part(part: JsonObject) -> JsonObject:
    return part if part.get("type") == _PICTURE else _text(str(part.get("text")))


def _text(text: str) -> JsonObject:
    return {"type": _TEXT, "text": text}


def _merged(told: Iterable[_Message]) -> Iterable[_Message]:
    """Messages of one role that stand together as one."""
    for role, group in groupby(told, key=lambda message: message.role):
        yield _Message(role, _joined(part for message in group for part in message.parts))


def _joined(parts: Iterable[JsonObject]) -> tuple[JsonObject, ...]:
    """Parts with texts that stand together as one text, a blank line between them."""
    joined: list[JsonObject] = []
    for part in parts:
        if joined and part["type"] == joined[-1]["type"] == _TEXT:
            joined[-1] = _text(f"{joined[-1]['text']}\n\n{part['text']}")
        else:
            joined.append(part)
    return tuple(joined)


def _cut(message: _Message, longest: int) -> list[_Message]:
    """*message* in pieces none of which is too long."""
    pieces: list[list[JsonObject]] = [[]]
    room = longest
    for part in message.parts:
        text = str(part["text"]) if part["type"] == _TEXT else ""
        while len(text) > room:
            at = _place_to_cut(text, room)
            if at:
                pieces[-1].append(_text(text[:at]))
            pieces.append([])
            text, room = text[at:], longest
        if text or part["type"] != _TEXT:
            pieces[-1].append(_text(text) if text else part)
            room -= len(text)
    return [_Message(message.role, tuple(piece)) for piece in pieces if piece]


def _place_to_cut(text: str, room: int) -> int:
    """Behind the last line, else the last word, that has room; anywhere where neither is near."""
    for mark in ("\n", " "):
        at = text.rfind(mark, max(0, room - NEAR), room)
        if at > 0:
            return at + 1
    return room


def _folded(told: list[_Message], most: int, longest: int) -> list[_Message]:
    """At most so many messages: the oldest as one transcript, which may itself need several."""
    if len(told) <= most:
        return told
    for newest in range(most - 1, 0, -1):
        transcript = _cut(_transcript(told[:-newest]), longest)
        if len(transcript) + newest <= most:
            return transcript + told[-newest:]
    raise ContextOverflow("the conversation is too long for a thread of the provider")


def _transcript(told: Iterable[_Message]) -> _Message:
    parts = [_text(TRANSCRIPT)]
    for message in told:
        parts.append(_text(_LABELS[message.role]))
        parts += [part if part["type"] == _PICTURE else _quoted(part) for part in message.parts]
    return _Message("user", _joined(parts))


def _quoted(part: JsonObject) -> JsonObject:
    """A text whose every line begins as a quotation does, so that none can pass for a speaker's name."""
    return _text("\n".join(f"> {line}" for line in str(part["text"]).splitlines()))


def _on_the_wire(message: _Message) -> JsonObject:
    content: JsonValue = list(message.parts)
    if all(part["type"] == _TEXT for part in message.parts):
        content = "\n\n".join(str(part["text"]) for part in message.parts)
    return {"role": message.role, "content": content}
