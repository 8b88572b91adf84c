"""
The contract of a platform: what an adapter does, and what the gateway offers it.

An adapter brings verified messages to `Intake.accept` and shows replies through `post`
and `edit`. It acknowledges a message to its platform only after `accept` has returned,
for only then is the message on disk. Outbound calls get stored values, never a live SDK
object, so that any process can finish any reply.

Optional abilities are protocols of their own; the gateway asks for them with `isinstance`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

from pydantic import BaseModel

from assistant_gateway.values import (
    Answer,
    Conversation,
    FileRef,
    Inbound,
    Item,
    JsonObject,
    Message,
    Rating,
    ReplyTarget,
    User,
)

if TYPE_CHECKING:
    from aiohttp import web


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What one platform lets a bot do.

    Attributes:
        text_length: Longest text of one post, counted in *unit*.
        edit_interval: Shortest time between two edits of one post, in seconds.
        edits: Whether a post can grow; where it can't, only the complete text is posted.
        unit: What the platform counts.
        keyed: The platform itself takes a key only once, so that a post may be repeated without looking.
    """

    text_length: int
    edit_interval: float = 1.0
    edits: bool = True
    unit: Literal["characters", "utf16", "bytes"] = "characters"
    keyed: bool = False


CallKind: TypeAlias = Literal["post", "edit", "delete", "start", "append", "stop"]
"""What a reply asks of a platform; the last three belong to `StreamsNatively`."""


@dataclass(frozen=True, slots=True)
class Budget:
    """
    What a platform allows: at most *calls* calls in any *seconds* seconds, to all that share *scope*.

    Attributes:
        scope: Names who shares it; unique among all adapters (``slack:T1:chat.update``).
    """

    scope: str
    calls: int
    seconds: float


class Control(StrEnum):
    """What people can ask for with a button below an answer."""

    STOP = "stop"
    REGENERATE = "regenerate"
    FEEDBACK = "feedback"
    """Thumbs up and thumbs down."""


@dataclass(frozen=True, slots=True)
class Content:
    """
    What a post shows.

    Attributes:
        text: Markdown as the model wrote it, already cut to the platform's length.
        final: Nothing of this post changes after it.
        answer: The whole answer; only with the last post of a finished reply.
        controls: The buttons below this post, on platforms that have them; a post without any shows none.
        run_id: What the buttons are about: the adapter gives it back to the intake when one is pressed.
    """

    text: str
    final: bool = False
    files: tuple[FileRef, ...] = ()
    answer: Answer | None = None
    controls: tuple[Control, ...] = ()
    run_id: str = ""


