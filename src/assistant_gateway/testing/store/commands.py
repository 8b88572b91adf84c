"""Commands and stops at the door: in order, once, and on disk before anybody is told."""

from __future__ import annotations

from assistant_gateway.adapter import Verdict
from assistant_gateway.store import Store
from assistant_gateway.testing.store.samples import (
    CAP,
    LEASE,
    accepted,
    answered,
    asks,
    begin,
    claimed,
    finish,
    named,
    routed,
    said,
    take,
)
from assistant_gateway.testing.store.stores import Stores
from assistant_gateway.values import (
    Answer,
    Busy,
    Command,
    MessageState,
    RunStatus,
)

LANE = routed(said("m1")).lane


class CommandPromises:
    """What accepting a command promises, and asking for a stop."""

    async def test_a_command_is_accepted_like_a_message(self, store: Store) -> None:
        """It is read back as the command it is, deduped and in order; its retry names a run."""
        retry = asks("m1", Command.RETRY)

        first = await store.accept(retry, routed(retry), cap=CAP, run_id="run-9")
        second = await store.accept(retry, routed(retry), cap=CAP, run_id="run-8")

        assert Verdict.DUPLICATE is second.verdict
        message = await store.message(accepted(first).id)
        assert first.message == second.message == message
        assert message is not None
        assert (Command.RETRY, "run-9") == (message.inbound.command, message.note)

    async def test_nothing_is_merged_across_a_command(self, store: Store) -> None:
        """Of 5 messages that merge the third is a command: 2 share an answer, it has its own, 2 share one."""
        for n in range(5):
            inbound = asks("m2", Command.HELP) if n == 2 else said(f"m{n}")
            await take(store, inbound, Busy.MERGE)

        order = []
        for _ in range(3):
            claim = await claimed(store)
            order.append((named(claim), [one.inbound.message_id for one in claim.merged]))
            await finish(store, claim)

        assert [("m1", ["m0"]), ("m2", []), ("m4", ["m3"])] == order

    async def test_a_command_does_not_interrupt(self, store: Store) -> None:
        """Where the route says interrupt, a command that comes during an answer stops nothing."""
        await take(store, said("m1"))
        claim = await claimed(store)

        await take(store, asks("m2", Command.USAGE), Busy.INTERRUPT)

        assert {claim.message.lane_id: ""} == await store.renew("w", LEASE)

    async def test_a_reset_is_in_the_order_of_the_messages(self, store: Store) -> None:
        """Of 3 messages the second resets: the first keeps the old thread, the others have the new one."""
        threads = [
            accepted(await take(store, inbound)).thread_id
            for inbound in (said("m1"), asks("m2", Command.RESET), said("m3"))
        ]

        again = await take(store, asks("m2", Command.RESET))

        assert threads[0] != threads[1] == threads[2]
        assert Verdict.DUPLICATE is again.verdict
        assert threads[2] == (await store.open_thread(LANE)).id

    async def test_a_stop_stops_in_the_write_that_accepts_it(self, store: Store) -> None:
        """Its note is the message that was being answered; a second delivery stops nothing more."""
        idle = accepted(await take(store, asks("m0", Command.STOP)))
        await finish(store, await claimed(store))
        await take(store, said("m1"))
        claim = await claimed(store)

        stop = accepted(await take(store, asks("m2", Command.STOP)))
        told = await store.renew("w", LEASE)
        await store.finish(claim, MessageState.CANCELLED)
        await finish(store, await claimed(store))
        await take(store, said("m3"))
        await claimed(store)
        await take(store, asks("m2", Command.STOP))

        assert ("", str(claim.message.id)) == (idle.note, stop.note)
        assert {claim.message.lane_id: "stopped"} == told
        assert [""] == list((await store.renew("w", LEASE)).values())

    async def test_a_persons_stop_outlives_the_process(self, store: Store, stores: Stores) -> None:
        """Killed after the stop: the next claim of that message carries it, the next message's does not."""
        await take(store, said("m1"))
        claim = await claimed(store)
        await begin(store, claim)
        await store.request_stop(LANE, "stopped")
        await take(store, said("m2"))
        store = await stores.after_crash(store)

        first = await claimed(store)
        await finish(store, first)
        second = await claimed(store)

        assert ("stopped", "") == (first.message.stop_reason, second.message.stop_reason)

    async def test_a_stop_can_be_for_one_run_only(self, store: Store) -> None:
        """Another run's id, or a run in another lane, stops nothing; its own does, until it is complete."""
        other = await answered(store, 1)
        await take(store, said("m2"))
        claim = await claimed(store)
        run = await begin(store, claim)

        refused = [
            await store.request_stop(LANE, "x", run_id=other.id),
            await store.request_stop(routed(said("m", channel="C2")).lane, "x", run_id=run.id),
        ]
        stopped = await store.request_stop(LANE, "stopped", run_id=run.id)
        await store.conclude(claim, run, Answer("", RunStatus.CANCELLED), [], "")
        late = await store.request_stop(LANE, "stopped", run_id=run.id)

        assert [None, None, None] == [*refused, late]
        assert stopped is not None
        assert claim.message.id == stopped.id

    async def test_a_command_is_not_stopped(self, store: Store) -> None:
        """While a command is being answered there is nothing to stop; while a retry is, there is."""
        await take(store, asks("m1", Command.HELP))
        help_claim = await claimed(store)
        during_help = await store.request_stop(LANE, "x")
        await finish(store, help_claim)
        await take(store, asks("m2", Command.RETRY))
        await claimed(store)

        during_retry = await store.request_stop(LANE, "x")

        assert None is during_help
        assert None is not during_retry
