"""Threads and their items: one current thread in a lane, old ones stay readable."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from assistant_gateway.store import Store
from assistant_gateway.testing.store.samples import accepted, claimed, item, named, routed, said, take
from assistant_gateway.values import Lane, Thread


class ThreadPromises:
    """What a lane remembers."""

    async def test_a_lane_has_one_current_thread(self, store: Store) -> None:
        """Opening it twice gives the same; a reset begins another and the old one stays readable."""
        lane = Lane("fake", "T1", "C1")
        old = await store.open_thread(lane)
        same = await store.open_thread(lane)
        await store.add_items(old.id, [item("i1")])

        new = await store.reset(lane)

        assert old == same
        assert new.id != old.id
        assert new == await store.open_thread(lane)
        assert replace(old, is_current=False, items=1) == await store.thread(old.id)
        assert ["i1"] == [i.id for i in await store.items(old.id)]
        assert {(old.id, False), (new.id, True)} == {
            (thread.id, thread.is_current) for thread in await store.threads(limit=10)
        }
        assert None is await store.thread("nobody's")

    async def test_messages_accepted_before_a_reset_keep_their_thread(self, store: Store) -> None:
        """The waiting message is answered on the old thread, the later one on the new."""
        before = accepted(await take(store, said("m1")))
        thread = await store.reset(before.routed.lane)
        after = accepted(await take(store, said("m2")))

        first = await claimed(store)

        assert (before.thread_id, "m1") == (first.message.thread_id, named(first))
        assert thread.id == after.thread_id

    async def test_a_thread_of_another_store_is_taken_in_once(self, store: Store) -> None:
        """It keeps id, age and items; the second time nothing happens; a lane with a thread keeps its own."""
        empty, used = Lane("fake", "T1", "C1"), Lane("fake", "T1", "C2")
        own = await store.open_thread(used)
        first = Thread("thread_a", empty, 100.0, is_current=True)
        second = Thread("thread_b", used, 200.0, is_current=True)

        taken = [
            await store.import_thread(first, [item("i1"), item("i2")], replace=False),
            await store.import_thread(first, [item("i3")], replace=False),
            await store.import_thread(second, [item("i1")], replace=False),
        ]

        assert [True, False, True] == taken
        assert replace(first, items=2) == await store.open_thread(empty)
        assert ["i1", "i2"] == [i.id for i in await store.items("thread_a")]
        assert own == await store.open_thread(used)
        assert replace(second, is_current=False, items=1) == await store.thread("thread_b")

    async def test_a_thread_that_is_taken_in_may_take_the_place_of_the_current_one(
        self, store: Store
    ) -> None:
        """With replace the conversation goes on with it; the thread before stays readable."""
        lane = Lane("fake", "T1", "C1")
        own = await store.open_thread(lane)
        imported = Thread("thread_a", lane, 100.0, is_current=True)

        await store.import_thread(imported, [item("i1")], replace=True)

        assert replace(imported, items=1) == await store.open_thread(lane)
        assert replace(own, is_current=False) == await store.thread(own.id)

    async def test_threads_are_listed_newest_first(self, store: Store) -> None:
        """Of 5 threads the newest 2 come first, then those behind the third; another adapter's are apart."""
        made = [await store.open_thread(Lane("fake", "T1", f"C{n}")) for n in range(5)]
        other = await store.open_thread(Lane("other", "T1", "C1"))

        newest = await store.threads(limit=2, adapter="fake")
        older = await store.threads(limit=10, adapter="fake", before=made[2])

        assert [made[4].id, made[3].id] == [thread.id for thread in newest]
        assert [made[1].id, made[0].id] == [thread.id for thread in older]
        assert [other.id] == [thread.id for thread in await store.threads(limit=10, adapter="other")]

    async def test_threads_of_one_time_are_all_listed(self, store: Store) -> None:
        """Of 5 threads that were imported with one time, pages of 2 show each once."""
        for n in range(5):
            thread = Thread(f"thread_{n}", Lane("fake", "T1", f"C{n}"), 100.0, is_current=True)
            await store.import_thread(thread, [], replace=False)

        pages = [await store.threads(limit=2)]
        while pages[-1]:
            pages.append(await store.threads(limit=2, before=pages[-1][-1]))

        assert [2, 2, 1, 0] == [len(page) for page in pages]
        assert {f"thread_{n}" for n in range(5)} == {thread.id for page in pages for thread in page}

    async def test_items_are_read_from_the_end(self, store: Store) -> None:
        """Of 10 items the newest 3, then the 3 before them, each oldest first."""
        thread = await store.open_thread(Lane("fake", "T1", "C1"))
        await store.add_items(thread.id, [item(f"i{n}", f"text {n}") for n in range(1, 11)])

        newest = await store.items(thread.id, limit=3)
        before = await store.items(thread.id, before=newest[0].seq, limit=3)

        assert [8, 9, 10] == [i.seq for i in newest]
        assert ["i5", "i6", "i7"] == [i.id for i in before]
        assert item("i8", "text 8").body == newest[0].body
        assert 10 == len(await store.items(thread.id))

    async def test_items_need_a_thread(self, store: Store) -> None:
        """Adding to a thread that isn't there is an error and adds nothing."""
        with pytest.raises(LookupError):
            await store.add_items("nobody's", [item("i1")])

        assert [] == await store.items("nobody's")

    async def test_five_openings_at_once_are_one_thread(self, store: Store) -> None:
        """5 concurrent openings of a new lane, and its first message, have the same thread."""
        inbound = said("m1")
        lane = routed(inbound).lane

        threads = await asyncio.gather(*(store.open_thread(lane) for _ in range(5)))
        message = accepted(await take(store, inbound))

        assert {message.thread_id} == {thread.id for thread in threads}

    async def test_a_reset_begins_the_first_thread_of_a_new_lane(self, store: Store) -> None:
        """A lane that nobody spoke in has 1 thread after it, which is current and empty."""
        lane = Lane("fake", "T1", "C1", "", "U1")

        thread = await store.reset(lane)

        assert (lane, True, 0) == (thread.lane, thread.is_current, thread.items)
        assert thread == await store.open_thread(lane)
        assert [thread] == await store.threads(limit=10)

    async def test_two_hundred_items_are_read_unless_more_are_asked_for(self, store: Store) -> None:
        """Of 201 items the newest 200, and all 201 with a limit of 500."""
        thread = await store.open_thread(Lane("fake", "T1", "C1"))
        await store.add_items(thread.id, [item(f"i{n}") for n in range(201)])

        usual = await store.items(thread.id)
        more = await store.items(thread.id, limit=500)

        assert list(range(2, 202)) == [i.seq for i in usual]
        assert list(range(1, 202)) == [i.seq for i in more]

    async def test_times_are_epoch_seconds(self, store: Store) -> None:
        """A message, its thread and an item are at most a day off the clock of the machine that tests."""
        message = accepted(await take(store, said("m1")))
        await store.add_items(message.thread_id, [item("i1")])

        thread = await store.thread(message.thread_id)
        kept = await store.items(message.thread_id)

        assert thread is not None
        times = [message.accepted_at, thread.created_at, kept[0].created_at]
        assert all(abs(moment - time.time()) < 86_400 for moment in times)
