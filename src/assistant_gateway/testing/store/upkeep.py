"""What the operator is told and what is thrown away: counts, old keys, a proof of writing."""

from __future__ import annotations

from dataclasses import replace

from assistant_gateway.adapter import Verdict
from assistant_gateway.store import Store
from assistant_gateway.testing.store.samples import claimed, finish, said, take
from assistant_gateway.values import MessageState


class UpkeepPromises:
    """What housekeeping promises."""

    async def test_counts_tell_what_waits(self, store: Store) -> None:
        """3 messages: 1 delivered, 1 claimed, 1 ready; and for how long the oldest has waited."""
        for n in range(3):
            await take(store, said(f"m{n}", channel=f"C{n}"))
        await finish(store, await claimed(store))
        await claimed(store)

        counts = await store.counts()

        assert (1, 1, 1) == (
            counts.messages[MessageState.DELIVERED],
            counts.messages[MessageState.CLAIMED],
            counts.messages[MessageState.READY],
        )
        assert 0 <= counts.oldest_waiting < 60

    async def test_old_keys_are_forgotten_where_their_message_is_final(self, store: Store) -> None:
        """3 keys of a finished message go, those of a waiting one stay; young keys stay too."""
        done = replace(said("m1"), keys=("e1", "e2"))
        await take(store, done)
        await finish(store, await claimed(store))
        await take(store, said("m2"))

        young = await store.sweep(keys_older_than=3600)
        swept = await store.sweep(keys_older_than=-1)
        again = await take(store, done)
        waiting = await take(store, said("m2"))

        assert (0, 3) == (young, swept)
        assert (Verdict.ACCEPTED, Verdict.DUPLICATE) == (again.verdict, waiting.verdict)
        assert again.message == await store.find_message("fake", "T1", "m1")

    async def test_writing_can_be_proved(self, store: Store) -> None:
        """A ping on a store that works returns."""
        await store.ping()

    async def test_where_nothing_waits_the_wait_is_zero(self, store: Store) -> None:
        """0 seconds, 0 messages and 0 deliveries at first; 0 seconds again after the last answer."""
        empty = await store.counts()
        await take(store, said("m1"))
        await finish(store, await claimed(store))

        counts = await store.counts()

        assert (0.0, 0, 0) == (empty.oldest_waiting, empty.deliveries_pending, empty.deliveries_dead)
        assert 0 == sum(empty.messages.values())
        assert (0.0, 1) == (counts.oldest_waiting, sum(counts.messages.values()))

    async def test_a_great_many_old_keys_are_forgotten_in_one_sweep(self, store: Store) -> None:
        """A finished message's id and its 2,500 keys go at once, and a second sweep finds none."""
        await take(store, replace(said("m1"), keys=tuple(f"e{n}" for n in range(2500))))
        await finish(store, await claimed(store))

        swept = [await store.sweep(keys_older_than=-1) for _ in range(2)]

        assert [2501, 0] == swept
