"""
Threads and messages that were exported from OpenAI's Assistants API, as threads of ours.

What people kept of it are the answers of its list endpoints: message objects, alone, in a list or in
lists of pages, in one JSON document or one a line (OpenAI's API reference, "The message object", 2026-08).
A thread is put together from its messages; what it can't bring, such as a file that was never
downloaded, is told in its place.
"""

from __future__ import annotations

import json
import mimetypes
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from assistant_gateway import items
from assistant_gateway.errors import GatewayError
from assistant_gateway.transfer import LATEST, Carried
from assistant_gateway.values import FileRef, Item, JsonValue, Lane, Thread

ADAPTER = "python"  # where a thread is kept whose place on a platform nobody has told
TENANT = "assistants"


class NoExport(GatewayError):
    """This is no export of the Assistants API; the message says where."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a thread goes on: the four words of a conversation."""

    adapter: str
    tenant: str
    channel: str
    topic: str = ""


def threads(text: str, *, places: Mapping[str, Place], files: Path | None = None) -> Iterator[Carried]:
    """
    The threads of an export, oldest message first.

    Args:
        places: Where threads go on, by OpenAI's ids; the others are kept apart, under their id.
        files: A directory with the files of the messages, each named by its id, with or without a suffix.

    Raises:
        NoExport: It holds something else.
    """
    messages: dict[str, dict[str, Mapping[str, JsonValue]]] = defaultdict(dict)
    for message in _messages(text):
        # Pages that were asked for while people spoke have some messages twice.
        messages[str(message["thread_id"])].setdefault(str(message["id"]), message)
    for id, by_id in messages.items():
        found = list(by_id.values())
        # The API lists the newest first unless asked otherwise, and tells no fractions of a second.
        first, last = _seconds(found[0]), _seconds(found[-1])
        if first > last or (first == last and found[0]["role"] == "assistant"):
            found.reverse()
        yield _carried(id, sorted(found, key=_seconds), places.get(id), files)


def _carried(
    id: str, messages: Sequence[Mapping[str, JsonValue]], place: Place | None, files: Path | None
) -> Carried:
    where = place or Place(ADAPTER, TENANT, id)
    lane = Lane(where.adapter, where.tenant, where.channel, where.topic)
    carried = Carried(Thread(f"openai_{id}", lane, _seconds(messages[0]), is_current=True))
    for message in messages:
        text, refs = _content(message, files, carried)
        if message["role"] == "user":
            bodies = [items.user_message(text, refs)]
        else:
            bodies = [items.assistant_message(text), *map(items.made_file, refs)]
        for number, each in enumerate(bodies):
            name = str(message["id"]) + (f".{number}" if number else "")
            carried.items.append(Item(name, each, created_at=_seconds(message)))
    return carried


def _content(
    message: Mapping[str, JsonValue], files: Path | None, carried: Carried
) -> tuple[str, list[FileRef]]:
    """What a message says, and the files of it that are there."""
    said: list[str] = []
    wanted: list[str] = []
    for part in _list(message.get("content")):
        kind = str(part.get("type"))
        inner = part.get(kind)
        if kind == "text" and isinstance(inner, Mapping):
            said.append(str(inner.get("value", "")))
        elif kind == "text":
            said.append(str(inner or ""))
        elif kind == "refusal":
            said.append(str(part.get("refusal", "")))
        elif kind == "image_file" and isinstance(inner, Mapping):
            wanted.append(str(inner.get("file_id", "")))
        elif kind == "image_url" and isinstance(inner, Mapping):
            said.append(f"[picture: {inner.get('url', '')}]")
        else:
            said.append(f"[{kind}: not part of this export]")
    wanted += [str(each.get("file_id", "")) for each in _list(message.get("attachments"))]
    refs = []
    for id in dict.fromkeys(wanted):
        found = _file(id, files)
        if found is None:
            said.append(f"[file {id}: not part of this export]")
        else:
            refs.append(found[0])
            carried.files.append(found)
    return "\n\n".join(text for text in said if text), refs


def _file(id: str, files: Path | None) -> tuple[FileRef, bytes] | None:
    # The id comes out of the export: it names a file in the directory and nothing above it.
    if files is None or not id.replace("-", "").replace("_", "").isalnum():
        return None
    path = next((each for each in sorted(files.iterdir()) if each.stem == id or each.name == id), None)
    if path is None or not path.is_file():
        return None
    data = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return FileRef(f"openai_{id}", path.name, kind, len(data)), data


def _messages(text: str) -> Iterator[Mapping[str, JsonValue]]:
    try:
        documents = [(1, json.loads(text))]
    except json.JSONDecodeError:
        documents = list(_by_line(text))
    except RecursionError as error:
        raise NoExport("it is nested too deeply") from error
    for line, document in documents:
        for found in _within(document):
            if not isinstance(found.get("id"), str) or not isinstance(found.get("thread_id"), str):
                raise NoExport(f"line {line}: a message without id or thread_id")
            if found.get("role") not in ("user", "assistant"):
                raise NoExport(f"line {line}: the message {found['id']} has no role user or assistant")
            yield found


def _by_line(text: str) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError as error:
                raise NoExport(f"line {number}: this is no JSON: {error.msg}") from error


def _within(document: object) -> Iterator[Mapping[str, JsonValue]]:
    """The message objects in whatever they were put into."""
    if isinstance(document, Mapping) and document.get("object") == "thread.message":
        yield document
    elif isinstance(document, Mapping):
        for value in document.values():
            if isinstance(value, Mapping | list):
                yield from _within(value)
    elif isinstance(document, list):
        for value in document:
            yield from _within(value)


def _seconds(message: Mapping[str, JsonValue]) -> float:
    created = message.get("created_at")
    return float(created) if isinstance(created, int | float) and 0 <= created <= LATEST else 0.0


def _list(value: JsonValue) -> Iterable[Mapping[str, JsonValue]]:
    found = value if isinstance(value, list) else ()
    return [each for each in found if isinstance(each, Mapping)]


__all__ = ["NoExport", "Place", "threads"]
