"""The worker: one answer for each message, in order, whatever dies in between."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from assistant_gateway import items
from assistant_gateway.adapter import Content, Limits, Verdict
from assistant_gateway.backend import Step
from assistant_gateway.config import RouteSettings
from assistant_gateway.errors import Forbidden, StoreUnavailable
from assistant_gateway.events import ToolCallDone
from assistant_gateway.handler import RunHandler
from assistant_gateway.store import Claim
from assistant_gateway.store.sqlite import SqliteStore
from assistant_gateway.testing.adapter import FakeAdapter
from assistant_gateway.testing.backend import Act, Gate, ScriptedBackend, begins, calls, says
from assistant_gateway.tools import Tool, ToolContext, tool
from assistant_gateway.values import Busy, CallState, MessageState, ReplyTarget, Run, RunStatus
from fixtures.house import House, asked, outputs, reaches, until

MERGE = [RouteSettings(busy=Busy.MERGE)]
INTERRUPT = [RouteSettings(busy=Busy.INTERRUPT)]
LIMITS = Limits(text_length=2000, edit_interval=0.0)


class Recorder(RunHandler):
    """Notes the beginning and the end of runs."""

    def __init__(self) -> None:
        self.log: list[str] = []

    async def on_run_created(self, run: Run) -> None:
        self.log.append("created")

    async def on_run_restarted(self, run: Run) -> None:
        self.log.append("restarted")

    async def on_run_done(self, run: Run, text: str) -> None:
        self.log.append(f"done: {text}")

    async def on_end(self) -> None:
        self.log.append("end")


class Held(FakeAdapter):
    """A platform that does what it is asked, and then does not answer."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        super().__init__(limits=limits)
        self.reached = asyncio.Event()
        self.holds = True

    async def post(self, target: ReplyTarget, key: str, content: Content) -> str:
        id = await super().post(target, key, content)
        if self.holds:
            self.reached.set()
            await asyncio.Event().wait()
        return id


@pytest.fixture
def logged() -> Iterator[list[MutableMapping[str, object]]]:
    """What is logged; tracebacks are not rendered, which takes longer than the rest of the test."""
    with capture_logs() as entries:
        yield entries


def echo(step: Step) -> list[Act]:
    """Answer what was said last."""
    return says(f"You said {asked(step)[-1]}.")


# One after another


async def test_messages_of_a_lane_are_answered_in_order(tmp_path: Path) -> None:
    """Three messages that come at once have three answers, in the order of their acceptance."""
    gate = Gate()
    backend = ScriptedBackend(lambda step: [gate, *echo(step)])

    async with House(tmp_path, backend) as house:
        receipts = [await house.say(text) for text in ("one", "two", "three")]
        await reaches(gate.reached)
        gate.opened.set()
        messages = [await house.settled(receipt.message) for receipt in receipts]

    assert [receipt.ahead for receipt in receipts] == [0, 1, 2]
    assert house.adapter.shown == ["You said one.", "You said two.", "You said three."]
    assert {message.state for message in messages} == {MessageState.DELIVERED}


async def test_a_hung_lane_delays_no_other(tmp_path: Path) -> None:
    """While one channel's model hangs for ever, twenty messages in other channels are answered."""
    gate = Gate()

    def script(step: Step) -> list[Act]:
        return [gate] if asked(step) == ["hang"] else echo(step)

    async with House(tmp_path, ScriptedBackend(script)) as house:
        hung = await house.say("hang")
        await reaches(gate.reached)
        for number in range(20):
            await house.ask("hello", channel=f"D{number}")
        still = await house.store.message(hung.message.id) if hung.message else None

    assert len(house.adapter.shown) == 20
    assert still is not None
    assert still.state is MessageState.ANSWERING


