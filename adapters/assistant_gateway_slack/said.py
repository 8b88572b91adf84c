"""
An event of Slack's, judged: a person's message, its edit or deletion, our own echo, or nothing of ours.

Only looks at the payload; whether a message is answered may need the store and is decided later.
A mention in a channel comes twice, as ``message`` and as ``app_mention``, with two event ids and one
``ts``: channel and ``ts`` are what tells messages apart.

Slack says "changed" far more often than people edit: every reply in a thread and every status of a
session changes the root, with the same text (captured in Socket Mode, 2026-09-26). Only another text
of a person's is an edit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from assistant_gateway.platforms.shapes import Json, table, tables, text
from assistant_gateway.values import Conversation
from assistant_gateway_slack.identity import Identity
from assistant_gateway_slack.markup import mentions

ADAPTER = "slack"
EVENT_TYPE = "assistant_gateway_reply"  # of our messages' metadata; letters, digits and _ only
# Subtypes that are messages of people; joins and the like are not answered.
SPOKEN = frozenset({"", "file_share", "thread_broadcast", "me_message"})
ID = re.compile(r"[A-Z][A-Z0-9]{1,31}", re.ASCII)
TS = re.compile(r"[0-9]{1,12}\.[0-9]{1,6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Ignored:
    """
    Nothing that is answered.

    Attributes:
        odd: It should not look like this; worth a line in the log.
    """

    reason: str
    odd: bool = False


@dataclass(frozen=True, slots=True)
class Echo:
    """A message that this installation posted; *key* is the reply's key in its metadata."""

    channel: str
    ts: str
    key: str


@dataclass(frozen=True, slots=True)
class Said:
    """
    A message of a person (or of another bot).

    Attributes:
        thread_ts: The thread it was said in; empty in the channel itself.
        topic: The thread that an answer belongs to; empty in direct messages outside of threads.
        text: As it came, with its tokens.
        direct: In direct messages, alone or with several people.
        mentioned: It names the bot.
        is_foreign: The event says that its author belongs to another workspace.
        keys: What Slack may deliver it under again.
    """

    team: str
    channel: str
    ts: str
    thread_ts: str
    topic: str
    user: str
    text: str
    direct: bool
    mentioned: bool
    is_bot: bool
    is_foreign: bool
    files: tuple[Json, ...]
    keys: tuple[str, ...]

    @property
    def conversation(self) -> Conversation:
        """Where it was said: a thread, one that it may become the root of, or direct messages."""
        return Conversation(ADAPTER, self.team, self.channel, self.topic)

    @property
    def message_id(self) -> str:
        """Its id; a ``ts`` alone is unique only in its channel."""
        return message_id(self.channel, self.ts)


@dataclass(frozen=True, slots=True)
class Edited:
    """Its author has given a message another text."""

    conversation: Conversation
    message_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """A message of a person's was deleted."""

    conversation: Conversation
    message_id: str


Judged: TypeAlias = Said | Edited | Deleted | Echo | Ignored


def message_id(channel: str, ts: str) -> str:
    """What the gateway knows a message by."""
    return f"{channel}:{ts}"


def topic_of(ts: str, thread_ts: str, *, begins: bool) -> str:
    """
    The thread that a message belongs to; *begins* where one outside of threads may become a root.

    A root that was answered names itself as its thread.
    """
    if TS.fullmatch(thread_ts) and thread_ts != ts:
        return thread_ts
    return ts if begins else ""


def is_direct(channel: str, kind: str) -> bool:
    """Whether a channel is direct messages, of one or of several; *kind* is its type or its name."""
    return channel.startswith("D") or kind in ("im", "mpim", "directmessage") or kind.startswith("mpdm-")


def judge(payload: Json, me: Identity, *, agent: bool = False) -> Judged:
    """What an ``event_callback`` is about; with *agent* a direct message outside of threads begins one."""
    event = table(payload.get("event"))
    kind = text(event.get("type"))
    if not kind:
        return Ignored("no event in it", odd=True)
    if not ID.fullmatch(text(payload.get("team_id"))):
        return Ignored("no workspace in it", odd=True)
    if not is_ours(payload, me):
        return Ignored("of an installation that is not ours", odd=True)
    if kind not in ("message", "app_mention"):
        return Ignored(f"a {kind[:100]}")
    if text(event.get("subtype")) in ("message_changed", "message_deleted"):
        return _judge_change(event, me, agent=agent)
    return _judge_message(payload, event, me, agent=agent)


