"""
The words of the gateway as plain values: who spoke where, what was said, what a run is.

Every value is frozen and free of I/O. A conversation is always told by four
words (adapter, tenant, channel, topic): two of them that differ in any word never
share memory, files or limits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
JsonObject: TypeAlias = "Mapping[str, JsonValue]"


@dataclass(frozen=True, slots=True)
class Conversation:
    """
    A place where people talk.

    Attributes:
        adapter: Name of the adapter that serves the place.
        tenant: Slack workspace, Discord guild or ``@me``, webhook source.
        channel: Channel, direct message, or the sender's name for the conversation.
        topic: Slack ``thread_ts``, Discord thread, or empty.
    """

    adapter: str
    tenant: str
    channel: str
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Lane:
    """
    The messages that share one thread and are answered one after another.

    The thread policy of a route folds conversations into lanes: ``topic`` keeps all four
    words, ``channel`` empties the topic, ``user`` empties the topic and adds the member,
    so that nobody's direct messages can surface in a channel.
    """

    adapter: str
    tenant: str
    channel: str
    topic: str = ""
    member: str = ""


@dataclass(frozen=True, slots=True)
class User:
    """
    The person (or bot) who spoke, as the platform has verified it.

    Attributes:
        id: The platform's immutable id; the only thing that rights may depend on.
        name: A label for people and the model; never an identity.
        is_bot: The platform says that this is no person.
        is_external: A guest, or a member of another organisation.
        roles: Immutable ids of the roles that the platform reports.
    """

    id: str
    name: str = ""
    is_bot: bool = False
    is_external: bool = False
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message: its label, its stated type and its bytes."""

    name: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class FileRef:
    """A stored file: ``id`` is ours and random, ``name`` is a label, ``size`` is in bytes."""

    id: str
    name: str
    content_type: str
    size: int


class Command(StrEnum):
    """What a person may ask the gateway itself for, in words (``/reset``) or with a button."""

    RESET = "reset"
    """Begin a new thread."""

    STOP = "stop"
    """End what is being answered."""

    RETRY = "retry"
    """Answer the last question again; the last answer is forgotten."""

    UNDO = "undo"
    """Forget the last question and its answer."""

    USAGE = "usage"
    """Tell what was used."""

    HELP = "help"
    """Tell what can be asked for."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """
    One verified message from a person.

    Attributes:
        conversation: Where it was said and where the answer goes.
        message_id: The platform's id of the message; the first dedupe key.
        user: Who said it.
        text: What was said. Empty for a run that only continues the thread.
        attachments: Files with their bytes.
        keys: Further dedupe keys that the platform gives (event id, client message id).
        fingerprint: Hash of the raw message; the same ``message_id`` with another one is a conflict.
        instructions: Additional instructions for this run.
        metadata: The sender's own words, kept beside the message.
        reply_to: What the adapter needs to answer (a callback URL, a root message); opaque to the core.
        command: What is asked of the gateway itself; the assistant is not asked then (but for a retry).
    """

    conversation: Conversation
    message_id: str
    user: User
    text: str
    attachments: tuple[Attachment, ...] = ()
    keys: tuple[str, ...] = ()
    fingerprint: str = ""
    instructions: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    reply_to: JsonObject = field(default_factory=dict)
    command: Command | None = None


class Busy(StrEnum):
    """What happens to a message that arrives while its lane is being answered."""

    QUEUE = "queue"
    """It waits and is answered next, by its own run."""

    MERGE = "merge"
    """It waits; all that wait join one run."""

    INTERRUPT = "interrupt"
    """The live run is cancelled, what was said is kept, and the newest is answered with all."""


class OnEdit(StrEnum):
    """What the edit of a question does while it is being answered."""

    IGNORE = "ignore"
    """Nothing: tools may have acted already."""

    RERUN = "rerun"
    """The run begins again with the new text, in the same posts."""

    STOP = "stop"
    """The answer is stopped."""


@dataclass(frozen=True, slots=True)
class Routed:
    """
    What routing decided for one message, stored with it so that a restart decides nothing anew.

    Attributes:
        lane: Whose turn it waits for.
        assistant: Name of the assistant that answers.
        busy: What happens when the lane is being answered.
        instructions: Additional instructions of the route.
        tools: Patterns that narrow the assistant's tools; None leaves them as they are.
        on_edit: What an edit does while the message is being answered.
    """

    lane: Lane
    assistant: str
    busy: Busy = Busy.QUEUE
    instructions: str = ""
    tools: tuple[str, ...] | None = None
    on_edit: OnEdit = OnEdit.IGNORE


class MessageState(StrEnum):
    """Where an accepted message stands; the last five are final."""

    READY = "ready"
    CLAIMED = "claimed"
    ANSWERING = "answering"
    FINAL_READY = "final_ready"
    DELIVERED = "delivered"
    FAILED_VISIBLE = "failed_visible"
    CANCELLED = "cancelled"
    MERGED = "merged_into"
    DEAD_LETTER = "dead_letter"

    @property
    def is_live(self) -> bool:
        return self in (MessageState.CLAIMED, MessageState.ANSWERING, MessageState.FINAL_READY)

    @property
    def is_final(self) -> bool:
        return not self.is_live and self is not MessageState.READY


class RunStatus(StrEnum):
    """The states of a run, as in the Assistants API; the last five are final."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    REQUIRES_ACTION = "requires_action"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FAILED = "failed"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        return self in (
            RunStatus.CANCELLED,
            RunStatus.FAILED,
            RunStatus.COMPLETED,
            RunStatus.INCOMPLETE,
            RunStatus.EXPIRED,
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a provider reported; of a run, the sum over its steps."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
        )


