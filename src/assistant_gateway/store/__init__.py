"""
The store: verbs that keep the gateway's promises, over SQLite or PostgreSQL.

Callers see verbs and values, never SQL. A verb is one transaction: when it returns, what it
did is on disk; when it raises, nothing happened. Verbs on a claimed message carry the claim's
fence and raise `LeaseLost` once another worker has the lane.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from assistant_gateway.adapter import Outbox, Receipt
from assistant_gateway.values import (
    Answer,
    CallRecord,
    Charge,
    Conversation,
    Feedback,
    FileRef,
    Inbound,
    Item,
    JsonObject,
    Lane,
    Message,
    MessageState,
    Post,
    Rating,
    Routed,
    Run,
    Thread,
    Usage,
    User,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """
    A worker's right to answer one message.

    Attributes:
        message: The claimed message; its ``run`` is set when an earlier attempt has begun.
        merged: Messages that share its answer, oldest first.
        owner: The worker.
        fence: Grows with every claim of the lane; a write with an older one is refused.
    """

    message: Message
    owner: str
    fence: int
    merged: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Counts:
    """
    What the store holds, for metrics and readiness.

    Attributes:
        messages: How many messages are in each state.
        oldest_waiting: Seconds since the oldest unfinished message was accepted; 0 when none is.
    """

    messages: Mapping[MessageState, int]
    oldest_waiting: float = 0.0
    deliveries_pending: int = 0
    deliveries_dead: int = 0


class Undone(StrEnum):
    """What became of the wish to forget the last question."""

    FORGOTTEN = "forgotten"
    NOTHING = "nothing"
    """The thread has no question."""

    BUSY = "busy"
    """Messages of the lane are still to be answered."""


class Effect(StrEnum):
    """What the edit of a message, or its deletion, has led to."""

    NOTHING = "nothing"
    CHANGED = "changed"
    """It waits, with its new text."""

    WITHDRAWN = "withdrawn"
    """It waited, and is never answered."""

    REVISED = "revised"
    """It is being answered: its run has to begin again."""

    STOPPED = "stopped"
    """It is being answered: its run has to end."""


@dataclass(frozen=True, slots=True)
class Standing:
    """
    How a lane stands.

    Attributes:
        thread_id: Its current thread; empty where nobody has spoken.
        has_question: Whether anything on the thread could be answered again.
        run_id: The run that answered its newest question; empty where none of ours did.
        unfinished: How many of its messages are still to be answered.
    """

    thread_id: str = ""
    has_question: bool = False
    run_id: str = ""
    unfinished: int = 0


@dataclass(frozen=True, slots=True)
class Used:
    """What runs have used; ``cost`` is in millionths of a US dollar."""

    runs: int = 0
    usage: Usage = field(default_factory=Usage)
    cost: int = 0

    def __add__(self, other: Used) -> Used:
        return Used(self.runs + other.runs, self.usage + other.usage, self.cost + other.cost)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """
    What a person has used of a model through an assistant.

    Attributes:
        used: A run that asked several models counts with the first of them.
    """

    adapter: str
    tenant: str
    user_id: str
    assistant: str
    model: str
    used: Used


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands for a thread's items up to the seq ``covers``."""

    id: str
    text: str
    covers: int


