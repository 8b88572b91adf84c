"""
Who a message reaches: developers/resources/message.mdx, "Allowed Mentions Object", 2026-08-06.

That nothing in code is a mention, and that `mentions` lists only who was allowed, is assumed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from emulators.discord import sizes
from emulators.discord.permissions import Permission, permissions
from emulators.discord.refusal import invalid
from emulators.discord.snowflakes import is_snowflake
from emulators.discord.world import Channel, Message, World

CODE = re.compile(r"```.*?```|``.+?``|`[^`\n]+`", re.DOTALL)
USER = re.compile(r"<@!?(\d{1,20})>")
ROLE = re.compile(r"<@&(\d{1,20})>")
BROADCAST = re.compile(r"@(everyone|here)")
LINK = re.compile(r"(<)?(https?://[^\s<>\])]+)")


@dataclass(frozen=True, slots=True)
class Allowed:
    """
    What of a message's mentions may be alive; None for a list allows all of its kind.

    Attributes:
        replied_user: Whether the author of the message that is answered is told.
    """

    users: frozenset[str] | None = None
    roles: frozenset[str] | None = None
    everyone: bool = True
    replied_user: bool = True


EVERYTHING = Allowed()
USERS_ONLY = Allowed(roles=frozenset(), everyone=False)
"""The default of interactions and webhooks."""


def allowed_in(given: object, default: Allowed) -> Allowed:
    """
    What `allowed_mentions` allows; *default* where there is none.

    Raises:
        Refusal: Code 50035: not an object, unknown kinds, a kind both parsed and listed, over 100 ids.
    """
    if given is None:
        return default
    if not isinstance(given, dict):
        raise invalid("allowed_mentions", "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
    parse = _strings(given.get("parse"), "parse")
    for index, kind in enumerate(parse):
        if kind not in ("users", "roles", "everyone"):
            told = "Value must be one of ('users', 'roles', 'everyone')."
            raise invalid(f"allowed_mentions.parse.{index}", "BASE_TYPE_CHOICES", told)
    listed: dict[str, frozenset[str] | None] = {}
    for kind in ("users", "roles"):
        ids = _strings(given.get(kind), kind)
        if len(ids) > sizes.MENTIONED:
            told = f"Must be {sizes.MENTIONED} or fewer in length."
            raise invalid(f"allowed_mentions.{kind}", "BASE_TYPE_MAX_LENGTH", told)
        if kind in parse and ids:
            told = f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.'
            raise invalid("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", told)
        listed[kind] = None if kind in parse else frozenset(ids)
    return Allowed(listed["users"], listed["roles"], "everyone" in parse, given.get("replied_user") is True)


def _strings(value: object, field: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise invalid(
            f"allowed_mentions.{field}", "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType"
        )
    told = [str(each) for each in value]
    if field != "parse" and not all(is_snowflake(each) for each in told):
        raise invalid(f"allowed_mentions.{field}", "NUMBER_TYPE_COERCE", "Value is not snowflake.")
    return told


def evaluate(world: World, channel: Channel, message: Message, allowed: Allowed, now: float) -> None:
    """Find out whom *message* mentions, and who would be told."""
    text = CODE.sub("", message.content)
    guild = world.guilds.get(channel.guild_id)
    loud = permissions(world, message.author_id, channel, now) & Permission.MENTION_EVERYONE
    users = [each for each in _distinct(USER, text) if each in world.users]
    message.mentioned_users = [each for each in users if allowed.users is None or each in allowed.users]
    message.mentioned_roles = []
    for role_id in _distinct(ROLE, text):
        role = guild.roles.get(role_id) if guild is not None else None
        permitted = allowed.roles is None or role_id in allowed.roles
        if role is not None and permitted and (role.mentionable or loud):
            message.mentioned_roles.append(role_id)
    broadcast = bool(BROADCAST.search(text)) and guild is not None
    message.mentions_everyone = broadcast and allowed.everyone and bool(loud)
    answered = _answered(world, message)
    if answered and allowed.replied_user and answered not in message.mentioned_users:
        message.mentioned_users.append(answered)
    message.pinged |= _told(world, channel, message, now)


def _answered(world: World, message: Message) -> str:
    """The author of the message that is answered."""
    reference = message.reference
    if reference is None or reference.get("type") != 0:
        return ""
    found = world.message(str(reference.get("channel_id")), str(reference.get("message_id")))
    return found.author_id if found is not None else ""


def _told(world: World, channel: Channel, message: Message, now: float) -> set[str]:
    guild = world.guilds.get(channel.guild_id)
    if message.ephemeral_to:
        there = {message.ephemeral_to}
    elif guild is None:
        there = set(channel.recipients)
    else:
        there = {
            each for each in guild.members if permissions(world, each, channel, now) & Permission.VIEW_CHANNEL
        }
    if message.mentions_everyone:
        return there - {message.author_id}
    told = set(message.mentioned_users)
    if guild is not None:
        roles = set(message.mentioned_roles)
        told |= {member.user_id for member in guild.members.values() if member.roles & roles}
    return told & there - {message.author_id}


def alive(message: Message) -> tuple[str, ...]:
    """The mentions of *message* as a `Frame` notes them."""
    everyone = ("everyone",) if message.mentions_everyone else ()
    return (*message.mentioned_users, *(f"&{each}" for each in message.mentioned_roles), *everyone)


def links(text: str) -> list[str]:
    """The addresses that get a preview: not those in code, nor in angle brackets."""
    return [match[2] for match in LINK.finditer(CODE.sub("", text)) if not match[1]]


def _distinct(pattern: re.Pattern[str], text: str) -> Iterable[str]:
    return dict.fromkeys(pattern.findall(text))


def mentions_app(message: Message, user_id: str) -> bool:
    """Whether the app's bot is mentioned."""
    return user_id in message.mentioned_users
