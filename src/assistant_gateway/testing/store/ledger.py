"""Who has used how much: each run in the ledger once, whatever happens to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assistant_gateway.errors import LeaseLost
from assistant_gateway.store import Claim, LedgerEntry, Store, Used
from assistant_gateway.testing.store.samples import begin, claimed, finish, item, routed, said, take
from assistant_gateway.testing.store.stores import Stores
from assistant_gateway.values import (
    Answer,
    Charge,
    Command,
    Inbound,
    MessageState,
    Run,
    RunStatus,
    Usage,
    User,
)

SMALL = Charge("small", Usage(10, 5, 2), 30)
LARGE = Charge("large", Usage(100, 50), 4_000)


async def asked(store: Store, inbound: Inbound, *, assistant: str = "default") -> tuple[Claim, Run]:
    """A message is claimed, and its run begun."""
    await store.accept(inbound, replace(routed(inbound), assistant=assistant), cap=100)
    claim = await claimed(store)
    run = Run(f"run-{claim.message.id}", claim.message.thread_id, assistant, model="small")
    return claim, await store.begin(claim, run, [item("q")])


async def end(store: Store, claim: Claim, run: Run) -> None:
    """The run is complete and its answer delivered."""
    answer = Answer("a", RunStatus.COMPLETED, run.usage)
    await store.conclude(claim, replace(run, status=RunStatus.COMPLETED), answer, [], "")
    await finish(store, claim)


async def used(store: Store, *users: str, assistant: str | None = None) -> Used:
    """What was used in the tenant, by some people or by all."""
    return await store.tenant_usage("fake", "T1", since=0.0, users=users or None, assistant=assistant)


class LedgerPromises:
    """What the verbs of the ledger promise."""

    async def test_a_run_keeps_its_charges_by_model(self, store: Store) -> None:
        """Two steps of one model and one of another: the run, read back, knows both sums and the total."""
        claim, run = await asked(store, said("m1"))
        run = run.charged(SMALL).charged(LARGE)
        await store.save_step(claim, [], [], run)
        run = run.charged(SMALL)

        await end(store, claim, run)

        message = await store.message(claim.message.id)
        assert message is not None
        assert message.run is not None
        assert (SMALL + SMALL, LARGE) == message.run.charges
        assert (Usage(120, 60, 4), 4_060) == (message.run.usage, message.run.cost)
        assert replace(run, status=RunStatus.COMPLETED) == await store.run(run.id)

    async def test_what_was_used_adds_up_by_person_assistant_and_tenant(self, store: Store) -> None:
        """Four runs of two people in two tenants: each question gets its sum, and the ledger has 4 rows."""
        bob = User("U2", "Bob")
        for inbound, assistant, charge in (
            (said("m1"), "default", SMALL),
            (said("m2"), "sales", LARGE),
            (replace(said("m3"), user=bob), "default", SMALL),
            (said("m4", tenant="T2"), "default", LARGE),
        ):
            claim, run = await asked(store, inbound, assistant=assistant)
            await end(store, claim, run.charged(charge))

        small, large = Used(1, SMALL.usage, SMALL.cost), Used(1, LARGE.usage, LARGE.cost)
        assert small + large == await used(store, "U1")
        assert small == await used(store, "U2")
        assert small + small + large == await used(store) == await used(store, "U1", "U2", "U3")
        assert large == await used(store, assistant="sales")
        assert Used() == await used(store, "U2", assistant="sales")
        assert Used() == await store.tenant_usage("other", "T1", since=0.0)
        assert Used() == await store.tenant_usage("fake", "T1", since=4e9)
        assert [
            LedgerEntry("fake", "T1", "U1", "default", "small", small),
            LedgerEntry("fake", "T1", "U1", "sales", "large", large),
            LedgerEntry("fake", "T1", "U2", "default", "small", small),
            LedgerEntry("fake", "T2", "U1", "default", "large", large),
        ] == sorted(
            await store.ledger(since=0.0),
            key=lambda entry: (entry.tenant, entry.user_id, entry.model != "small"),
        )
        assert [] == await store.ledger(since=4e9)

    async def test_a_run_of_two_models_counts_once(self, store: Store) -> None:
        """It is in the ledger with both models, and as a run with the first of them."""
        claim, run = await asked(store, said("m1"))

        await end(store, claim, run.charged(LARGE).charged(SMALL))

        rows = {entry.model: entry.used for entry in await store.ledger(since=0.0)}
        assert {"large": Used(1, LARGE.usage, 4_000), "small": Used(0, SMALL.usage, 30)} == rows
        assert 1 == (await used(store, "U1")).runs

    async def test_a_run_enters_once(self, store: Store) -> None:
        """Concluded twice, released and claimed again, finished: it counts once."""
        claim, run = await asked(store, said("m1"))
        run = run.charged(SMALL)
        for _ in range(2):
            await store.conclude(claim, run, Answer("a", RunStatus.COMPLETED), [], "")
        await store.release(claim, delay=0, failed=True)

        await finish(store, await claimed(store))

        assert Used(1, SMALL.usage, SMALL.cost) == await used(store)

    async def test_what_is_under_way_counts_with_what_is_kept(self, store: Store) -> None:
        """A run whose first step is kept counts with that step; a run that ends unanswered stays counted."""
        claim, run = await asked(store, said("m1"))
        await store.save_step(claim, [], [], run.charged(SMALL))
        before = await used(store, "U1")

        await store.finish(claim, MessageState.DEAD_LETTER)

        assert Used(1, SMALL.usage, SMALL.cost) == before == await used(store, "U1") == await used(store)
        assert 1 == len(await store.ledger(since=0.0))

    @pytest.mark.parametrize("answered", [False, True], ids=["step", "answer"])
    async def test_a_process_that_dies_counts_nothing_twice(self, stores: Stores, answered: bool) -> None:
        """Killed with a step kept, or with the answer kept: in the end there is one run, of two steps."""
        store = await stores.first()
        claim, run = await asked(store, said("m1"))
        run = run.charged(SMALL)
        await store.save_step(claim, [], [], run)
        if answered:
            await store.conclude(claim, run.charged(SMALL), Answer("a", RunStatus.COMPLETED), [], "")

        store = await stores.after_crash(store)
        claim = await claimed(store)
        if not answered:
            run = await store.begin(claim, run, [item("q")])
            await store.conclude(claim, run.charged(SMALL), Answer("a", RunStatus.COMPLETED), [], "")
        await finish(store, claim)

        twice = SMALL + SMALL
        assert Used(1, twice.usage, twice.cost) == await used(store) == await used(store, "U1")

    async def test_whoever_lost_the_lease_counts_nothing(self, store: Store) -> None:
        """A late worker's conclude leaves the ledger alone; the rightful one's run is counted."""
        await take(store, said("m1"))
        late = await claimed(store, "late", lease=0)
        run = await begin(store, late, (item("q"),))
        rightful = await claimed(store)
        again = await begin(store, rightful)

        with pytest.raises(LeaseLost):
            await store.conclude(late, run.charged(LARGE), Answer("a", RunStatus.COMPLETED), [], "")
        await end(store, rightful, again.charged(SMALL))

        assert Used(1, SMALL.usage, SMALL.cost) == await used(store)

    async def test_what_is_used_beside_the_answer_is_charged_to_its_run(self, store: Store) -> None:
        """Before and after the run's end: in its sums and in the ledger, and no second run."""
        claim, run = await asked(store, said("m1"))
        await end(store, claim, run.charged(SMALL))

        await store.charge(run.id, LARGE)
        await store.charge("nobody's", LARGE)

        after = await store.run(run.id)
        assert after is not None
        assert (SMALL, LARGE) == after.charges
        assert Used(1, SMALL.usage + LARGE.usage, 4_030) == await used(store, "U1") == await used(store)
        assert Used(1, SMALL.usage + LARGE.usage, 4_030) == await store.thread_usage(run.thread_id)

    async def test_what_the_gateway_answers_itself_is_in_no_ledger(self, store: Store) -> None:
        """A command and a refusal: nothing on the thread, no run counted, and the refusal is read back."""
        inbound = replace(said("m1", text="/help"), command=Command.HELP)
        await take(store, inbound)
        claim = await claimed(store)
        await end(store, claim, await store.begin(claim, Run("r1", claim.message.thread_id, "default"), None))
        await take(store, said("m2"))
        claim = await claimed(store)
        run = Run("r2", claim.message.thread_id, "default")
        await store.begin(claim, run, None, refusal="Used up.")
        await store.release(claim, delay=0, failed=True)

        again = await claimed(store)
        run = await store.begin(again, run, None)
        await end(store, again, run)

        assert "Used up." == again.message.refusal
        assert not again.message.asks_assistant
        assert [] == await store.items(run.thread_id)
        assert [] == await store.question(run.id)
        assert [] == await store.ledger(since=0.0)
        assert Used() == await used(store)

    async def test_what_was_used_is_summed_by_conversation(self, store: Store) -> None:
        """Two runs in a channel, one in a topic of it; none since a time to come."""
        for inbound in (said("m1"), said("m2"), said("m3", topic="t")):
            claim, run = await asked(store, inbound)
            await end(store, claim, run.charged(SMALL))

        found = {place.topic: used for place, used in await store.conversation_usage(since=0.0)}

        once = Used(1, SMALL.usage, SMALL.cost)
        assert {"": once + once, "t": once} == found
        assert [] == await store.conversation_usage(since=4e9)

    async def test_the_first_of_two_notes_stands(self, store: Store) -> None:
        """A note is added where there is none; whoever comes second is told the first one's."""
        first = await store.add_note("s", "k", {"run": "r1"})
        second = await store.add_note("s", "k", {"run": "r2"})
        await store.forget_note("s", "k")
        third = await store.add_note("s", "k", {"run": "r3"})

        assert [{"run": "r1"}, {"run": "r1"}, {"run": "r3"}] == [first, second, third]

    async def test_notes_of_periods_long_over_are_forgotten(self, store: Store) -> None:
        """Of the year 2000 the sweep forgets them; those of a time to come stay, and so do other notes."""
        for scope in ("budget:2000-01-01", "budget:2999-01-01", "budgeted", "backend:x"):
            await store.save_note(scope, "k", {"run": "r"})

        await store.sweep(keys_older_than=3600)

        left = [
            scope
            for scope in ("budget:2000-01-01", "budget:2999-01-01", "budgeted", "backend:x")
            if await store.note(scope, "k") is not None
        ]
        assert ["budget:2999-01-01", "budgeted", "backend:x"] == left