class Verdict(StrEnum):
    """What became of a message at the door."""

    ACCEPTED = "accepted"
    """It is on disk and will be answered."""

    DUPLICATE = "duplicate"
    """It was accepted before; nothing new was written."""

    CONFLICT = "conflict"
    """The same id was accepted before with another content; the first one stands."""

    BUSY = "busy"
    """Too many messages wait in its lane; it was not accepted and the person must see that."""

    REFUSED = "refused"
    """No route answers there, or the person is not allowed to ask."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """
    The inbox's answer to one message.

    Attributes:
        message: The accepted message, or the earlier one it repeats; None when refused.
        ahead: How many messages of the lane are answered before it.
        reason: For people, when it was not accepted.
        retry_after: Seconds after which it would be accepted, where that is known; else 0.
    """

    verdict: Verdict
    message: Message | None = None
    ahead: int = 0
    reason: str = ""
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """
    One line of what happened while a message was answered.

    Attributes:
        id: Only grows for one message, also over restarts; resume after any id that was seen.
        event: ``message.accepted``, ``run.created``, ``text.delta`` … (see docs/reference/webhook.md).
    """

    id: int
    event: str
    data: JsonObject


class Intake(Protocol):
    """What the gateway offers an adapter."""

    @property
    def draining(self) -> bool:
        """The gateway is shutting down: accept nothing more."""

    async def accept(self, inbound: Inbound) -> Receipt:
        """
        Take a message in; when this returns, it survives a power cut.

        Raises:
            StoreUnavailable: Nothing was written; tell the platform to try again.
        """

    async def message(self, conversation_adapter: str, tenant: str, message_id: str) -> Message | None:
        """The message with the platform's id, as it stands now."""

    async def takes_part(self, conversation: Conversation) -> bool:
        """Whether a message was accepted in that topic before; never where the topic is empty."""

    async def answered(self, message: Message, *, timeout: float) -> Message:
        """Wait until the answer is on disk, or *timeout* seconds; the message as it then stands."""

    def events(self, message: Message, *, after: int = 0) -> AsyncIterator[JournalEntry]:
        """
        Follow a message's journal from the entry after *after* to its end.

        Raises:
            LookupError: *after* is no id of this message's journal.
        """

    async def stop(self, conversation: Conversation, user: User, *, run_id: str = "") -> bool:
        """
        Cancel what is being answered there, with *run_id* only that; False when nothing is.

        Raises:
            NotAllowed: The user may not ask there.
        """

    async def command(self, inbound: Inbound, *, run_id: str = "") -> str:
        """
        Do at once what ``inbound.command`` asks for; what to tell the person, fit to be told in private.

        For slash commands and buttons, whose platform has a private answer for them. A retry is accepted
        as a message, under the inbound's id, and answered like one; with *run_id* it is refused, in words,
        where that is not the newest answer. What is typed as a message (``/reset``) goes through `accept`.

        Raises:
            NotAllowed: The user may not ask there.
            StoreUnavailable: Nothing was done.
        """

    async def feedback(
        self, conversation: Conversation, user: User, run_id: str, rating: Rating, comment: str | None = None
    ) -> bool:
        """
        Keep what a person thinks of an answer; False when no such run was answered in that channel.

        A later word of the same person replaces the rating, and the comment unless that is None.

        Raises:
            NotAllowed: The user may not ask there.
            StoreUnavailable: Nothing was kept.
        """

    async def edited(self, conversation: Conversation, message_id: str, text: str) -> None:
        """
        Its author has changed a message; what that means is the route's to say (``on_edit``).

        Of no effect where the message is unknown, answered already, or says the same.

        Raises:
            StoreUnavailable: Nothing was written; tell the platform to try again.
        """

    async def deleted(self, conversation: Conversation, message_id: str) -> None:
        """
        A message was deleted: while it waits it is never answered, later ``on_edit`` decides.

        Raises:
            StoreUnavailable: Nothing was written; tell the platform to try again.
        """

    async def reset(self, conversation: Conversation, user: User) -> str:
        """
        Begin a new thread there; the new thread's id. What waits already is answered on the old one.

        Raises:
            NotAllowed: The user may not ask there.
        """

    async def items(
        self, conversation: Conversation, user: User, *, before: int | None = None, limit: int = 100
    ) -> list[Item]:
        """
        The newest *limit* items of the current thread there, older than *before*, oldest first.

        Raises:
            NotAllowed: The user may not ask there.
        """

    async def merged(self, message: Message) -> list[Message]:
        """The messages that were merged into this one and share its answer."""

    async def file(self, file: FileRef) -> bytes:
        """
        The bytes of a stored file.

        Raises:
            LookupError: There is no such file.
        """

    @property
    def outbox(self) -> Outbox:
        """Deliveries that must survive a restart."""


class Adapter(Protocol):
    """A platform. All methods but `run` may be called before `run` and after it has ended."""

    name: str
    limits: Limits

    async def run(self, intake: Intake) -> None:
        """Bring messages in until cancelled. Connection faults are the adapter's own to mend."""

    def unready(self) -> str:
        """Why it is not connected, in one line; empty when it is."""

    async def post(self, target: ReplyTarget, key: str, content: Content) -> str:
        """
        Send a new post that carries *key*, and return the platform's id for it.

        Raises:
            RateLimited: Wait, then call again; nothing was sent.
            OutcomeUnknown: It may have been sent; call `find` before any repetition.
            Forbidden: The bot may not speak there; give up.
            TooLong: Nothing was sent; the text must be split smaller.
            AdapterError: Refused; nothing was sent.
        """

    async def edit(self, target: ReplyTarget, post_id: str, content: Content) -> None:
        """
        Replace what a post shows. Repeating an edit is harmless, so an unknown outcome is retried.

        Raises:
            RateLimited: The platform asked us to wait; the old text stands.
            PostGone: The post is gone or frozen; make a new one.
            StreamOpen: The post is still a stream of a process that is gone; stop it first.
            AdapterError: Refused.
        """

    async def delete(self, target: ReplyTarget, post_id: str) -> None:
        """
        Remove a post; one that is gone already is fine.

        Raises:
            RateLimited: The platform asked us to wait; the post stands.
            AdapterError: Refused.
        """

    async def find(self, target: ReplyTarget, key: str) -> str | None:
        """
        The id of the post that carries *key*, or None when there certainly is none.

        Raises:
            OutcomeUnknown: The platform can't tell.
        """

    async def close(self) -> None:
        """Let go of connections."""


