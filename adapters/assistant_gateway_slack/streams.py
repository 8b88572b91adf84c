"""
Native streaming: an answer that grows by pieces, in the thread of its question.

docs.slack.dev, `chat.startStream`, `chat.appendStream`, `chat.stopStream`, 2026-08-20. What the first
call sends fixes the form for life (reported hermes-agent#104173, 2026-09-06), so everything is a chunk.
A stream has no key until its stop brings the metadata: one of a process that is gone is known by being
ours, in the thread, streamed, and without a key.
"""

from __future__ import annotations

from collections.abc import Mapping

from assistant_gateway.adapter import Content, Piece, StreamLimits, Task
from assistant_gateway.errors import AdapterError, OutcomeUnknown, RateLimited, StreamRefused, TooLong
from assistant_gateway.platforms.shapes import Json, table, text
from assistant_gateway.values import Conversation, JsonObject, JsonValue, ReplyTarget
from assistant_gateway_slack import buttons
from assistant_gateway_slack.markup import MARKDOWN_LENGTH, inert_piece
from assistant_gateway_slack.people import People
from assistant_gateway_slack.said import EVENT_TYPE
from assistant_gateway_slack.settings import SlackSettings
from assistant_gateway_slack.web import Web

# Bodies of 10,571 weighted bytes were taken, of 10,821 refused (reported openclaw#143882); a stream ends
# about 5 minutes after its start, appends or not (reported python-slack-sdk#1859, node-slack-sdk#2702).
LIMITS = StreamLimits(length=9_000, seconds=240.0, grace=30.0, tasks=50)
# What another try in that channel would not change.
LASTING = frozenset({"channel_type_not_supported", "feature_disabled", "missing_scope", "unknown_method"})
FIELD = 256  # characters of a task's id and title: docs.slack.dev, "chat.appendStream", 2026-08-20
_PLAIN = str.maketrans("<>", "‹›")  # a title may be read as markup, or not


def limits(settings: SlackSettings, target: ReplyTarget) -> StreamLimits | None:
    """
    What a stream takes where *target* is answered; None where answers are posted and edited.

    In a channel only the person who asked would see it grow (reported agentconnect#1494, 2026-08-25).
    """
    where = target.conversation
    if settings.streaming == "never" or not where.topic or target.user.is_bot:
        return None
    return LIMITS if settings.streaming == "always" or where.channel.startswith("D") else None


class Streams:
    """The streams in one workspace."""

    def __init__(self, settings: SlackSettings, web: Web, people: People) -> None:
        self._view = settings.view
        self._web = web
        self._people = people
        self._open: set[str] = set()  # those that this process knows of

    async def start(self, target: ReplyTarget, piece: Piece) -> str:
        """
        Begin a stream; its ts.

        Raises:
            AdapterError: As `StreamsNatively.start`.
        """
        where = target.conversation
        body: dict[str, JsonValue] = {"thread_ts": where.topic, "chunks": _chunks(piece, begins=True)}
        if not where.channel.startswith("D"):
            body |= await self._recipient(target)
        try:
            told = await self._web.write("chat.startStream", {"channel": where.channel, **body}, once=True)
        except (RateLimited, OutcomeUnknown, TooLong):
            raise
        except AdapterError as error:
            # Whatever the reason: a post that meets it, too, will tell.
            raise StreamRefused(str(error)) from error
        ts = text(told.get("ts"))
        if not ts:
            raise OutcomeUnknown("chat.startStream gave no ts")
        self._open.add(ts)
        return ts

    async def append(self, where: Conversation, ts: str, piece: Piece) -> None:
        """
        Let a stream go on.

        Raises:
            AdapterError: As `StreamsNatively.append`.
        """
        body: JsonObject = {"channel": where.channel, "ts": ts, "chunks": _chunks(piece)}
        await self._web.write("chat.appendStream", body, once=True)

    async def stop(self, where: Conversation, key: str, ts: str, piece: Piece, content: Content) -> None:
        """
        End a stream; from then on it has its key, and its buttons.

        Raises:
            AdapterError: As `StreamsNatively.stop`.
        """
        body: dict[str, JsonValue] = {"channel": where.channel, "ts": ts, "metadata": keyed(key)}
        if piece != Piece():
            body["chunks"] = _chunks(piece)
        if below := buttons.blocks(content):
            body["blocks"] = below
        if self._view == "agent" and content.answer is None:
            body["session_status"] = "processing"  # the answer goes on, in the next post
        await self._web.write("chat.stopStream", body, once=True)
        self._open.discard(ts)

    def forget(self, ts: str) -> None:
        """It is a stream no longer."""
        self._open.discard(ts)

    def is_lost(self, message: Json) -> bool:
        """Whether *message*, which is ours, is a stream that no process knows of by its key."""
        return (
            "streaming_state" in message and not key_of(message) and text(message.get("ts")) not in self._open
        )

    async def _recipient(self, target: ReplyTarget) -> Mapping[str, JsonValue]:
        """Who sees it grow, and their own workspace, which in a shared channel may be another one."""
        id = target.user.id
        person = (await self._people.known([id])).get(id)
        team = person.team_id if person is not None else ""
        return {"recipient_user_id": id, "recipient_team_id": team or target.conversation.tenant}


def keyed(key: str) -> JsonObject:
    """The metadata by which a message is found again."""
    return {"event_type": EVENT_TYPE, "event_payload": {"reply_key": key}}


def key_of(message: Json) -> str:
    """The key that a message of ours carries; empty without one."""
    metadata = table(message.get("metadata"))
    key = table(metadata.get("event_payload")).get("reply_key")
    return text(key) if metadata.get("event_type") == EVENT_TYPE else ""


def _chunks(piece: Piece, *, begins: bool = False) -> list[JsonObject]:
    shown = inert_piece(piece.text, begins=begins)
    if len(shown) > MARKDOWN_LENGTH:
        raise TooLong("msg_too_long")
    said: list[JsonObject] = [{"type": "markdown_text", "text": shown}] if shown else []
    return said + [_chunk(task) for task in piece.tasks]


def _chunk(task: Task) -> JsonObject:
    title = " ".join(task.title.translate(_PLAIN).split())[:FIELD] or "…"
    return {"type": "task_update", "id": task.id[:FIELD], "title": title, "status": task.status.value}
