"""
What a worker does with a message, verb by verb, under a claim.

A claim is a lane's owner and fence. Each write looks at the lane first and at the message under
the same fence, in this order, so that a worker that was paused and replaced changes nothing; on
several nodes the same order keeps two of them from waiting for each other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import structlog

from assistant_gateway.errors import LeaseLost, Revised
from assistant_gateway.store import Claim, Undone, ledger, rows, turns
from assistant_gateway.store.database import Database
from assistant_gateway.store.memory import put_items
from assistant_gateway.values import (
    Answer,
    Busy,
    CallRecord,
    Item,
    Message,
    MessageState,
    Post,
    Run,
    RunStatus,
)

MERGED = 50  # messages that one answer takes along at most

UNREADABLE = (ValueError, KeyError, TypeError, sqlite3.DataError)  # what a row of another version raises

_RUN_ENDS = {MessageState.DELIVERED: RunStatus.COMPLETED, MessageState.CANCELLED: RunStatus.CANCELLED}


@dataclass(frozen=True, slots=True)
class _Held:
    state: MessageState
    thread_id: str
    revision: int
    run_id: str | None
    run_revision: int | None

    @property
    def revised(self) -> bool:
        return self.run_revision is not None and self.run_revision < self.revision


def claim(db: Database, owner: str, lease: float) -> Claim | None:
    """Take the lane that has waited longest and its oldest unfinished message."""
    while True:
        steady = db.steady()
        lane = db.one("claim_lane", owner=owner, until=steady + lease, steady=steady, now=db.now())
        if lane is None:
            return None
        id, fence, pending = lane
        claimed = _claim_message(db, id, owner, fence, pending)
        if claimed is not None:
            return claimed
        db.run("recount_lane", lane=id)


def _claim_message(db: Database, lane: int, owner: str, fence: int, pending: int) -> Claim | None:
    """The claim on a lane's first message that can be read; the lane goes on without those that can't."""
    while (first := db.one("first_unfinished", lane=lane)) is not None:
        id, seq, state, thread = first
        older: list[int] = []
        if state == MessageState.READY and pending > 1:
            id, older = _merging(db, lane, seq, thread)
        try:
            message = _readable(db, id)
        except UNREADABLE:
            structlog.get_logger().exception("message.unreadable", message=id)
            db.run("bury_message", id=id, now=db.now())
            db.run("end_run", message=id, status=RunStatus.FAILED.value)
            db.run("shrink_lane", lane=lane, n=1)
            continue
        for other in older:
            db.run("merge_message", id=other, into=id, now=db.now())
            db.run("merge_followers", id=other, into=id)
        if older:
            db.run("shrink_lane", lane=lane, n=len(older))
        db.run("take_message", id=id, fence=fence)
        if message.state is MessageState.READY:
            message = replace(message, state=MessageState.CLAIMED)
        return Claim(message, owner, fence, tuple(merged(db, id)))
    return None


def merged(db: Database, id: int) -> list[Message]:
    """The messages that were merged into another one, oldest first, but for those that can't be read."""
    found = []
    for row in db.all("merged", id=id):
        try:
            found.append(rows.message(row))
        except UNREADABLE:
            structlog.get_logger().exception("message.unreadable", message=row[0])
    return found


def _readable(db: Database, id: int) -> Message:
    row = db.one("message", id=id)
    if row is None:
        raise ValueError("the message has lost its lane")
    return rows.message(row)


def _merging(db: Database, lane: int, seq: int, thread: str) -> tuple[int, list[int]]:
    """The message to claim, and the older ones that join it: never across a command or a reset."""
    waiting: list[tuple[int, str]] = []
    for id, its_thread, busy, command in db.all("ready_behind", lane=lane, seq=seq, limit=MERGED + 1):
        if waiting and (command or its_thread != thread):
            break
        waiting.append((id, busy))
        if command:
            return id, []
    newest, busy = waiting[-1]
    if busy in (Busy.MERGE, Busy.INTERRUPT):
        return newest, [id for id, _ in waiting[:-1]]
    return waiting[0][0], []


def release(db: Database, claim: Claim, delay: float, failed: bool) -> None:
    """Give the message back; what was begun stays begun."""
    _held(db, claim)
    db.run("release_message", message=claim.message.id, fence=claim.fence, failed=failed)
    db.run("release_lane", lane=claim.message.lane_id, wake_at=db.now() + delay)


def begin(db: Database, claim: Claim, run: Run, items: Sequence[Item] | None, refusal: str) -> Run:
    """Open the claim's run, or count another attempt at it."""
    held = _held(db, claim)
    if held.revision != claim.message.revision:
        raise Revised(f"message {claim.message.id} was changed after it was claimed")
    _begin_message(db, claim)
    is_question = items is not None and claim.message.inbound.command is None
    if held.run_id is None:
        turn = turns.put_question(db, run.thread_id, items or ()) if is_question else None
        run = replace(run, status=RunStatus.IN_PROGRESS)
        _add_run(db, claim, run, claim.message.id if is_question else None, turn)
        if refusal:
            db.run("refuse_message", message=claim.message.id, refusal=refusal)
    elif held.revised and is_question:
        turns.revise(db, held.run_id, run.thread_id, held.revision, items or ())
    else:
        db.run("retry_run", id=held.run_id)
    return _run(db, held.run_id or run.id)