@runtime_checkable
class HasBudgets(Protocol):
    """
    An adapter whose platform counts the calls of all conversations together.

    Where there are budgets, they are the pace of the replies, and ``limits.edit_interval`` is none.
    """

    def budgets(self, target: ReplyTarget, call: CallKind) -> Sequence[Budget]:
        """
        The budgets that one such call counts against, the narrowest first; none where nothing limits it.

        It is asked for each call and may learn: budgets of one scope may change.
        """


@runtime_checkable
class ShowsTyping(Protocol):
    """
    An adapter whose platform shows that an answer is being made ("typing…", "Working…").

    Neither call waits for the platform, and a failure is the adapter's own to log: no answer is late for it.

    Attributes:
        typing_seconds: How long the platform shows it; `working` is called again before that is over.
    """

    typing_seconds: float

    async def working(self, target: ReplyTarget) -> None:
        """An answer to *target* is being made, by this process; also when it goes on after a crash."""

    async def rested(self, target: ReplyTarget) -> None:
        """The answer to *target* is over in this process, however it ended."""


class TaskStatus(StrEnum):
    """Where a task stands that people see beside the text."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETE = "complete"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Task:
    """A tool at work: *id* is constant, *title* is for people."""

    id: str
    title: str
    status: TaskStatus


@dataclass(frozen=True, slots=True)
class Piece:
    """
    What a stream goes on with.

    Attributes:
        text: Markdown that follows what was sent; it is never taken back, and may end inside of a word.
        tasks: New ones, and those that have changed since they were sent.
    """

    text: str = ""
    tasks: tuple[Task, ...] = ()


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """
    What one stream takes; before any of it is reached, the stream is stopped and a new post goes on.

    Attributes:
        length: Its text and the titles of its tasks, in UTF-8 bytes.
        seconds: Its age.
        grace: Seconds more that it may wait for the end of a paragraph.
        tasks: How many of them.
    """

    length: int
    seconds: float
    grace: float = 0.0
    tasks: int = 50


@runtime_checkable
class StreamsNatively(Protocol):
    """
    An adapter whose platform lets a post grow by pieces, which costs less than edits.

    A stream is a post: it is found by its key, and once stopped or ended it is mended, or deleted.
    """

    def streams(self, target: ReplyTarget) -> StreamLimits | None:
        """What a stream takes there; None where answers are posted and edited."""

    async def start(self, target: ReplyTarget, key: str, piece: Piece) -> str:
        """
        Begin a stream under *key*, and return the platform's id for it; *piece* is never empty.

        Raises:
            RateLimited: Nothing was sent.
            StreamRefused: Nothing was sent.
            OutcomeUnknown: It may have begun; call `find` before any repetition.
            TooLong: Nothing was sent; the piece must be shorter.
        """

    async def append(self, target: ReplyTarget, post_id: str, piece: Piece) -> None:
        """
        Let a stream go on.

        Raises:
            RateLimited: Nothing was appended.
            StreamEnded: The platform has ended it, or (`StreamStopped`) a person has.
            OutcomeUnknown: It may have been appended; it must not be repeated.
            TooLong: Nothing was appended; the stream is full.
            PostGone: The post is gone.
            AdapterError: Refused.
        """

    async def stop(self, target: ReplyTarget, key: str, post_id: str, piece: Piece, content: Content) -> None:
        """
        End a stream with a last *piece*, which may be empty; then it shows *content*, with its buttons.

        Raises:
            RateLimited: It goes on.
            StreamEnded: It had ended already; nothing was appended.
            OutcomeUnknown: It may have been ended; `StreamEnded` will tell when it is stopped again.
            TooLong: It goes on; the piece is too long.
            PostGone: The post is gone.
            AdapterError: Refused.
        """

    async def mend(self, target: ReplyTarget, key: str, post_id: str, content: Content) -> None:
        """
        Replace what a post shows that was a stream, as `edit` does.

        Raises:
            StreamOpen: It still is one.
            Unmendable: The platform does not let it be changed.
        """


@runtime_checkable
class AddsRoutes(Protocol):
    """An adapter with HTTP routes of its own in the gateway's server."""

    def routes(self, intake: Intake) -> Iterable[web.AbstractRouteDef]: ...


@runtime_checkable
class Describes(Protocol):
    """An adapter that describes its routes: OpenAPI path items, and the schemas they use."""

    def openapi(self) -> tuple[JsonObject, JsonObject]: ...