async def test_a_lane_has_one_run_at_a_time(tmp_path: Path) -> None:
    """Of 30 messages in 3 channels, never two of one channel are answered at the same time."""
    live: list[str] = []
    most: list[int] = []

    async def script(step: Step) -> AsyncIterator[Act]:
        live.append(step.thread_id)
        most.append(live.count(step.thread_id))
        await asyncio.sleep(0)
        live.remove(step.thread_id)
        for act in says("Yes."):
            yield act

    async with House(tmp_path, ScriptedBackend(script)) as house:
        receipts = [await house.say(f"{n}", channel=f"C{n % 3}") for n in range(30)]
        for receipt in receipts:
            await house.settled(receipt.message)

    assert (len(most), max(most)) == (30, 1)
    assert len(house.adapter.shown) == 30


# Policies


async def test_waiting_messages_join_one_run(tmp_path: Path) -> None:
    """Where the route merges, two messages that waited behind a third share one run and one answer."""
    gate = Gate()

    def script(step: Step) -> list[Act]:
        return [gate, *says("First.")] if len(asked(step)) == 1 else says("Both.")

    backend = ScriptedBackend(script)

    async with House(tmp_path, backend, routes=MERGE) as house:
        first = await house.say("one")
        await reaches(gate.reached)
        second, third = await house.say("two"), await house.say("three")
        gate.opened.set()
        newest = await house.settled(third.message)
        older = await house.settled(second.message)
        await house.settled(first.message)

    assert [asked(step) for step in backend.steps] == [["one"], ["one", "two", "three"]]
    assert house.adapter.shown == ["First.", "Both."]
    assert (older.state, older.merged_into) == (MessageState.MERGED, newest.id)
    assert newest.state is MessageState.DELIVERED


async def test_messages_that_join_bring_their_instructions(tmp_path: Path) -> None:
    """Three messages join, two of which ask for the same: their instructions, each once, in their order."""
    gate = Gate()
    backend = ScriptedBackend([[gate, *says("First.")], says("All.")])

    async with House(tmp_path, backend, routes=MERGE) as house:
        await house.say("one")
        await reaches(gate.reached)
        for text, instructions in (("two", "Rhyme."), ("three", "Be short."), ("four", "Rhyme.")):
            last = await house.say(text, instructions=instructions)
        gate.opened.set()
        await house.settled(last.message)

    assert "Rhyme.\n\nBe short." == backend.steps[1].instructions


async def test_a_newer_message_interrupts(tmp_path: Path) -> None:
    """Where the route interrupts, the live run is cancelled with its words, the newest answered with all."""
    gate = Gate()
    backend = ScriptedBackend([[*begins("Once upon"), gate], says("Short.")])

    async with House(tmp_path, backend, routes=INTERRUPT) as house:
        first = await house.say("Tell!")
        await reaches(gate.reached)
        second = await house.say("Shorter!")
        cancelled, answered = await house.settled(first.message), await house.settled(second.message)

    assert (cancelled.state, answered.state) == (MessageState.CANCELLED, MessageState.DELIVERED)
    assert house.adapter.shown == ["Once upon\n\n_Interrupted by a newer message._", "Short."]
    assert asked(backend.steps[1]) == ["Tell!", "Shorter!"]
    assert items.said(backend.steps[1].items) == "Once upon"


async def test_a_flood_of_interruptions_is_answered_once(tmp_path: Path) -> None:
    """Ten messages behind a live run: it is cancelled, nine are merged, and the newest is answered."""
    gate = Gate()
    backend = ScriptedBackend([[gate], says("All ten.")])

    async with House(tmp_path, backend, routes=INTERRUPT) as house:
        await house.say("zero")
        await reaches(gate.reached)
        stored = house.store

        receipts = await asyncio.gather(*(house.say(f"{n}") for n in range(1, 11)))
        for receipt in receipts:
            await house.settled(receipt.message)
        counts = (await stored.counts()).messages

    assert len(asked(backend.steps[-1])) == 11
    assert counts[MessageState.DELIVERED] == 1
    assert counts[MessageState.MERGED] + counts[MessageState.CANCELLED] == 10


