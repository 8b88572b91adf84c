"""
An event of Slack's, judged: a message of a person, our own echo, or nothing of ours.

Only looks at the payload; whether a message is answered may need the store and is decided later.
A mention in a channel comes twice, as ``message`` and as ``app_mention``, with two event ids and one
``ts``: channel and ``ts`` are what tells messages apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from assistant_gateway.values import Conversation
from assistant_gateway_slack.identity import Identity
from assistant_gateway_slack.markup import mentions
from assistant_gateway_slack.shapes import Json, table, tables, text

ADAPTER = "slack"
EVENT_TYPE = "assistant_gateway_reply"  # of our messages' metadata; letters, digits and _ only
# Subtypes that are messages of people; edits, deletions, joins and the like are not answered.
SPOKEN = frozenset({"", "file_share", "thread_broadcast", "me_message"})
_ID = re.compile(r"[A-Z][A-Z0-9]{1,31}", re.ASCII)
_TS = re.compile(r"[0-9]{1,12}\.[0-9]{1,6}", re.ASCII)


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
        topic = self.thread_ts if self.direct else self.thread_ts or self.ts
        return Conversation(ADAPTER, self.team, self.channel, topic)

    @property
    def message_id(self) -> str:
        """Its id; a ``ts`` alone is unique only in its channel."""
        return f"{self.channel}:{self.ts}"


Judged: TypeAlias = Said | Echo | Ignored


def judge(payload: Json, me: Identity) -> Judged:
    """What an ``event_callback`` is about."""
    event = table(payload.get("event"))
    kind = text(event.get("type"))
    if not kind:
        return Ignored("no event in it", odd=True)
    if not _ID.fullmatch(text(payload.get("team_id"))):
        return Ignored("no workspace in it", odd=True)
    if not _is_ours(payload, me):
        return Ignored("of an installation that is not ours", odd=True)
    if kind not in ("message", "app_mention"):
        return Ignored(f"a {kind[:100]}")
    return _judge_message(payload, event, me)


def _judge_message(payload: Json, event: Json, me: Identity) -> Judged:
    subtype = text(event.get("subtype"))
    channel, ts, user = (text(event.get(key)) for key in ("channel", "ts", "user"))
    if event.get("hidden") or subtype not in SPOKEN | {"bot_message"}:
        return Ignored(f"a {subtype or 'hidden message'}")
    if not _ID.fullmatch(channel) or not _TS.fullmatch(ts):
        return Ignored("a message without channel or ts", odd=True)
    if me.posted(event) or user == me.user_id:
        return _echo(event, channel, ts) if me.posted(event) else Ignored("our own")
    is_bot = bool(event.get("bot_id")) or subtype == "bot_message"
    author = user or text(event.get("bot_id"))
    if not _ID.fullmatch(author) or author == "USLACKBOT":
        return Ignored("a message of nobody")
    direct = text(event.get("channel_type")) in ("im", "mpim") or channel.startswith("D")
    said = text(event.get("text"))
    thread_ts = text(event.get("thread_ts"))
    return Said(
        team=me.team_id,
        channel=channel,
        ts=ts,
        thread_ts=thread_ts if _TS.fullmatch(thread_ts) else "",
        user=author,
        text=said,
        direct=direct,
        mentioned=text(event.get("type")) == "app_mention" or mentions(said, me.user_id),
        is_bot=is_bot,
        is_foreign=_is_foreign(event, me),
        files=tuple(tables(event.get("files"))),
        keys=_keys(payload, event),
    )


def _is_ours(payload: Json, me: Identity) -> bool:
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
