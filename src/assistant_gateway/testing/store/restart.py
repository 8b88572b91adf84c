"""What was kept outlives the process that kept it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from assistant_gateway.adapter import Delivery, EndpointFault, Receipt, Verdict
from assistant_gateway.errors import LeaseLost, StoreUnavailable
from assistant_gateway.store import Store
from assistant_gateway.testing.store.samples import (
    LEASE,
    accepted,
    begin,
    claimed,
    finish,
    item,
    named,
    said,
    take,
)
from assistant_gateway.testing.store.stores import Stores
from assistant_gateway.values import (
    Answer,
    Busy,
    CallRecord,
    CallState,
    FileRef,
    FunctionCall,
    Lane,
    MessageState,
    Post,
    RunStatus,
)


class RestartPromises:
    """What the next process finds, and what a closed store says."""

    @pytest.mark.parametrize(
        "state",
        [MessageState.READY, MessageState.CLAIMED, MessageState.ANSWERING, MessageState.FINAL_READY],
    )
    async def test_every_state_is_resumed_by_the_next_process(
        self, store: Store, stores: Stores, state: MessageState
    ) -> None:
        """A process that dies without a word leaves nothing that the next one must wait for."""
        for n in range(2):
            await take(store, said(f"m{n}"), Busy.MERGE)
        if state is not MessageState.READY:
            claim = await claimed(store)
        if state in (MessageState.ANSWERING, MessageState.FINAL_READY):
            run = await begin(store, claim, items=(item("i1"),))
            await store.save_post(claim, Post("k0", 0))
            await store.save_call(claim, CallRecord(FunctionCall("c1", "f", "{}"), "k", CallState.STARTED))
        answer = Answer("Hello", RunStatus.COMPLETED)
        if state is MessageState.FINAL_READY:
            await store.conclude(claim, replace(run, status=RunStatus.COMPLETED), answer, [], "j")
        store = await stores.after_crash(store)

        resumed = await claimed(store, "next")

        assert ("m1", ["m0"]) == (named(resumed), [one.inbound.message_id for one in resumed.merged])
        assert resumed.message.state is (MessageState.CLAIMED if state is MessageState.READY else state)
        if state is MessageState.FINAL_READY:
            assert answer == resumed.message.answer
        else:
            again = await begin(store, resumed)
            assert (2 if state is MessageState.ANSWERING else 1) == again.attempt
        if state in (MessageState.ANSWERING, MessageState.FINAL_READY):
            assert run.id == (resumed.message.run and resumed.message.run.id)
            assert [Post("k0", 0)] == await store.posts(run.id)
            assert [CallState.STARTED] == [call.state for call in await store.calls(run.id)]
        await finish(store, resumed)
        assert None is await store.claim("next", LEASE)

    async def test_what_was_accepted_is_there_for_the_next_process(
        self, store: Store, stores: Stores
    ) -> None:
        """200 acknowledged messages survive, their keys too: all 200 are duplicates afterwards."""
        receipts = await asyncio.gather(
            *(take(store, said(f"m{n}", channel=f"C{n % 7}")) for n in range(200))
        )

        store = await stores.after_crash(store)

        for receipt in receipts:
            assert receipt.message == await store.message(accepted(receipt).id)
        repeats = await asyncio.gather(*(take(store, said(f"m{n}", channel=f"C{n % 7}")) for n in range(200)))
        assert {Verdict.DUPLICATE} == {repeat.verdict for repeat in repeats}

    async def test_a_closed_store_says_so(self, store: Store) -> None:
        """Reads and writes after `close` raise, and closing twice is harmless."""
        await store.close()
        await store.close()

        with pytest.raises(StoreUnavailable):
            await store.ping()
        with pytest.raises(StoreUnavailable):
            await store.message(1)

    async def test_a_dead_process_has_no_claim_left(self, store: Store, stores: Stores) -> None:
        """Its claim is refused, also under the same worker's name: the next fence is larger."""
        await take(store, said("m1"))
        dead = await claimed(store, "w")
        store = await stores.after_crash(store)

        early = await asyncio.gather(store.save_post(dead, Post("k", 0)), return_exceptions=True)
        fresh = await claimed(store, "w")
        late = await asyncio.gather(finish(store, dead), return_exceptions=True)

        assert [LeaseLost, LeaseLost] == [type(outcome) for outcome in early + late]
        assert fresh.fence > dead.fence
        await finish(store, fresh)

    async def test_what_was_kept_beside_the_messages_is_there_for_the_next_process(
        self, store: Store, stores: Stores
    ) -> None:
        """Thread, item, file, note, delivery and fault: each of the 6 is read back as it was."""
        lane, file = Lane("fake", "T1", "C1"), FileRef("f1", "a.bin", "text/plain", 3)
        delivery = Delivery("d1", "a", "https://example.org", b"{}", next_at=10.0, created_at=1.0)
        failed = replace(delivery, attempts=1, next_at=20.0, error="503")
        fault = EndpointFault(1.0, True, "410")
        await store.open_thread(lane)
        thread = await store.reset(lane)
        await store.add_items(thread.id, [item("i1")])
        items = await store.items(thread.id)
        await store.save_file(file, b"one")
        await store.save_note("backend", "t1", {"id": "r1"})
        await store.enqueue(delivery)
        await store.record(failed)
        await store.set_endpoint_fault("a", delivery.url, fault)

        store = await stores.after_crash(store)

        assert replace(thread, items=1) == await store.open_thread(lane)
        assert items == await store.items(thread.id)
        assert (file, b"one") == await store.file("f1")
        assert {"id": "r1"} == await store.note("backend", "t1")
        assert [failed] == await store.deliveries()
        assert fault == await store.endpoint_fault("a", delivery.url)

    async def test_closing_leaves_nobody_waiting(self, store: Store) -> None:
        """Each of 50 writes under way at a `close` ends within 30 s: kept, or refused as unavailable."""
        writes = [asyncio.create_task(take(store, said(f"m{n}"))) for n in range(50)]
        await asyncio.sleep(0)

        async with asyncio.timeout(30):
            await store.close()
            outcomes = await asyncio.gather(*writes, return_exceptions=True)

        assert all(isinstance(outcome, Receipt | StoreUnavailable) for outcome in outcomes)
