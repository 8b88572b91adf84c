"""
How far each known conversation was heard.

Discord never sends a message again. So for each channel and thread in which a message was accepted the
last message is kept that was dealt with; after a gap what came later is read from the history. A message
that could not be kept moves nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from assistant_gateway.adapter import Notes
from assistant_gateway.errors import StoreError
from assistant_gateway.platforms.shapes import number
from assistant_gateway.values import JsonObject
from assistant_gateway_discord.shapes import older, snowflake

SCOPE = "discord:heard"
MOST = 5_000  # conversations; the ones that were heard of longest ago are forgotten
LAZY = 30.0  # seconds between two writes of what was not answered


@dataclass(frozen=True, slots=True)
class Heard:
    """
    A known channel or thread.

    Attributes:
        seen: The last message that was dealt with.
        kept: What of it is on disk.
        at: When something was accepted there, in epoch seconds.
        written: When it was last written.
    """

    channel: str
    guild: str
    seen: str
    kept: str = ""
    at: float = 0.0
    written: float = 0.0


class Cursors:
    """
    The known conversations.

    Args:
        notes: Where they survive a restart; without it they don't.
        clock: Epoch seconds.
    """

    def __init__(self, notes: Notes | None, clock: Callable[[], float] = time.time) -> None:
        self._notes = notes
        self._clock = clock
        self._heard: dict[str, Heard] = {}
        self._log = structlog.get_logger()

    async def load(self) -> None:
        """
        Read what is kept; what is further along here stays.

        Raises:
            StoreUnavailable: It can't be read now.
        """
        if self._notes is None:
            return
        for channel, note in (await self._notes.notes(SCOPE)).items():
            seen, guild = snowflake(note.get("seen")), snowflake(note.get("guild"))
            known = self._heard.get(channel)
            if seen and snowflake(channel) and (known is None or older(known.seen, seen)):
                self._heard[channel] = Heard(channel, guild, seen, seen, float(number(note.get("at"))))
        for heard in sorted(self._heard.values(), key=lambda heard: -heard.at)[MOST:]:
            await self.forget(heard.channel)

    def known(self) -> list[Heard]:
        """All of them, the most recent first."""
        return sorted(self._heard.values(), key=lambda heard: -heard.at)

    def of(self, channel: str) -> Heard | None:
        """A known channel or thread; None where nothing was ever accepted."""
        return self._heard.get(channel)

    async def accepted(self, channel: str, guild: str, id: str) -> None:
        """A message was accepted there."""
        now = self._clock()
        known = self._heard.get(channel)
        seen = id if known is None or older(known.seen, id) else known.seen
        kept = known.kept if known is not None else ""
        self._heard[channel] = Heard(channel, guild, seen, kept, now, now)
        await self._write(channel)

    async def visited(self, channel: str, guild: str, id: str) -> None:
        """Something was accepted there that is no message; messages before it may not be dealt with yet."""
        if (known := self._heard.get(channel)) is None:
            await self.accepted(channel, guild, id)
        else:
            self._heard[channel] = replace(known, at=self._clock())

    async def passed(self, channel: str, id: str) -> None:
        """A message was dealt with that is not answered; of no effect where nothing was ever accepted."""
        known = self._heard.get(channel)
        if known is None or not older(known.seen, id):
            return
        now = self._clock()
        is_due = now - known.written >= LAZY
        self._heard[channel] = replace(known, seen=id, written=now if is_due else known.written)
        if is_due:
            await self._write(channel)

    async def forget(self, channel: str) -> None:
        """The bot can't read there any more."""
        self._heard.pop(channel, None)
        if self._notes is not None:
            try:
                await self._notes.forget_note(SCOPE, channel)
            except StoreError as error:
                self._log.warning("discord.cursor_not_kept", channel=channel, reason=str(error))

    async def flush(self) -> None:
        """Write what is not on disk."""
        for heard in list(self._heard.values()):
            if heard.kept != heard.seen:
                await self._write(heard.channel)

    async def _write(self, channel: str) -> None:
        if self._notes is None:
            return
        heard = self._heard[channel]
        try:
            value: JsonObject = {"guild": heard.guild, "seen": heard.seen, "at": int(heard.at)}
            await self._notes.save_note(SCOPE, channel, value)
        except StoreError as error:
            # What is on disk is older: after a restart some messages are looked at twice.
            self._log.warning("discord.cursor_not_kept", channel=channel, reason=str(error))
        else:
            self._heard[channel] = replace(self._heard[channel], kept=heard.seen)