@dataclass(frozen=True, slots=True)
class Charge:
    """
    What one model has used in a run.

    Attributes:
        model: The provider's name for it.
        cost: In millionths of a US dollar; 0 where nobody has told the gateway a price.
    """

    model: str
    usage: Usage = Usage()
    cost: int = 0

    def __add__(self, other: Charge) -> Charge:
        return Charge(self.model, self.usage + other.usage, self.cost + other.cost)


@dataclass(frozen=True, slots=True)
class RunFailure:
    """
    Why a run did not complete, fit for the person who waits.

    Attributes:
        code: A stable word for programs (``provider_unavailable``, ``expired``, ``stream_cut`` …).
        message: One sentence for people; never a secret, never a traceback.
        id: A short id that the log line carries too.
    """

    code: str
    message: str
    id: str


@dataclass(frozen=True, slots=True)
class Run:
    """
    One execution of an assistant on a thread.

    Attributes:
        attempt: 1 for the first try; a crash, a failed try or an edit of the question adds one.
        usage: The sum over its steps.
        revision: How often the question was changed while it was answered; what was said and called
            for an earlier one is void.
        charges: The same sum by model, and what it cost.
    """

    id: str
    thread_id: str
    assistant: str
    status: RunStatus = RunStatus.QUEUED
    attempt: int = 1
    model: str = ""
    usage: Usage = Usage()
    error: RunFailure | None = None
    revision: int = 0
    charges: tuple[Charge, ...] = ()

    @property
    def cost(self) -> int:
        """In millionths of a US dollar."""
        return sum(charge.cost for charge in self.charges)

    def charged(self, charge: Charge) -> Run:
        """The run after it has used that, too."""
        by_model = {known.model: known for known in self.charges}
        known = by_model.get(charge.model)
        by_model[charge.model] = charge if known is None else known + charge
        return replace(self, usage=self.usage + charge.usage, charges=tuple(by_model.values()))


