"""Budgets: who has used them up is told so, and no model is asked; who nears them is told once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assistant_gateway.backend import Step
from assistant_gateway.budgets import Budgets, Spender
from assistant_gateway.config import BudgetSettings, PriceSettings, RouteSettings
from assistant_gateway.events import StepDone
from assistant_gateway.store import Used
from assistant_gateway.store.sqlite import SqliteStore
from assistant_gateway.testing.backend import Act, Gate, ScriptedBackend, calls, says
from assistant_gateway.tools import tool
from assistant_gateway.values import (
    Busy,
    Charge,
    Command,
    Conversation,
    Inbound,
    MessageState,
    OnEdit,
    Run,
    RunStatus,
    Usage,
    User,
)
from fixtures.house import House, asked, reaches

PRICES = {"m": PriceSettings(input=2.0, output=10.0)}
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
DAY = 86_400.0
CHANNEL = Conversation("fake", "T1", "C1")
ANN, BOB = User("U1", "Ann"), User("U2", "Bob")
USED_UP = "Your budget today ($0.50) is used up. It begins anew on 23 November 2026, 00:00 UTC."


class Clock:
    """Epoch seconds, as the test wants them; for the store and the budgets alike."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def costly(*, cents: int = 20) -> ScriptedBackend:
    """A model each of whose answers costs so many cents: 1,000 tokens of output are one."""
    return ScriptedBackend(lambda step: [*says("Well."), StepDone(usage=Usage(0, 1_000 * cents))])


def budget(**settings: object) -> BudgetSettings:
    return BudgetSettings.model_validate({"hard": 0.5, **settings})


def a_house(
    path: Path, backend: ScriptedBackend, *budgets: BudgetSettings, clock: Clock | None = None, **parts: Any
) -> House:
    """A house with prices, at noon unless *clock* says otherwise."""
    now = clock or Clock()
    return House(path, backend, assistant={"model": "m"}, prices=PRICES, budgets=budgets, clock=now, **parts)


async def told(house: House, text: str = "Hello", *, user: User = ANN, channel: str = "C1") -> str:
    """What somebody is answered, as it is kept."""
    message = await house.settled((await house.say(text, user=user, channel=channel)).message)
    assert message.answer is not None
    return message.answer.text


# The hard limit


async def test_who_has_used_up_a_budget_is_told_and_no_model_is_asked(tmp_path: Path) -> None:
    """20 cents an answer and 50 a day: 3 answers, then the sentence, 3 model calls, nothing on the thread."""
    backend = costly()
    async with a_house(tmp_path, backend, budget()) as house:
        answers = [await told(house) for _ in range(5)]

        message = await house.store.find_message("fake", "T1", "m5")
        assert message is not None
        assert message.run is not None
        items = await house.store.items(message.thread_id)
        used = await house.store.tenant_usage("fake", "T1", since=NOON)

    assert ["Well."] * 3 + [USED_UP] * 2 == answers
    assert USED_UP == house.adapter.shown[-1]
    assert 3 == len(backend.steps)
    assert 6 == len(items)
    assert Used(3, Usage(0, 60_000), 600_000) == used
    assert (MessageState.DELIVERED, RunStatus.COMPLETED) == (message.state, message.run.status)


async def test_the_budget_begins_anew_at_midnight(tmp_path: Path) -> None:
    """Used up at noon; one second before midnight still, at midnight no longer."""
    clock = Clock()
    async with a_house(tmp_path, costly(cents=50), budget(), clock=clock) as house:
        first = await told(house)
        clock.now = NOON + DAY / 2 - 1
        before = await told(house)
        clock.now += 1
        after = await told(house)

    assert ["Well.", USED_UP, "Well."] == [first, before, after]


async def test_a_budget_of_a_month_begins_anew_on_its_first(tmp_path: Path) -> None:
    """Used up on 22 November: refused on the 30th, answered on 1 December; in tokens it is told in tokens."""
    monthly = budget(period="month", unit="tokens", hard=1_000)
    clock = Clock()
    async with a_house(tmp_path, costly(cents=1), monthly, clock=clock) as house:
        answers = [await told(house)]
        for days in (8, 1):
            clock.now += days * DAY
            answers.append(await told(house))

    refusal = (
        "Your budget this month (1,000 tokens) is used up. It begins anew on 1 December 2026, 00:00 UTC."
    )
    assert ["Well.", refusal, "Well."] == answers


@pytest.mark.parametrize(
    ("settings", "bobs_answer"),
    [
        ({}, "Well."),
        ({"per": "tenant"}, USED_UP.replace("Your", "The shared")),
        ({"per": "tenant", "users": ["U1"]}, "Well."),
        ({"per": "tenant", "users": ["U1", "U2"]}, USED_UP.replace("Your", "The shared")),
        ({"users": ["U2"]}, "Well."),
    ],
)
async def test_a_budget_is_a_persons_own_or_shared(
    tmp_path: Path, settings: dict[str, object], bobs_answer: str
) -> None:
    """Ann uses 50 cents of 50: Bob is refused only where they share them."""
    async with a_house(tmp_path, costly(cents=50), budget(**settings)) as house:
        await told(house, user=ANN)

        assert bobs_answer == await told(house, user=BOB)


