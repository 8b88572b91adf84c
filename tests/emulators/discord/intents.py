"""
What a session hears of: developers/events/gateway.mdx, "Gateway Intents", 2026-08-06.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntFlag
from types import MappingProxyType


class Intent(IntFlag):
    """The intents there are; bits 17 to 19 and 22 and 23 are not in use."""

    GUILDS = 1 << 0
    GUILD_MEMBERS = 1 << 1
    GUILD_MODERATION = 1 << 2
    GUILD_EXPRESSIONS = 1 << 3
    GUILD_INTEGRATIONS = 1 << 4
    GUILD_WEBHOOKS = 1 << 5
    GUILD_INVITES = 1 << 6
    GUILD_VOICE_STATES = 1 << 7
    GUILD_PRESENCES = 1 << 8
    GUILD_MESSAGES = 1 << 9
    GUILD_MESSAGE_REACTIONS = 1 << 10
    GUILD_MESSAGE_TYPING = 1 << 11
    DIRECT_MESSAGES = 1 << 12
    DIRECT_MESSAGE_REACTIONS = 1 << 13
    DIRECT_MESSAGE_TYPING = 1 << 14
    MESSAGE_CONTENT = 1 << 15
    GUILD_SCHEDULED_EVENTS = 1 << 16
    AUTO_MODERATION_CONFIGURATION = 1 << 20
    AUTO_MODERATION_EXECUTION = 1 << 21
    GUILD_MESSAGE_POLLS = 1 << 24
    DIRECT_MESSAGE_POLLS = 1 << 25


KNOWN = Intent(sum(Intent))
PRIVILEGED = Intent.GUILD_MEMBERS | Intent.GUILD_PRESENCES | Intent.MESSAGE_CONTENT
MESSAGES = (Intent.GUILD_MESSAGES, Intent.DIRECT_MESSAGES)
REACTIONS = (Intent.GUILD_MESSAGE_REACTIONS, Intent.DIRECT_MESSAGE_REACTIONS)

NEEDED: Mapping[str, tuple[Intent, Intent]] = MappingProxyType(
    {
        "MESSAGE_CREATE": MESSAGES,
        "MESSAGE_UPDATE": MESSAGES,
        "MESSAGE_DELETE": MESSAGES,
        "MESSAGE_DELETE_BULK": MESSAGES,
        "CHANNEL_PINS_UPDATE": (Intent.GUILDS, Intent.DIRECT_MESSAGES),
        "MESSAGE_REACTION_ADD": REACTIONS,
        "MESSAGE_REACTION_REMOVE": REACTIONS,
        "TYPING_START": (Intent.GUILD_MESSAGE_TYPING, Intent.DIRECT_MESSAGE_TYPING),
        "GUILD_CREATE": (Intent.GUILDS, Intent(0)),
        "GUILD_UPDATE": (Intent.GUILDS, Intent(0)),
        "GUILD_DELETE": (Intent.GUILDS, Intent(0)),
        "GUILD_ROLE_CREATE": (Intent.GUILDS, Intent(0)),
        "GUILD_ROLE_UPDATE": (Intent.GUILDS, Intent(0)),
        "CHANNEL_CREATE": (Intent.GUILDS, Intent.DIRECT_MESSAGES),
        "CHANNEL_UPDATE": (Intent.GUILDS, Intent(0)),
        "CHANNEL_DELETE": (Intent.GUILDS, Intent(0)),
        "THREAD_CREATE": (Intent.GUILDS, Intent(0)),
        "THREAD_UPDATE": (Intent.GUILDS, Intent(0)),
        "THREAD_DELETE": (Intent.GUILDS, Intent(0)),
        "THREAD_LIST_SYNC": (Intent.GUILDS, Intent(0)),
        "THREAD_MEMBER_UPDATE": (Intent.GUILDS, Intent(0)),
        "THREAD_MEMBERS_UPDATE": (Intent.GUILDS, Intent(0)),
        "GUILD_MEMBER_ADD": (Intent.GUILD_MEMBERS, Intent(0)),
        "GUILD_MEMBER_UPDATE": (Intent.GUILD_MEMBERS, Intent(0)),
        "GUILD_MEMBER_REMOVE": (Intent.GUILD_MEMBERS, Intent(0)),
    }
)


def hears(intents: Intent, event: str, in_guild: bool) -> bool:
    """Whether a session with *intents* is sent *event*; what is not listed needs none."""
    needed = NEEDED.get(event)
    return needed is None or bool(intents & needed[0 if in_guild else 1])
