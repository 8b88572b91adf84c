"""Generated lives of runs: whatever happens to them, in what order, the ledger is the sum of their use."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assistant_gateway.store import Claim, LedgerEntry, Used
from assistant_gateway.store.sqlite import SqliteStore
from assistant_gateway.values import (
    Answer,
    Charge,
    Conversation,
    Inbound,
    Lane,
    MessageState,
    Routed,
    Run,
    RunStatus,
    Usage,
    User,
)

PEOPLE = ("U1", "U2", "U3")
CHARGES = (Charge("small", Usage(10, 5, 2), 30), Charge("large", Usage(1_000, 700, 0), 9_001))
DAY = 86_400.0

# What may happen next, to one of the runs under way (by number).
Happening = tuple[str, int, int]
happenings: st.SearchStrategy[list[Happening]] = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "ask",
                "step",
                "step",
                "conclude",
                "finish",
                "give up",
                "release",
                "steal",
                "die",
                "beside",
                "night",
            ]
        ),
        st.integers(0, 5),
        st.integers(0, 1),
    ),
    max_size=40,
)


@dataclass
class World:
    """A store, who works on what, and what was used by the book."""

    path: Path
    now: float = 20_000 * DAY
    store: SqliteStore = field(init=False)
    held: dict[str, tuple[Claim, Run, bool]] = field(default_factory=dict)
    used: Counter[tuple[str, str]] = field(default_factory=Counter)  # tokens in, by person and model
    cost: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    runs: dict[str, str] = field(default_factory=dict)
    owner: int = 0

    async def open(self) -> None:
        self.store = SqliteStore(self.path, clock=lambda: self.now)
        await self.store.open()

    async def live(self, story: list[Happening]) -> None:
        await self.open()
        for number, (what, which, charge) in enumerate(story):
            await self.happen(what, number, which, CHARGES[charge])
        while self.held or await self.take_up():
            await self.end(next(iter(self.held)))

    async def happen(self, what: str, number: int, which: int, charge: Charge) -> None:
        ids = sorted(self.held)
        id = ids[which % len(ids)] if ids else ""
        if what == "ask":
            await self.ask(number, PEOPLE[which % 3])
        elif what == "night":
            self.now += DAY
        elif what == "die":
            await self.store.close()  # what is not written is lost; what is written is all there is
            self.held.clear()
            await self.open()
        elif what == "beside" and self.runs:
            run_id = sorted(self.runs)[which % len(self.runs)]
            if run_id not in self.held:
                await self.store.charge(run_id, charge)
                self.note(run_id, charge)
        elif id:
            await self.go_on(what, id, charge)

    async def go_on(self, what: str, id: str, charge: Charge) -> None:
        claim, run, concluded = self.held[id]
        if what == "step" and not concluded:
            run = run.charged(charge)
            await self.store.save_step(claim, [], [], run)
            self.note(id, charge)
            self.held[id] = (claim, run, concluded)
        elif what == "conclude" and not concluded:
            run = replace(run.charged(charge), status=RunStatus.COMPLETED)
            await self.store.conclude(claim, run, Answer("a", RunStatus.COMPLETED), [], "")
            await self.store.conclude(claim, run, Answer("b", RunStatus.COMPLETED), [], "")
            self.note(id, charge)
            self.held[id] = (claim, run, True)
        elif what in ("finish", "give up") and (concluded or what == "give up"):
            await self.end(id)
        elif what in ("release", "steal"):
            await self.store.release(claim, delay=0.0, failed=what == "steal")
            del self.held[id]
            await self.take_up()

    async def ask(self, number: int, person: str) -> None:
        where = Conversation("fake", "T1", f"C{number % 4}")
        inbound = Inbound(where, f"m{number}", User(person), "Hi")
        routed = Routed(Lane("fake", "T1", where.channel), "default")
        await self.store.accept(inbound, routed, cap=100)
        await self.take_up()

    async def take_up(self) -> bool:
        self.owner += 1
        claim = await self.store.claim(f"w{self.owner}", 1e9)
        if claim is None:
            return False
        id = claim.message.run.id if claim.message.run else f"run{claim.message.id}"
        if claim.message.state is MessageState.FINAL_READY:
            assert claim.message.run is not None
            self.held[id] = (claim, claim.message.run, True)
            return True
        run = await self.store.begin(claim, Run(id, claim.message.thread_id, "default", model="small"), [])
        if id not in self.runs:
            self.runs[id] = claim.message.inbound.user.id
            self.asked[self.runs[id]] += 1
        self.held[id] = (claim, run, False)
        return True

    async def end(self, id: str) -> None:
        claim, _, concluded = self.held.pop(id)
        state = MessageState.DELIVERED if concluded else MessageState.DEAD_LETTER
        await self.store.finish(claim, state)
        await self.take_up()

    def note(self, run_id: str, charge: Charge) -> None:
        person = self.runs[run_id]
        self.used[person, charge.model] += charge.usage.input_tokens
        self.cost[person] += charge.cost


def total(entries: list[LedgerEntry]) -> Used:
    return sum((entry.used for entry in entries), Used())


async def lived(story: list[Happening]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory) / "gateway.db")
        await world.live(story)
        store = world.store
        ledger = await store.ledger(since=0.0)
        everybody = await store.tenant_usage("fake", "T1", since=0.0)
        each = {id: await store.tenant_usage("fake", "T1", since=0.0, users=[id]) for id in PEOPLE}
        by_place = [used for _, used in await store.conversation_usage(since=0.0)]
        await store.close()

    assert +world.used == +Counter(
        {(entry.user_id, entry.model): entry.used.usage.input_tokens for entry in ledger}
    )
    assert +world.cost == +Counter({id: used.cost for id, used in each.items()})
    assert +world.asked == +Counter({id: used.runs for id, used in each.items()})
    assert total(ledger) == everybody == sum(each.values(), Used()) == sum(by_place, Used())


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(happenings)
@example([("ask", 0, 0), ("step", 0, 0), ("die", 0, 0), ("beside", 0, 1)])
def test_the_ledger_is_the_sum_of_what_was_used(story: list[Happening]) -> None:
    """80 stories of runs that step, end twice, are given back, stolen, abandoned or cut off by a death."""
    asyncio.run(lived(story))
