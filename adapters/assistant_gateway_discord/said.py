"""
A message of Discord's, judged: a word of a person, our own echo, or nothing of ours.

Messages look the same in the gateway's events and in a channel's history; what came live and what is
caught up is judged alike. developers/resources/message.mdx, 2026-08-06.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from assistant_gateway.platforms.shapes import Json, number, table, tables, text
from assistant_gateway_discord.identity import Identity
from assistant_gateway_discord.shapes import moment, snowflake, snowflakes

ADAPTER = "discord"
DIRECT = "@me"  # the tenant of direct messages
SPOKEN = frozenset({0, 19})  # DEFAULT and REPLY; joins, pins, boosts and the like are not answered
FORWARD = 1  # of a message reference: it points to what was forwarded, not to what is replied to
VOICE = 1 << 13  # IS_VOICE_MESSAGE


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
    """A message that the bot posted; *nonce* is empty where Discord does not tell it."""

    channel: str
    id: str
    nonce: str


@dataclass(frozen=True, slots=True)
class Said:
    """
    A message of a person (or of another bot).

    Attributes:
        channel: The channel or thread it stands in.
        roles: Of its author; None where Discord does not tell (in histories).
        guild: The server; empty in direct messages.
        text: As it came, with its tokens; stickers and a poll in words.
        is_voice: It is a voice message, or forwards one.
        mentioned: It names the bot.
        roles_mentioned: The roles that it names.
        replies_to: The message that it replies to, as far as Discord tells it; empty where it is no reply.
        forwarded: Messages that it forwards.
        names: The names of those whom it mentions, by their ids.
        edited_at: When its author last changed it, in epoch seconds; 0 for never.
    """

    id: str
    channel: str
    guild: str
    user: str
    name: str
    roles: tuple[str, ...] | None
    text: str
    mentioned: bool
    roles_mentioned: tuple[str, ...]
    is_bot: bool
    is_voice: bool
    reference: str
    replies_to: Json
    forwarded: tuple[Json, ...]
    files: tuple[Json, ...]
    names: tuple[tuple[str, str], ...]
    edited_at: float

    @property
    def direct(self) -> bool:
        return not self.guild

    @property
    def tenant(self) -> str:
        return self.guild or DIRECT

    @property
    def is_empty(self) -> bool:
        """Nothing can be read in it: so come messages whose content the bot may not read."""
        return not (self.text.strip() or self.files or self.forwarded)


Judged: TypeAlias = Said | Echo | Ignored


def judge(message: Json, me: Identity, *, guild: str = "") -> Judged:
    """What a message is; *guild* is its server where the message itself does not tell (in histories)."""
    id, channel = snowflake(message.get("id")), snowflake(message.get("channel_id"))
    author = table(message.get("author"))
    user = snowflake(author.get("id"))
    if not (id and channel and user):
        return Ignored("a message without id, channel or author", odd=True)
    if user == me.user_id:
        nonce = message.get("nonce")
        return Echo(channel, id, str(nonce) if isinstance(nonce, (str, int)) else "")
    kind = message.get("type", 0)
    if type(kind) is not int or kind not in SPOKEN:
        return Ignored(f"a message of type {kind}"[:100])
    member = table(message.get("member"))
    reference = table(message.get("message_reference"))
    is_forward = reference.get("type") == FORWARD
    mentions = tables(message.get("mentions"))
    return Said(
        id=id,
        channel=channel,
        guild=snowflake(message.get("guild_id")) or guild,
        user=user,
        name=name_of(author, member),
        roles=snowflakes(member.get("roles")) if "roles" in member else None,
        text=words_of(message),
        mentioned=any(each.get("id") == me.user_id for each in mentions),
        roles_mentioned=snowflakes(message.get("mention_roles")),
        is_bot=author.get("bot") is True or bool(message.get("webhook_id")),
        is_voice=is_voice(message),
        reference="" if is_forward else snowflake(reference.get("message_id")),
        replies_to={} if is_forward else table(message.get("referenced_message")),
        forwarded=tuple(forwarded_in(message)),
        files=tuple(tables(message.get("attachments"))),
        names=tuple(
            (snowflake(each.get("id")), name_of(each, table(each.get("member")))) for each in mentions
        ),
        edited_at=moment(message.get("edited_timestamp")),
    )


def words_of(message: Json) -> str:
    """What is written in a message, with words for its stickers and its poll."""
    stickers = [f"[sticker: {text(each.get('name'))}]" for each in tables(message.get("sticker_items"))]
    return "\n".join(part for part in (text(message.get("content")), *stickers, _poll(message)) if part)


def forwarded_in(message: Json) -> list[Json]:
    """The messages that a message forwards."""
    return [table(each.get("message")) for each in tables(message.get("message_snapshots"))]


def is_voice(message: Json) -> bool:
    """Whether a message is spoken, or forwards one that is."""
    return any(number(each.get("flags")) & VOICE for each in (message, *forwarded_in(message)))


def _poll(message: Json) -> str:
    poll = table(message.get("poll"))
    answers = [text(table(each.get("poll_media")).get("text")) for each in tables(poll.get("answers"))]
    question = text(table(poll.get("question")).get("text"))
    return f"[poll: {question} {' / '.join(answers)}]" if question else ""


def name_of(user: Json, member: Json) -> str:
    """What people are called: in the server, else everywhere."""
    names = (member.get("nick"), user.get("global_name"), user.get("username"))
    return next((name for each in names if (name := text(each).strip())), "")[:200]