async def test_over_the_cap_a_message_is_refused_in_words(tmp_path: Path) -> None:
    """With room for 2, the third message is 'busy' with a reason; later there is room again."""
    gate = Gate()
    backend = ScriptedBackend(lambda step: [gate, *says("Yes.")])

    async with House(tmp_path, backend, cap=2) as house:
        first, second = await house.say("one"), await house.say("two")
        third = await house.say("three", id="m3")
        gate.opened.set()
        await house.settled(first.message)
        await house.settled(second.message)
        again = await house.say("three", id="m3")
        await house.settled(again.message)

    assert (third.verdict, third.message) == (Verdict.BUSY, None)
    assert third.reason
    assert again.verdict is Verdict.ACCEPTED


# Messages that always fail


async def test_a_poison_message_is_set_aside_and_its_lane_goes_on(
    tmp_path: Path, logged: list[MutableMapping[str, object]]
) -> None:
    """A message on which the backend breaks is tried 3 times and answered with an error."""

    def script(step: Step) -> list[Act]:
        return [RuntimeError("boom")] if asked(step)[-1] == "poison" else says("Hello.")

    backend = ScriptedBackend(script)

    async with House(tmp_path, backend) as house:
        poison, normal = await house.say("poison"), await house.say("normal")
        dead, fine = await house.settled(poison.message), await house.settled(normal.message)

    assert [asked(step)[-1] for step in backend.steps] == ["poison"] * 3 + ["normal"]
    assert dead.state is MessageState.DEAD_LETTER
    assert dead.answer is not None
    assert dead.answer.error is not None
    assert dead.answer.error.code == "failed_repeatedly"
    assert dead.answer.error.id in house.adapter.shown[0]
    assert [entry["failures"] for entry in logged if entry["event"] == "message.failed"] == [1, 2, 3]
    assert [entry["error_id"] for entry in logged if "error_id" in entry] == [dead.answer.error.id]
    assert fine.state is MessageState.DELIVERED
    assert house.adapter.shown[1] == "Hello."


@pytest.mark.usefixtures("logged")
async def test_a_poison_message_leaves_its_thread_whole(tmp_path: Path) -> None:
    """A run that breaks behind a call keeps what was said, and the next window has no open call."""

    @tool
    async def look() -> str:
        """Look."""
        return "seen"

    def script(step: Step) -> list[Act]:
        if asked(step)[-1] == "normal":
            return says("Hello.")
        if len(step.items) == 1:
            return [*says("Let me look."), *calls("look")]
        return [RuntimeError("boom")]

    async with House(tmp_path, ScriptedBackend(script), tools=[look]) as house:
        dead = await house.ask("poison")
        fine = await house.ask("normal")
        bodies = await house.bodies(fine)

    assert dead.answer is not None
    assert (dead.state, dead.answer.text) == (MessageState.DEAD_LETTER, "Let me look.")
    assert outputs(bodies) == {"call_0": "seen"}


async def test_a_reply_that_may_not_be_shown_is_set_aside(tmp_path: Path) -> None:
    """Removed from a channel, the bot keeps the answer as a dead letter; the next message is answered."""
    adapter = FakeAdapter(limits=Limits(text_length=2000, edits=False))
    adapter.script(Forbidden("not_in_channel"))

    async with House(tmp_path, ScriptedBackend(echo), adapter=adapter) as house:
        lost = await house.ask("one")
        fine = await house.ask("two")

    assert lost.state is MessageState.DEAD_LETTER
    assert lost.answer is not None
    assert lost.answer.text == "You said one."
    assert (fine.state, adapter.shown) == (MessageState.DELIVERED, ["You said two."])


