"""What people do about messages: commands, stops, edits, forgetting, feedback and usage."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assistant_gateway.adapter import Verdict
from assistant_gateway.errors import LeaseLost, Revised
from assistant_gateway.store import Claim, Effect, Standing, Store, Undone, Used
from assistant_gateway.testing.store.samples import (
    CAP,
    LEASE,
    accepted,
    begin,
    claimed,
    finish,
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
    Conversation,
    Feedback,
    FunctionCall,
    Inbound,
    MessageState,
    OnEdit,
    Rating,
    Routed,
    Run,
    RunStatus,
    Usage,
    User,
)

CHANNEL = Conversation("fake", "T1", "C1")
LANE = routed(said("m1")).lane
ANN, BOB = User("U1", "Ann"), User("U2", "Bob")


def asks(message_id: str, command: Command, *, channel: str = "C1") -> Inbound:
    """A message that is a command."""
    return replace(said(message_id, channel=channel, text=f"/{command.value}"), command=command)


async def answered(store: Store, n: int, *, usage: Usage | None = None) -> Run:
    """A question ``q<n>`` in the lane and its answer ``a<n>``; its run."""
    await take(store, said(f"m{n}"))
    return await answer(store, await claimed(store), f"q{n}", f"a{n}", usage=usage)


async def answer(store: Store, claim: Claim, question: str, reply: str, *, usage: Usage | None = None) -> Run:
    """Answer a claimed message."""
    run = replace(await begin(store, claim, (item(question),)), status=RunStatus.COMPLETED)
    run = replace(run, usage=usage or Usage())
    await store.conclude(claim, run, Answer(reply, RunStatus.COMPLETED), [item(reply)], "j")
    await finish(store, claim)
    return run


async def ids(store: Store, thread_id: str, *, forgotten: bool = False) -> list[str]:
    """The ids of a thread's items."""
    return [entry.id for entry in await store.items(thread_id, forgotten=forgotten)]


