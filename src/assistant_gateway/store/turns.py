"""
Turns: which items of a thread are a question, and which its answer; and how they are forgotten.

Every run of an assistant knows where its question stands on the thread. What is forgotten keeps its
place and stays readable for the operator, but no model and nobody in the conversation sees it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assistant_gateway import items
from assistant_gateway.store import Undone, rows
from assistant_gateway.store.database import Database
from assistant_gateway.store.memory import put_items
from assistant_gateway.values import Item

_PAGE = 100  # items read at once
_NEWEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Turn:
    """
    A question and what followed.

    Attributes:
        run_id: The run that answered it last; empty where the thread comes from elsewhere.
        question: The message that asked; None where the thread comes from elsewhere.
        begins_at: The seq of the item before its own.
        asked_until: The seq of the question's last item; the same where the run only went on.
    """

    run_id: str
    question: int | None
    begins_at: int
    asked_until: int


def last(db: Database, thread_id: str) -> Turn | None:
    """The newest turn of a thread that is not forgotten."""
    row = db.one("last_turn", thread=thread_id)
    return _without_run(db, thread_id) if row is None else Turn(*row)


def of(db: Database, run_id: str) -> Turn | None:
    """The turn of a run; None where it answers a command."""
    row = db.one("turn", id=run_id)
    return None if row is None or row[1] is None else Turn(run_id, *row)


def put_question(db: Database, thread_id: str, asked: Sequence[Item]) -> tuple[int, int]:
    """Put a question's items on a thread; the seqs before and at its end."""
    return put_items(db, thread_id, asked)


def undo(db: Database, thread_id: str) -> Undone:
    """Forget the newest turn of a thread."""
    turn = last(db, thread_id)
    if turn is None:
        return Undone.NOTHING
    db.run("forget_turns", thread=thread_id, begins_at=turn.begins_at)
    db.run("forget_items", thread=thread_id, after=turn.begins_at)
    db.run("forget_summaries", thread=thread_id, after=turn.begins_at)
    db.run("forget_backend_states", thread=thread_id)
    return Undone.FORGOTTEN


def forget_answer(db: Database, thread_id: str, turn: Turn) -> None:
    """Forget what followed the question of a thread's newest turn, to answer it again."""
    db.run("forget_turns", thread=thread_id, begins_at=turn.begins_at)
    db.run("forget_items", thread=thread_id, after=turn.asked_until)
    db.run("forget_summaries", thread=thread_id, after=turn.asked_until)
    db.run("forget_backend_states", thread=thread_id)


def revise(db: Database, run_id: str, thread_id: str, revision: int, asked: Sequence[Item]) -> None:
    """Put a question that was changed in the place of the earlier one, and forget what was said to that."""
    turn = of(db, run_id)
    if turn is not None:
        db.run(
            "forget_attempt",
            thread=thread_id,
            run=run_id,
            begins_at=turn.begins_at,
            asked_until=turn.asked_until,
        )
        db.run("forget_summaries", thread=thread_id, after=turn.begins_at)
        db.run("forget_backend_states", thread=thread_id)
    begins_at, asked_until = put_question(db, thread_id, asked)
    db.run("revise_run", id=run_id, revision=revision, begins_at=begins_at, asked_until=asked_until)


def _without_run(db: Database, thread_id: str) -> Turn | None:
    """The newest turn of a thread that no run of ours has answered: it was imported, or put there by hand."""
    begins_at = asked_until = None
    for item in _newest_first(db, thread_id):
        if items.role(item.body) == "user":
            begins_at, asked_until = item.seq - 1, asked_until or item.seq
        elif asked_until is not None:
            break
    if begins_at is None or asked_until is None:
        return None
    return Turn("", None, begins_at, asked_until)


def _newest_first(db: Database, thread_id: str) -> Iterator[Item]:
    before = _NEWEST
    while page := db.all("items", thread=thread_id, before=before, limit=_PAGE, forgotten=False):
        for item in map(rows.item, page):
            yield item
            before = item.seq
