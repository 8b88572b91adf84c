"""
The servers, and everything in them.

Only values and look-ups: who may do what is decided by the routes, what happens by `posting`. Ids are
strings, as in Discord's JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from emulators.discord.kinds import THREADS, ChannelType, CommandType, MessageType
from emulators.discord.snowflakes import Snowflakes
from emulators.shapes import Json

Viewers: TypeAlias = tuple[str, ...]


@dataclass(slots=True)
class User:
    """A person or a bot; with *takes_dms* False nobody can write to them in private."""

    id: str
    name: str
    global_name: str = ""
    bot: bool = False
    takes_dms: bool = True


@dataclass(slots=True)
class Role:
    """A role of a server; the one with the server's id is everybody's."""

    id: str
    name: str
    permissions: int = 0
    mentionable: bool = False
    managed: bool = False
    position: int = 0


@dataclass(slots=True)
class Member:
    """A user in a server; *timed_out_until* in seconds since 1970."""

    user_id: str
    joined_at: float
    nick: str = ""
    roles: set[str] = field(default_factory=set)
    timed_out_until: float = 0.0


@dataclass(frozen=True, slots=True)
class Overwrite:
    """What a role (type 0) or a member (type 1) may do in one channel in spite of the rest."""

    id: str
    type: Literal[0, 1]
    allow: int = 0
    deny: int = 0


@dataclass(slots=True)
class Guild:
    """A server; an *unavailable* one has an outage."""

    id: str
    name: str
    owner_id: str
    members: dict[str, Member] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    unavailable: bool = False


@dataclass(slots=True)
class Channel:
    """
    A place where messages are: a channel, a thread, or direct messages.

    Attributes:
        guild_id: Empty for direct messages.
        parent_id: The category of a channel, the channel of a thread.
        recipients: The users of direct messages.
        auto_archive: Minutes without a message until a thread is archived.
        active_at: When a thread last had a message, in seconds since 1970.
        changed_at: When a thread was last archived or taken out of the archive.
    """

    id: str
    type: ChannelType
    guild_id: str = ""
    name: str = ""
    topic: str = ""
    parent_id: str = ""
    position: int = 0
    recipients: set[str] = field(default_factory=set)
    overwrites: list[Overwrite] = field(default_factory=list)
    messages: dict[str, Message] = field(default_factory=dict)
    owner_id: str = ""
    archived: bool = False
    locked: bool = False
    auto_archive: int = 4_320
    active_at: float = 0.0
    changed_at: float = 0.0
    thread_members: set[str] = field(default_factory=set)
    deleted: bool = False

    @property
    def is_thread(self) -> bool:
        """Whether it is a thread, a forum post included."""
        return self.type in THREADS

    @property
    def is_private(self) -> bool:
        """Whether only its own members see it."""
        return self.type == ChannelType.PRIVATE_THREAD

    @property
    def last(self) -> Message | None:
        """The newest message that is there."""
        return next((each for each in reversed(self.messages.values()) if each.deleted_at is None), None)


@dataclass(slots=True)
class Attachment:
    """A file of a message."""

    id: str
    channel_id: str
    filename: str
    content: bytes
    content_type: str
    description: str = ""
    duration: float | None = None
    waveform: str = ""
    ephemeral: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """
    One state in which people could see a message.

    Attributes:
        at: Seconds since 1970.
        by: The route or act that made it.
        text: All that could be read, embeds and components included, one below the other.
        mentions: Who and what was mentioned alive: users' ids, roles' ids with ``&``, ``everyone``.
        viewers: Ids of those who saw it; empty for everybody who sees the channel.
        loading: Whether "is thinking…" was shown instead.
    """

    at: float
    by: str
    text: str
    mentions: tuple[str, ...] = ()
    viewers: Viewers = ()
    loading: bool = False


@dataclass(slots=True)
class Message:
    """
    A message and all it ever was.

    Attributes:
        via: The route or act that made it.
        app: The app that posted it; None for a person.
        reference: What it answers or forwards, in Discord's JSON.
        snapshots: What a forwarded message looked like.
        interaction_id: The interaction whose answer it is.
        frames: Every state that people could see, oldest first.
        pinged: Users who would have been notified by it, or seen it highlighted after an edit.
        unfurled: Addresses that Discord would have fetched for a preview.
        ephemeral_to: The only one who sees it.
    """

    id: str
    channel_id: str
    author_id: str
    content: str
    via: str
    created_at: float
    type: MessageType = MessageType.DEFAULT
    app: App | None = None
    flags: int = 0
    nonce: str | int | None = None
    embeds: list[Json] = field(default_factory=list)
    previews: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    poll: Json | None = None
    stickers: list[Json] = field(default_factory=list)
    reference: Json | None = None
    snapshots: list[Json] = field(default_factory=list)
    reactions: dict[str, list[str]] = field(default_factory=dict)
    mentioned_users: list[str] = field(default_factory=list)
    mentioned_roles: list[str] = field(default_factory=list)
    mentions_everyone: bool = False
    pinned: bool = False
    interaction_id: str = ""
    interaction_metadata: Json | None = None
    edited_at: float | None = None
    deleted_at: float | None = None
    frames: list[Frame] = field(default_factory=list)
    pinged: set[str] = field(default_factory=set)
    unfurled: set[str] = field(default_factory=set)
    ephemeral_to: str = ""

    @property
    def visible(self) -> str:
        """What people read now."""
        return self.frames[-1].text if self.frames and self.deleted_at is None else ""


@dataclass(slots=True)
class Command:
    """An application command; *fields* are the rest of what was registered."""

    id: str
    guild_id: str
    name: str
    type: CommandType
    version: str
    description: str = ""
    options: list[Json] = field(default_factory=list)
    fields: Json = field(default_factory=dict)


@dataclass(slots=True)
class App:
    """
    An app with its bot.

    Attributes:
        privileged: The privileged intents that are switched on in the portal.
        identifies: When it identified itself, in seconds since 1970: 1,000 in 24 h.
        creates: When it created commands, by scope: 200 in 24 h.
        max_concurrency: How many shards may identify in the same 5 s.
        shards: How many of them Discord recommends; 0 for one for each 1,000 servers.
    """

    id: str
    name: str
    user_id: str
    token: str
    public_key: str
    owner_id: str
    privileged: int = 0
    max_concurrency: int = 1
    shards: int = 0
    commands: dict[str, Command] = field(default_factory=dict)
    identifies: list[float] = field(default_factory=list)
    creates: dict[str, list[float]] = field(default_factory=dict)


class World:
    """All servers; every look-up answers None for what is not there."""

    def __init__(self) -> None:
        self.guilds: dict[str, Guild] = {}
        self.users: dict[str, User] = {}
        self.channels: dict[str, Channel] = {}
        self.apps: dict[str, App] = {}
        self.attachments: dict[str, Attachment] = {}
        self.ephemerals: list[Message] = []
        self.snowflakes = Snowflakes()

    def app_of_token(self, token: str) -> App | None:
        """The app with that bot token."""
        return next((app for app in self.apps.values() if app.token == token), None)

    def app_of_user(self, user_id: str) -> App | None:
        """The app whose bot is *user_id*."""
        return next((app for app in self.apps.values() if app.user_id == user_id), None)

    def direct_channel(self, first: str, second: str) -> Channel | None:
        """The direct messages of two users."""
        pair = {first, second}
        return next(
            (c for c in self.channels.values() if c.type == ChannelType.DM and c.recipients == pair), None
        )

    def shared_guilds(self, first: str, second: str) -> list[Guild]:
        """The servers that both are in."""
        return [g for g in self.guilds.values() if first in g.members and second in g.members]

    def threads(self, guild_id: str, *, archived: bool | None = None) -> Iterator[Channel]:
        """The threads of a server."""
        return (
            channel
            for channel in self.channels.values()
            if channel.guild_id == guild_id
            and channel.is_thread
            and not channel.deleted
            and archived in (None, channel.archived)
        )

    def message(self, channel_id: str, message_id: str) -> Message | None:
        """A message that is there, whoever sees it."""
        channel = self.channels.get(channel_id)
        found = channel.messages.get(message_id) if channel is not None else None
        return found if found is not None and found.deleted_at is None else None
