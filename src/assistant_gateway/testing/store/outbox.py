"""Deliveries to other people's endpoints, and what is wrong with those."""

from __future__ import annotations

from dataclasses import replace

from assistant_gateway.adapter import Delivery, DeliveryState, EndpointFault
from assistant_gateway.store import Store


class OutboxPromises:
    """What every `Outbox` promises, of a store that is one."""

    async def test_a_delivery_is_kept_once_per_source_and_comes_due(self, store: Store) -> None:
        """The same id from two sources is two deliveries; only what is pending and due is given out."""
        first = Delivery("d1", "a", "https://example.org", b"\x00{}", next_at=10.0, created_at=1.0)
        later = replace(first, id="d2", next_at=20.0, created_at=2.0)
        foreign = replace(first, source="b", created_at=3.0)

        kept = [await store.enqueue(delivery) for delivery in (first, later, foreign)]
        again = await store.enqueue(replace(first, body=b"other"))
        due = await store.due("a", 10.0, 10)
        failed = replace(first, attempts=1, next_at=15.0, error="503")
        await store.record(failed)
        waiting = await store.due("a", 14.0, 10)
        await store.record(replace(later, state=DeliveryState.DELIVERED))
        await store.record(replace(foreign, state=DeliveryState.DEAD))

        assert ([True, True, True], False) == (kept, again)
        assert ([first], []) == (due, waiting)
        assert (15.0, None) == (await store.next_due("a"), await store.next_due("b"))
        assert [failed] == await store.due("a", 100.0, 10)
        assert ["b", "a", "a"] == [delivery.source for delivery in await store.deliveries()]
        assert [failed] == await store.deliveries("a", DeliveryState.PENDING)
        counts = await store.counts()
        assert (1, 1) == (counts.deliveries_pending, counts.deliveries_dead)

    async def test_an_endpoint_fault_is_remembered_until_it_is_forgotten(self, store: Store) -> None:
        """A fault belongs to one source and one address."""
        url = "https://example.org"
        await store.set_endpoint_fault("a", url, EndpointFault(1.0))
        await store.set_endpoint_fault("a", url, EndpointFault(1.0, True, "410"))

        found = await store.endpoint_fault("a", url)
        foreign = await store.endpoint_fault("b", url)
        await store.set_endpoint_fault("a", url, None)

        assert (EndpointFault(1.0, True, "410"), None) == (found, foreign)
        assert None is await store.endpoint_fault("a", url)
