"""A lane is in one hand at a time: claims, leases, fences and stops."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from assistant_gateway.errors import LeaseLost
from assistant_gateway.store import Store
from assistant_gateway.testing.store.race import Race
from assistant_gateway.testing.store.samples import (
    LEASE,
    begin,
    claimed,
    fill,
    finish,
    item,
    named,
    routed,
    said,
    take,
)
from assistant_gateway.values import Answer, CallRecord, FunctionCall, MessageState, Post, RunStatus


class ClaimPromises:
    """What a claim promises; *lanes* and *messages* are the size of the race of the claimers."""

    lanes = 50
    messages = 24

    async def test_a_lane_is_answered_in_order_and_one_at_a_time(self, store: Store) -> None:
        """The second message can't be claimed before the first is final."""
        await take(store, said("m1"))
        await take(store, said("m2"))

        first = await claimed(store)
        meanwhile = await store.claim("other", LEASE)
        await finish(store, first)
        second = await claimed(store)

        assert ("m1", None, "m2") == (named(first), meanwhile, named(second))
        assert MessageState.CLAIMED is second.message.state
        assert second.fence > first.fence

    async def test_lanes_are_served_by_who_has_waited_longest(self, store: Store) -> None:
        """Three lanes are claimed in the order of their oldest waiting message."""
        for n, channel in enumerate(("C", "A", "B", "C", "A")):
            await take(store, said(f"m{n}", channel=channel))

        order = [named(await claimed(store)) for _ in range(3)]

        assert ["m0", "m1", "m2"] == order
        assert None is await store.claim("w", LEASE)

    async def test_claimers_never_meet(self, store: Store) -> None:
        """8 claimers take each message exactly once, in order, and no lane is held by two of them."""
        await fill(store, self.lanes, self.messages)
        race = Race()

        await race.run(store, claimers=8)

        assert 0 == race.flaws()
        assert self.lanes * self.messages == len(race.claimed)
        assert self.lanes * self.messages == (await store.counts()).messages[MessageState.DELIVERED]

    async def test_a_released_message_waits_and_counts_its_failures(self, store: Store) -> None:
        """After a release for an hour nothing is due; released at once, it comes back as it was."""
        await take(store, said("m1"))
        await store.release(await claimed(store), delay=0, failed=True)
        second = await claimed(store)
        await begin(store, second)
        await store.release(second, delay=0, failed=True)
        third = await claimed(store)
        await store.release(third, delay=3600, failed=False)
        waiting = await store.message(third.message.id)

        due = await store.next_wake()

        assert (0, 1, 2) == (0, second.message.failures, third.message.failures)
        assert (0, 1) == (second.message.attempts, third.message.attempts)
        assert MessageState.ANSWERING is third.message.state
        assert None is await store.claim("w", LEASE)
        assert waiting is not None
        assert due is not None
        assert 3500 < due - waiting.accepted_at < 3700

    async def test_next_wake_speaks_of_lanes_that_nobody_holds(self, store: Store) -> None:
        """None without messages, a time with one that is ready, None while it is held."""
        empty = await store.next_wake()
        await take(store, said("m1"))
        ready = await store.next_wake()
        await claimed(store)
        held = await store.next_wake()

        assert (None, False, None) == (empty, ready is None, held)

    async def test_a_lease_that_ran_out_is_taken_over_and_the_late_worker_changes_nothing(
        self, store: Store
    ) -> None:
        """Each of the seven writes under a claim is refused to a worker whose lane was taken over."""
        await take(store, said("m1"))
        late = await claimed(store, "late", lease=0)
        fresh = await claimed(store, "fresh")
        run = await begin(store, fresh)
        answer = Answer("Hello", RunStatus.COMPLETED)
        call = CallRecord(FunctionCall("c1", "f", "{}"), "k")

        writes = [
            store.begin(late, run, [item("late")]),
            store.save_step(late, [item("late")], [call], run),
            store.save_call(late, call),
            store.save_post(late, Post("k", 0)),
            store.conclude(late, run, answer, [item("late")], ""),
            store.finish(late, MessageState.DELIVERED),
            store.release(late, delay=0, failed=True),
        ]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)

        assert [LeaseLost] * 7 == [type(outcome) for outcome in outcomes]
        assert fresh.fence > late.fence
        assert [] == await store.items(run.thread_id)
        assert ([], []) == (await store.calls(run.id), await store.posts(run.id))
        await finish(store, fresh)
        message = await store.message(fresh.message.id)
        assert message is not None
        assert (MessageState.DELIVERED, 0) == (message.state, message.failures)

    async def test_a_claim_ends_with_its_message(self, store: Store) -> None:
        """A second finish is refused, also while the same worker holds the lane's next message."""
        await take(store, said("m1"))
        await take(store, said("m2"))
        first = await claimed(store)
        await finish(store, first)
        second = await claimed(store)

        with pytest.raises(LeaseLost):
            await finish(store, first)

        await finish(store, second)
        assert None is await store.claim("w", LEASE)

    async def test_renewing_keeps_a_lane_and_tells_what_to_stop(self, store: Store) -> None:
        """A lease of 0 seconds that was renewed is no longer free; its stop reason arrives with it."""
        await take(store, said("m1"))
        claim = await claimed(store, lease=0)
        before = await store.renew("w", LEASE)
        other = await store.claim("other", LEASE)

        stopped = await store.request_stop(claim.message.routed.lane, "stopped by Ann")
        after = await store.renew("w", LEASE)

        lane = claim.message.lane_id
        assert ({lane: ""}, None) == (before, other)
        assert replace(claim.message, stop_reason="stopped by Ann") == stopped
        assert {lane: "stopped by Ann"} == after
        assert {} == await store.renew("other", LEASE)

    async def test_a_stop_reaches_only_what_is_being_answered(self, store: Store) -> None:
        """None is stopped in an idle lane, and the next message doesn't inherit a stop."""
        await take(store, said("m1"))
        await take(store, said("m2"))
        lane = routed(said("m1")).lane
        idle = await store.request_stop(lane, "too early")
        first = await claimed(store)
        await store.request_stop(lane, "now")
        await store.finish(first, MessageState.CANCELLED)
        await claimed(store)

        reasons = await store.renew("w", LEASE)

        assert None is idle
        assert [""] == list(reasons.values())

    async def test_a_claim_is_its_workers_and_of_a_message_without_a_past(self, store: Store) -> None:
        """The first claim names its owner; no attempt, run, answer or other message belongs to it yet."""
        await take(store, said("m1"))

        claim = await claimed(store, "worker-1")

        assert ("worker-1", ()) == (claim.owner, claim.merged)
        assert (0, None, None) == (claim.message.attempts, claim.message.run, claim.message.answer)

    async def test_a_lane_that_was_answered_waits_its_turn_again(self, store: Store) -> None:
        """Of 3 messages the second, in another lane, comes before the third, which stood behind the first."""
        for n, channel in enumerate(("A", "B", "A")):
            await take(store, said(f"m{n}", channel=channel))
        await finish(store, await claimed(store))

        order = [named(await claimed(store)) for _ in range(2)]

        assert ["m1", "m2"] == order

    async def test_a_release_ends_the_claim(self, store: Store) -> None:
        """Three writes after it are refused, and the message behind waits out the hour with the first."""
        await take(store, said("m1"))
        await take(store, said("m2"))
        claim = await claimed(store)
        run = await begin(store, claim)

        await store.release(claim, delay=3600, failed=False)
        writes = [
            store.save_post(claim, Post("k", 0)),
            store.conclude(claim, run, Answer("Hello", RunStatus.COMPLETED), [], ""),
            store.release(claim, delay=0, failed=True),
        ]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)

        assert [LeaseLost] * 3 == [type(outcome) for outcome in outcomes]
        assert None is await store.claim("w", LEASE)
        message = await store.message(claim.message.id)
        assert message is not None
        assert (MessageState.ANSWERING, 0, None) == (message.state, message.failures, message.answer)

    async def test_a_lane_that_was_taken_over_is_renewed_by_its_new_owner_alone(self, store: Store) -> None:
        """Of 2 lanes one is taken over and one finished: the old owner's renewal holds neither."""
        await take(store, said("m1"))
        await take(store, said("m2", channel="C2"))
        await claimed(store, "late", lease=0)
        fresh = await claimed(store, "fresh")
        await finish(store, await claimed(store, "late"))

        renewed = [await store.renew(owner, LEASE) for owner in ("late", "fresh")]

        assert "m1" == named(fresh)
        assert [{}, {fresh.message.lane_id: ""}] == renewed

    async def test_nobody_takes_a_lane_over_from_himself(self, store: Store) -> None:
        """Back from a pause longer than its lease, a worker claims nothing, renews its lane and finishes."""
        await take(store, said("m1"))
        before = await claimed(store, lease=0)

        again = await store.claim("w", LEASE)
        renewed = await store.renew("w", LEASE)
        await finish(store, before)

        assert None is again
        assert {before.message.lane_id: ""} == renewed

    async def test_a_lane_whose_lease_ran_out_is_due(self, store: Store) -> None:
        """A lease of 0 seconds holds nobody's lane: the next wake is now, not when its worker comes back."""
        await take(store, said("m1"))
        claim = await claimed(store, lease=0)

        due = await store.next_wake()

        assert due is not None
        assert due <= claim.message.accepted_at + 60

    async def test_a_lane_that_nobody_spoke_in_has_nothing_to_stop(self, store: Store) -> None:
        """None before any message, and None once its only answer is finished."""
        lane = routed(said("m1")).lane
        before = await store.request_stop(lane, "too early")
        await take(store, said("m1"))
        await finish(store, await claimed(store))

        after = await store.request_stop(lane, "too late")

        assert (None, None) == (before, after)
