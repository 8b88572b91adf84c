"""The ledger and the notes of budgets when the process dies: at each write, before it and after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant_gateway.adapter import Limits
from assistant_gateway.backend import Step
from assistant_gateway.config import BudgetSettings, PriceSettings
from assistant_gateway.events import StepDone
from assistant_gateway.store import Store, Used
from assistant_gateway.store.sqlite import SqliteStore
from assistant_gateway.summary import INSTRUCTIONS
from assistant_gateway.testing.adapter import FakeAdapter
from assistant_gateway.testing.backend import Act, ScriptedBackend, calls, says
from assistant_gateway.tools import tool
from assistant_gateway.values import Usage
from fixtures.house import House, outputs
from fixtures.mortal import Mortal

PRICES = {"m": PriceSettings(output=10.0)}
BUDGET = BudgetSettings(soft=0.015, hard=1.0)
SETTINGS = {"model": "m", "summary": True, "window_tokens": 600}
STEP = 1_000  # tokens of output, for a cent
MOST = 60  # writes; more than the story takes


@tool
async def look() -> str:
    """Look."""
    return "seen"


def script(step: Step) -> list[Act]:
    """A look and an answer of many words, a cent each; a summary for another cent."""
    if step.instructions == INSTRUCTIONS:
        acts = says("A summary.")
    elif outputs(step.items[-1:]):
        acts = says("word " * 150)
    else:
        acts = calls("look", call_id=f"c{len(step.items)}")
    return [*acts, StepDone(usage=Usage(0, STEP))]


def a_house(path: Path, adapter: FakeAdapter, store: SqliteStore | None = None) -> House:
    return House(
        path,
        ScriptedBackend(script),
        adapter=adapter,
        assistant=SETTINGS,
        store=store,
        tools=[look],
        prices=PRICES,
        budgets=[BUDGET],
    )


async def talk(house: House) -> None:
    """Two questions, each delivered again where the process died before it had answered."""
    for n in range(2):
        await house.settled((await house.say(f"Question {n}", id=f"q{n}")).message)
        await house.summaries.idle()


async def sums(store: Store) -> tuple[Used, Used, Used]:
    """What the ledger says of the person, of the tenant, and what the runs themselves say."""
    person = await store.tenant_usage("fake", "T1", since=0.0, users=["U1"])
    tenant = await store.tenant_usage("fake", "T1", since=0.0)
    ((_, runs),) = await store.conversation_usage(since=0.0)
    return person, tenant, runs


@pytest.mark.parametrize("commits", [False, True], ids=["before", "after"])
async def test_each_run_is_counted_once_whenever_the_process_dies(tmp_path: Path, commits: bool) -> None:
    """A death at each write: 2 runs in every sum, no kept step counted twice, one note of the budget."""
    for last in range(1, MOST):
        directory = tmp_path / f"{last}"
        directory.mkdir()
        adapter = FakeAdapter(limits=Limits(text_length=2000, edit_interval=0.0))
        died = await told(directory, adapter, last, commits=commits)
        async with a_house(directory, adapter) as house:
            await talk(house)
            person, tenant, runs = await sums(house.store)

        assert person == tenant == runs
        assert 2 == person.runs
        # A step that was asked for and not kept may be asked for again; what is counted was kept.
        assert person.cost == person.usage.output_tokens * 10
        assert person.usage.output_tokens in (4 * STEP, 5 * STEP, 6 * STEP)
        assert 1 == sum("Your budget" in text for text in adapter.shown)
        if not died:
            assert last > 12
            return
    raise AssertionError(f"the story takes more than {MOST} writes")


async def told(directory: Path, adapter: FakeAdapter, last: int, *, commits: bool) -> bool:
    """Whether the first process died at its *last* write."""
    store = Mortal(directory / "gateway.db", last, commits=commits)
    await store.open()
    async with a_house(directory, adapter, store) as house:
        died = await store.dies_during(talk(house))
    await store.close()
    return died