class DeliveryState(StrEnum):
    """Where an outgoing delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Delivery:
    """
    One signed POST to somebody else's endpoint, tried until it is taken or dead.

    Attributes:
        id: Constant over all tries; the receiver dedupes on it (``webhook-id``).
        source: The webhook source whose secret signs it.
        attempts: How many tries were made.
        next_at: When the next one is due, in epoch seconds.
        error: Why the last one failed.
    """

    id: str
    source: str
    url: str
    body: bytes
    attempts: int = 0
    next_at: float = 0.0
    state: DeliveryState = DeliveryState.PENDING
    error: str = ""
    created_at: float = 0.0


class Outbox(Protocol):
    """Deliveries that must survive a restart. `Store` keeps them."""

    async def enqueue(self, delivery: Delivery) -> bool:
        """Keep a delivery; False when one with this id is kept already (nothing changes then)."""

    async def due(
        self, source: str, now: float, limit: int, *, besides: Collection[str] = ()
    ) -> list[Delivery]:
        """
        The pending deliveries of *source* whose time has come, oldest first.

        Those to the hosts *besides* (``host`` or ``host:port`` as in the URL, in lower case) are left out.
        """

    async def next_due(self, source: str) -> float | None:
        """When the next pending delivery of *source* is due; None when there is none."""

    async def record(self, delivery: Delivery) -> None:
        """Keep the outcome of a try."""

    async def deliveries(
        self, source: str = "", state: DeliveryState | None = None, limit: int = 100
    ) -> list[Delivery]:
        """The newest deliveries, for people."""

    async def endpoint_fault(self, source: str, url: str) -> EndpointFault | None:
        """What is wrong with an endpoint; None while it works."""

    async def set_endpoint_fault(self, source: str, url: str, fault: EndpointFault | None) -> None:
        """Remember (or forget) what is wrong with an endpoint."""


@dataclass(frozen=True, slots=True)
class EndpointFault:
    """
    An endpoint that fails.

    Attributes:
        failing_since: Epoch seconds of the first failure in a row.
        disabled: Deliveries to it have been stopped until somebody drives them again.
    """

    failing_since: float
    disabled: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class EgressAnswer:
    """What somebody else's server answered: the body is cut at the cap that the caller gave."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Egress(Protocol):
    """
    The client for addresses that others choose: it never reaches a private network.

    Redirects are not followed, proxies of the environment are not used.
    """

    def judge(self, url: str) -> str:
        """
        Why *url* is refused, without asking DNS; empty when it isn't.

        Scheme, port, credentials and literal addresses can be judged so.
        """

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        timeout: float = 30.0,
        max_body: int = 65536,
    ) -> EgressAnswer:
        """
        Send one request to a checked address.

        Raises:
            Forbidden: The address is refused; no connection was made.
            AdapterError: No answer came (DNS, connection, TLS, time, size).
        """


class Notes(Protocol):
    """Small facts that survive a restart, shared by all processes of the gateway. `Store` keeps them."""

    async def note(self, scope: str, key: str) -> JsonObject | None:
        """One of them."""

    async def save_note(self, scope: str, key: str, value: JsonObject) -> None:
        """Keep one, in place of an earlier one."""

    async def notes(self, scope: str) -> Mapping[str, JsonObject]:
        """All of a scope, by their keys."""

    async def forget_note(self, scope: str, key: str) -> None:
        """Forget one; no matter whether there is one."""


@dataclass(frozen=True, slots=True)
class AdapterServices:
    """
    What the gateway gives an adapter when it builds it.

    Attributes:
        egress: The client for addresses that others choose.
        state_dir: A directory beside the store for small secrets; empty when there is none.
        own_hosts: ``host:port`` names under which this gateway itself listens.
        notes: Where the adapter keeps small facts; its scopes begin with its name and a
            colon. None where there is no store (the doctor).
    """

    egress: Egress
    state_dir: str = ""
    own_hosts: frozenset[str] = frozenset()
    notes: Notes | None = None


Settings = TypeVar("Settings", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class AdapterPlugin(Generic[Settings]):
    """
    What an entry point of the group ``assistant_gateway.adapters`` names.

    Attributes:
        section: The table of the configuration file that belongs to it.
        settings: The table's schema; unknown keys are refused with their line.
        from_environment: The table as the environment alone gives it; None when it gives none.
        build: The adapter for checked settings; None when they enable none.
    """

    section: str
    settings: type[Settings]
    build: Callable[[Settings, AdapterServices], Adapter | None]
    from_environment: Callable[[Mapping[str, str]], JsonObject | None] = field(default=lambda environ: None)


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One line of the doctor.

    Attributes:
        state: ``ok``; ``note`` for what works but should be known; ``broken`` for what doesn't.
        about: What was looked at.
        text: What was found and, where it is broken, what to do.
    """

    state: Literal["ok", "note", "broken"]
    about: str
    text: str


@runtime_checkable
class ChecksItself(Protocol):
    """An adapter that can tell whether its platform would serve it; it may be asked without `run`."""

    async def check(self) -> Sequence[Finding]: ...
