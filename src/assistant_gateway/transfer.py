"""
Threads as JSON Lines: carried out of one gateway and into another, whole.

A thread is a line of type ``thread``, followed by its files and its items, a line each; the format
is told in docs/reference/threads.md. Reading is as strict as writing: what is not understood is
refused with the number of its line, and a thread is taken in whole or not at all.
"""

from __future__ import annotations

import base64
import binascii
import json
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, TypeAdapter, ValidationError

from assistant_gateway import items
from assistant_gateway.errors import GatewayError
from assistant_gateway.store import Store
from assistant_gateway.values import FileRef, Item, JsonObject, JsonValue, Lane, Thread

VERSION = 1
PAGE = 500  # items read at once
LATEST = 253_402_300_799.0  # epoch seconds: the end of the year 9999

Time: TypeAlias = Annotated[float, Field(ge=0.0, le=LATEST)]
"""Epoch seconds."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ThreadLine(_Strict):
    """The place and age of a thread; times are epoch seconds."""

    type: Literal["thread"]
    version: Literal[1]
    id: str = Field(min_length=1)
    created_at: Time
    is_current: bool
    adapter: str
    tenant: str
    channel: str
    topic: str = ""
    member: str = ""


class FileLine(_Strict):
    """A file that an item of the thread names."""

    type: Literal["file"]
    id: str = Field(min_length=1)
    name: str
    content_type: str
    data: str


class ItemLine(_Strict):
    """One entry of the thread, oldest first."""

    type: Literal["item"]
    id: str = Field(min_length=1)
    run_id: str = ""
    created_at: Time = 0.0
    body: dict[str, object]


_LINE: TypeAdapter[ThreadLine | FileLine | ItemLine] = TypeAdapter(
    Annotated[ThreadLine | FileLine | ItemLine, Discriminator("type")]
)


class Unfit(GatewayError):
    """A line can't be taken in; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Carried:
    """One thread with all that belongs to it."""

    thread: Thread
    files: list[tuple[FileRef, bytes]] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)


async def lines_of(store: Store, thread: Thread) -> AsyncIterator[str]:
    """A thread as lines of JSON, each with its line feed; a file that is no longer kept is left out."""
    lane = thread.lane
    yield _line(
        {
            "type": "thread",
            "version": VERSION,
            "id": thread.id,
            "created_at": thread.created_at,
            "is_current": thread.is_current,
            "adapter": lane.adapter,
            "tenant": lane.tenant,
            "channel": lane.channel,
            "topic": lane.topic,
            "member": lane.member,
        }
    )
    told: set[str] = set()
    all_items = await _all_items(store, thread.id)
    seqs = [item.seq for item in all_items]
    for item in all_items:
        for id in items.file_ids(item.body):
            kept = await store.file(id) if id not in told else None
            told.add(id)
            if kept is not None:
                file, data = kept
                yield _line(
                    {
                        "type": "file",
                        "id": file.id,
                        "name": file.name,
                        "content_type": file.content_type,
                        "data": base64.b64encode(data).decode(),
                    }
                )
        yield _line(
            {
                "type": "item",
                "id": item.id,
                "run_id": item.run_id,
                "created_at": item.created_at,
                "body": _renumbered(item.body, seqs),
            }
        )


def carried(lines: Iterable[str]) -> Iterator[Carried]:
    """
    The threads that *lines* tell, one after another.

    Raises:
        Unfit: A line is not understood.
    """
    thread: Carried | None = None
    ids: set[tuple[str, str]] = set()
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            line = _LINE.validate_json(text)
        except ValidationError as error:
            raise Unfit(f"line {number}: {_why(error)}") from error
        if isinstance(line, ThreadLine):
            if thread is not None:
                yield thread
            thread = Carried(_thread(line))
            ids = set()
        elif thread is None:
            raise Unfit(f"line {number}: a {line.type} before the first thread")
        elif isinstance(line, FileLine):
            try:
                data = base64.b64decode(line.data, validate=True)
            except binascii.Error as error:
                raise Unfit(f"line {number}: file.data: this is no base64") from error
            thread.files.append((FileRef(line.id, line.name, line.content_type, len(data)), data))
        elif (line.run_id, line.id) in ids:
            raise Unfit(f"line {number}: item.id: it is there twice")
        else:
            body = _body(text, number)
            ids.add((line.run_id, line.id))
            thread.items.append(Item(line.id, body, run_id=line.run_id, created_at=line.created_at))
    if thread is not None:
        yield thread


async def take_in(store: Store, told: Carried, *, replace: bool = False) -> bool:
    """
    Keep a thread; False when it is kept already.

    It becomes the current one of its conversation where that has none; with *replace* also where it has.

    Raises:
        Unfit: Another file is kept under the id of one of its files.
    """
    if await store.thread(told.thread.id) is not None:
        return False
    for file, data in told.files:
        kept = await store.file(file.id)
        if kept is not None and kept[1] != data:
            raise Unfit(f"thread {told.thread.id}: another file is kept as {file.id} already")
        await store.save_file(file, data)
    return await store.import_thread(told.thread, told.items, replace=replace)


def _renumbered(body: JsonObject, seqs: Sequence[int]) -> JsonObject:
    """A summary as of a thread without gaps: what is forgotten is not carried out."""
    covers = items.covered(body)
    return body if covers is None else {**body, "covers": bisect_right(seqs, covers)}


async def _all_items(store: Store, thread_id: str) -> list[Item]:
    pages: list[list[Item]] = []
    before: int | None = None
    while page := await store.items(thread_id, before=before, limit=PAGE):
        pages.append(page)
        before = page[0].seq
    return [item for page in reversed(pages) for item in page]


def _body(text: str, number: int) -> JsonObject:
    """The body of the item in a line, as it stands there: pydantic would change some numbers."""
    body: JsonObject = json.loads(text)["body"]
    try:
        json.dumps(body, allow_nan=False)
    except ValueError as error:
        raise Unfit(f"line {number}: body: a number is none") from error
    if missing := items.missing(body):
        raise Unfit(f"line {number}: body.{missing}: it is missing, or not what an item has there")
    return body


def _thread(line: ThreadLine) -> Thread:
    lane = Lane(line.adapter, line.tenant, line.channel, line.topic, line.member)
    return Thread(line.id, lane, line.created_at, line.is_current)


def _line(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"


def _why(error: ValidationError) -> str:
    """What is wrong and where, without the text that people have said."""
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]


__all__ = ["LATEST", "Carried", "Unfit", "carried", "lines_of", "take_in"]
