"""An outbox in memory: forgets everything with the process, keeps every other word of its contract."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from assistant_gateway.adapter import Delivery, DeliveryState, EndpointFault


class MemoryOutbox:
    """Deliveries by their id, oldest first."""

    def __init__(self) -> None:
        self.kept: dict[str, Delivery] = {}
        self._faults: dict[tuple[str, str], EndpointFault] = {}

    async def enqueue(self, delivery: Delivery) -> bool:
        if delivery.id in self.kept:
            return False
        self.kept[delivery.id] = delivery
        return True

    async def due(
        self, source: str, now: float, limit: int, *, besides: Collection[str] = ()
    ) -> list[Delivery]:
        found = [
            delivery
            for delivery in self._pending(source)
            if delivery.next_at <= now and urlsplit(delivery.url).netloc.lower() not in besides
        ]
        return sorted(found, key=lambda delivery: delivery.next_at)[:limit]

    async def next_due(self, source: str) -> float | None:
        return min((delivery.next_at for delivery in self._pending(source)), default=None)

    async def record(self, delivery: Delivery) -> None:
        self.kept[delivery.id] = delivery

    async def deliveries(
        self, source: str = "", state: DeliveryState | None = None, limit: int = 100
    ) -> list[Delivery]:
        found = [
            delivery
            for delivery in reversed(self.kept.values())
            if source in ("", delivery.source) and state in (None, delivery.state)
        ]
        return found[:limit]

    async def endpoint_fault(self, source: str, url: str) -> EndpointFault | None:
        return self._faults.get((source, url))

    async def set_endpoint_fault(self, source: str, url: str, fault: EndpointFault | None) -> None:
        if fault is None:
            self._faults.pop((source, url), None)
        else:
            self._faults[source, url] = fault

    def _pending(self, source: str) -> list[Delivery]:
        return [
            delivery
            for delivery in self.kept.values()
            if delivery.source == source and delivery.state is DeliveryState.PENDING
        ]
