"""Edits and deletions of questions: while they wait, while they are answered, and afterwards."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from assistant_gateway.adapter import Limits
from assistant_gateway.backend import Step
from assistant_gateway.config import RouteSettings
from assistant_gateway.errors import Revised
from assistant_gateway.handler import Handlers, RunHandler
from assistant_gateway.inbox import LONGEST_TEXT
from assistant_gateway.runner import Stop
from assistant_gateway.testing.adapter import FakeAdapter
from assistant_gateway.testing.backend import Act, Gate, ScriptedBackend, begins, calls, says
from assistant_gateway.tools import ToolContext, tool
from assistant_gateway.values import Busy, Conversation, MessageState, OnEdit, Run, RunStatus
from fixtures.house import House, asked, outputs, reaches, until

CHANNEL = Conversation("fake", "T1", "C1")
RERUN = [RouteSettings(on_edit=OnEdit.RERUN)]
STOP = [RouteSettings(on_edit=OnEdit.STOP)]


def echo(step: Step) -> list[Act]:
    return says(f"You said {asked(step)[-1]}.")


def first_hangs(gate: Gate) -> ScriptedBackend:
    """The question 'one' is answered with half a word and then nothing; any other is echoed."""

    def script(step: Step) -> list[Act]:
        return [*begins("You sa"), gate] if asked(step)[-1] == "one" else echo(step)

    return ScriptedBackend(script)


class Callbacks(RunHandler):
    """Notes beginnings and ends of runs."""

    def __init__(self) -> None:
        self.log: list[str] = []

    async def on_run_created(self, run: Run) -> None:
        self.log.append("created")

    async def on_run_restarted(self, run: Run) -> None:
        self.log.append(f"restarted {run.attempt}")

    async def on_run_done(self, run: Run, text: str) -> None:
        self.log.append(f"done: {text}")


# While it waits


async def test_a_question_that_waits_is_changed(tmp_path: Path) -> None:
    """Edited behind another one, it is answered with its new text, cleaned and cut as at the door."""
    gate = Gate()

    async with House(tmp_path, ScriptedBackend(lambda step: [gate, *echo(step)])) as house:
        await house.say("one")
        waiting = await house.say("two", id="w")
        await reaches(gate.reached)
        await house.inbox.edited(CHANNEL, "w", "t\0o " + "x" * LONGEST_TEXT)
        gate.opened.set()
        message = await house.settled(waiting.message)

    assert message.inbound.text.startswith("t\ufffdo xxx")
    assert message.inbound.text.endswith("[4 characters were left out here: the message was too long.]")
    assert "You said t\ufffdo" in house.adapter.shown[1]


async def test_a_question_that_waits_is_withdrawn(tmp_path: Path) -> None:
    """Deleted behind another one, it is never answered, its journal ends, and the next one has its turn."""
    gate = Gate()

    async with House(tmp_path, ScriptedBackend(lambda step: [gate, *echo(step)])) as house:
        await house.say("one")
        waiting, last = await house.say("two", id="w"), await house.say("three")
        await reaches(gate.reached)
        assert waiting.message is not None
        following = asyncio.ensure_future(house.entries(waiting.message))
        answered = asyncio.ensure_future(house.inbox.answered(waiting.message, timeout=20))
        await asyncio.sleep(0.01)
        await house.inbox.deleted(CHANNEL, "w")
        live, withdrawn = await following, await answered
        gate.opened.set()
        await house.settled(last.message)
        kept = await house.entries(waiting.message)

    assert (MessageState.CANCELLED, None) == (withdrawn.state, withdrawn.answer)
    assert live == kept
    assert ["message.accepted", "message.cancelled"] == [entry.event for entry in kept]
    assert ["You said one.", "You said three."] == house.adapter.shown


async def test_an_edit_elsewhere_changes_nothing(tmp_path: Path) -> None:
    """The same id in another channel or tenant, and an unknown one, are not this message."""
    gate = Gate()

    async with House(tmp_path, ScriptedBackend(lambda step: [gate, *echo(step)])) as house:
        await house.say("one")
        waiting = await house.say("two", id="w")
        for place in (replace(CHANNEL, channel="C2"), replace(CHANNEL, tenant="T2")):
            await house.inbox.edited(place, "w", "Ha!")
            await house.inbox.deleted(place, "w")
        await house.inbox.deleted(CHANNEL, "nobody")
        gate.opened.set()
        message = await house.settled(waiting.message)

    assert ("two", MessageState.DELIVERED) == (message.inbound.text, message.state)


# While it is answered


async def test_by_default_an_edit_comes_too_late(tmp_path: Path) -> None:
    """Tools may have acted: the answer under way goes on, to the question as it was."""
    gate = Gate()
    backend = ScriptedBackend([[*begins("You sa"), gate, *says("id one.", item_id="msg_1")]])

    async with House(tmp_path, backend) as house:
        receipt = await house.say("one", id="e")
        await reaches(gate.reached)
        await house.inbox.edited(CHANNEL, "e", "two")
        await house.inbox.deleted(CHANNEL, "e")
        gate.opened.set()
        message = await house.settled(receipt.message)

    assert ("one", MessageState.DELIVERED, 1) == (message.inbound.text, message.state, len(backend.steps))


async def test_a_rerun_answers_the_new_question_in_the_same_post(tmp_path: Path) -> None:
    """One post, one answer, one question on the thread; handlers hear that the run began again."""
    gate, callbacks = Gate(), Callbacks()

    async with House(tmp_path, first_hangs(gate), routes=RERUN, handlers=[callbacks]) as house:
        receipt = await house.say("one", id="e")
        await reaches(gate.reached)
        await until(lambda: house.adapter.shown == ["You sa"])
        await house.inbox.edited(CHANNEL, "e", "two")
        message = await house.settled(receipt.message)
        bodies = await house.bodies(message)
        entries = await house.entries(message)
        await house.inbox.edited(CHANNEL, "e", "three")
        await house.ask("four")

    assert message.run is not None
    assert (MessageState.DELIVERED, 2, 1, 0) == (
        message.state,
        message.run.attempt,
        message.run.revision,
        message.failures,
    )
    assert ["You said two.", "You said four."] == house.adapter.shown
    assert 2 == len(bodies)
    assert [
        "created",
        "restarted 2",
        "done: You said two.",
        "created",
        "done: You said four.",
    ] == callbacks.log
    assert 1 == [entry.event for entry in entries].count("run.restarted")


async def test_edits_one_after_another_end_in_the_newest(tmp_path: Path) -> None:
    """Thirty edits of a question that is being answered: one post, one answer, to the thirtieth."""
    gate = Gate()
    settings = {"crashes": 3, "tries": 2}

    async with House(tmp_path, first_hangs(gate), routes=RERUN, worker=settings) as house:
        receipt = await house.say("one", id="e")
        await reaches(gate.reached)
        for n in range(29):
            await house.inbox.edited(CHANNEL, "e", f"one{' ' * n}")
            await house.inbox.edited(CHANNEL, "e", "one")
        await house.inbox.edited(CHANNEL, "e", "thirty")
        message = await house.settled(receipt.message)
        bodies = await house.bodies(message)

    assert ["You said thirty."] == house.adapter.shown
    assert (MessageState.DELIVERED, 2) == (message.state, len(bodies))


async def test_a_rerun_makes_its_own_calls(tmp_path: Path) -> None:
    """The provider uses the id call_0 again: it is another call with another key; the old output is gone."""
    gate, keys = Gate(), []

    @tool
    async def look(what: str, context: ToolContext) -> str:
        """Look."""
        keys.append(context.idempotency_key)
        return f"seen {what}"

    def script(step: Step) -> list[Act]:
        question = asked(step)[-1]
        if len(step.items) == 1:
            return calls("look", {"what": question})
        return [gate] if question == "one" else says("Done.")

    backend = ScriptedBackend(script)
    async with House(tmp_path, backend, routes=RERUN, tools=[look]) as house:
        receipt = await house.say("one", id="e")
        await reaches(gate.reached)
        await house.inbox.edited(CHANNEL, "e", "two")
        message = await house.settled(receipt.message)
        records = await house.store.calls(message.run.id) if message.run else []
        bodies = await house.bodies(message)

    assert {"call_0": "seen two"} == outputs(backend.steps[-1].items) == outputs(bodies)
    assert 2 == len(set(keys))
    assert ["seen two"] == [record.output for record in records]
    assert 4 == len(bodies)


async def test_a_late_word_of_an_edit_costs_an_attempt_and_no_answer(tmp_path: Path) -> None:
    """Told twice to begin again for nothing, a run does so, and completes with its third attempt."""
    gates = [Gate(), Gate()]
    cut_off = [[*begins("You sa"), gate] for gate in gates]
    backend = ScriptedBackend([*cut_off, says("You said one.")])

    async with House(tmp_path, backend) as house:
        receipt = await house.say("one")
        for gate in gates:
            await reaches(gate.reached)
            assert receipt.message is not None
            house.worker.stop(receipt.message.lane_id, "revised", receipt.message.id)
        message = await house.settled(receipt.message)

    assert message.run is not None
    assert (MessageState.DELIVERED, 3, 0) == (message.state, message.run.attempt, message.failures)
    assert ["You said one."] == house.adapter.shown


async def test_a_word_of_an_edit_before_an_attempt_is_no_stop(tmp_path: Path) -> None:
    """Heard between the claim of a second attempt and its run, it is no reason to end the answer."""
    house = House(tmp_path, ScriptedBackend(echo))
    await house.store.open()
    await house.say("one")
    claim = await house.store.claim("w", 30)
    assert claim is not None
    run = Run("run_1", claim.message.thread_id, "default")
    for _ in range(2):
        run = await house.store.begin(claim, run, [])
    stop = Stop(claim.message.id)
    stop.request("revised")

    with pytest.raises(Revised):
        await house.worker._runner.execute(claim, run, Handlers([]), stop)

    await house.store.close()
    await house.toolbox.close()


async def test_a_rerun_survives_a_crash(tmp_path: Path) -> None:
    """Killed at once after `edited` returned: the next process answers the new question, in the same post."""
    gate, adapter = Gate(), FakeAdapter(limits=Limits(text_length=2000, edit_interval=0.0))
    house = House(tmp_path, first_hangs(gate), routes=RERUN, adapter=adapter)
    async with house:
        receipt = await house.say("one", id="e")
        await reaches(gate.reached)
        await until(lambda: adapter.shown == ["You sa"])
        await house.store.revise(1, "two", reason="edited")

    backend = ScriptedBackend(echo)
    async with House(tmp_path, backend, routes=RERUN, adapter=adapter) as house:
        message = await house.settled(receipt.message)
        bodies = await house.bodies(message)

    assert ["You said two."] == adapter.shown
    assert [["two"]] == [asked(step) for step in backend.steps]
    assert ("two", 2) == (message.inbound.text, len(bodies))


@pytest.mark.parametrize(
    ("routes", "is_deleted", "note"),
    [
        (STOP, False, "Stopped: the question was changed."),
        (STOP, True, "Stopped: the question was deleted."),
        (RERUN, True, "Stopped: the question was deleted."),
    ],
)
async def test_an_answer_is_stopped_with_its_question(
    tmp_path: Path, routes: list[RouteSettings], is_deleted: bool, note: str
) -> None:
    """What was said stays, and the person reads why it ended."""
    gate = Gate()

    async with House(tmp_path, first_hangs(gate), routes=routes) as house:
        receipt = await house.say("one", id="e")
        await reaches(gate.reached)
        if is_deleted:
            await house.inbox.deleted(CHANNEL, "e")
        else:
            await house.inbox.edited(CHANNEL, "e", "two")
        message = await house.settled(receipt.message)

    assert (MessageState.CANCELLED, "one") == (message.state, message.inbound.text)
    assert [f"You sa\n\n_{note}_"] == house.adapter.shown


async def test_an_edit_of_a_merged_question_reruns_the_common_run(tmp_path: Path) -> None:
    """Of three that share a run the second is changed: all three are asked again, in their order."""
    gate, merge = Gate(), [RouteSettings(on_edit=OnEdit.RERUN, busy=Busy.MERGE)]
    house = House(tmp_path, ScriptedBackend([[*begins("Al"), gate], says("All three.")]), routes=merge)
    backend = house.backends[0]
    assert isinstance(backend, ScriptedBackend)
    async with house:
        await house.crash()
        await house.store.open()
        receipts = [await house.say(text, id=text) for text in ("one", "two", "three")]
        house.work()
        await reaches(gate.reached)
        await house.inbox.edited(CHANNEL, "two", "2")
        messages = [await house.settled(receipt.message) for receipt in receipts]
        message = messages[-1]
        bodies = await house.bodies(message)

    assert ["one", "2", "three"] == asked(backend.steps[-1])
    assert ["All three."] == house.adapter.shown
    assert 4 == len(bodies)
    assert message.run is not None
    assert RunStatus.COMPLETED is message.run.status


async def test_a_rerun_is_not_mistaken_for_a_stop(tmp_path: Path) -> None:
    """Edited at each of 60 turns of the event loop: every answer is complete, to the old or the new text."""
    texts = []

    async with House(tmp_path, ScriptedBackend(echo), routes=RERUN) as house:
        for turns in range(60):
            receipt = await house.say("old", id=f"e{turns}", channel=f"C{turns}")
            for _ in range(turns):
                await asyncio.sleep(0)
            await house.inbox.edited(replace(CHANNEL, channel=f"C{turns}"), f"e{turns}", "new")
            message = await house.settled(receipt.message)
            assert message.answer is not None
            texts.append((message.inbound.text, message.answer.text, message.state))
            bodies = json.dumps(await house.bodies(message))
            assert 1 == bodies.count('"user"') == bodies.count('"assistant"')

    assert {("old", "You said old."), ("new", "You said new.")} >= {pair[:2] for pair in texts}
    assert {MessageState.DELIVERED} == {state for *_, state in texts}
