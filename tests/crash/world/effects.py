"""A service with effects: one endpoint honours an idempotency key, the other counts every call."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from crash.record import Effect, Record
from crash.world.faults import Network


class Effects:
    """What was done."""

    def __init__(self, record: Record, network: Network) -> None:
        self._record = record
        self._network = network
        self._keys: set[str] = set()

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return (web.post("/effects/keyed", self._keyed), web.post("/effects/counted", self._counted))

    async def _keyed(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        key = request.headers["Idempotency-Key"]
        self._record.effects.append(
            Effect(self._record.tick(), asked["number"], key, executed=key not in self._keys)
        )
        self._keys.add(key)
        return self._network.answer(request, {"done": asked["number"]})

    async def _counted(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        self._record.effects.append(Effect(self._record.tick(), asked["number"], "", executed=True))
        return self._network.answer(request, {"done": asked["number"]})
