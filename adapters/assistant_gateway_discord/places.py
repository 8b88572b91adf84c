"""
Which channel is a thread, and of what: a message names only the channel it stands in.

A thread's parent never changes, so what was learned once is kept; a channel that neither discord.py nor we
have seen is asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from assistant_gateway.errors import AdapterError, Forbidden, RateLimited
from assistant_gateway.platforms.shapes import Json, number
from assistant_gateway.values import Conversation
from assistant_gateway_discord import routes
from assistant_gateway_discord.said import ADAPTER, DIRECT
from assistant_gateway_discord.shapes import snowflake
from assistant_gateway_discord.web import Web

KEPT = 10_000  # channels
# developers/resources/channel.mdx, "Channel Types", 2026-08-06
THREADS = frozenset({10, 11, 12})
HAS_THREADS = frozenset({0, 5})  # text and announcements: a thread can be made from their messages


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where a message stands.

    Attributes:
        guild: Empty in direct messages.
        channel: The channel, or the one that a thread is of.
        thread: Empty where it is none.
        takes_threads: A thread can be made from a message there.
    """

    guild: str
    channel: str
    thread: str = ""
    takes_threads: bool = False

    @property
    def conversation(self) -> Conversation:
        return Conversation(ADAPTER, self.guild or DIRECT, self.channel, self.thread)


class Places:
    """Knows channels; *cached* is what discord.py knows of one, as a place."""

    def __init__(self, web: Web, cached: Callable[[str], Place | None]) -> None:
        self._web = web
        self._cached = cached
        self._known: OrderedDict[str, Place] = OrderedDict()

    async def of(self, channel: str, guild: str) -> Place:
        """
        The place that a channel or thread is.

        Raises:
            AdapterError: Discord can't be asked now.
        """
        if not guild:
            return Place("", channel)
        known = self._known.get(channel) or self._cached(channel)
        if known is None:
            known = await self._ask(channel, guild)
        self.learn(channel, known)
        return known

    def learn(self, channel: str, place: Place) -> None:
        """An interaction or the library has told."""
        self._known[channel] = place
        self._known.move_to_end(channel)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)

    async def _ask(self, channel: str, guild: str) -> Place:
        try:
            return place(await self._web.get(routes.channel(channel)), guild)
        except RateLimited:
            raise
        except Forbidden:
            return Place(guild, channel)
        except AdapterError as error:
            raise AdapterError(f"the channel {channel} can't be looked up: {error}") from error


def place(channel: Json, guild: str) -> Place:
    """The place that a channel object tells of."""
    id, parent = snowflake(channel.get("id")), snowflake(channel.get("parent_id"))
    kind = number(channel.get("type"))
    if kind in THREADS and parent:
        return Place(guild, parent, id)
    return Place(guild, id, takes_threads=kind in HAS_THREADS)