class Outage(SqliteStore):
    """A disk that is full at the end of a run, and still is when the message is given back."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.refusals = 2

    async def conclude(self, *given: Any) -> None:
        self._refuse()
        await super().conclude(*given)

    async def release(self, claim: Claim, *, delay: float, failed: bool) -> None:
        self._refuse()
        await super().release(claim, delay=delay, failed=failed)

    def _refuse(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise StoreUnavailable("database or disk is full")


async def test_a_full_disk_in_the_middle_keeps_no_lane_for_ever(tmp_path: Path) -> None:
    """What could not be written, nor given back, is answered once there is space; no failure is counted."""
    store = Outage(tmp_path / "gateway.db")
    await store.open()

    async with House(tmp_path, ScriptedBackend(echo), store=store) as house:
        message = await house.ask("one")
        shown = house.adapter.shown
    await store.close()

    assert (message.state, message.failures, message.attempts) == (MessageState.DELIVERED, 0, 2)
    assert shown == ["You said one."]


async def until_put_off(store: SqliteStore) -> None:
    """Return when the next message is due in half a minute or later."""
    async with asyncio.timeout(20):
        while (await store.next_wake() or 0.0) < time.time() + 30:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_message_waits_for_a_process_that_serves_its_platform(tmp_path: Path) -> None:
    """Without the adapter no model is asked and nothing is lost; the next process with it answers."""
    idle = ScriptedBackend(echo)
    async with House(tmp_path, idle, adapters={"python": None}) as house:
        receipt = await house.say("one")
        assert receipt.message is not None
        await until_put_off(house.store)
        await house.drain()
    store = SqliteStore(tmp_path / "gateway.db", clock=lambda: time.time() + 61)
    await store.open()

    async with House(tmp_path, ScriptedBackend(echo), store=store) as house:
        message = await house.settled(receipt.message)
        shown = house.adapter.shown
    await store.close()

    assert idle.steps == []
    assert (message.state, message.failures) == (MessageState.DELIVERED, 0)
    assert shown == ["You said one."]


async def test_a_place_without_a_platform_gets_its_answer_kept(tmp_path: Path) -> None:
    """Where nothing is shown (the Python API), the answer is on disk and the message delivered."""
    async with House(tmp_path, ScriptedBackend(echo), adapters={"fake": None}) as house:
        message = await house.ask("one")

    assert message.answer is not None
    assert (message.state, message.answer.text) == (MessageState.DELIVERED, "You said one.")


# Deaths


async def test_a_run_that_a_crash_cut_off_is_said_again_in_the_same_post(tmp_path: Path) -> None:
    """Killed in the middle of its words: the next process asks again and completes the same post."""
    gate, recorder = Gate(), Recorder()
    adapter = FakeAdapter(limits=LIMITS)
    async with House(tmp_path, ScriptedBackend([[*begins("Once upon"), gate]]), adapter=adapter) as house:
        receipt = await house.say("Tell!")
        await reaches(gate.reached)
        await until(lambda: adapter.shown == ["Once upon"])

    backend = ScriptedBackend([says("Once again.")])
    async with House(tmp_path, backend, adapter=adapter, handlers=[recorder]) as house:
        message = await house.settled(receipt.message)
        entries = await house.entries(message, after=9)

    assert adapter.shown == ["Once again."]
    assert [call.method for _, call in adapter.log].count("post") == 1
    assert message.run is not None
    assert (message.run.attempt, message.state) == (2, MessageState.DELIVERED)
    assert recorder.log == ["restarted", "done: Once again.", "end"]
    assert entries[0].event == "run.restarted"


async def test_a_step_that_is_on_disk_is_not_asked_for_again(tmp_path: Path) -> None:
    """Killed in its second step: the first one's call is not made, nor the model asked for it, again."""
    gate, looked = Gate(), []

    @tool
    async def look() -> str:
        """Look."""
        looked.append(1)
        return "seen"

    first = ScriptedBackend([[*says("Let me look."), *calls("look")], [*begins("I see"), gate]])
    adapter = FakeAdapter(limits=LIMITS)
    async with House(tmp_path, first, adapter=adapter, tools=[look]) as house:
        receipt = await house.say("Look!")
        await reaches(gate.reached)

    second = ScriptedBackend([says("I saw it.")])
    async with House(tmp_path, second, adapter=adapter, tools=[look]) as house:
        message = await house.settled(receipt.message)
        bodies = await house.bodies(message)

    assert (len(looked), len(second.steps)) == (1, 1)
    assert [items.kind(body) for body in second.steps[0].items] == [
        "message",
        "message",
        "function_call",
        "function_call_output",
    ]
    assert adapter.shown == ["Let me look.\n\nI saw it."]
    assert message.answer is not None
    assert message.answer.text == "Let me look.\n\nI saw it."
    assert len(bodies) == 5