class Store(Outbox, Protocol):
    """The verbs. Times are epoch seconds of the store's own clock."""

    async def open(self) -> None:
        """
        Connect, migrate, and free what a dead process of ours had claimed.

        Raises:
            StoreRefused: Another process has it, its schema is newer, or it is not ours.
            StoreUnavailable: It can't be reached.
        """

    async def close(self) -> None:
        """Finish what is being written, then disconnect."""

    async def ping(self) -> None:
        """
        Write something, to know that writing works.

        Raises:
            StoreUnavailable: It doesn't.
        """

    # Intake

    async def accept(self, inbound: Inbound, routed: Routed, *, cap: int, run_id: str = "") -> Receipt:
        """
        Take a message in: dedupe keys, lane, thread, files and inbox row, all or nothing.

        More than *cap* unfinished messages in the lane: verdict ``busy``, nothing written. Where the
        route says interrupt and the lane is being answered, its stop is requested in the same write;
        a command never interrupts. ``/reset`` begins its thread in this write, ``/stop`` stops in it
        (its note is the id of the message that was being answered). *run_id* becomes the note: the only
        run that a retry is about.
        """

    async def message(self, id: int) -> Message | None:
        """The message with our id."""

    async def find_message(self, adapter: str, tenant: str, message_id: str) -> Message | None:
        """The message with the platform's id."""

    async def knows_topic(self, conversation: Conversation) -> bool:
        """Whether a message was accepted in that topic; never where the topic is empty."""

    async def merged(self, id: int) -> list[Message]:
        """The messages that were merged into this one, oldest first."""

    async def journal(self, id: int) -> str | None:
        """The journal that was kept when the message was answered."""

    # Work

    async def claim(self, owner: str, lease: float) -> Claim | None:
        """
        Take the lane that has waited longest and is free and due, and its oldest unfinished message.

        A lane whose lease ran out is free for everybody but its owner: one that claims has not died.
        A ready message takes those that wait behind it along where the newest's route says merge or
        interrupt: the newest is claimed, the older ones become merged into it (at most 50). Commands
        neither merge nor are merged, and nothing is merged across one.
        """

    async def next_wake(self) -> float | None:
        """When the next lane that nobody holds is due; None when none waits."""

    async def renew(self, owner: str, lease: float) -> Mapping[int, str]:
        """Extend all leases of *owner*; the lanes it still holds, each with its stop reason (or empty)."""

    async def release(self, claim: Claim, *, delay: float, failed: bool) -> None:
        """
        Give the message back, unanswered, to be tried in *delay* seconds; *failed* counts against it.

        A stop that an interrupting message asked for is forgotten with it; a person's stays.
        """

    async def request_stop(self, lane: Lane, reason: str, *, run_id: str = "") -> Message | None:
        """
        Ask for what an assistant answers in a lane to be stopped, with *run_id* only that run.

        The message that is being answered; its ``stop_reason`` stays until it is final. None when
        nothing is being answered: a complete answer can't be stopped, nor can a command's.
        """

    async def begin(self, claim: Claim, run: Run, items: Sequence[Item] | None, *, refusal: str = "") -> Run:
        """
        Open the claim's run and put the messages' items on the thread.

        With None for *items* the gateway itself answers: nothing of it is put on the thread, and the run
        enters no ledger. *refusal* is then kept as the message's, where the run is new.

        Where an earlier attempt has begun it, only the attempt is counted up; but where the question
        was revised since, what the run had put on the thread is forgotten with its calls, and *items*
        take its place. The run as it stands.

        Raises:
            Revised: The message was changed after it was claimed.
        """

    async def retry(self, claim: Claim, run: Run) -> Run | None:
        """
        Open the claim's run as another answer to the thread's newest question; the run as it stands.

        What followed that question is forgotten in the same write. A further attempt forgets nothing
        more. None, and nothing is written, when the thread has no question, or the claim's note names
        another run than the one that answered it.
        """

    async def question(self, run_id: str) -> list[Message]:
        """The messages that a run answers, oldest first; none where it answers a command."""

    async def save_step(
        self, claim: Claim, items: Sequence[Item], calls: Sequence[CallRecord], run: Run
    ) -> None:
        """
        Keep a step: its items on the thread, its calls in the journal, the run's state.

        An item or a call that is there already is left alone, so that a step may be kept twice.

        Raises:
            Revised: The question was changed meanwhile.
        """

    async def calls(self, run_id: str) -> list[CallRecord]:
        """The journaled calls of a run, in the order they were asked for."""

    async def save_call(self, claim: Claim, record: CallRecord) -> None:
        """Journal a call's state: before it starts, and after it ended."""

    async def save_post(self, claim: Claim, post: Post) -> None:
        """
        Journal a post: its intent (no id) before it is sent, its id after.

        Raises:
            ValueError: The key belongs to a post of another message.
        """

    async def posts(self, run_id: str) -> list[Post]:
        """The journaled posts of a run, by part."""

    async def conclude(
        self, claim: Claim, run: Run, answer: Answer, items: Sequence[Item], journal: str
    ) -> None:
        """
        Keep the complete answer: the message is ``final_ready`` and the answer never changes again.

        Raises:
            Revised: The question was changed meanwhile.
        """

    async def finish(self, claim: Claim, state: MessageState) -> None:
        """
        The person has seen the answer: the message is final and the lane is free.

        A run of it that is still live ends with it.

        Raises:
            ValueError: *state* is no end of an answer.
        """

    # Controls

    async def standing(self, lane: Lane) -> Standing:
        """How a lane stands."""

    async def undo(self, lane: Lane) -> Undone:
        """Forget the last question of a lane's current thread and all that followed, if the lane is idle."""

    async def undo_for(self, claim: Claim) -> Undone:
        """Forget the last question of the claim's thread; for one message once, however often it is asked."""

    async def revise(self, id: int, text: str | None, *, reason: str) -> Effect:
        """
        The author has changed a message, or deleted it (None); the new text, or the end, is on disk.

        A message that waits has the new text, or is cancelled. One that is being answered is under the
        rule of its ``on_edit``: its revision is counted up, or its stop requested for *reason*. One that
        is answered, or says the same, stays as it is; the text of a command never changes.
        """

    async def rate(
        self, conversation: Conversation, user: User, run_id: str, rating: Rating, comment: str | None
    ) -> bool:
        """
        Keep a person's word on an answer; False where no such answer was given in the channel.

        A later word replaces an earlier one, and its comment unless that is None.
        """

    async def feedback(self, *, limit: int, rating: Rating | None = None) -> list[Feedback]:
        """The newest words on answers, newest first."""

    async def thread_feedback(self, thread_id: str) -> list[Feedback]:
        """All words on the answers of a thread, oldest first."""

    # Usage. A run enters the ledger once, in the write that ends it, on that day (UTC).

    async def thread_usage(self, thread_id: str) -> Used:
        """What the runs of a thread have used."""

    async def tenant_usage(
        self,
        adapter: str,
        tenant: str,
        *,
        since: float,
        users: Collection[str] | None = None,
        assistant: str | None = None,
    ) -> Used:
        """
        What was used in a tenant since the beginning of a time's day (UTC).

        Of all people, or of *users*; through all assistants, or one; runs under way count with what
        they have kept so far. The cost of asking grows with the days, not with the runs.
        """

    async def charge(self, run_id: str, charge: Charge) -> None:
        """Count what a run has used beside its own steps, in the run and in the ledger."""

    async def ledger(self, *, since: float) -> list[LedgerEntry]:
        """The ledger since the beginning of a time's day (UTC), its days summed."""

    async def conversation_usage(self, *, since: float) -> list[tuple[Conversation, Used]]:
        """What was used in each conversation by runs begun since a time."""

    # Threads

    async def open_thread(self, lane: Lane) -> Thread:
        """The current thread of a lane, made when there is none."""

    async def reset(self, lane: Lane) -> Thread:
        """Begin a new thread in a lane; messages accepted before keep theirs."""

    async def thread(self, id: str) -> Thread | None:
        """The thread with this id."""

    async def threads(self, *, limit: int, before: Thread | None = None, adapter: str = "") -> list[Thread]:
        """The newest threads; with *before*, those that come behind it in this order."""

    async def items(
        self, thread_id: str, *, before: int | None = None, limit: int = 200, forgotten: bool = False
    ) -> list[Item]:
        """The newest *limit* items with ``seq`` below *before*, oldest first; *forgotten* ones if wanted."""

    async def run_items(self, run_id: str) -> list[Item]:
        """The items that a run put on its thread, oldest first, but for those that are forgotten."""

    async def summary(self, thread_id: str) -> Summary | None:
        """The summary that stands for most of a thread; it is forgotten with any item it stands for."""

    async def save_summary(
        self, thread_id: str, item: Item, *, since: int, stands_for: Collection[int]
    ) -> bool:
        """
        Put a summary on a thread; False where it would not stand for what its maker has read.

        Args:
            since: What the summary covers that it goes on from; 0 where there was none.
            stands_for: The seqs of the items that were read behind that; none of them may be forgotten.
        """

    async def add_items(self, thread_id: str, items: Sequence[Item]) -> None:
        """
        Put items on a thread outside of any run.

        Raises:
            LookupError: There is no such thread.
        """

    async def import_thread(self, thread: Thread, items: Sequence[Item], *, replace: bool) -> bool:
        """
        Keep a thread of another store with its items, under its own id; False when it is here already.

        One that was current becomes so here where its lane has no thread; with *replace* also where it has.
        """

    async def run(self, id: str) -> Run | None:
        """The run with this id."""

    # Files and small notes

    async def save_file(self, file: FileRef, data: bytes) -> None:
        """Keep a file; equal bytes are kept once."""

    async def file(self, id: str) -> tuple[FileRef, bytes] | None:
        """A file and its bytes."""

    async def note(self, scope: str, key: str) -> JsonObject | None:
        """A small fact: a backend's state, a calibration, an adapter's installation."""

    async def save_note(self, scope: str, key: str, value: JsonObject) -> None:
        """Keep a small fact."""

    async def add_note(self, scope: str, key: str, value: JsonObject) -> JsonObject:
        """Keep a small fact where there is none yet; the one that is kept then."""

    async def notes(self, scope: str) -> Mapping[str, JsonObject]:
        """All small facts of a scope, by their keys."""

    async def forget_note(self, scope: str, key: str) -> None:
        """Forget a small fact; no matter whether there is one."""

    # Housekeeping

    async def counts(self) -> Counts:
        """What the store holds."""

    async def sweep(self, *, keys_older_than: float) -> int:
        """
        Forget dedupe keys older than this many seconds, where their message is final; how many.

        And what was noted of budgets (scope ``budget:YYYY-MM-DD``) whose period began 62 days ago or earlier.
        """


__all__ = ["Claim", "Counts", "Effect", "LedgerEntry", "Standing", "Store", "Summary", "Undone", "Used"]
