"""Who talks to the gateway in a campaign, over whatever platform: the world's own people, or others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import aiohttp

from crash.processes import Place
from crash.record import Record


class Crowd(Protocol):
    """
    People on a platform.

    Attributes:
        options: What the gateway's process is told about their platform.
    """

    options: Sequence[str]

    async def talk(self, *, every: float, seed: int) -> None:
        """Begin, with a message of each conversation every so many seconds on average."""

    async def quiet(self) -> None:
        """Say nothing new; returns when the last message has been brought or given up."""

    async def waiting(self) -> int:
        """How many of them are known to wait for an answer."""

    async def tell(self, record: Record) -> None:
        """Write down what they said and saw, beside what the world has seen."""


class WorldCrowd:
    """The world's own people, who talk over its chat and over webhooks; the world keeps their record."""

    def __init__(self, place: Place, session: aiohttp.ClientSession, *, chats: int, webhooks: int) -> None:
        self.options: Sequence[str] = ()
        self._place = place
        self._session = session
        self._talkers = {"chats": chats, "webhooks": webhooks}

    async def talk(self, *, every: float, seed: int) -> None:
        await self._ask("talk", {"gateway": self._place.url, "every": every, "seed": seed, **self._talkers})

    async def quiet(self) -> None:
        await self._ask("quiet", {})

    async def waiting(self) -> int:
        async with self._session.get(f"{self._place.world}/waiting") as response:
            waiting: int = (await response.json())["waiting"]
            return waiting

    async def tell(self, record: Record) -> None:
        """The world has told already."""

    async def _ask(self, what: str, body: object) -> None:
        async with self._session.post(f"{self._place.world}/{what}", json=body) as response:
            response.raise_for_status()