class Toucher:
    """A tool with an effect; the first call of a process that is to die never ends."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.begun = asyncio.Event()
        self.hangs = True

    async def touch(self, context: ToolContext) -> str:
        """Touch something."""
        self.keys.append(context.idempotency_key)
        self.begun.set()
        if self.hangs:
            await asyncio.Event().wait()
        return "touched"


async def test_a_call_that_may_have_run_is_not_made_again(tmp_path: Path) -> None:
    """Killed during a call: it is not repeated, and the model is told that it may have run."""
    toucher = Toucher()
    touch = _touch(toucher, idempotent=False)
    async with House(tmp_path, ScriptedBackend([calls("touch")]), tools=[touch]) as house:
        receipt = await house.say("Touch!")
        await reaches(toucher.begun)

    backend = ScriptedBackend([says("It may have run.")])
    async with House(tmp_path, backend, tools=[touch]) as house:
        message = await house.settled(receipt.message)
        records = await house.store.calls(message.run.id) if message.run else []
        entries = await house.entries(message)

    assert len(toucher.keys) == 1
    assert json.loads(outputs(backend.steps[0].items)["call_0"])["error"]["type"] == "unknown_outcome"
    assert [(record.state, record.ok) for record in records] == [(CallState.DONE, False)]
    assert [entry.data["ok"] for entry in entries if entry.event == "tool_call.done"] == [False]


async def test_a_call_that_may_be_repeated_is_repeated_under_its_key(tmp_path: Path) -> None:
    """Killed during a call of an idempotent tool: it is called again, with the same key."""
    toucher = Toucher()
    touch = _touch(toucher, idempotent=True)
    async with House(tmp_path, ScriptedBackend([calls("touch")]), tools=[touch]) as house:
        receipt = await house.say("Touch!")
        await reaches(toucher.begun)

    toucher.hangs = False
    backend = ScriptedBackend([says("Touched.")])
    async with House(tmp_path, backend, tools=[touch]) as house:
        await house.settled(receipt.message)

    assert len(toucher.keys) == 2
    assert len(set(toucher.keys)) == 1
    assert outputs(backend.steps[0].items) == {"call_0": "touched"}


class EndOfCall(RunHandler):
    """Notices that a call has ended."""

    def __init__(self, ended: asyncio.Event) -> None:
        self._ended = ended

    async def on_tool_call_done(self, call: ToolCallDone) -> None:
        self._ended.set()


async def test_a_call_that_had_ended_is_not_made_again(tmp_path: Path) -> None:
    """Killed while the second of two calls hung: the first one's output is taken from the journal."""
    toucher, looked = Toucher(), []

    @tool
    async def look() -> str:
        """Look."""
        looked.append(1)
        return "seen"

    touch = _touch(toucher, idempotent=True)
    both = [*calls("look", call_id="c1"), *calls("touch", call_id="c2")]
    ended = asyncio.Event()
    asks, tools = ScriptedBackend([both]), [look, touch]
    async with House(tmp_path, asks, tools=tools, handlers=[EndOfCall(ended)]) as house:
        receipt = await house.say("Go!")
        await reaches(toucher.begun)
        await reaches(ended)

    toucher.hangs = False
    backend = ScriptedBackend([says("Done.")])
    async with House(tmp_path, backend, tools=tools) as house:
        await house.settled(receipt.message)

    assert len(looked) == 1
    assert outputs(backend.steps[0].items) == {"c1": "seen", "c2": "touched"}


def _touch(toucher: Toucher, *, idempotent: bool) -> Tool[..., object]:
    @tool(idempotent=idempotent)
    async def touch(context: ToolContext) -> str:
        """Touch something."""
        return await toucher.touch(context)

    return touch


