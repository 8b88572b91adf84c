"""The network's part: a write that was taken is sometimes answered by a dropped connection."""

from __future__ import annotations

import random

from aiohttp import web

from crash.record import Record

DROPPED = 0.02  # of the writes that were taken


class Network:
    """Drops answers, seeded."""

    def __init__(self, record: Record, seed: int) -> None:
        self._record = record
        self._chance = random.Random(seed)

    def answer(self, request: web.Request, body: object, *, drop: bool | None = None) -> web.StreamResponse:
        """The answer to a write that was taken, unless the connection drops before it (*drop* decides)."""
        if self._chance.random() < DROPPED if drop is None else drop:
            self._record.dropped += 1
            if request.transport is not None:
                request.transport.abort()
        return web.json_response(body)

    def chance(self, part: float) -> bool:
        """True in *part* of all cases."""
        return self._chance.random() < part
