"""Questions that are changed or deleted, while they wait and while they are answered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assistant_gateway.errors import LeaseLost, Revised
from assistant_gateway.store import Claim, Effect, Store, Undone
from assistant_gateway.testing.store.samples import (
    CAP,
    LEASE,
    accepted,
    asks,
    begin,
    claimed,
    finish,
    ids,
    item,
    named,
    routed,
    said,
    take,
)
from assistant_gateway.testing.store.stores import Stores
from assistant_gateway.values import (
    Answer,
    Attachment,
    Busy,
    CallRecord,
    CallState,
    Command,
    FunctionCall,
    MessageState,
    OnEdit,
    Routed,
    RunStatus,
)


class EditPromises:
    """What `Store.revise` promises."""

    @pytest.mark.parametrize("is_claimed", [False, True])
    async def test_a_message_that_waits_is_changed(self, store: Store, is_claimed: bool) -> None:
        """Claimed and not begun, the claim is taken back; the next one has the new text, in any route."""
        message = accepted(await take(store, said("m1")))
        late = await claimed(store) if is_claimed else None

        effect = await store.revise(message.id, "Ho", reason="edited")
        claim = await claimed(store)

        assert (Effect.CHANGED, "Ho") == (effect, claim.message.inbound.text)
        if late is not None:
            with pytest.raises(LeaseLost):
                await begin(store, late)
        await begin(store, claim)

    @pytest.mark.parametrize("is_claimed", [False, True])
    async def test_a_message_that_waits_is_withdrawn(self, store: Store, is_claimed: bool) -> None:
        """Deleted before its run began, it is cancelled for good, and its lane goes on with the next."""
        message = accepted(await take(store, said("m1")))
        await take(store, said("m2"))
        late = await claimed(store) if is_claimed else None

        effect = await store.revise(message.id, None, reason="deleted")
        again = await store.revise(message.id, None, reason="deleted")
        claim = await claimed(store)
        await finish(store, claim)

        assert (Effect.WITHDRAWN, Effect.NOTHING, "m2") == (effect, again, named(claim))
        withdrawn = await store.message(message.id)
        assert withdrawn is not None
        assert (MessageState.CANCELLED, None) == (withdrawn.state, withdrawn.answer)
        assert None is await store.claim("w", LEASE)
        assert (0.0, 1) == (
            (await store.counts()).oldest_waiting,
            (await store.counts()).messages[MessageState.CANCELLED],
        )
        if late is not None:
            with pytest.raises(LeaseLost):
                await begin(store, late)

    async def test_a_withdrawn_message_frees_nobodys_lane(self, store: Store) -> None:
        """While the first is being answered, the second is deleted: the third waits its turn."""
        await take(store, said("m1"))
        second = accepted(await take(store, said("m2")))
        await take(store, said("m3"))
        claim = await claimed(store)

        await store.revise(second.id, None, reason="deleted")
        meanwhile = await store.claim("other", LEASE)
        await finish(store, claim)

        assert None is meanwhile
        assert "m3" == named(await claimed(store))

    @pytest.mark.parametrize(
        ("on_edit", "edit", "deletion"),
        [
            (OnEdit.IGNORE, Effect.NOTHING, Effect.NOTHING),
            (OnEdit.RERUN, Effect.REVISED, Effect.STOPPED),
            (OnEdit.STOP, Effect.STOPPED, Effect.STOPPED),
        ],
    )
    async def test_while_it_is_answered_the_route_decides(
        self, store: Store, on_edit: OnEdit, edit: Effect, deletion: Effect
    ) -> None:
        """The worker hears of it at its next renewal; a complete answer stays, whatever is edited."""
        effects, heard = [], []
        for n, text in enumerate(("Ho", None)):
            await store.accept(said(f"m{n}"), _edited(on_edit), cap=CAP)
            claim = await claimed(store)
            run = await begin(store, claim)
            effects.append(await store.revise(claim.message.id, text, reason="why"))
            heard.append((await store.renew("w", LEASE))[claim.message.lane_id])
            claim = await self._taken_up_again(store, claim)
            run = await begin(store, claim)
            await store.conclude(claim, run, Answer("", RunStatus.COMPLETED), [], "")
            late = [await store.revise(claim.message.id, word, reason="why") for word in ("Hey", None)]
            assert [Effect.NOTHING] * 2 == late
            await finish(store, claim)

        told = {Effect.NOTHING: "", Effect.REVISED: "revised", Effect.STOPPED: "why"}
        assert [edit, deletion] == effects
        assert [told[edit], told[deletion]] == heard

    async def _taken_up_again(self, store: Store, claim: Claim) -> Claim:
        await store.release(claim, delay=0, failed=False)
        return await claimed(store)

    async def test_a_changed_question_is_answered_anew(self, store: Store, stores: Stores) -> None:
        """Nothing said to the old one is kept; after a crash the next begin forgets its items and calls."""
        await store.accept(said("m1"), _edited(OnEdit.RERUN), cap=CAP)
        claim = await claimed(store)
        run = await begin(store, claim, (item("q"),))
        call = CallRecord(FunctionCall("c1", "f", "{}"), "k1", CallState.DONE, "old")
        await store.save_step(claim, [item("step")], [replace(call, state=CallState.REQUESTED)], run)
        await store.save_call(claim, call)
        await store.release(claim, delay=0, failed=True)
        claim = await claimed(store)
        await store.begin(claim, run, [])
        await store.revise(claim.message.id, "Ho", reason="edited")

        with pytest.raises(Revised):
            await store.save_step(claim, [item("late")], [], run)
        with pytest.raises(Revised):
            await store.conclude(claim, run, Answer("late", RunStatus.COMPLETED), [item("late")], "")
        store = await stores.after_crash(store)
        claim = await claimed(store)
        again = await store.begin(claim, run, [item("q.2")])
        assert [] == await store.calls(run.id)
        new = replace(call, key="k2", output="new")
        await store.save_step(claim, [item("step.2")], [replace(new, state=CallState.REQUESTED)], again)
        await store.save_call(claim, new)

        message = claim.message
        assert ("Ho", 1, 0, 0) == (
            message.inbound.text,
            message.revision,
            message.attempts,
            message.failures,
        )
        assert (run.id, 3, 1) == (again.id, again.attempt, again.revision)
        assert ["q.2", "step.2"] == await ids(store, run.thread_id)
        assert ["step.2"] == [entry.id for entry in await store.run_items(run.id)]
        assert [new] == await store.calls(run.id)
        assert ["q", "step", "q.2", "step.2"] == await ids(store, run.thread_id, forgotten=True)
        await store.conclude(claim, again, Answer("new", RunStatus.COMPLETED), [item("a")], "")
        await finish(store, claim)
        assert Undone.FORGOTTEN is await store.undo(message.routed.lane)
        assert [] == await ids(store, run.thread_id)

    async def test_a_claim_from_before_an_edit_can_not_begin(self, store: Store) -> None:
        """Changed between the claim of a second attempt and its begin: it is refused and claimed anew."""
        await store.accept(said("m1"), _edited(OnEdit.RERUN), cap=CAP)
        claim = await claimed(store)
        run = await begin(store, claim, (item("q"),))
        await store.release(claim, delay=0, failed=False)
        stale = await claimed(store)
        await store.revise(stale.message.id, "Ho", reason="edited")

        with pytest.raises(Revised):
            await store.begin(stale, run, [item("q.1")])

        fresh = await self._taken_up_again(store, stale)
        assert 1 == (await store.begin(fresh, run, [item("q.1")])).revision
        assert ["q.1"] == await ids(store, run.thread_id)

    async def test_the_same_text_and_other_peoples_words_change_nothing(self, store: Store) -> None:
        """Not the same text, not a command's text, not what is answered, not what is unknown."""
        same = accepted(await take(store, said("m1")))
        command = accepted(await take(store, asks("m2", Command.HELP)))
        effects = [
            await store.revise(same.id, "Hi", reason="edited"),
            await store.revise(command.id, "Ho", reason="edited"),
            await store.revise(999_999, "Ho", reason="edited"),
        ]
        await finish(store, await claimed(store))
        effects.append(await store.revise(same.id, "Ho", reason="edited"))

        assert [Effect.NOTHING] * 4 == effects
        assert same.inbound == ((await store.message(same.id)) or same).inbound

    async def test_a_merged_message_is_a_part_of_what_is_answered(self, store: Store) -> None:
        """Changed while it waits, it is read anew; while the other's run goes on, that run begins again."""
        for n in range(3):
            await store.accept(said(f"m{n}"), _edited(OnEdit.RERUN, Busy.MERGE), cap=CAP)
        claim = await claimed(store)
        first, second = claim.merged

        waiting = await store.revise(first.id, "Ho", reason="edited")
        claim = await claimed(store)
        texts = [one.inbound.text for one in claim.merged]
        await begin(store, claim)
        live = await store.revise(second.id, "Hey", reason="edited")
        claim = await self._taken_up_again(store, claim)

        assert (Effect.CHANGED, ["Ho", "Hi"]) == (waiting, texts)
        assert (Effect.REVISED, 1) == (live, claim.message.revision)
        assert ["Ho", "Hey"] == [one.inbound.text for one in claim.merged]

    async def test_a_deleted_message_takes_no_other_along(self, store: Store) -> None:
        """Of 3 that wait together 1 is withdrawn; the newest loses its words, and the third is answered."""
        for n in range(3):
            inbound = replace(said(f"m{n}"), attachments=(Attachment("a", "text/plain", b"a"),))
            await take(store, inbound, Busy.MERGE)
        claim = await claimed(store)
        await store.release(claim, delay=0, failed=False)

        effects = [
            await store.revise(claim.merged[0].id, None, reason="deleted"),
            await store.revise(claim.message.id, None, reason="deleted"),
        ]
        again = await claimed(store)

        assert [Effect.WITHDRAWN, Effect.CHANGED] == effects
        assert ("m2", ["m1"]) == (named(again), [one.inbound.message_id for one in again.merged])
        assert ("", ()) == (again.message.inbound.text, again.message.files)
        await finish(store, again)
        assert None is await store.claim("w", LEASE)


def _edited(on_edit: OnEdit, busy: Busy = Busy.QUEUE) -> Routed:
    return replace(routed(said("m")), busy=busy, on_edit=on_edit)