async def test_a_complete_answer_is_delivered_without_the_model(tmp_path: Path) -> None:
    """Killed between the end of the run and its delivery: the same text is shown, and no model asked."""
    adapter = Held(Limits(text_length=2000, edits=False))
    async with House(tmp_path, ScriptedBackend([says("The answer.")]), adapter=adapter) as house:
        receipt = await house.say("Ask!")
        await reaches(adapter.reached)
        now = await house.reached(receipt.message, lambda now: now.state is MessageState.FINAL_READY)

    adapter.holds = False
    nobody = ScriptedBackend([])
    async with House(tmp_path, nobody, adapter=adapter) as house:
        message = await house.settled(receipt.message)

    assert now.answer == message.answer
    assert nobody.steps == []
    assert adapter.shown == ["The answer."]
    assert message.state is MessageState.DELIVERED


async def test_a_post_whose_id_was_never_kept_stays_the_only_one(tmp_path: Path) -> None:
    """Killed between the platform's doing and its answer: the post is found by its key, and completed."""
    adapter = Held()
    async with House(tmp_path, ScriptedBackend([says("The answer.")]), adapter=adapter) as house:
        receipt = await house.say("Ask!")
        await reaches(adapter.reached)

    adapter.holds = False
    async with House(tmp_path, ScriptedBackend([says("The answer.")]), adapter=adapter) as house:
        await house.settled(receipt.message)

    assert adapter.shown == ["The answer."]
    assert len(adapter.posts) == 1


class Away(FakeAdapter):
    """A platform that fails so often before it works."""

    def __init__(self, failures: int) -> None:
        super().__init__(limits=Limits(text_length=2000, edits=False))
        self.failures = failures

    async def post(self, target: ReplyTarget, key: str, content: Content) -> str:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the platform is away")
        return await super().post(target, key, content)


@pytest.mark.parametrize(
    ("outage", "expected", "shown"),
    [(600.0, MessageState.DELIVERED, ["The answer."]), (0.0, MessageState.DEAD_LETTER, [])],
)
async def test_a_platform_may_be_away_for_ten_minutes(
    tmp_path: Path,
    outage: float,
    expected: MessageState,
    shown: list[str],
    logged: list[MutableMapping[str, object]],
) -> None:
    """However often it can't be shown, an answer is shown within 10 minutes; then it is set aside."""
    adapter = Away(failures=8)
    backend = ScriptedBackend([says("The answer.")])

    async with House(tmp_path, backend, adapter=adapter, outage=outage) as house:
        message = await house.ask("Ask!")

    assert message.answer is not None
    assert message.answer.text == "The answer."
    assert (message.state, adapter.shown, len(backend.steps)) == (expected, shown, 1)


async def test_a_message_that_kills_its_process_is_set_aside(tmp_path: Path) -> None:
    """After 2 deaths over it, where 2 are allowed, a message is answered with an error."""
    adapter, patience = FakeAdapter(limits=LIMITS), {"crashes": 2}
    receipt = None
    for _ in range(2):
        gate = Gate()
        async with House(tmp_path, ScriptedBackend([[gate]]), adapter=adapter, worker=patience) as house:
            receipt = receipt or await house.say("die")
            await reaches(gate.reached)

    assert receipt is not None
    async with House(tmp_path, ScriptedBackend([says("Hello.")]), adapter=adapter, worker=patience) as house:
        dead = await house.settled(receipt.message)
        await house.ask("normal", id="m2")

    assert dead.answer is not None
    assert dead.answer.error is not None
    assert (dead.state, dead.answer.error.code) == (MessageState.DEAD_LETTER, "crashed_repeatedly")
    assert adapter.shown[1] == "Hello."


async def test_messages_that_waited_are_answered_by_the_next_process(tmp_path: Path) -> None:
    """Five messages in three lanes, accepted by a process that never began: all are answered, in order."""
    house = House(tmp_path, ScriptedBackend(echo))
    await house.store.open()
    receipts = [await house.say(f"{n}", channel=f"C{n % 3}") for n in range(5)]
    await house.store.close()

    async with House(tmp_path, ScriptedBackend(echo)) as house:
        for receipt in receipts:
            await house.settled(receipt.message)

    assert sorted(house.adapter.shown) == [f"You said {n}." for n in range(5)]


