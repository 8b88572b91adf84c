"""
Who may do what: developers/topics/permissions.mdx, "Permission Hierarchy" and "Overwrites", 2026-08-06.
"""

from __future__ import annotations

from enum import IntFlag

from emulators.discord.kinds import THREADS, ChannelType
from emulators.discord.world import Channel, Guild, Member, World


class Permission(IntFlag):
    """The permissions that the emulator knows."""

    KICK_MEMBERS = 1 << 1
    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_EXTERNAL_EMOJIS = 1 << 18
    CONNECT = 1 << 20
    MANAGE_ROLES = 1 << 28
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    CREATE_PRIVATE_THREADS = 1 << 36
    SEND_MESSAGES_IN_THREADS = 1 << 38
    SEND_VOICE_MESSAGES = 1 << 46
    PIN_MESSAGES = 1 << 51


NONE = Permission(0)
ALL = Permission(sum(Permission))
READING = Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY
USUAL = (
    READING
    | Permission.ADD_REACTIONS
    | Permission.SEND_MESSAGES
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.USE_APPLICATION_COMMANDS
    | Permission.CREATE_PUBLIC_THREADS
    | Permission.CREATE_PRIVATE_THREADS
    | Permission.SEND_MESSAGES_IN_THREADS
    | Permission.SEND_VOICE_MESSAGES
    | Permission.CONNECT
)
DIRECT = USUAL & ~Permission.CREATE_PUBLIC_THREADS & ~Permission.CREATE_PRIVATE_THREADS


def permissions(world: World, user_id: str, channel: Channel, now: float) -> Permission:
    """What a user may do in a channel or thread; nothing for who is not there."""
    if not channel.guild_id:
        return DIRECT if user_id in channel.recipients else NONE
    guild = world.guilds.get(channel.guild_id)
    member = guild.members.get(user_id) if guild is not None else None
    if guild is None or member is None:
        return NONE
    base = in_guild(guild, member)
    if base & Permission.ADMINISTRATOR:
        return ALL
    place = world.channels.get(channel.parent_id, channel) if channel.type in THREADS else channel
    allowed = _in_channel(guild, member, place, base)
    if member.timed_out_until > now:
        allowed &= READING  # developers/resources/guild.mdx, "Guild Member Object"
    if channel.type in THREADS:
        if channel.is_private and not (
            user_id in channel.thread_members or allowed & Permission.MANAGE_THREADS
        ):
            return NONE
        may_send = bool(allowed & Permission.SEND_MESSAGES_IN_THREADS)
    else:
        may_send = bool(allowed & Permission.SEND_MESSAGES)
    if not allowed & Permission.VIEW_CHANNEL:
        return NONE
    if place.type == ChannelType.VOICE and not allowed & Permission.CONNECT:
        return NONE  # "Implicit Permissions": its text needs CONNECT, too
    # "Implicit Permissions": who cannot write can neither mention everyone nor attach nor embed.
    return allowed if may_send else allowed & ~(_SEND | Permission.MENTION_EVERYONE | _WITH_MESSAGES)


_SEND = Permission.SEND_MESSAGES | Permission.SEND_MESSAGES_IN_THREADS
_WITH_MESSAGES = Permission.EMBED_LINKS | Permission.ATTACH_FILES | Permission.SEND_VOICE_MESSAGES


def in_guild(guild: Guild, member: Member) -> Permission:
    """What the roles give, before any channel."""
    if guild.owner_id == member.user_id:
        return ALL
    given = Permission(guild.roles[guild.id].permissions)
    for role in member.roles:
        given |= Permission(guild.roles[role].permissions)
    return ALL if given & Permission.ADMINISTRATOR else given


def _in_channel(guild: Guild, member: Member, place: Channel, base: Permission) -> Permission:
    overwrites = {each.id: each for each in place.overwrites}
    everyone = overwrites.get(guild.id)
    if everyone is not None:
        base = base & ~Permission(everyone.deny) | Permission(everyone.allow)
    allow = deny = NONE
    for role in member.roles:
        if role in overwrites:
            allow |= Permission(overwrites[role].allow)
            deny |= Permission(overwrites[role].deny)
    base = base & ~deny | allow
    own = overwrites.get(member.user_id)
    return base if own is None else base & ~Permission(own.deny) | Permission(own.allow)
