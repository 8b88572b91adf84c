"""Who calls, and what a route can ask about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from emulators.discord.kinds import WITH_TEXT
from emulators.discord.permissions import Permission, permissions
from emulators.discord.refusal import Refusal, invalid, required
from emulators.discord.service import Service
from emulators.discord.snowflakes import is_snowflake
from emulators.discord.uploads import Upload
from emulators.discord.world import App, Channel, Guild, Message
from emulators.shapes import Json, record

Answer: TypeAlias = Json | list[Json] | None
"""What is told as JSON; None is 204 without a body."""


@dataclass(frozen=True, slots=True)
class Caller:
    """
    One call.

    Attributes:
        by: Method and path as the documentation has it.
        owner: The app whose token came along, if the route wants one.
        body: The JSON, an object or a list.
        files: The files by the number in their field's name.
    """

    service: Service
    by: str
    parameters: Mapping[str, str]
    query: Mapping[str, str]
    body: object
    files: Mapping[int, Upload]
    owner: App | None = None

    @property
    def app(self) -> App:
        """The app that calls."""
        assert self.owner is not None, "the route has no bot token"
        return self.owner

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        return self.service.clock.now()

    @property
    def fields(self) -> Json:
        """The JSON object that was sent; empty for anything else."""
        return record(self.body)

    def id(self, name: str) -> str:
        """
        An id out of the path.

        Raises:
            Refusal: Code 50035: it is none.
        """
        value = self.parameters[name]
        if value == "@me":
            return self.app.user_id
        if not is_snowflake(value):
            told = f'Value "{value[:40]}" is not snowflake.'
            raise invalid(f"{name}_id", "NUMBER_TYPE_COERCE", told)
        return value

    def channel(self, need: Permission = Permission.VIEW_CHANNEL, *, name: str = "channel") -> Channel:
        """
        The channel of the path.

        Raises:
            Refusal: 10003: there is none; 50001: not to be seen; 50013: something of *need* is missing.
        """
        channel = self.service.world.channels.get(self.id(name))
        if channel is None or channel.deleted:
            raise Refusal(10003)
        may = self.may(channel)
        if not may & Permission.VIEW_CHANNEL:
            raise Refusal(50001)
        if need & ~may:
            raise Refusal(50013)
        return channel

    def may(self, channel: Channel) -> Permission:
        """What the bot may do in *channel*."""
        return permissions(self.service.world, self.app.user_id, channel, self.now)

    def text_channel(self, need: Permission = Permission.VIEW_CHANNEL) -> Channel:
        """
        The channel of the path, if it can have messages.

        Raises:
            Refusal: 50008, or as for `channel`.
        """
        channel = self.channel(need)
        if channel.type not in WITH_TEXT:
            raise Refusal(50008)
        return channel

    def guild(self) -> Guild:
        """
        The server of the path.

        Raises:
            Refusal: 10004: there is none; 50001: the bot is not in it.
        """
        guild = self.service.world.guilds.get(self.id("guild"))
        if guild is None:
            raise Refusal(10004)
        if self.app.user_id not in guild.members:
            raise Refusal(50001)
        return guild

    def message(self, channel: Channel) -> Message:
        """
        The message of the path.

        Raises:
            Refusal: 10008: it is not there, or its history is not to be read.
        """
        message = self.service.world.message(channel.id, self.id("message"))
        if message is None:
            raise Refusal(10008)
        return message

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """
        A whole number of the query.

        Raises:
            Refusal: Code 50035: it is none, or out of range.
        """
        given = self.query.get(name, str(default))
        try:
            number = int(given)
        except ValueError:
            raise invalid(name, "NUMBER_TYPE_COERCE", f'Value "{given[:40]}" is not int.') from None
        if not least <= number <= most:
            bound = "less" if number > most else "greater"
            kind = "MAX" if number > most else "MIN"
            told = f"int value should be {bound} than or equal to {most if number > most else least}."
            raise invalid(name, f"NUMBER_TYPE_{kind}", told)
        return number

    def text(self, name: str, least: int, most: int) -> str:
        """
        A text of the body.

        Raises:
            Refusal: Code 50035: missing, no text, too short or too long.
        """
        if name not in self.fields:
            raise required(name)
        return bounded(self.fields[name], name, least, most)

    def told(self, message: Message) -> Json:
        """*message* as the app may read it over HTTP: the privileged intent counts there, too."""
        content = bool(self.app.privileged & (1 << 15))
        told = self.service.payloads.read_by(message, self.app, content=content)
        return told | ({"nonce": message.nonce} if message.nonce is not None else {})


def bounded(value: object, path: str, least: int, most: int) -> str:
    """
    *value* if it is a text of that many characters.

    Raises:
        Refusal: Code 50035.
    """
    if not isinstance(value, str):
        raise invalid(path, "STRING_TYPE_CONVERT", "Could not interpret value as string.")
    if not least <= len(value) <= most:
        told = f"Must be between {least} and {most} in length."
        raise invalid(path, "BASE_TYPE_BAD_LENGTH", told)
    return value


Run: TypeAlias = Callable[[Caller], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """
    One endpoint.

    Attributes:
        path: With ``{channel}`` and so on for the parameters.
        bucket: Its name in `buckets.RULES`.
        token: `bot` wants the bot's token; `webhook` has one in its path, and no limit of 50/s.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    run: Run
    bucket: str = "other"
    token: Literal["bot", "webhook"] = "bot"
    majors: Sequence[str] = field(default=("channel", "guild", "webhook", "token"))

    @property
    def name(self) -> str:
        """Such as ``POST /channels/{channel}/messages``."""
        return f"{self.method} {self.path}"
