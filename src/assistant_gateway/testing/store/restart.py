"""What was kept outlives the process that kept it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from assistant_gateway.adapter import Verdict
from assistant_gateway.errors import StoreUnavailable
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
    FunctionCall,
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