@pytest.mark.parametrize(
    "settings",
    [{"adapter": "slack"}, {"tenant": "T2"}, {"users": ["U2"]}, {"users": []}, {"assistant": "sales"}],
)
async def test_a_budget_for_others_refuses_nobody_here(tmp_path: Path, settings: dict[str, object]) -> None:
    """With a condition that doesn't hold, 50 cents of 50 leave the next question answered."""
    async with a_house(tmp_path, costly(cents=50), budget(**settings)) as house:
        await told(house)

        assert "Well." == await told(house)


async def test_commands_are_answered_without_a_budget(tmp_path: Path) -> None:
    """With nothing left /usage tells what is left, /help helps, and /retry asks no model."""
    backend = costly(cents=50)
    async with a_house(tmp_path, backend, budget(), budget(unit="tokens", hard=80_000)) as house:
        await told(house)

        usage = await told(house, "/usage")
        helped = await told(house, "/help")
        retried = await told(house, "/retry")
        pressed = await house.inbox.command(Inbound(CHANNEL, "p1", ANN, "", command=Command.USAGE))

    assert [
        "- This conversation: 1 answer, 0 tokens in (0 cached), 50,000 out, $0.50",
        "- You, today: 1 answer, 0 tokens in (0 cached), 50,000 out, $0.50",
        "- You, this month: 1 answer, 0 tokens in (0 cached), 50,000 out, $0.50",
        "- Your budget today: $0.00 of $0.50 left, until 23 November 2026",
        "- Your budget today: 30,000 tokens of 80,000 tokens left, until 23 November 2026",
    ] == usage.split("\n")
    assert usage == pressed
    assert helped.startswith("- `/stop`")
    assert USED_UP == retried
    assert 1 == len(backend.steps)


async def test_a_refusal_stands_when_the_process_dies_over_it(tmp_path: Path) -> None:
    """Refused, and killed before that was kept as the answer: the next day it is a refusal still."""
    clock = Clock()
    store = SqliteStore(tmp_path / "gateway.db", clock=clock)
    await store.open()
    house = a_house(tmp_path, costly(), budget(), clock=clock, store=store)
    receipt = await house.say("Hello")
    claim = await store.claim("dead", lease=0)
    assert claim is not None
    await store.begin(claim, Run("run_1", claim.message.thread_id, "default"), None, refusal=USED_UP)
    clock.now += DAY

    async with house:
        message = await house.settled(receipt.message)
    await store.close()

    assert message.answer is not None
    assert USED_UP == message.answer.text
    assert [USED_UP] == house.adapter.shown


async def test_a_long_run_ends_after_the_step_that_used_the_budget_up(tmp_path: Path) -> None:
    """Each step costs 20 cents and asks for a tool: 3 steps, 2 of the calls made, and the answer says why."""
    looked = []

    @tool
    async def look() -> str:
        """Look."""
        looked.append(1)
        return "seen"

    def script(step: Step) -> list[Act]:
        told = says(f"Looking {step.index}.", item_id=f"msg_{step.index}")
        return [*told, *calls("look", call_id=f"c{step.index}"), StepDone(usage=Usage(0, 20_000))]

    backend = ScriptedBackend(script)
    async with a_house(tmp_path, backend, budget(), tools=[look]) as house:
        message = await house.ask("Look around!")

        assert message.answer is not None
        assert message.answer.error is not None
        assert message.run is not None
    assert (RunStatus.INCOMPLETE, "budget_used_up") == (message.answer.status, message.answer.error.code)
    assert 3 == len(backend.steps)
    assert 2 == len(looked)
    assert 600_000 == message.run.cost
    assert "Looking 0.\n\nLooking 1.\n\nLooking 2." == message.answer.text
    assert house.adapter.shown[-1].endswith(f"_Cut off: y{USED_UP[1:]}_")


async def test_what_runs_at_the_same_time_counts(tmp_path: Path) -> None:
    """Of 50 cents, 30 are in the ledger and 30 of a run that waits for a tool are not: a third is refused."""
    gate = Gate()

    @tool
    async def wait() -> str:
        """Wait."""
        gate.reached.set()
        await gate.opened.wait()
        return "over"

    def script(step: Step) -> list[Act]:
        acts = calls("wait") if asked(step) == ["Wait!"] else says("Well.")
        return [*acts, StepDone(usage=Usage(0, 30_000))]

    async with a_house(tmp_path, ScriptedBackend(script), budget(), tools=[wait]) as house:
        first = await house.say("Wait!")
        await reaches(gate.reached)

        answers = [await told(house, channel="C2") for _ in range(2)]
        gate.opened.set()
        ended = await house.settled(first.message)

    assert ["Well.", USED_UP] == answers
    assert ended.run is not None
    assert (RunStatus.INCOMPLETE, 300_000) == (ended.run.status, ended.run.cost)


