"""
The workspaces, and everything in them.

Only values and look-ups: who may do what is decided by the methods, what happens by `posting`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from emulators.shapes import Json
from emulators.slack.blocks import Piece, read
from emulators.slack.manifest import Manifest

ChannelKind: TypeAlias = Literal["public", "private", "im", "mpim"]
Guest: TypeAlias = Literal["", "multi_channel", "single_channel"]


@dataclass(slots=True)
class Workspace:
    """A workspace; *edit_window* is how long messages may be edited, in seconds, None for ever."""

    id: str
    name: str
    enterprise_id: str = ""
    edit_window: float | None = None


@dataclass(slots=True)
class User:
    """A person or a bot; one of another workspace takes part through Slack Connect."""

    id: str
    team_id: str
    name: str
    real_name: str = ""
    guest: Guest = ""
    is_bot: bool = False
    deleted: bool = False
    tz: str = "Europe/Berlin"


@dataclass(slots=True)
class Channel:
    """A place where messages are; shared with the workspaces in *connected*."""

    id: str
    team_id: str
    name: str
    kind: ChannelKind = "public"
    members: set[str] = field(default_factory=set)
    connected: set[str] = field(default_factory=set)
    is_archived: bool = False
    one_session: bool = False
    prompts: list[Json] = field(default_factory=list)
    messages: dict[str, Message] = field(default_factory=dict)
    replies: dict[str, list[Message]] = field(default_factory=dict)

    @property
    def teams(self) -> set[str]:
        """The workspaces that see it."""
        return {self.team_id, *self.connected}


@dataclass(slots=True)
class App:
    """An app with its secrets."""

    id: str
    name: str
    client_id: str
    client_secret: str
    signing_secret: str
    app_token: str
    manifest: Manifest


@dataclass(slots=True)
class Installation:
    """
    An app in a workspace, with its bot.

    Attributes:
        older: The token before the newest, as long as it is good, and when it expires.
        revoked: Tokens that were good once.
        spent: Used refresh tokens, and until when each is still taken.
    """

    app: App
    team_id: str
    bot_token: str
    bot_id: str
    bot_user_id: str
    scopes: frozenset[str]
    refresh_token: str = ""
    expires_at: float | None = None
    older: tuple[str, float] | None = None
    revoked: set[str] = field(default_factory=set)
    spent: dict[str, float] = field(default_factory=dict)
    ended: Literal["", "uninstalled", "revoked"] = ""

    def refuses(self, token: str, now: float) -> str | None:
        """Why *token* is not taken, empty when it is; None when it never was this installation's."""
        if token in self.revoked:
            return "token_revoked"
        if self.older is not None and token == self.older[0]:
            expires_at: float | None = self.older[1]
        elif token == self.bot_token:
            expires_at = self.expires_at
        else:
            return None
        if self.ended:
            return "account_inactive" if self.ended == "uninstalled" else "token_revoked"
        return "token_expired" if expires_at is not None and expires_at <= now else ""