# Ends of a process


async def test_a_drain_waits_for_answers_under_way(tmp_path: Path) -> None:
    """Asked to end, the worker answers what it has begun, and leaves what waits to the next process."""
    gate = Gate()

    async with House(tmp_path, ScriptedBackend(lambda step: [gate, *echo(step)])) as house:
        first, second = await house.say("one"), await house.say("two")
        await reaches(gate.reached)
        draining = asyncio.ensure_future(house.drain())
        gate.opened.set()
        async with asyncio.timeout(20):
            await draining
        answered = await house.store.message(first.message.id) if first.message else None
        waiting = await house.store.message(second.message.id) if second.message else None

    assert answered is not None
    assert waiting is not None
    assert (answered.state, waiting.state) == (MessageState.DELIVERED, MessageState.READY)
    assert house.adapter.shown == ["You said one."]


async def test_a_drain_lets_go_of_what_hangs_and_the_next_process_goes_on(tmp_path: Path) -> None:
    """With no time given, a hung run is let go of at once, and answered by the next worker."""
    gate = Gate()
    adapter = FakeAdapter(limits=LIMITS)
    hung = ScriptedBackend([[*begins("Once upon"), gate]])
    async with House(tmp_path, hung, adapter=adapter, worker={"drain_seconds": 0.0}) as house:
        receipt = await house.say("Tell!")
        await reaches(gate.reached)
        await house.drain()
        message = await house.store.message(receipt.message.id) if receipt.message else None
        again = await house.store.claim("somebody", 30)

    assert hung.closed == 1
    assert message is not None
    assert (message.state, message.failures) == (MessageState.ANSWERING, 0)
    assert again is not None

    async with House(tmp_path, ScriptedBackend([says("Once again.")]), adapter=adapter) as house:
        await house.settled(receipt.message)

    assert adapter.shown == ["Once again."]


async def test_a_drain_ends_although_every_place_is_taken(tmp_path: Path) -> None:
    """With room for one run, and that one hung, the drain still ends after its time."""
    gate = Gate()
    few = {"max_runs": 1, "drain_seconds": 0.0}

    async with House(tmp_path, ScriptedBackend([[gate]]), worker=few) as house:
        await house.say("one")
        await house.say("two", channel="C2")
        await reaches(gate.reached)
        await house.drain()

        assert house.worker.live == 0


async def test_no_more_runs_than_there_is_room_for(tmp_path: Path) -> None:
    """With room for 2 runs, 10 messages in 10 channels are answered, never 3 at once."""
    live = most = 0

    async def script(step: Step) -> AsyncIterator[Act]:
        nonlocal live, most
        live += 1
        most = max(most, live)
        await asyncio.sleep(0.01)
        live -= 1
        for act in says("Yes."):
            yield act

    async with House(tmp_path, ScriptedBackend(script), worker={"max_runs": 2}) as house:
        receipts = [await house.say("hi", channel=f"C{n}") for n in range(10)]
        for receipt in receipts:
            await house.settled(receipt.message)

    assert most == 2


async def test_a_worker_that_lost_its_lane_changes_nothing(tmp_path: Path) -> None:
    """A paused worker's lane is taken over and answered; when it wakes up, it shows nothing more."""
    offset = 0.0
    store = SqliteStore(tmp_path / "gateway.db", steady=lambda: offset)
    await store.open()
    gate, adapter = Gate(), FakeAdapter(limits=LIMITS)
    paused = ScriptedBackend([[*begins("Hel"), gate]])
    rightful = ScriptedBackend([says("Hello.")])
    async with House(tmp_path, paused, adapter=adapter, store=store) as first:
        receipt = await first.say("Hi")
        await reaches(gate.reached)
        await until(lambda: adapter.shown == ["Hel"])
        offset = 100.0
        async with House(tmp_path, rightful, adapter=adapter, store=store) as second:
            message = await second.settled(receipt.message)
            calls_so_far = len(adapter.log)
            gate.opened.set()
            await until(lambda: first.worker.live == 0)
    await store.close()

    assert adapter.shown == ["Hello."]
    assert len(adapter.log) == calls_so_far
    assert message.answer is not None
    assert message.answer.text == "Hello."


