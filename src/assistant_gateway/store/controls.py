"""What people do about messages that were accepted: stop, change or delete them, and rate their answers."""

from __future__ import annotations

from assistant_gateway.store import Effect, Standing, Undone, rows, turns
from assistant_gateway.store.database import Database
from assistant_gateway.values import Conversation, Lane, MessageState, OnEdit, Rating, User

STOPPED = "stopped"  # the reason of a person's stop
REVISED = "revised"  # what a worker is told whose question was changed


def stop(db: Database, lane: Lane, reason: str, run_id: str = "") -> int | None:
    """Let what an assistant answers in a lane end early; the message's id, None when nothing is answered."""
    row = db.one("being_answered", run=run_id, **rows.lane_values(lane))
    if row is None:
        return None
    lane_id, id = row
    _end(db, lane_id, id, reason)
    return int(id)


def standing(db: Database, lane: Lane) -> Standing:
    """How a lane stands."""
    row = db.one("standing", **rows.lane_values(lane))
    if row is None:
        return Standing()
    thread_id, unfinished = row
    turn = turns.last(db, thread_id)
    return Standing(thread_id, turn is not None, turn.run_id if turn else "", unfinished)


def undo(db: Database, lane: Lane) -> Undone:
    """Forget the newest turn of an idle lane's current thread."""
    now = standing(db, lane)
    if now.unfinished:
        return Undone.BUSY
    return turns.undo(db, now.thread_id)


def revise(db: Database, id: int, text: str | None, reason: str) -> Effect:
    """Change a message or take it back (None), as far as its state and its route allow."""
    row = db.one("changeable", id=id)
    if row is None:
        return Effect.NOTHING
    state, before, command, lane_id, target, target_state, on_edit = row
    if text is not None and (command or text == before):
        return Effect.NOTHING
    if MessageState(state).is_final and state != MessageState.MERGED:
        return Effect.NOTHING
    match target_state:
        case MessageState.READY | MessageState.CLAIMED:
            if db.run("take_back_message", id=target):
                # Whoever claimed it has shown nothing yet, and finds the lane lost when he begins.
                db.run("take_back_lane", lane=lane_id)
            return _change_waiting(db, id, target, lane_id, text)
        case MessageState.ANSWERING if on_edit == OnEdit.RERUN and text is not None:
            db.run("change_text", id=id, text=text)
            db.run("revise_message", id=target)
            db.run("stop_lane", lane=lane_id, reason=REVISED)
            return Effect.REVISED
        case MessageState.ANSWERING if on_edit != OnEdit.IGNORE:
            _end(db, lane_id, target, reason)
            return Effect.STOPPED
        case _:
            return Effect.NOTHING


def rate(
    db: Database, conversation: Conversation, user: User, run_id: str, rating: Rating, comment: str | None
) -> bool:
    """Keep a person's word on an answer that was given in the channel."""
    kept = db.run(
        "rate",
        run=run_id,
        user_id=user.id,
        user=rows.user_json(user),
        rating=rating.value,
        comment=comment,
        now=db.now(),
        adapter=conversation.adapter,
        tenant=conversation.tenant,
        channel=conversation.channel,
    )
    return bool(kept)


def _change_waiting(db: Database, id: int, target: int, lane_id: int, text: str | None) -> Effect:
    if text is not None:
        db.run("change_text", id=id, text=text)
        return Effect.CHANGED
    if id == target and db.one("has_merged", id=id) is not None:
        # Others wait for this answer: it is given, to what they said.
        db.run("change_text", id=id, text="")
        db.run("detach_files", id=id)
        return Effect.CHANGED
    db.run("withdraw_message", id=id, now=db.now())
    if id == target:
        db.run("leave_lane", lane=lane_id)
    return Effect.WITHDRAWN


def _end(db: Database, lane_id: int, id: int, reason: str) -> None:
    db.run("stop_message", message=id, reason=reason)
    db.run("stop_lane", lane=lane_id, reason=reason)
