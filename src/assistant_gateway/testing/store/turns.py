"""What is forgotten of a thread, and what is answered again."""

from __future__ import annotations

from dataclasses import replace

from assistant_gateway.store import Standing, Store, Undone
from assistant_gateway.testing.store.samples import (
    CAP,
    answered,
    asks,
    begin,
    claimed,
    finish,
    ids,
    item,
    routed,
    said,
    said_by_assistant,
    take,
)
from assistant_gateway.testing.store.stores import Stores
from assistant_gateway.values import (
    Answer,
    Command,
    Run,
    RunStatus,
)

LANE = routed(said("m1")).lane


class TurnPromises:
    """What `Store.undo` and `Store.retry` promise."""

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
        assert Standing(run.thread_id, True, run.id, 1) == during
        assert Standing(run.thread_id) == await store.standing(LANE)

    async def test_a_thread_from_elsewhere_has_turns_too(self, store: Store) -> None:
        """Of 2 imported turns, and 1 of its own, each is forgotten; the first can be answered again."""
        thread = await store.open_thread(LANE)
        told = [item("q1"), item("q2"), *(said_by_assistant(f"a{n}") for n in range(150)), item("q3")]
        await store.add_items(thread.id, told)
        await answered(store, 4)

        undone = [await store.undo(LANE) for _ in range(2)]
        left = await ids(store, thread.id)
        standing = await store.standing(LANE)
        await take(store, asks("m5", Command.RETRY))
        claim = await claimed(store)
        run = await store.retry(claim, Run("again", thread.id, "default"))

        assert [Undone.FORGOTTEN] * 2 == undone
        assert (152, "a149") == (len(left), left[-1])
        assert Standing(thread.id, True) == standing
        assert run is not None
        assert ["m5"] == [one.inbound.message_id for one in await store.question(run.id)]
        assert ["q1", "q2"] == await ids(store, thread.id)
