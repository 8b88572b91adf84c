"""
One after another in each channel, all channels at once: what happened is taken in as it happened.

What can't be taken in now is tried again, and what came after it waits. Where too much waits, the rest is
left to the history.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from assistant_gateway.errors import AdapterError, RateLimited, StoreUnavailable
from assistant_gateway.platforms.shapes import Json

MOST = 500  # events of one channel that wait
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0  # seconds between two tries


@dataclass(frozen=True, slots=True)
class Created:
    """A message; *guild* is empty in direct messages."""

    message: Json
    guild: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A message after a change of it."""

    message: Json
    guild: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """Messages that are gone."""

    ids: tuple[str, ...]
    guild: str


@dataclass(frozen=True, slots=True)
class Gap:
    """There may be messages that were not delivered."""


Event: TypeAlias = Created | Changed | Deleted | Gap


class Queues:
    """
    The events that wait, by channel.

    Args:
        take: Takes an event of a channel in; a `StoreUnavailable` or `AdapterError` lets it be tried again.
    """

    def __init__(self, take: Callable[[str, Event], Awaitable[None]]) -> None:
        self._take = take
        self._waiting: dict[str, deque[Event]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._log = structlog.get_logger()

    def put(self, channel: str, event: Event) -> None:
        """An event has come. Never waits."""
        waiting = self._waiting.get(channel)
        if waiting is None:
            waiting = self._waiting[channel] = deque()
            self._begin(channel)
        if type(event) is Gap and event in waiting:
            return
        if len(waiting) < MOST:
            waiting.append(event)
        elif waiting[-1] != Gap():
            self._log.error("discord.too_much_waits", channel=channel, events=len(waiting))
            waiting.append(Gap())

    async def run(self) -> None:
        """Take in what comes until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for channel in self._waiting:
                    self._begin(channel)
                await asyncio.Event().wait()
        finally:
            self._group = None

    def _begin(self, channel: str) -> None:
        if self._group is not None:
            self._group.create_task(self._work(channel), name=f"discord:channel-{channel}")

    async def _work(self, channel: str) -> None:
        waiting = self._waiting[channel]
        while waiting:
            await self._insist(channel, waiting[0])
            waiting.popleft()
        del self._waiting[channel]

    async def _insist(self, channel: str, event: Event) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                await self._take(channel, event)
                return
            except (StoreUnavailable, AdapterError) as error:
                wait = max(pause, error.retry_after) if isinstance(error, RateLimited) else pause
                kind = type(event).__name__.lower()
                self._log.warning("discord.not_taken", channel=channel, kind=kind, reason=str(error))
                await asyncio.sleep(wait)
                pause = min(pause * 2, LONGEST_PAUSE)
            except Exception:  # one event that nobody can read must not stop a channel for ever
                self._log.exception("discord.event_failed", channel=channel)
                return