async def test_merged_and_edited_questions_are_refused_as_one(tmp_path: Path) -> None:
    """Messages that would share an answer share the refusal, in one post."""
    routes = [RouteSettings(busy=Busy.MERGE, on_edit=OnEdit.RERUN)]
    gate = Gate()
    scripts = iter([[gate, *says("Well."), StepDone(usage=Usage(0, 50_000))]])
    backend = ScriptedBackend(lambda step: next(scripts))
    async with a_house(tmp_path, backend, budget(), routes=routes) as house:
        first = await house.say("one")
        await reaches(gate.reached)
        waiting = [await house.say(text) for text in ("two", "three")]
        await house.inbox.edited(CHANNEL, "m3", "four")
        gate.opened.set()
        for receipt in (first, *waiting):
            await house.settled(receipt.message)

    assert ["Well.", USED_UP] == house.adapter.shown
    assert 1 == len(backend.steps)


# The soft limit


async def test_who_nears_a_budget_is_told_once(tmp_path: Path) -> None:
    """Soft at 30 cents of 90, 20 an answer: only the second one says so below its text; next day anew."""
    clock = Clock()
    async with a_house(tmp_path, costly(), budget(soft=0.3, hard=0.9), clock=clock) as house:
        for _ in range(4):
            await told(house)
        clock.now += DAY
        for _ in range(2):
            await told(house)

    note = "\n\n_Your budget today: $0.40 of $0.90 are used._"
    assert ["Well.", f"Well.{note}", "Well.", "Well.", "Well.", f"Well.{note}"] == house.adapter.shown


async def test_two_answers_at_once_say_it_once(tmp_path: Path) -> None:
    """Both cross the soft limit in the same moment, in two channels: one of them says so."""
    gates = [Gate(), Gate()]
    waiting = iter(gates)

    def script(step: Step) -> list[Act]:
        return [next(waiting), *says("Well."), StepDone(usage=Usage(0, 50_000))]

    async with a_house(tmp_path, ScriptedBackend(script), budget(soft=0.3, hard=None)) as house:
        receipts = [await house.say("Hello", channel=f"C{n}") for n in range(2)]
        for gate in gates:
            await reaches(gate.reached)
        for gate in gates:
            gate.opened.set()
        messages = [await house.settled(receipt.message) for receipt in receipts]

    assert 1 == sum(bool(message.answer and message.answer.notices) for message in messages)


async def test_a_note_is_given_again_to_the_run_that_a_crash_cut_off(tmp_path: Path) -> None:
    """Asked twice about one run it says the same, which may not have been kept; about another, nothing."""
    async with a_house(tmp_path, costly(), budget(soft=0.3)) as house:
        message = await house.ask("Hello")
        spender = Spender.of_message(message)
        run = Run("r1", message.thread_id, "default").charged(Charge("m", Usage(0, 20_000), 200_000))

        said = [await house.budgets.notices(spender, run) for _ in range(2)]
        other = await house.budgets.notices(spender, Run("r2", message.thread_id, "default"))

    assert [("Your budget today: $0.40 of $0.50 are used.",)] * 2 == said
    assert () == other


async def test_without_budgets_nothing_is_read(tmp_path: Path) -> None:
    """No budget for somebody: no refusal, no note, no line, and the store is not even open."""
    budgets = Budgets(SqliteStore(tmp_path / "closed.db"), [budget(tenant="T2")])
    spender = Spender("fake", "T1", "U1", "default")

    assert "" == await budgets.refusal(spender)
    assert () == await budgets.notices(spender, Run("r", "t", "default"))
    assert [] == await budgets.left(spender)


# The longest question


async def test_a_question_that_is_too_long_is_cut_visibly(tmp_path: Path) -> None:
    """Of 250 characters the assistant takes 100: it sees them and a note, and the answer says so below."""
    backend = ScriptedBackend(lambda step: says("Well."))
    async with House(tmp_path, backend, assistant={"max_input": 100}) as house:
        message = await house.ask("x" * 250)
        await house.ask("y" * 100)

    assert message.inbound.text == "x" * 100 + (
        "\n[150 characters were left out here: the message was too long.]"
    )
    assert [
        "Well.\n\n_The question was longer than 100 characters; what was beyond is left out._",
        "Well.",
    ] == house.adapter.shown


async def test_an_edit_is_cut_like_a_message(tmp_path: Path) -> None:
    """A waiting message that is changed to 250 characters has 100, for an assistant that takes 100."""
    gate = Gate()
    backend = ScriptedBackend(lambda step: [gate, *says("Well.")])
    async with House(tmp_path, backend, assistant={"max_input": 100}) as house:
        await house.say("one")
        await reaches(gate.reached)
        waiting = await house.say("two", id="w")

        await house.inbox.edited(CHANNEL, "w", "z" * 250)

        assert waiting.message is not None
        now = await house.store.message(waiting.message.id)
        gate.opened.set()
    assert now is not None
    assert now.inbound.text.startswith("z" * 100 + "\n[150 characters")
