"""The numbers Discord uses for kinds of things: developers/resources/*.mdx, 2026-08-06."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class ChannelType(IntEnum):
    """developers/resources/channel.mdx, "Channel Types"."""

    TEXT = 0
    DM = 1
    VOICE = 2
    GROUP_DM = 3
    CATEGORY = 4
    ANNOUNCEMENT = 5
    ANNOUNCEMENT_THREAD = 10
    PUBLIC_THREAD = 11
    PRIVATE_THREAD = 12
    STAGE = 13
    FORUM = 15


THREADS = frozenset({ChannelType.ANNOUNCEMENT_THREAD, ChannelType.PUBLIC_THREAD, ChannelType.PRIVATE_THREAD})
WITH_TEXT = THREADS | {ChannelType.TEXT, ChannelType.DM, ChannelType.VOICE, ChannelType.ANNOUNCEMENT}


class MessageType(IntEnum):
    """developers/resources/message.mdx, "Message Types"."""

    DEFAULT = 0
    CHANNEL_NAME_CHANGE = 4
    PINNED = 6
    USER_JOIN = 7
    THREAD_CREATED = 18
    REPLY = 19
    CHAT_INPUT_COMMAND = 20
    THREAD_STARTER_MESSAGE = 21
    CONTEXT_MENU_COMMAND = 23


DELETABLE = frozenset(MessageType) - {MessageType.THREAD_STARTER_MESSAGE}


class MessageFlag(IntFlag):
    """developers/resources/message.mdx, "Message Flags"."""

    SUPPRESS_EMBEDS = 1 << 2
    HAS_THREAD = 1 << 5
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12
    VOICE_MESSAGE = 1 << 13
    HAS_SNAPSHOT = 1 << 14
    COMPONENTS_V2 = 1 << 15


class InteractionType(IntEnum):
    """developers/interactions/receiving-and-responding.mdx, "Interaction Type"."""

    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL = 5


class CallbackType(IntEnum):
    """developers/interactions/receiving-and-responding.mdx, "Interaction Callback Type"."""

    PONG = 1
    MESSAGE = 4
    DEFERRED_MESSAGE = 5
    DEFERRED_UPDATE = 6
    UPDATE = 7
    AUTOCOMPLETE = 8
    MODAL = 9


class CommandType(IntEnum):
    """developers/interactions/application-commands.mdx, "Application Command Types"."""

    CHAT_INPUT = 1
    USER = 2
    MESSAGE = 3
