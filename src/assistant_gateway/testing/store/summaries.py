"""Summaries of what a model is no longer shown: what they stand for, and when they fall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from assistant_gateway import items
from assistant_gateway.store import Claim, Store, Summary
from assistant_gateway.testing.store.samples import LEASE, begin, claimed, finish, item, routed, said, take
from assistant_gateway.values import Answer, Command, Item, OnEdit, Run, RunStatus


async def turn(store: Store, n: int) -> Run:
    """A question and its answer: the items ``q<n>`` and ``a<n>``."""
    await take(store, said(f"m{n}"))
    claim = await claimed(store)
    run = await begin(store, claim, (item(f"q{n}"),))
    return await ended(store, claim, run, f"a{n}")


async def ended(store: Store, claim: Claim, run: Run, reply: str) -> Run:
    """The run is complete and its answer delivered."""
    run = replace(run, status=RunStatus.COMPLETED)
    await store.conclude(claim, run, Answer(reply, RunStatus.COMPLETED), [item(reply)], "")
    await finish(store, claim)
    return run


async def summarise(store: Store, thread_id: str, text: str, seqs: Sequence[int], *, since: int = 0) -> bool:
    """Summarise the items with these seqs, on top of a summary that covers *since*."""
    summary = Item(f"summary-{text}", items.summary(text, covers=seqs[-1]))
    return await store.save_summary(thread_id, summary, since=since, stands_for=seqs)


class SummaryPromises:
    """What the verbs of summaries promise."""

    async def test_the_newest_summary_is_found(self, store: Store) -> None:
        """Of two summaries the one that stands for more; both stay on the thread, as items of their own."""
        for n in range(3):
            run = await turn(store, n)
        nothing = await store.summary(run.thread_id)

        kept = [
            await summarise(store, run.thread_id, "one", [1, 2]),
            await summarise(store, run.thread_id, "two", [3, 4], since=2),
        ]

        assert None is nothing
        assert [True, True] == kept
        assert Summary("summary-two", "two", 4) == await store.summary(run.thread_id)
        assert ["summary-one", "summary-two"] == [i.id for i in await store.items(run.thread_id)][-2:]

    async def test_a_summary_of_what_has_changed_is_refused(self, store: Store) -> None:
        """An item was forgotten meanwhile, or another summary came first: nothing is kept."""
        for n in range(3):
            run = await turn(store, n)
        await store.undo(routed(said("m")).lane)

        forgotten = await summarise(store, run.thread_id, "late", [3, 4, 5])
        first = await summarise(store, run.thread_id, "one", [1, 2])
        second = await summarise(store, run.thread_id, "other", [1, 2, 3])

        assert (False, True, False) == (forgotten, first, second)
        assert Summary("summary-one", "one", 2) == await store.summary(run.thread_id)

    async def test_a_summary_falls_with_what_it_stands_for(self, store: Store) -> None:
        """An undo behind it leaves it, though it came to the thread later; one of its own turns takes it."""
        for n in range(3):
            run = await turn(store, n)
        await summarise(store, run.thread_id, "one", [1, 2])
        await summarise(store, run.thread_id, "two", [3, 4], since=2)
        lane = routed(said("m")).lane

        found = []
        for _ in range(3):
            await store.undo(lane)
            found.append(await store.summary(run.thread_id))

        assert [Summary("summary-two", "two", 4), Summary("summary-one", "one", 2), None] == found
        assert [] == await store.items(run.thread_id)

    async def test_a_retry_takes_the_summaries_of_its_answer(self, store: Store) -> None:
        """The question stays, and so does what stands for it alone; what stands for the answer falls."""
        await turn(store, 0)
        run = await turn(store, 1)
        await summarise(store, run.thread_id, "question", [1, 2, 3])
        await summarise(store, run.thread_id, "answer", [4], since=3)
        await take(store, replace(said("m9", text="/retry"), command=Command.RETRY))
        claim = await claimed(store)

        await store.retry(claim, Run("again", run.thread_id, "default"))

        assert Summary("summary-question", "question", 3) == await store.summary(run.thread_id)

    async def test_a_changed_question_takes_the_summaries_of_the_earlier_one(self, store: Store) -> None:
        """The run begins again: what stood for the first wording is gone, what stood before it is not."""
        run = await turn(store, 0)
        inbound = said("m1")
        await store.accept(inbound, replace(routed(inbound), on_edit=OnEdit.RERUN), cap=100)
        claim = await claimed(store, lease=0)
        await begin(store, claim, (item("q1"),))
        await summarise(store, run.thread_id, "before", [1, 2])
        await summarise(store, run.thread_id, "within", [3], since=2)
        await store.revise(claim.message.id, "Other words", reason="edited")

        again = await store.claim("w2", LEASE)
        assert again is not None
        await begin(store, again, (item("q1b"),))

        assert Summary("summary-before", "before", 2) == await store.summary(run.thread_id)

    async def test_a_new_thread_has_no_summary(self, store: Store) -> None:
        """After a reset nothing of the old thread's summary is found; a thread that is not there has none."""
        run = await turn(store, 0)
        await summarise(store, run.thread_id, "old", [1, 2])

        thread = await store.reset(routed(said("m")).lane)

        assert None is await store.summary(thread.id)
        assert None is await store.summary("nobody's")

    async def test_a_thread_of_another_store_brings_its_summary(self, store: Store) -> None:
        """Imported with its items, the summary stands for the same ones."""
        run = await turn(store, 0)
        thread = await store.thread(run.thread_id)
        assert thread is not None
        summary = Item("s", items.summary("one", covers=2))

        await store.import_thread(
            replace(thread, id="other"), [item("q"), item("a"), summary, item("q2")], replace=True
        )

        assert Summary("s", "one", 2) == await store.summary("other")

    @pytest.mark.parametrize("covers", [None, -1, "2"])
    async def test_what_is_no_summary_stands_for_nothing(self, store: Store, covers: object) -> None:
        """An imported item that only looks like one is an item like any other."""
        run = await turn(store, 0)
        body = {"type": "summary", "text": "x", "covers": covers}

        await store.add_items(run.thread_id, [Item("s", body)])  # type: ignore[arg-type]

        assert None is await store.summary(run.thread_id)
