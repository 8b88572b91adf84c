"""The door of the inbox, as one transaction: dedupe, lane, thread, files and message, all or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

from assistant_gateway.adapter import Receipt, Verdict
from assistant_gateway.store import rows
from assistant_gateway.store.controls import STOPPED, stop
from assistant_gateway.store.database import Database
from assistant_gateway.store.memory import keep_file, lane_of, new_id, new_thread
from assistant_gateway.store.text import clean
from assistant_gateway.values import (
    Attachment,
    Busy,
    Command,
    FileRef,
    Inbound,
    Message,
    MessageState,
    Routed,
)


def accept(db: Database, inbound: Inbound, routed: Routed, cap: int, run_id: str = "") -> Receipt:
    """Take a message in, or say why not."""
    earlier = _earlier(db, inbound)
    if earlier is not None:
        return earlier
    lane, seq, pending, thread = lane_of(db, routed.lane)
    if pending >= cap:
        return Receipt(Verdict.BUSY, ahead=pending, reason=f"{pending} messages wait there already")
    now = db.now()
    note = run_id
    if inbound.command is Command.STOP:
        note = str(stop(db, routed.lane, STOPPED) or "")
    elif inbound.command is Command.RESET and thread is not None:
        db.run("retire_thread", lane=lane)
        thread = None
    thread = thread or new_thread(db, lane)
    inbound = replace(inbound, text=clean(inbound.text), instructions=clean(inbound.instructions))
    values = rows.message_values(inbound, routed)
    id = cast(int, db.value("add_message", lane=lane, seq=seq, thread=thread, now=now, note=note, **values))
    interrupt = routed.busy is Busy.INTERRUPT and inbound.command is None
    db.run("grow_lane", lane=lane, now=now, interrupt=interrupt)
    where = inbound.conversation
    for key in _keys(inbound):
        db.run("add_key", adapter=where.adapter, tenant=where.tenant, key=key, message=id, now=now)
    message = Message(
        id=id,
        lane_id=lane,
        seq=seq,
        state=MessageState.READY,
        inbound=replace(inbound, attachments=()),
        routed=routed,
        thread_id=thread,
        files=tuple(_keep(db, attachment, id) for attachment in inbound.attachments),
        accepted_at=now,
        note=note,
    )
    return Receipt(Verdict.ACCEPTED, message, ahead=pending)


def _keep(db: Database, attachment: Attachment, message: int) -> FileRef:
    name, content_type = clean(attachment.name), clean(attachment.content_type)
    file = FileRef(new_id("file"), name, content_type, len(attachment.data))
    keep_file(db, file, attachment.data, message)
    return file


def message_by_id(db: Database, id: int) -> Message | None:
    """A message with all that belongs to it."""
    row = db.one("message", id=id)
    return None if row is None else rows.message(row)


def _earlier(db: Database, inbound: Inbound) -> Receipt | None:
    """The receipt of a message that was accepted before; its own id is asked first."""
    where = inbound.conversation
    for key in _keys(inbound):
        known = db.one("known_key", adapter=where.adapter, tenant=where.tenant, key=key)
        if known is None:
            continue
        id, fingerprint = known
        message = message_by_id(db, id)
        assert message is not None
        same_id = key.startswith("message:")
        if same_id and inbound.fingerprint and fingerprint and inbound.fingerprint != fingerprint:
            return Receipt(Verdict.CONFLICT, message, reason="the same id was accepted with another content")
        ahead = 0
        if not message.state.is_final:
            ahead = cast(int, db.value("ahead", lane=message.lane_id, seq=message.seq))
        return Receipt(Verdict.DUPLICATE, message, ahead=ahead)
    return None


def _keys(inbound: Inbound) -> Iterator[str]:
    """The dedupe keys, each told apart by its kind; the platform's message id comes first."""
    yield f"message:{inbound.message_id}"
    for key in dict.fromkeys(inbound.keys):
        yield f"key:{key}"