@dataclass(frozen=True, slots=True)
class Frame:
    """
    One state in which people could see a message.

    Attributes:
        at: Seconds since 1970.
        by: The method or act that made it.
        shown: What could be read, in order, each part in its dialect.
        mentions: Live tokens in it.
        viewers: Ids of those who saw this state; empty for everybody who sees the message.
    """

    at: float
    by: str
    shown: tuple[Piece, ...]
    mentions: tuple[str, ...] = ()
    viewers: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All parts, one below the other."""
        return read(self.shown)


@dataclass(slots=True)
class Task:
    """A card of a stream."""

    id: str
    title: str
    status: str
    details: str = ""
    output: str = ""


@dataclass(slots=True)
class Stream:
    """
    A message that is being streamed; *mode* is fixed by the first payload.

    Attributes:
        body: Everything that was appended, in markdown.
        state: `in_progress`, or how it ended.
    """

    started_at: float
    recipient: str
    mode: Literal["", "text", "chunks"] = ""
    body: str = ""
    tasks: dict[str, Task] = field(default_factory=dict)
    plan: str = ""
    display: str = "timeline"
    blocks: list[Json] = field(default_factory=list)
    state: Literal["in_progress", "completed", "stopped_by_user", "expired"] = "in_progress"


@dataclass(slots=True)
class Session:
    """What an agent says about itself in a thread."""

    app_id: str
    channel: str
    thread_ts: str
    bot_user_id: str
    status: str = "active"
    text: str = ""
    title: str = ""
    initiator: str = ""
    until: float | None = None
    history: list[tuple[float, str]] = field(default_factory=list)


@dataclass(slots=True)
class Message:
    """
    A message and all it ever was.

    Attributes:
        installation: The bot that posted it; None for a person.
        root: The ts of the thread's first message, empty in the channel.
        shown: What was sent to be seen, before Slack's translation.
        frames: Every state that people could see, oldest first.
        pinged: Users who would have been notified by it.
        unfurled: Addresses that Slack would have fetched for a preview.
        ephemeral_to: The only one who sees it.
        via: The method that made it.
    """

    ts: str
    channel: str
    user: str
    text: str
    via: str
    installation: Installation | None = None
    root: str = ""
    subtype: str = ""
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    metadata: Json = field(default_factory=dict)
    files: list[File] = field(default_factory=list)
    reactions: dict[str, list[str]] = field(default_factory=dict)
    shown: tuple[Piece, ...] = ()
    frames: list[Frame] = field(default_factory=list)
    pinged: set[str] = field(default_factory=set)
    unfurled: set[str] = field(default_factory=set)
    stream: Stream | None = None
    client_msg_id: str = ""
    ephemeral_to: str = ""
    username: str = ""
    broadcast: bool = False
    edited_at: str = ""
    deleted_at: float | None = None
    subscribed: set[str] = field(default_factory=set)

    @property
    def visible(self) -> str:
        """What people read now."""
        return "" if self.deleted_at is not None else read(self.shown)


@dataclass(slots=True)
class File:
    """A file; *shared* are the channels in which it is."""

    id: str
    team_id: str
    user: str
    name: str
    length: int
    title: str = ""
    content: bytes = b""
    mimetype: str = "application/octet-stream"
    uploaded: bool = False
    completed: bool = False
    deleted: bool = False
    created: int = 0
    shares: dict[str, list[str]] = field(default_factory=dict)


class World:
    """All workspaces; every look-up answers None for what is not there."""

    def __init__(self) -> None:
        self.workspaces: dict[str, Workspace] = {}
        self.users: dict[str, User] = {}
        self.channels: dict[str, Channel] = {}
        self.apps: dict[str, App] = {}
        self.installations: list[Installation] = []
        self.files: dict[str, File] = {}
        self.sessions: dict[tuple[str, str, str], Session] = {}
        self.groups: dict[str, set[str]] = {}
        self.ephemerals: list[Message] = []
        self.views: dict[str, Json] = {}
        self.streaming: dict[str, Message] = {}
        self._numbers = iter(range(1, 1 << 62))
        self._last_ts = 0

    def mint(self, prefix: str) -> str:
        """A new id, such as ``C000000001``."""
        return f"{prefix}{next(self._numbers):09d}"

    def mint_ts(self, now: float) -> str:
        """A ts that no message has yet."""
        self._last_ts = max(self._last_ts + 1, int(now * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def installed(self, team_id: str) -> Iterator[Installation]:
        """The apps of a workspace."""
        return (each for each in self.installations if each.team_id == team_id and not each.ended)

    def installation(self, app_id: str, team_id: str) -> Installation | None:
        """An app in a workspace."""
        return next((each for each in self.installed(team_id) if each.app.id == app_id), None)

    def by_bot_user(self, user_id: str) -> Installation | None:
        """The installation whose bot is *user_id*."""
        return next((each for each in self.installations if each.bot_user_id == user_id), None)

    def direct_channel(self, first: str, second: str) -> Channel | None:
        """The direct messages of two users."""
        pair = {first, second}
        return next((c for c in self.channels.values() if c.kind == "im" and c.members == pair), None)

    def thread(self, channel: Channel, root: str) -> list[Message]:
        """A thread's replies that are there, oldest first."""
        return [reply for reply in channel.replies.get(root, ()) if reply.deleted_at is None]