def retry(db: Database, claim: Claim, run: Run) -> Run | None:
    """Open the claim's run as another answer to the last question, or count another attempt at it."""
    held = _held(db, claim)
    if held.run_id is not None:
        if turns.of(db, held.run_id) is None:
            return None
        _begin_message(db, claim)
        db.run("retry_run", id=held.run_id)
        return _run(db, held.run_id)
    last = turns.last(db, run.thread_id)
    if last is None or claim.message.note not in ("", last.run_id):
        return None
    _begin_message(db, claim)
    turns.forget_answer(db, run.thread_id, last)
    run = replace(run, status=RunStatus.IN_PROGRESS)
    _add_run(db, claim, run, last.question or claim.message.id, (last.begins_at, last.asked_until))
    return _run(db, run.id)


def undo(db: Database, claim: Claim) -> Undone:
    """Forget the last question of the claim's thread, once."""
    held = _held(db, claim)
    note = db.value("message_note", message=claim.message.id)
    if not note:
        note = turns.undo(db, held.thread_id).value
        db.run("save_message_note", message=claim.message.id, note=note)
    return Undone(cast(str, note))


def question(db: Database, run_id: str) -> list[Message]:
    """The messages that a run answers."""
    turn = db.one("turn", id=run_id)
    if turn is None or turn[0] is None:
        return []
    return [*merged(db, turn[0]), _readable(db, turn[0])]


def save_step(
    db: Database, claim: Claim, items: Sequence[Item], calls: Sequence[CallRecord], run: Run
) -> None:
    """Keep a step: items, calls and the run's state."""
    held = _held(db, claim)
    _refuse_revised(held, claim)
    put_items(db, run.thread_id, items, run_id=run.id)
    for record in calls:
        db.run("add_call", run=run.id, revision=held.run_revision, **rows.call_values(record))
    db.run("save_run", **rows.run_values(run))


def save_call(db: Database, claim: Claim, record: CallRecord) -> None:
    """Journal a call's state."""
    held = _held(db, claim)
    db.run("save_call", run=held.run_id, revision=held.run_revision, **rows.call_values(record))


def save_post(db: Database, claim: Claim, post: Post) -> None:
    """Journal a post."""
    held = _held(db, claim)
    saved = db.run(
        "save_post",
        key=post.key,
        message=claim.message.id,
        run=held.run_id,
        part=post.part,
        id=post.id,
        text=post.text,
    )
    if not saved:
        raise ValueError(f"the post key {post.key!r} belongs to another message")


def conclude(
    db: Database, claim: Claim, run: Run, answer: Answer, items: Sequence[Item], journal: str
) -> None:
    """Keep the complete answer; the first one stands."""
    held = _held(db, claim)
    if held.state is MessageState.FINAL_READY:
        return
    _refuse_revised(held, claim)
    if held.run_id is None:
        _add_run(db, claim, run, claim.message.id, None)
    else:
        db.run("save_run", **rows.run_values(run))
    ledger.enter(db, run)
    put_items(db, run.thread_id, items, run_id=run.id)
    db.run(
        "add_answer",
        message=claim.message.id,
        answer=rows.answer_json(answer),
        journal=journal,
        now=db.now(),
    )
    db.run("conclude_message", message=claim.message.id, fence=claim.fence)


def finish(db: Database, claim: Claim, state: MessageState) -> None:
    """The message is final and the lane is free."""
    if not state.is_final or state is MessageState.MERGED:
        raise ValueError(f"{state.value} is no end of an answer")
    held = _held(db, claim)
    if held.run_id is not None and held.state is not MessageState.FINAL_READY:
        ledger.enter(db, _run(db, held.run_id))
    db.run("finish_message", message=claim.message.id, fence=claim.fence, state=state.value, now=db.now())
    ended = _RUN_ENDS.get(state, RunStatus.FAILED)
    db.run("end_run", message=claim.message.id, status=ended.value)
    db.run("finish_lane", lane=claim.message.lane_id)


def _held(db: Database, claim: Claim) -> _Held:
    row = db.one(
        "held", lane=claim.message.lane_id, owner=claim.owner, fence=claim.fence, message=claim.message.id
    )
    if row is None:
        raise LeaseLost(f"message {claim.message.id} is no longer {claim.owner}'s")
    state, *others = row
    return _Held(MessageState(state), *others)


def _refuse_revised(held: _Held, claim: Claim) -> None:
    if held.revised:
        raise Revised(f"message {claim.message.id} was changed while it was answered")


def _begin_message(db: Database, claim: Claim) -> None:
    if db.run("begin_message", message=claim.message.id, fence=claim.fence) == 0:
        raise LeaseLost("the message is answered already")


def _add_run(
    db: Database, claim: Claim, run: Run, question: int | None, turn: tuple[int, int] | None
) -> None:
    begins_at, asked_until = turn or (None, None)
    db.run(
        "add_run",
        message=claim.message.id,
        thread=run.thread_id,
        assistant=run.assistant,
        attempt=run.attempt,
        now=db.now(),
        question=question,
        begins_at=begins_at,
        asked_until=asked_until,
        revision=claim.message.revision,
        user=claim.message.inbound.user.id,
        **rows.run_values(run),
    )


def _run(db: Database, id: str) -> Run:
    row = db.one("run", id=id)
    assert row is not None
    return rows.run(row)