@dataclass(frozen=True, slots=True)
class Citation:
    """
    A source that an answer names.

    Attributes:
        title: A label on one line; untrusted.
        url: An http or https address in plain ASCII; empty for a file that the provider searched.
    """

    title: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class ToolUse:
    """
    A tool call that people are shown below the finished answer.

    Attributes:
        name: The tool's name; untrusted.
        code: What a hosted code interpreter ran, where the assistant shows it.
        output: What that printed.
    """

    name: str
    code: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """
    The whole answer of one run, complete and never changed again.

    Attributes:
        text: All that the assistant said in the run, in order, parts joined by a blank line.
        status: How the run ended.
        files: What the assistant made.
        citations: The sources it named, each once, in the order in which it named them.
        tools: The calls that people are shown, where the assistant's settings say so.
        notices: What the gateway has to say beside it, a sentence each: that a budget runs low, that the
            question was too long.
    """

    text: str
    status: RunStatus
    usage: Usage = Usage()
    files: tuple[FileRef, ...] = ()
    error: RunFailure | None = None
    citations: tuple[Citation, ...] = ()
    tools: tuple[ToolUse, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """
    One accepted message as the inbox keeps it: what came in, where it stands, what answered it.

    Attributes:
        revision: How often it, or what was merged into it, was changed while it was answered.
        stop_reason: Why its answer is to end early; empty while nobody asked for that.
        note: What a command keeps from its acceptance for its answer: the run that is to be answered
            again, the message that was stopped, what was forgotten.
        refusal: What is said instead of an answer, once that is decided; no assistant is asked then.
    """

    id: int
    lane_id: int
    seq: int
    state: MessageState
    inbound: Inbound
    routed: Routed
    thread_id: str
    files: tuple[FileRef, ...] = ()
    attempts: int = 0
    failures: int = 0
    accepted_at: float = 0.0
    merged_into: int | None = None
    run: Run | None = None
    answer: Answer | None = None
    revision: int = 0
    stop_reason: str = ""
    note: str = ""
    refusal: str = ""

    @property
    def asks_assistant(self) -> bool:
        """Whether an assistant answers it, and not the gateway itself."""
        return not self.refusal and self.inbound.command in (None, Command.RETRY)


@dataclass(frozen=True, slots=True)
class ReplyTarget:
    """All that an adapter needs to answer, from the store alone: any process can finish any reply."""

    conversation: Conversation
    message_id: str
    user: User
    reply_to: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Post:
    """
    One platform message that the bot sent and may still edit.

    Attributes:
        key: Our key for it, constant over crashes: the run's id and the part's number.
        part: 0 for the first post of a reply.
        id: The platform's id; empty while it is only intended.
        text: What it was last known to show.
    """

    key: str
    part: int
    id: str = ""
    text: str = ""


class Rating(StrEnum):
    """What a person thinks of an answer."""

    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Feedback:
    """One person's word on one answer; a later word replaces it. ``at`` is in epoch seconds."""

    run_id: str
    user: User
    rating: Rating
    comment: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the model sees it: ``parameters`` is a strict JSON schema."""

    name: str
    description: str
    parameters: JsonObject
    strict: bool = True


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function call that the model asked for; ``arguments`` is the JSON text as it came."""

    call_id: str
    name: str
    arguments: str


class CallState(StrEnum):
    """Where a journaled function call stands. ``started`` after a restart means: may have run."""

    REQUESTED = "requested"
    STARTED = "started"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class CallRecord:
    """The journal's row of one function call; ``key`` is its stable idempotency key."""

    call: FunctionCall
    key: str
    state: CallState = CallState.REQUESTED
    output: str = ""
    ok: bool = True


@dataclass(frozen=True, slots=True)
class Thread:
    """The assistant's memory of a conversation."""

    id: str
    lane: Lane
    created_at: float
    is_current: bool = True
    items: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """
    One entry of a thread: ``body`` has the shape of an Open Responses item; ``seq`` grows by one.

    Attributes:
        forgotten: Taken back by ``/undo``, ``/retry`` or an edit: no model and no person in the
            conversation sees it again, only the operator.
    """

    id: str
    body: JsonObject
    seq: int = 0
    run_id: str = ""
    created_at: float = 0.0
    forgotten: bool = False
