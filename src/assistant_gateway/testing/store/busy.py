"""Messages that come while their lane is being answered: queued, merged or interrupting."""

from __future__ import annotations

from assistant_gateway.store import Store
from assistant_gateway.testing.store.samples import LEASE, begin, claimed, finish, named, routed, said, take
from assistant_gateway.values import Busy, MessageState


class BusyPromises:
    """What `Busy` promises."""

    async def test_waiting_messages_are_merged_where_the_newest_says_so(self, store: Store) -> None:
        """Of 4 messages the first is being answered and the other 3 share the next answer."""
        await take(store, said("m0"))
        first = await claimed(store)
        for n in range(1, 4):
            await take(store, said(f"m{n}"), Busy.MERGE)
        await finish(store, first)

        claim = await claimed(store)
        await finish(store, claim)

        assert ("m3", ["m1", "m2"]) == (named(claim), [one.inbound.message_id for one in claim.merged])
        assert list(claim.merged) == await store.merged(claim.message.id)
        assert {(MessageState.MERGED, claim.message.id)} == {
            (one.state, one.merged_into) for one in claim.merged
        }
        assert None is await store.claim("w", LEASE)
        counts = (await store.counts()).messages
        assert (2, 2, 0) == (
            counts[MessageState.DELIVERED],
            counts[MessageState.MERGED],
            counts[MessageState.READY],
        )

    async def test_queued_messages_are_not_merged(self, store: Store) -> None:
        """Where the newest waits in the queue, each message has its own answer."""
        await take(store, said("m0"), Busy.MERGE)
        await take(store, said("m1"), Busy.QUEUE)

        claim = await claimed(store)

        assert ("m0", ()) == (named(claim), claim.merged)

    async def test_at_most_fifty_messages_are_merged_at_once(self, store: Store) -> None:
        """Of 60 waiting messages the 51st takes 50 along; the other 9 share the next answer."""
        for n in range(60):
            await take(store, said(f"m{n}"), Busy.MERGE)

        first = await claimed(store)
        await finish(store, first)
        second = await claimed(store)

        assert ("m50", 50) == (named(first), len(first.merged))
        assert ("m59", 8) == (named(second), len(second.merged))

    async def test_what_was_merged_follows_into_a_later_merge(self, store: Store) -> None:
        """A merged message that was released before it began joins a newer one with all that it had."""
        await take(store, said("m1"), Busy.MERGE)
        await take(store, said("m2"), Busy.MERGE)
        await store.release(await claimed(store), delay=0, failed=False)
        await take(store, said("m3"), Busy.MERGE)

        claim = await claimed(store)

        assert ("m3", ["m1", "m2"]) == (named(claim), [one.inbound.message_id for one in claim.merged])
        assert 0 == (await take(store, said("m4", channel="C2"))).ahead
        await finish(store, claim)
        assert 0 == (await take(store, said("m5"))).ahead

    async def test_nothing_is_merged_across_a_reset(self, store: Store) -> None:
        """Two messages that wait for two threads get two answers."""
        await take(store, said("m1"), Busy.MERGE)
        await store.reset(routed(said("m1")).lane)
        await take(store, said("m2"), Busy.MERGE)

        first = await claimed(store)
        await finish(store, first)
        second = await claimed(store)

        assert ("m1", "m2") == (named(first), named(second))
        assert ((), ()) == (first.merged, second.merged)
        assert first.message.thread_id != second.message.thread_id

    async def test_an_interrupting_message_stops_the_answer_that_is_being_made(self, store: Store) -> None:
        """The stop comes in the same write as the message; a person's own stop is not overwritten."""
        await take(store, said("m1"))
        first = await claimed(store)
        await take(store, said("m2"), Busy.INTERRUPT)
        interrupted = await store.renew("w", LEASE)
        await store.request_stop(first.message.routed.lane, "stopped")
        await take(store, said("m3"), Busy.INTERRUPT)
        stopped = await store.renew("w", LEASE)
        await store.finish(first, MessageState.CANCELLED)

        claim = await claimed(store)

        assert ["interrupted"] == list(interrupted.values())
        assert ["stopped"] == list(stopped.values())
        assert ("m3", ["m2"]) == (named(claim), [one.inbound.message_id for one in claim.merged])
        assert [""] == list((await store.renew("w", LEASE)).values())

    async def test_the_newest_speaks_for_all_that_wait(self, store: Store) -> None:
        """Two messages that would have queued join a third that merges."""
        for n, busy in enumerate((Busy.QUEUE, Busy.QUEUE, Busy.MERGE)):
            await take(store, said(f"m{n}"), busy)

        claim = await claimed(store)

        assert ("m2", ["m0", "m1"]) == (named(claim), [one.inbound.message_id for one in claim.merged])

    async def test_what_was_begun_is_not_merged(self, store: Store) -> None:
        """A message whose run has begun is resumed alone; the 2 that came since share the next answer."""
        await take(store, said("m1"), Busy.MERGE)
        claim = await claimed(store)
        await begin(store, claim)
        await store.release(claim, delay=0, failed=False)
        await take(store, said("m2"), Busy.MERGE)
        await take(store, said("m3"), Busy.MERGE)

        resumed = await claimed(store)
        await finish(store, resumed)
        following = await claimed(store)

        assert ("m1", ()) == (named(resumed), resumed.merged)
        assert ("m3", ["m2"]) == (named(following), [one.inbound.message_id for one in following.merged])

    async def test_an_interrupting_message_in_an_idle_lane_stops_nothing(self, store: Store) -> None:
        """Where nothing is being answered, the message isn't stopped by itself."""
        await take(store, said("m1"), Busy.INTERRUPT)
        await claimed(store)

        reasons = await store.renew("w", LEASE)

        assert [""] == list(reasons.values())