async def test_handlers_follow_every_run_to_its_end(tmp_path: Path) -> None:
    """Two runs are created, done and ended for a handler, each once."""
    recorder = Recorder()

    async with House(tmp_path, ScriptedBackend(echo), handlers=[recorder]) as house:
        await house.ask("one")
        await house.ask("two")

    assert recorder.log == [
        "created",
        "done: You said one.",
        "end",
        "created",
        "done: You said two.",
        "end",
    ]


@pytest.mark.usefixtures("logged")
async def test_a_second_try_of_a_message_restarts_its_run(tmp_path: Path) -> None:
    """A backend that breaks once: the second attempt of the run answers, in the same post."""
    recorder = Recorder()
    backend = ScriptedBackend([[*begins("Hel"), RuntimeError("boom")], says("Hello.")])

    async with House(tmp_path, backend, handlers=[recorder]) as house:
        message = await house.ask("Hi")
        entries = await house.entries(message)

    assert message.run is not None
    assert (message.run.attempt, message.run.status, message.failures) == (2, RunStatus.COMPLETED, 1)
    assert house.adapter.shown == ["Hello."]
    assert recorder.log == ["created", "restarted", "done: Hello.", "end"]
    assert [entry.event for entry in entries].count("run.restarted") == 1


@pytest.mark.parametrize("busy", [Busy.MERGE, Busy.INTERRUPT])
async def test_merged_messages_survive_a_crash(tmp_path: Path, busy: Busy) -> None:
    """Killed while it answers three merged messages: the next process answers all of them, in one post."""
    routes = [RouteSettings(busy=busy)]
    gate, adapter = Gate(), FakeAdapter(limits=LIMITS)
    house = House(tmp_path, ScriptedBackend([[gate]]), adapter=adapter, routes=routes)
    await house.store.open()
    receipts = [await house.say(text) for text in ("one", "two", "three")]
    house.work()
    await reaches(gate.reached)
    await house.crash()

    backend = ScriptedBackend([says("All three.")])
    async with House(tmp_path, backend, adapter=adapter, routes=routes) as house:
        messages = [await house.settled(receipt.message) for receipt in receipts]
        first = await house.entries(messages[0])

    assert asked(backend.steps[0]) == ["one", "two", "three"]
    assert adapter.shown == ["All three."]
    assert [message.state for message in messages] == [
        MessageState.MERGED,
        MessageState.MERGED,
        MessageState.DELIVERED,
    ]
    assert first[-1].event == "message.answered"


class Dying(SqliteStore):
    """A disk that fails for good while the first post is journaled, at a moment of the test's choice."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked, self.fails = asyncio.Event(), asyncio.Event()

    async def save_post(self, *given: Any) -> None:
        self.asked.set()
        await self.fails.wait()
        raise StoreUnavailable("database or disk is full")

    async def release(self, claim: Claim, *, delay: float, failed: bool) -> None:
        raise StoreUnavailable("database or disk is full")


@pytest.mark.parametrize("moment", range(9))
async def test_a_disk_that_fails_at_the_end_keeps_no_process_alive(tmp_path: Path, moment: int) -> None:
    """Whichever of 9 steps of the loop after the fault the end comes at, the answer ends within 5 s."""
    store = Dying(tmp_path / "gateway.db")
    await store.open()
    gate = Gate()
    backend = ScriptedBackend([[*begins("One"), gate]])

    async with House(tmp_path, backend, store=store) as house:
        await house.say("one")
        await store.asked.wait()
        store.fails.set()
        for _ in range(moment):
            await asyncio.sleep(0)
        (answer,) = (task for task in asyncio.all_tasks() if task.get_name().startswith("answer:"))
        answer.cancel()
        ended, _ = await asyncio.wait([answer], timeout=5)
        answer.cancel()
    await store.close()

    assert {answer} == ended
