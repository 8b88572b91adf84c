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
