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

    async def test_deliveries_are_given_out_oldest_first_and_listed_newest_first(self, store: Store) -> None:
        """All 3 are due, one of them at this moment: the first 2 by their time, and the newest 2."""
        first = Delivery("d1", "a", "https://example.org", b"{}", next_at=10.0, created_at=1.0)
        for n, next_at in ((2, 30.0), (3, 10.0), (1, 20.0)):
            await store.enqueue(replace(first, id=f"d{n}", next_at=next_at, created_at=float(n)))

        due = await store.due("a", 30.0, 2)
        all_due = await store.due("a", 30.0, 10)
        newest = await store.deliveries(limit=2)

        assert ["d3", "d1"] == [delivery.id for delivery in due]
        assert ["d3", "d1", "d2"] == [delivery.id for delivery in all_due]
        assert ["d3", "d2"] == [delivery.id for delivery in newest]

    async def test_deliveries_to_some_hosts_are_left_out(self, store: Store) -> None:
        """Of 6 that are due, the 4 to two hosts stay away, whatever their case and what follows the host."""
        urls = (
            "https://A.example",
            "https://a.example/x?u=b.example",
            "http://b.example:81?c",
            "https://a.example/",
        )
        others = ("https://b.example/", "https://aa.example/a.example")
        for n, url in enumerate((*urls, *others)):
            await store.enqueue(Delivery(f"d{n}", "a", url, b"{}", next_at=float(n)))

        due = await store.due("a", 30.0, 10, besides={"a.example", "b.example:81"})

        assert list(others) == [delivery.url for delivery in due]

    async def test_the_outcome_of_a_try_is_all_that_changes(self, store: Store) -> None:
        """A delivery that was taken keeps its bytes and its time of making, and is due no more."""
        delivery = Delivery("d1", "a", "https://example.org", b"\x00{}", next_at=10.0, created_at=1.0)
        await store.enqueue(delivery)

        delivered = replace(delivery, attempts=2, state=DeliveryState.DELIVERED)
        await store.record(delivered)

        assert [delivered] == await store.deliveries("a", DeliveryState.DELIVERED)
        assert ([], None) == (await store.due("a", 100.0, 10), await store.next_due("a"))
        assert False is await store.enqueue(delivery)

    async def test_one_address_of_a_source_says_nothing_about_another(self, store: Store) -> None:
        """Of 2 addresses with a fault one is mended, the other stays at fault."""
        here, there = "https://example.org/a", "https://example.org/b"
        await store.set_endpoint_fault("a", here, EndpointFault(1.0))
        await store.set_endpoint_fault("a", there, EndpointFault(2.0))

        await store.set_endpoint_fault("a", here, None)

        assert (None, EndpointFault(2.0)) == (
            await store.endpoint_fault("a", here),
            await store.endpoint_fault("a", there),
        )
