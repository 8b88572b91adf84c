"""
The time in which an emulated platform lives.

`RunningClock` runs as fast as wanted: at speed 60 a minute of quota takes a second. `HandClock` stands
still until a test moves it. Not compressed is what measures the machine that runs the bot, such as the 3 s
in which an event must be acknowledged.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from itertools import count
from typing import Protocol


class Clock(Protocol):
    """Tells the time in seconds since 1970 and lets time pass."""

    @property
    def speed(self) -> float:
        """Seconds of the platform in one second of the machine."""

    def now(self) -> float:
        """The time, in seconds since 1970."""

    async def sleep(self, seconds: float) -> None:
        """Return after *seconds* of the platform's time."""


class RunningClock:
    """Time from now on, *speed* times as fast as the machine's."""

    def __init__(self, speed: float = 1.0) -> None:
        if speed <= 0:
            raise ValueError("speed must be more than 0")
        self.speed = speed
        self._began = time.time()
        self._mark = time.monotonic()

    def now(self) -> float:
        return self._began + (time.monotonic() - self._mark) * self.speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / self.speed)


class HandClock:
    """Time that only `advance` moves; *start* in seconds since 1970."""

    def __init__(self, start: float = 1_795_348_800.0) -> None:
        self.speed = 1.0
        self._now = start
        self._numbers = count()
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []

    def now(self) -> float:
        return self._now

    @property
    def waiting(self) -> tuple[float, ...]:
        """Seconds until each sleeper wakes, soonest first."""
        return tuple(due - self._now for due, _, _ in sorted(self._sleepers, key=lambda each: each[:2]))

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.Event()
        sleeper = (self._now + seconds, next(self._numbers), woken)
        heapq.heappush(self._sleepers, sleeper)
        try:
            await woken.wait()
        finally:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)
                heapq.heapify(self._sleepers)

    def advance(self, seconds: float) -> None:
        """Move on by *seconds* and wake who is due."""
        self._now += seconds
        while self._sleepers and self._sleepers[0][0] <= self._now:
            heapq.heappop(self._sleepers)[2].set()
