"""From a claim to its answer: runs, steps, calls, posts, and an end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assistant_gateway.errors import LeaseLost
from assistant_gateway.store import Store
from assistant_gateway.testing.store.samples import begin, claimed, finish, item, named, said, take
from assistant_gateway.values import (
    Answer,
    CallRecord,
    CallState,
    Citation,
    FileRef,
    FunctionCall,
    MessageState,
    Post,
    Run,
    RunFailure,
    RunStatus,
    ToolUse,
    Usage,
)


class AnswerPromises:
    """What the verbs under a claim promise."""

    async def test_a_message_lives_from_ready_to_delivered(self, store: Store) -> None:
        """Each verb leaves message, run, items, calls and posts as it says."""
        await take(store, said("m1"))
        claim = await claimed(store)
        id, thread = claim.message.id, claim.message.thread_id
        run = Run(f"run-{id}", thread, "default", model="m")

        begun = await store.begin(claim, run, [item("i1")])
        call = CallRecord(FunctionCall("c1", "f", '{"a": 1}'), "key-1")
        await store.save_step(claim, [item("i2")], [call], replace(begun, usage=Usage(5, 2, 1)))
        started = replace(call, state=CallState.STARTED)
        await store.save_call(claim, started)
        done = replace(call, state=CallState.DONE, output="1", ok=False)
        await store.save_call(claim, done)
        await store.save_post(claim, Post("run.0", 0))
        await store.save_post(claim, Post("run.1", 1))
        await store.save_post(claim, Post("run.0", 0, "p1", "Hello"))
        file = FileRef("f1", "a.png", "image/png", 3)
        error = RunFailure("cut", "It was cut off.", "x1")
        cited = (Citation("A page", "https://example.com/a"), Citation("a.pdf"))
        used = (ToolUse("f"), ToolUse("code_interpreter", "print(1)", "1"))
        answer = Answer("Hello", RunStatus.INCOMPLETE, Usage(10, 4, 2), (file,), error, cited, used)
        ended = replace(begun, status=RunStatus.INCOMPLETE, usage=answer.usage, error=error)
        await store.conclude(claim, ended, answer, [item("i3")], '["journal"]')
        ready = await store.message(id)
        await store.finish(claim, MessageState.FAILED_VISIBLE)
        final = await store.message(id)

        assert replace(run, status=RunStatus.IN_PROGRESS) == begun
        assert ready is not None
        assert final is not None
        assert (MessageState.FINAL_READY, answer, ended) == (ready.state, ready.answer, ready.run)
        assert replace(ready, state=MessageState.FAILED_VISIBLE) == final
        assert 1 == final.attempts
        assert ended == await store.run(run.id)
        assert [("i1", 1), ("i2", 2), ("i3", 3)] == [(i.id, i.seq) for i in await store.items(thread)]
        assert ["i2", "i3"] == [i.id for i in await store.run_items(run.id)]
        assert [done] == await store.calls(run.id)
        assert [Post("run.0", 0, "p1", "Hello"), Post("run.1", 1)] == await store.posts(run.id)
        assert '["journal"]' == await store.journal(id)

    async def test_a_step_may_be_kept_twice(self, store: Store) -> None:
        """The second time adds nothing, and a call that is done stays done."""
        await take(store, said("m1"))
        claim = await claimed(store)
        run = await begin(store, claim)
        calls = [CallRecord(FunctionCall(f"c{n}", "f", "{}"), f"k{n}") for n in (2, 1)]
        done = replace(calls[0], state=CallState.DONE, output="2")

        await store.save_step(claim, [item("i1")], calls, run)
        await store.save_call(claim, done)
        await store.save_step(claim, [item("i1"), item("i2")], calls, run)
        await store.save_call(claim, replace(calls[0], state=CallState.STARTED))

        assert ["i1", "i2"] == [i.id for i in await store.items(run.thread_id)]
        assert [done, calls[1]] == await store.calls(run.id)

    async def test_the_same_item_id_in_two_runs_is_two_items(self, store: Store) -> None:
        """A provider that counts its items from 1 in each run loses nothing."""
        for n in range(2):
            await take(store, said(f"m{n}"))
            claim = await claimed(store)
            run = await begin(store, claim)
            await store.save_step(claim, [item("msg_1", f"answer {n}")], [], run)
            await finish(store, claim)

        assert 2 == len(await store.items(run.thread_id))

    async def test_another_attempt_goes_on_with_the_same_run(self, store: Store) -> None:
        """The second begin counts an attempt and leaves items and the run's id alone."""
        await take(store, said("m1"))
        first = await claimed(store, "late", lease=0)
        run = await begin(store, first, items=(item("i1"),))
        error = RunFailure("x", "It failed.", "1")
        await store.save_step(first, [], [], replace(run, status=RunStatus.FAILED, error=error))
        second = await claimed(store)
        again = await store.begin(second, Run("other", run.thread_id, "default"), [item("i9")])

        assert run.id == (second.message.run and second.message.run.id)
        assert replace(run, attempt=2) == again
        assert ["i1"] == [i.id for i in await store.items(run.thread_id)]
        message = await store.message(first.message.id)
        assert message is not None
        assert (2, MessageState.ANSWERING) == (message.attempts, message.state)

    async def test_an_answer_never_changes(self, store: Store) -> None:
        """After final_ready a second answer changes nothing, and the run can't be begun again."""
        await take(store, said("m1"))
        claim = await claimed(store)
        run = await begin(store, claim)
        await store.conclude(claim, run, Answer("one", RunStatus.COMPLETED), [item("i1")], "j1")

        await store.conclude(claim, run, Answer("two", RunStatus.FAILED), [item("i2")], "j2")
        with pytest.raises(LeaseLost):
            await store.begin(claim, run, [])

        message = await store.message(claim.message.id)
        assert message is not None
        assert message.answer is not None
        assert ("one", "j1", 1) == (
            message.answer.text,
            await store.journal(message.id),
            len(await store.items(run.thread_id)),
        )

    async def test_a_message_can_end_without_an_answer(self, store: Store) -> None:
        """A dead letter, whether it was begun or not, leaves no live run in the way of the next one."""
        for n in range(3):
            await take(store, said(f"m{n}"))
        await store.finish(await claimed(store), MessageState.DEAD_LETTER)
        second = await claimed(store)
        run = await begin(store, second)
        await store.finish(second, MessageState.DEAD_LETTER)

        third = await claimed(store)
        await begin(store, third)

        ended = await store.run(run.id)
        assert ended is not None
        assert RunStatus.FAILED is ended.status
        assert "m2" == named(third)

    @pytest.mark.parametrize("state", [MessageState.READY, MessageState.ANSWERING, MessageState.MERGED])
    async def test_only_an_end_finishes_a_message(self, store: Store, state: MessageState) -> None:
        """A state that is no end of an answer is refused, and the claim goes on."""
        await take(store, said("m1"))
        claim = await claimed(store)

        with pytest.raises(ValueError, match=state.value):
            await store.finish(claim, state)

        await finish(store, claim)

    async def test_a_step_keeps_the_state_of_its_run(self, store: Store) -> None:
        """After a step of 7 tokens that asks for a function, the run requires action: its message agrees."""
        await take(store, said("m1"))
        claim = await claimed(store)
        run = await begin(store, claim)
        waiting = replace(run, status=RunStatus.REQUIRES_ACTION, model="m", usage=Usage(5, 2, 1))

        await store.save_step(claim, [], [], waiting)

        message = await store.message(claim.message.id)
        assert message is not None
        assert (waiting, waiting) == (await store.run(run.id), message.run)

    async def test_the_same_call_id_in_two_runs_is_two_calls(self, store: Store) -> None:
        """A provider that counts its calls from 1 in each run is not given the first one's output."""
        calls = []
        for n in range(2):
            await take(store, said(f"m{n}"))
            claim = await claimed(store)
            run = await begin(store, claim)
            call = CallRecord(FunctionCall("call_1", "f", "{}"), f"k{n}", CallState.DONE, f"output {n}")
            await store.save_step(claim, [], [replace(call, state=CallState.REQUESTED, output="")], run)
            await store.save_call(claim, call)
            calls.append((call, run.id))
            await finish(store, claim)

        for call, run_id in calls:
            assert [call] == await store.calls(run_id)

    async def test_calls_follow_their_steps_and_posts_their_parts(self, store: Store) -> None:
        """2 steps of 2 calls are read in the order of asking; 3 posts by part, saved after the answer too."""
        await take(store, said("m1"))
        claim = await claimed(store)
        run = await begin(store, claim)
        calls = [CallRecord(FunctionCall(f"c{n}", "f", "{}"), f"k{n}") for n in (4, 2, 3, 1)]
        await store.save_step(claim, [], calls[:2], run)
        await store.save_step(claim, [], calls[2:], run)
        await store.save_post(claim, Post("a", 1, "p1", "two"))
        await store.save_post(claim, Post("b", 0, "p0", "one"))
        await store.conclude(claim, run, Answer("one two three", RunStatus.COMPLETED), [], "")
        await store.save_post(claim, Post("c", 2))
        await store.save_post(claim, Post("c", 2, "p2", "three"))

        assert calls == await store.calls(run.id)
        assert [Post("b", 0, "p0", "one"), Post("a", 1, "p1", "two"), Post("c", 2, "p2", "three")] == (
            await store.posts(run.id)
        )

    async def test_a_complete_answer_that_was_given_back_is_still_complete(self, store: Store) -> None:
        """Released after a failed delivery, the message comes back with its answer and 1 failure."""
        await take(store, said("m1"))
        claim = await claimed(store)
        run = await begin(store, claim)
        answer = Answer("Hello", RunStatus.COMPLETED)
        await store.conclude(claim, replace(run, status=RunStatus.COMPLETED), answer, [], "j")
        await store.release(claim, delay=0, failed=True)

        again = await claimed(store)

        assert (MessageState.FINAL_READY, answer, 1) == (
            again.message.state,
            again.message.answer,
            again.message.failures,
        )
