"""What a lane remembers: its threads, their items, and files; as plain functions on the database."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Sequence
from typing import cast

from assistant_gateway import items as bodies
from assistant_gateway.store import Summary, rows
from assistant_gateway.store.database import Database
from assistant_gateway.store.text import dumps
from assistant_gateway.values import FileRef, Item, Lane, Thread


def open_thread(db: Database, lane: Lane) -> Thread:
    """The current thread of a lane."""
    id, _, _, current = lane_of(db, lane)
    return _thread(db, current or new_thread(db, id))


def reset(db: Database, lane: Lane) -> Thread:
    """A new current thread."""
    id, _, _, current = lane_of(db, lane)
    if current is not None:
        db.run("retire_thread", lane=id)
    return _thread(db, new_thread(db, id))


def put_items(db: Database, thread_id: str, items: Sequence[Item], run_id: str = "") -> tuple[int, int]:
    """
    Put items on a thread, under *run_id* where they name no run themselves; its lengths before and after.

    Raises:
        LookupError: There is no such thread.
    """
    length = cast("int | None", db.value("thread_length", thread=thread_id))
    if length is None:
        raise LookupError(f"there is no thread {thread_id}")
    seq = length
    for item in items:
        seq += db.run(
            "add_item",
            thread=thread_id,
            seq=seq + 1,
            run=item.run_id or run_id,
            id=item.id or new_id("item"),
            created_at=item.created_at or db.now(),
            body=dumps(item.body),
            covers=bodies.covered(item.body),
        )
    if seq > length:
        db.run("grow_thread", thread=thread_id, items=seq)
    return length, seq


def summary(db: Database, thread_id: str) -> Summary | None:
    """The summary that stands for most of a thread."""
    row = db.one("summary", thread=thread_id)
    return None if row is None else rows.summary(row)


def save_summary(db: Database, thread_id: str, item: Item, since: int, stands_for: Collection[int]) -> bool:
    """Put a summary on a thread whose items are still what it was made of."""
    newest = summary(db, thread_id)
    if (newest.covers if newest is not None else 0) != since:
        return False
    if db.value("count_items", thread=thread_id, seqs=dumps(list(stands_for))) != len(stands_for):
        return False
    put_items(db, thread_id, [item])
    return True


def lane_of(db: Database, lane: Lane) -> tuple[int, int, int, str | None]:
    """A lane's id, next seq, unfinished messages and current thread; made when there is none."""
    words = rows.lane_values(lane)
    row = db.one("lane", **words)
    if row is None:
        return cast(int, db.value("add_lane", **words)), 1, 0, None
    return cast("tuple[int, int, int, str | None]", row)


def new_thread(db: Database, lane: int) -> str:
    """The id of a new current thread; the lane must have none."""
    id = new_id("thread")
    db.run("add_thread", id=id, lane=lane, current=1, created_at=db.now())
    return id


def import_thread(db: Database, thread: Thread, items: Sequence[Item], replace: bool) -> bool:
    """Keep a thread of another store under its own id; False when it is here already."""
    if db.one("thread", id=thread.id) is not None:
        return False
    id, _, _, current = lane_of(db, thread.lane)
    is_current = thread.is_current and (replace or current is None)
    if is_current and current is not None:
        db.run("retire_thread", lane=id)
    db.run("add_thread", id=thread.id, lane=id, current=int(is_current), created_at=thread.created_at)
    put_items(db, thread.id, items)
    return True


def keep_file(db: Database, file: FileRef, data: bytes, message: int | None = None) -> None:
    """Keep a file; equal bytes are kept once."""
    sha256 = hashlib.sha256(data).digest()
    db.run("add_blob", sha256=sha256, data=data)
    db.run(
        "add_file",
        id=file.id,
        sha256=sha256,
        name=file.name,
        content_type=file.content_type,
        size=len(data),
        message=message,
        now=db.now(),
    )


def new_id(kind: str) -> str:
    """An id that nobody can guess."""
    return f"{kind}_{secrets.token_hex(12)}"


def _thread(db: Database, id: str) -> Thread:
    row = db.one("thread", id=id)
    assert row is not None
    return rows.thread(row)
