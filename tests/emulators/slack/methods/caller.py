"""Who calls, with what, and what they may see."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from emulators.shapes import Json
from emulators.slack.arguments import Arguments
from emulators.slack.refusal import Refusal
from emulators.slack.service import Service
from emulators.slack.world import App, Channel, Installation, Message

TS = re.compile(r"\d{10}\.\d{6}")


@dataclass(frozen=True, slots=True)
class Caller:
    """
    One call: *bot* is who calls with a bot token, *app* who calls with an app token.

    Attributes:
        basic: Client id and secret of the `Authorization: Basic` header.
        token: The bot's token that was given.
    """

    service: Service
    method: str
    arguments: Arguments
    installation: Installation | None = None
    own_app: App | None = None
    basic: tuple[str, str] = ("", "")
    token: str = ""

    @property
    def bot(self) -> Installation:
        """The installation whose token was given."""
        assert self.installation is not None, "only methods that want a bot token ask"
        return self.installation

    @property
    def app(self) -> App:
        """The app whose token was given."""
        assert self.own_app is not None, "only methods that want an app token ask"
        return self.own_app

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        return self.service.clock.now()

    def channel(self, name: str = "channel") -> Channel:
        """
        The channel that was named, if the bot can see it.

        Raises:
            Refusal: `channel_not_found`.
        """
        channel = self.service.world.channels.get(self.arguments.required(name, "channel_not_found"))
        if channel is None or self.bot.team_id not in channel.teams:
            raise Refusal("channel_not_found")
        if channel.kind != "public" and self.bot.bot_user_id not in channel.members:
            raise Refusal("channel_not_found")
        return channel

    def writable(self, name: str = "channel") -> Channel:
        """
        The channel that was named, if the bot may post there; a user's id is their direct messages.

        Raises:
            Refusal: `channel_not_found`, `is_archived` or `not_in_channel`.
        """
        user = self.service.world.users.get(self.arguments.text(name))
        channel = self.direct(user.id) if user is not None else self.channel(name)
        if channel.is_archived:
            raise Refusal("is_archived")
        public = channel.kind == "public" and "chat:write.public" in self.bot.scopes
        if self.bot.bot_user_id not in channel.members and not public:
            raise Refusal("not_in_channel")
        return channel

    def direct(self, user_id: str) -> Channel:
        """The bot's direct messages with a user, opened if need be."""
        world = self.service.world
        found = world.direct_channel(self.bot.bot_user_id, user_id)
        if found is not None:
            return found
        channel = Channel(world.mint("D"), self.bot.team_id, "", "im", {self.bot.bot_user_id, user_id})
        world.channels[channel.id] = channel
        return channel

    def message(self, channel: Channel, name: str = "ts") -> Message:
        """
        The message that was named.

        Raises:
            Refusal: `message_not_found`.
        """
        message = channel.messages.get(self.arguments.required(name, "message_not_found"))
        if message is None or message.deleted_at is not None:
            raise Refusal("message_not_found")
        return message


Run: TypeAlias = Callable[[Caller], Awaitable[Json]]


@dataclass(frozen=True, slots=True)
class Method:
    """
    A method of the Web API.

    Attributes:
        tier: 1 to 4; None where docs.slack.dev gives it a rule of its own.
        scopes: Any one of them is enough; none where the method wants none.
    """

    run: Run
    tier: int | None = None
    scopes: tuple[str, ...] = ()
    token: Literal["bot", "app", "none"] = "bot"
