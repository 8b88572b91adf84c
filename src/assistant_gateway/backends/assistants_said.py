"""
What the assistant says in a remote run: its messages, the sources that they name, their files.

A remote message may have several texts with pictures between them: each text is a message of ours. It
ends with its message, since the wire tells no earlier end, and its sources are told then.
"""

from __future__ import annotations

from collections.abc import Iterable

from assistant_gateway.backends.assistants_wire import an_id
from assistant_gateway.backends.jsontext import clean
from assistant_gateway.backends.slots import Part
from assistant_gateway.errors import StreamCut
from assistant_gateway.events import AnnotationAdded, ItemDone, StepEvent, TextCreated, TextDelta, TextDone
from assistant_gateway.values import JsonObject, JsonValue

OVER = frozenset({"completed", "failed", "cancelled", "expired", "incomplete"})  # of steps and messages


class Ids:
    """
    The ids of one run: the provider's, of what was told, and ours, which nobody has given before.

    Attributes:
        past: What earlier streams of the run have told.
        seen: All that was told so far.
    """

    def __init__(self, prefix: str, past: Iterable[str] = ()) -> None:
        self.past = frozenset(past)
        self.seen = set(self.past)
        self._prefix = prefix
        self._given = 0

    def give(self) -> str:
        """A new id of ours."""
        self._given += 1
        return f"{self._prefix}-{self._given - 1}"


class Said:
    """
    The messages of one stream.

    Attributes:
        begun: Something was said.
        newest: The provider's id of the newest message; empty where there is none.
        files: Ids and names of the files in them that the assistant has made.
    """

    def __init__(self, ids: Ids) -> None:
        self.begun = False
        self.newest = ""
        self.files: list[tuple[str, str]] = []
        self._ids = ids
        self._messages: dict[str, _Message] = {}

    def delta(self, event: JsonObject) -> Iterable[StepEvent]:
        """More of a message."""
        message = self._at(event)
        delta = event.get("delta")
        content = delta.get("content") if isinstance(delta, dict) else None
        if message is None or message.done or not isinstance(content, list):
            return
        for number, told in enumerate(content):
            if not isinstance(told, dict):
                raise StreamCut("the provider sent a delta that is no object")
            place = told.get("index", number)
            place = place if type(place) is int else number
            text = _text_of(told)
            if text is not None:
                part = message.parts.get(place)
                if part is None:
                    part = self._new_part(message, place, told)
                    yield TextCreated(part.id)
                if piece := part.text.grow(text):
                    yield TextDelta(part.id, piece)
            message.note(place, told)

    def told(self, event: JsonObject) -> Iterable[StepEvent]:
        """A message as it stands."""
        message = self._at(event)
        if message is None or message.done:
            return
        content = event.get("content")
        if isinstance(content, list) and content:
            message.content = content
        # open-assistant-api tells a complete message as `in_progress`, too: it is closed with its run.
        if event.get("status") in OVER:
            yield from self._close(message, ok=event["status"] == "completed")

    def close(self, *, ok: bool) -> Iterable[StepEvent]:
        """End the messages that the provider has left open; *ok* as complete ones."""
        for message in self._messages.values():
            if not message.done:
                yield from self._close(message, ok=ok)

    def _at(self, event: JsonObject) -> _Message | None:
        """The assistant's message that an event speaks of; None for others, and for those of the past."""
        id = event.get("id")
        if not isinstance(id, str):
            raise StreamCut("the provider sent a message without an id")
        found = self._messages.get(id)
        if found is None and id not in self._ids.past and event.get("role", "assistant") == "assistant":
            found = self._messages[id] = _Message()
            self._ids.seen.add(id)
            self.newest = an_id(id)
        return found

    def _new_part(self, message: _Message, place: int, told: JsonObject) -> _Part:
        self.begun = True
        part = message.parts[place] = _Part(self._ids.give(), is_refusal=told.get("type") == "refusal")
        return part

    def _close(self, message: _Message, *, ok: bool) -> Iterable[StepEvent]:
        message.done = True
        told = {place: part for place, part in enumerate(message.content) if isinstance(part, dict)}
        for place in sorted(told.keys() | message.parts.keys()):
            content = told.get(place, {})
            message.note(place, content)
            text, part = _text_of(content), message.parts.get(place)
            if part is None and text is not None:
                part = self._new_part(message, place, content)
                yield TextCreated(part.id)
            if part is not None:
                yield from self._close_part(part, text, message.annotations.get(place, []), ok=ok)
            self.files += message.files.pop(place, {}).items()

    def _close_part(
        self, part: _Part, text: str | None, annotations: list[JsonObject], *, ok: bool
    ) -> Iterable[StepEvent]:
        if rest := part.text.complete(text):
            yield TextDelta(part.id, rest)
        whole = part.text.text
        yield TextDone(part.id, whole)
        for annotation in annotations:
            yield AnnotationAdded(part.id, annotation)
        content: JsonObject = {"type": "output_text", "text": whole, "annotations": annotations}
        if part.is_refusal:
            content = {"type": "refusal", "refusal": whole}
        yield ItemDone(
            clean(
                {
                    "type": "message",
                    "id": part.id,
                    "role": "assistant",
                    "status": "completed" if ok else "incomplete",
                    "content": [content],
                }
            )
        )


class _Part:
    """One text of a message while it grows; to us a message of its own."""

    __slots__ = ("id", "is_refusal", "text")

    def __init__(self, id: str, *, is_refusal: bool) -> None:
        self.id = id
        self.is_refusal = is_refusal
        self.text = Part(marks=True)


class _Message:
    """One message while it grows: its texts, sources and files by their places."""

    __slots__ = ("annotations", "content", "done", "files", "parts")

    def __init__(self) -> None:
        self.parts: dict[int, _Part] = {}
        self.annotations: dict[int, list[JsonObject]] = {}
        self.files: dict[int, dict[str, str]] = {}
        self.content: list[JsonValue] = []
        self.done = False

    def note(self, place: int, told: JsonObject) -> None:
        """Take note of the picture, or the sources and files, in a part or in a piece of it; each once."""
        text, picture = told.get("text"), told.get("image_file")
        if isinstance(picture, dict):
            self._found(place, picture.get("file_id"), "")
        found = text.get("annotations") if isinstance(text, dict) else None
        for annotation in found if isinstance(found, list) else ():
            if isinstance(annotation, dict):
                flat = _flat(annotation)
                noted = self.annotations.setdefault(place, [])
                if flat not in noted:
                    noted.append(flat)
                if flat.get("type") == "file_path":
                    # "sandbox:/mnt/data/plot.csv": where the code has put it
                    name = str(annotation.get("text") or "").rsplit("/", 1)[-1]
                    self._found(place, flat.get("file_id"), name)

    def _found(self, place: int, id: JsonValue, name: str) -> None:
        if an_id(id):
            self.files.setdefault(place, {}).setdefault(str(id), name)


def _text_of(told: JsonObject) -> str | None:
    """The text in a part of a message, or in a piece of one; None where it has none."""
    text = told.get("text")
    if isinstance(text, dict):
        text = text.get("value")
    if text is None:
        text = told.get("refusal")
    return text if isinstance(text, str) else None


def _flat(annotation: JsonObject) -> JsonObject:
    """An annotation in the shape of the Open Responses items: what its kind tells stands beside the kind."""
    kind = str(annotation.get("type"))
    about = annotation.get(kind)
    kept = {key: value for key, value in annotation.items() if key not in ("index", kind)}
    return clean({**kept, **about} if isinstance(about, dict) else kept)
