"""
What people ask of the gateway itself: `/reset`, `/stop`, `/retry`, `/undo`, `/usage`, `/help`.

A message that is nothing but one of these words is a command. It goes the way of every message,
so it is on disk, in order and answered once; but no model is asked, and neither the command nor
its answer is put on the thread. Every word that people are told about commands stands here.
"""

from __future__ import annotations

from datetime import UTC, datetime

from assistant_gateway.budgets import Budgets, Spender
from assistant_gateway.prices import dollars
from assistant_gateway.store import Claim, Standing, Store, Undone, Used
from assistant_gateway.values import Command, MessageState, RunStatus

STOPPED = "Stopped."
COMPLETE = "That answer was complete already."
IDLE = "Nothing is being answered."
RESET = "A new conversation begins: the assistant no longer sees what was said before."
RETRYING = "The last question is answered again."
NOT_RETRIED = "There is nothing to answer again."
OUTDATED = "Only the newest answer can be given again."
BUSY = "An answer is still to come; try again when it is complete."
UNDONE = {
    Undone.FORGOTTEN: "The last question and its answer are forgotten.",
    Undone.NOTHING: "There is nothing to forget.",
    Undone.BUSY: BUSY,
}
HELP = """\
- `/stop` ends the answer that is being written
- `/retry` answers the last question again; the last answer is forgotten
- `/undo` forgets the last question and its answer
- `/reset` begins a new conversation
- `/usage` tells what was used
- `/help` tells this"""

_TYPED = {f"/{command.value}": command for command in Command}


def parse(text: str) -> Command | None:
    """The command that *text* is; None when it is anything else, also a command with words behind it."""
    return _TYPED.get(text.strip().lower())


async def answer(store: Store, budgets: Budgets, claim: Claim) -> str:
    """
    What a claimed command is answered, and what it does at its turn; the same if it is asked twice.

    A retry comes here only when there is nothing that can be answered again.

    Raises:
        LeaseLost: Another worker has the lane now.
    """
    message = claim.message
    inbound = message.inbound
    match inbound.command:
        case Command.STOP:
            return await _stopped(store, message.note)
        case Command.RESET:
            return RESET
        case Command.UNDO:
            return UNDONE[await store.undo_for(claim)]
        case Command.RETRY:
            return OUTDATED if message.note else NOT_RETRIED
        case Command.USAGE:
            return await used(store, budgets, Spender.of_message(message), message.thread_id)
        case _:
            return HELP


def no_retry(standing: Standing, run_id: str) -> str:
    """Why the answer *run_id* (any, where it is empty) can't be given again now; empty where it can."""
    if standing.unfinished:
        return BUSY
    if not standing.has_question:
        return NOT_RETRIED
    return OUTDATED if run_id not in ("", standing.run_id) else ""


async def used(store: Store, budgets: Budgets, spender: Spender, thread_id: str) -> str:
    """
    What the thread has used, and the person in this tenant, today and this month (UTC).

    And what is left of the person's budgets.
    """
    now = datetime.now(UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)

    async def since(begin: datetime) -> Used:
        return await store.tenant_usage(
            spender.adapter, spender.tenant, since=begin.timestamp(), users=[spender.user_id]
        )

    lines = [
        ("This conversation", await store.thread_usage(thread_id)),
        ("You, today", await since(today)),
        ("You, this month", await since(today.replace(day=1))),
    ]
    told = [f"{whose}: {_in_words(used)}" for whose, used in lines]
    return "\n".join(f"- {line}" for line in (*told, *await budgets.left(spender)))


async def _stopped(store: Store, note: str) -> str:
    """What became of the message that was to be stopped."""
    message = await store.message(int(note)) if note else None
    if message is None:
        return IDLE
    was_stopped = message.answer is not None and message.answer.status is RunStatus.CANCELLED
    return STOPPED if was_stopped or message.state is MessageState.CANCELLED else COMPLETE


def _in_words(used: Used) -> str:
    tokens = used.usage
    answers = "1 answer" if used.runs == 1 else f"{used.runs:,} answers"
    return (
        f"{answers}, {tokens.input_tokens:,} tokens in ({tokens.cached_tokens:,} cached), "
        f"{tokens.output_tokens:,} out" + (f", {dollars(used.cost)}" if used.cost else "")
    )