class ControlPromises:
    """What the verbs behind commands, buttons and edits promise."""

    # Commands at the door

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

    # Forgetting

    async def test_the_last_turn_is_forgotten(self, store: Store) -> None:
        """Of 2 turns the second goes, then the first, then there is nothing; operators still read all 4."""
        run = await answered(store, 1)
        await answered(store, 2)

        left = []
        for _ in range(3):
            left.append((await store.undo(LANE), await ids(store, run.thread_id)))

        assert [
            (Undone.FORGOTTEN, ["q1", "a1"]),
            (Undone.FORGOTTEN, []),
            (Undone.NOTHING, []),
        ] == left
        told = await store.items(run.thread_id, forgotten=True)
        assert [("q1", 1), ("a1", 2), ("q2", 3), ("a2", 4)] == [(entry.id, entry.seq) for entry in told]
        assert all(entry.forgotten for entry in told)

    async def test_what_comes_after_something_forgotten_goes_on_behind_it(self, store: Store) -> None:
        """The next question after an undo has the next seq; nothing of what was forgotten is in between."""
        run = await answered(store, 1)
        await answered(store, 2)
        await store.undo(LANE)

        await answered(store, 3)

        found = await store.items(run.thread_id)
        assert [("q1", 1), ("a1", 2), ("q3", 5), ("a3", 6)] == [(entry.id, entry.seq) for entry in found]
        assert ["q3"] == [entry.id for entry in await store.items(run.thread_id, before=6, limit=1)]

    async def test_nothing_is_forgotten_while_the_lane_is_busy(self, store: Store) -> None:
        """A message that waits, or is being answered, keeps the last turn; an unknown lane has none."""
        run = await answered(store, 1)
        await take(store, said("m2"))
        waiting = await store.undo(LANE)
        await claimed(store)
        answering = await store.undo(LANE)
        nowhere = await store.undo(replace(LANE, channel="C9"))

        assert [Undone.BUSY, Undone.BUSY, Undone.NOTHING] == [waiting, answering, nowhere]
        assert ["q1", "a1"] == await ids(store, run.thread_id)

    async def test_a_command_forgets_once(self, store: Store, stores: Stores) -> None:
        """Killed between forgetting and answering, the command asks again and one turn of two is left."""
        run = await answered(store, 1)
        await answered(store, 2)
        await take(store, asks("m3", Command.UNDO))
        first = await store.undo_for(await claimed(store))
        store = await stores.after_crash(store)

        second = await store.undo_for(await claimed(store))

        assert (Undone.FORGOTTEN, Undone.FORGOTTEN) == (first, second)
        assert ["q1", "a1"] == await ids(store, run.thread_id)

    async def test_forgetting_takes_what_backends_keep_of_the_thread(self, store: Store) -> None:
        """The states of 2 backends for the thread go; another thread's and another scope's notes stay."""
        run = await answered(store, 1)
        for scope, key in (
            ("backend:a", run.thread_id),
            ("backend:b", run.thread_id),
            ("backend:a", "other"),
            ("calibration", run.thread_id),
        ):
            await store.save_note(scope, key, {"n": 1})

        await store.undo(LANE)

        assert [None, None] == [await store.note(f"backend:{name}", run.thread_id) for name in "ab"]
        assert {"n": 1} == await store.note("backend:a", "other")
        assert {"n": 1} == await store.note("calibration", run.thread_id)

    # Answering again

    async def test_a_retry_forgets_the_answer_and_keeps_the_question(self, store: Store) -> None:
        """The new run answers the old question; the question and its second answer are forgotten as one."""
        old = await answered(store, 1)
        question = await store.question(old.id)
        await take(store, asks("m2", Command.RETRY))
        claim = await claimed(store)

        run = await store.retry(claim, Run("again", old.thread_id, "default"))
        left = await ids(store, old.thread_id)
        assert run is not None
        await store.conclude(claim, run, Answer("b1", RunStatus.COMPLETED), [item("b1")], "")
        await finish(store, claim)
        told = await ids(store, old.thread_id)
        undone = await store.undo(LANE)

        assert RunStatus.IN_PROGRESS is run.status
        assert (["q1"], ["q1", "b1"]) == (left, told)
        assert ["m1"] == [one.inbound.message_id for one in question]
        assert question == await store.question(run.id)
        assert (Undone.FORGOTTEN, []) == (undone, await ids(store, old.thread_id))
        assert Undone.NOTHING is await store.undo(LANE)

    async def test_a_retry_forgets_once(self, store: Store, stores: Stores) -> None:
        """Killed after it began, it goes on with the same run and what that has said; 2 attempts, 1 run."""
        old = await answered(store, 1)
        await take(store, asks("m2", Command.RETRY))
        claim = await claimed(store)
        run = await store.retry(claim, Run("again", old.thread_id, "default"))
        assert run is not None
        await store.save_step(claim, [item("step")], [], run)
        store = await stores.after_crash(store)

        again = await store.retry(await claimed(store), Run("other", old.thread_id, "default"))

        assert replace(run, attempt=2) == again
        assert ["q1", "step"] == await ids(store, old.thread_id)

    async def test_there_may_be_nothing_to_answer_again(self, store: Store) -> None:
        """None on an empty thread, and for a run that is not the newest; nothing is written."""
        await take(store, asks("m1", Command.RETRY))
        claim = await claimed(store)
        empty = await store.retry(claim, Run("r", claim.message.thread_id, "default"))
        words = await begin(store, claim)
        resumed = await store.retry(claim, Run("r", claim.message.thread_id, "default"))
        await finish(store, claim)
        first = await answered(store, 2)
        await answered(store, 3)
        retry = asks("m4", Command.RETRY)
        await store.accept(retry, routed(retry), cap=CAP, run_id=first.id)
        claim = await claimed(store)
        outdated = await store.retry(claim, Run("r", claim.message.thread_id, "default"))

        assert [None, None, None] == [empty, resumed, outdated]
        assert [] == await store.question(words.id)
        assert ["q2", "a2", "q3", "a3"] == await ids(store, first.thread_id)
        assert None is await store.run("r")

    async def test_a_lane_tells_how_it_stands(self, store: Store) -> None:
        """Nothing at first; then its thread, the run of its newest question (not a command's), what waits."""
        before = await store.standing(LANE)
        run = await answered(store, 1)
        await take(store, asks("m2", Command.HELP))
        claim = await claimed(store)
        await begin(store, claim)
        during = await store.standing(LANE)
        await finish(store, claim)
        await store.undo(LANE)

        assert Standing() == before
        assert Standing(run.thread_id, run.id, 1) == during
        assert Standing(run.thread_id, "", 0) == await store.standing(LANE)

    # Edits

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
        assert Undone.FORGOTTEN is await store.undo(LANE)
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

    # Feedback and usage

    async def test_a_later_word_replaces_an_earlier_one(self, store: Store) -> None:
        """Two people rate an answer; one changes his mind and keeps his comment, until he empties it."""
        run = await answered(store, 1)
        kept = [
            await store.rate(CHANNEL, ANN, run.id, Rating.GOOD, "Nice"),
            await store.rate(CHANNEL, BOB, run.id, Rating.BAD, None),
            await store.rate(CHANNEL, ANN, run.id, Rating.BAD, None),
        ]
        both = [replace(word, at=0.0) for word in await store.thread_feedback(run.thread_id)]
        await store.rate(CHANNEL, ANN, run.id, Rating.BAD, "")

        newest = await store.feedback(limit=1)

        assert [True] * 3 == kept
        assert {
            Feedback(run.id, ANN, Rating.BAD, "Nice"),
            Feedback(run.id, BOB, Rating.BAD),
        } == set(both)
        assert [Feedback(run.id, ANN, Rating.BAD)] == [replace(word, at=0.0) for word in newest]
        assert 2 == len(await store.feedback(limit=10, rating=Rating.BAD))
        assert [] == await store.feedback(limit=10, rating=Rating.GOOD)

    async def test_only_answers_of_the_channel_can_be_rated(self, store: Store) -> None:
        """Not from another tenant, channel or adapter; not what goes on, a command's, or no run at all."""
        run = await answered(store, 1)
        await take(store, said("m2", channel="C2"))
        unfinished = await begin(store, await claimed(store))
        await take(store, asks("m3", Command.HELP))
        help_claim = await claimed(store)
        words = await begin(store, help_claim)
        await store.conclude(help_claim, words, Answer("/help", RunStatus.COMPLETED), [], "")

        refused = [
            await store.rate(place, ANN, id, Rating.GOOD, None)
            for place, id in (
                (replace(CHANNEL, tenant="T2"), run.id),
                (replace(CHANNEL, channel="C2"), run.id),
                (replace(CHANNEL, adapter="other"), run.id),
                (replace(CHANNEL, channel="C2"), unfinished.id),
                (CHANNEL, words.id),
                (CHANNEL, "run_of_nobody"),
            )
        ]

        assert [False] * 6 == refused
        assert await store.rate(replace(CHANNEL, topic="any"), ANN, run.id, Rating.GOOD, None)

    async def test_what_was_used_is_summed_by_thread_and_by_person(self, store: Store) -> None:
        """Two runs of Ann's in a channel and one in another; commands and other tenants do not count."""
        run = await answered(store, 1, usage=Usage(10, 5, 2))
        await answered(store, 2, usage=Usage(1, 1, 0))
        await take(store, said("m3", channel="C2"))
        await answer(store, await claimed(store), "q", "a", usage=Usage(100, 50, 0))
        await take(store, said("m4", tenant="T2"))
        await answer(store, await claimed(store), "q", "a", usage=Usage(7, 7, 7))
        await take(store, asks("m5", Command.USAGE))
        await begin(store, await claimed(store))

        assert Used(2, Usage(11, 6, 2)) == await store.thread_usage(run.thread_id)
        assert Used(3, Usage(111, 56, 2)) == await store.user_usage("fake", "T1", "U1", since=0.0)
        assert Used() == await store.user_usage("fake", "T1", "U1", since=4e9)
        assert Used() == await store.user_usage("fake", "T1", "U2", since=0.0)
        assert Used() == await store.thread_usage("nobody's")


def _edited(on_edit: OnEdit, busy: Busy = Busy.QUEUE) -> Routed:
    return replace(routed(said("m")), busy=busy, on_edit=on_edit)