def _judge_change(event: Json, me: Identity, *, agent: bool) -> Judged:
    now, before = table(event.get("message")), table(event.get("previous_message"))
    deleted = event.get("subtype") == "message_deleted"
    # A root with replies leaves a tombstone, which Slack calls a change.
    gone = deleted or now.get("subtype") == "tombstone"
    said = before if gone else now
    ts = text(event.get("deleted_ts")) if deleted else text(now.get("ts"))
    channel, user = text(event.get("channel")), text(said.get("user"))
    if not (ID.fullmatch(channel) and TS.fullmatch(ts)):
        return Ignored("a change without channel or ts", odd=True)
    if not ID.fullmatch(user) or user in (me.user_id, "USLACKBOT") or said.get("bot_id"):
        return Ignored("a change of nobody's message")
    if text(said.get("subtype")) not in SPOKEN:
        return Ignored(f"a change of a {text(said.get('subtype'))[:100]}")
    begins = _begins(channel, text(event.get("channel_type")), agent=agent)
    topic = topic_of(ts, text(said.get("thread_ts")), begins=begins)
    where = Conversation(ADAPTER, me.team_id, channel, topic)
    if gone:
        return Deleted(where, message_id(channel, ts))
    words = text(now.get("text"))
    if "text" in before and before["text"] == words:
        return Ignored("a change that leaves the text as it is")
    return Edited(where, message_id(channel, ts), words)


def _begins(channel: str, kind: str, *, agent: bool) -> bool:
    """Whether a message outside of threads may become the root of one that is answered."""
    return not is_direct(channel, kind) or (agent and channel.startswith("D"))


def _judge_message(payload: Json, event: Json, me: Identity, *, agent: bool) -> Judged:
    subtype = text(event.get("subtype"))
    channel, ts, user = (text(event.get(key)) for key in ("channel", "ts", "user"))
    if event.get("hidden") or subtype not in SPOKEN | {"bot_message"}:
        return Ignored(f"a {subtype or 'hidden message'}")
    if not ID.fullmatch(channel) or not TS.fullmatch(ts):
        return Ignored("a message without channel or ts", odd=True)
    if me.posted(event) or user == me.user_id:
        return _echo(event, channel, ts) if me.posted(event) else Ignored("our own")
    is_bot = bool(event.get("bot_id")) or subtype == "bot_message"
    author = user or text(event.get("bot_id"))
    if not ID.fullmatch(author) or author == "USLACKBOT":
        return Ignored("a message of nobody")
    kind = text(event.get("channel_type"))
    said = text(event.get("text"))
    thread_ts = text(event.get("thread_ts"))
    return Said(
        team=me.team_id,
        channel=channel,
        ts=ts,
        thread_ts=thread_ts if TS.fullmatch(thread_ts) else "",
        topic=topic_of(ts, thread_ts, begins=_begins(channel, kind, agent=agent)),
        user=author,
        text=said,
        direct=is_direct(channel, kind),
        mentioned=text(event.get("type")) == "app_mention" or mentions(said, me.user_id),
        is_bot=is_bot,
        is_foreign=_is_foreign(event, me),
        files=tuple(tables(event.get("files"))),
        keys=_keys(payload, event),
    )


def is_ours(payload: Json, me: Identity) -> bool:
    """
    Whether an event is for the installation whose token we have.

    In a channel that is shared with another organisation ``team_id`` may be theirs; who is
    authorised says whose event it is.
    """
    authorised = [text(each.get("team_id")) for each in tables(payload.get("authorizations"))]
    return me.team_id in (authorised or [text(payload.get("team_id"))])


def _is_foreign(event: Json, me: Identity) -> bool:
    author = text(event.get("user_team")) or text(event.get("source_team")) or text(event.get("team"))
    return bool(author) and author not in (me.team_id, me.enterprise_id)


def _echo(event: Json, channel: str, ts: str) -> Echo | Ignored:
    metadata = table(event.get("metadata"))
    key = text(table(metadata.get("event_payload")).get("reply_key"))
    return Echo(channel, ts, key) if metadata.get("event_type") == EVENT_TYPE and key else Ignored("our own")


def _keys(payload: Json, event: Json) -> tuple[str, ...]:
    named = {"event": payload.get("event_id"), "client": event.get("client_msg_id")}
    return tuple(f"{kind}:{id[:200]}" for kind, value in named.items() if (id := text(value)))
