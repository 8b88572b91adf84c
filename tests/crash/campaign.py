"""
A campaign: people talk, the gateway is killed again and again, then everything has to come to rest.

Killed *at random*, a gateway dies 0.25 to 1.1 s after it was ready. Killed *at fail points*, each
of its lives has one point at which it kills itself. *Stopped*, it is asked to end while people talk.
After the last death the people fall silent, and within 60 s nobody may wait for an answer any more.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import aiohttp
import psutil
from prometheus_client.parser import text_string_to_metric_families

from crash.check import Checked, check
from crash.crowd import Crowd, WorldCrowd
from crash.discord import discord_crowd
from crash.fuse import POINTS
from crash.outside import Defect
from crash.processes import Place, Process, process, world
from crash.record import Record
from crash.slack import slack_crowd

UNFINISHED = ("ready", "claimed", "answering", "final_ready")  # states of a message that is not over
DRAIN = 60.0  # seconds
STOPPING = 30.0  # seconds
STILL = 1.5  # seconds without anything pending, after which nothing will change any more
LONGEST_LIFE = 6.0  # seconds until a fail point that nothing reaches is given up
TRIES = 3  # lives for one death at a fail point
RESTING = 5.0  # seconds until idle connections are closed
WARM = 1  # file more than at the start: the store's reader opens the write-ahead log when it first reads
# How often a point is passed, at most, before it kills: frequent ones must not always kill the first message.
PASSES = {
    "claimed": 12,
    "begun": 8,
    "mid_stream": 60,
    "intent_saved": 8,
    "posted_not_saved": 8,
    "ts_saved": 8,
}
SELDOM = 3  # passes, of all others
ROUNDS = 3  # deaths while the file is made
People: TypeAlias = Literal["world", "slack socket", "slack http", "discord"]
ONCE = ("opening", "opened", "shown_again")  # cannot be passed alive


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What is done to a gateway.

    Attributes:
        random_kills: Deaths at random moments.
        point_kills: Deaths at fail points.
        stops: Ends by SIGTERM at random moments.
        points: The fail points, taken in turn.
        calm: Seconds of undisturbed talk at the end, before the people fall silent.
        every: Seconds between two messages of one conversation, on average.
        refused: Part of the messages that the store does not take in at once.
        people: Where they talk: over the world's own chat and webhooks, in Slack (over Socket Mode or HTTP),
            or in Discord.
    """

    seed: int
    random_kills: int = 0
    point_kills: int = 0
    stops: int = 0
    points: tuple[str, ...] = POINTS
    calm: float = 1.0
    chats: int = 10
    webhooks: int = 10
    every: float = 0.4
    refused: float = 0.02
    defect: Defect = Defect.NONE
    people: People = "world"


@dataclass(slots=True)
class Campaign:
    """
    What became of it.

    Attributes:
        kills: Deaths by mode or fail point.
        starts: Seconds from the start of a process to its readiness, each life.
        drained: Seconds from the last word to the last answer; None when somebody still waits.
        pending: Messages and callbacks that the gateway itself reports as unfinished in the end.
        exit_codes: Of the lives that were stopped, the last one included; None where one did not end
            within 30 s.
        handles: Open files and threads of the first life before anybody spoke, and of the last one
            after the drain.
    """

    plan: Plan
    record: Record = field(default_factory=Record)
    kills: Counter[str] = field(default_factory=Counter)
    starts: list[float] = field(default_factory=list)
    drained: float | None = None
    pending: dict[str, int] = field(default_factory=dict)
    exit_codes: list[int | None] = field(default_factory=list)
    handles: list[tuple[int, int]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def checked(self) -> Checked:
        """What broke."""
        return check(self.record)

    @property
    def slow_start(self) -> float:
        """The 95th percentile of the seconds from start to readiness."""
        starts = sorted(self.starts)
        return starts[min(len(starts) - 1, int(len(starts) * 0.95))]


async def carry_out(plan: Plan, directory: Path) -> Campaign:
    """Carry a plan out, with files in *directory*."""
    campaign = Campaign(plan)
    began = asyncio.get_running_loop().time()
    connector = aiohttp.TCPConnector(force_close=True)  # no connection of ours counts as the gateway's
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(world(directory, plan.seed))
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        crowd = await stack.enter_async_context(_crowd(plan, place, session))
        await _Driver(campaign, place, session, crowd).run()
        async with session.get(f"{place.world}/truth") as response:
            campaign.record = Record.from_json(await response.read())
        await crowd.tell(campaign.record)
    campaign.seconds = asyncio.get_running_loop().time() - began
    return campaign


@asynccontextmanager
async def _crowd(plan: Plan, place: Place, session: aiohttp.ClientSession) -> AsyncIterator[Crowd]:
    match plan.people:
        case "slack socket":
            async with slack_crowd(place, "socket", seed=plan.seed) as people:
                yield people
        case "slack http":
            async with slack_crowd(place, "http", seed=plan.seed) as people:
                yield people
        case "discord":
            async with discord_crowd(place, seed=plan.seed) as members:
                yield members
        case _:
            yield WorldCrowd(place, session, chats=plan.chats, webhooks=plan.webhooks)


class _Driver:
    def __init__(
        self, campaign: Campaign, place: Place, session: aiohttp.ClientSession, crowd: Crowd
    ) -> None:
        self._crowd = crowd
        self._campaign = campaign
        self._plan = campaign.plan
        self._place = place
        self._session = session
        self._chance = random.Random(campaign.plan.seed)
        self._lives = 0

    async def run(self) -> None:
        plan = self._plan
        await self._die_young()
        if plan.random_kills or plan.point_kills or plan.stops:
            async with self._life() as gateway:
                await self._talk(gateway)
                await self._a_while()
        for _ in range(plan.random_kills):
            await self._random_death()
        await self._point_deaths()
        for _ in range(plan.stops):
            await self._random_stop()
        await self._last_life()

    async def _die_young(self) -> None:
        """The first lives may die while they make the file, before anybody has said anything."""
        if self._plan.point_kills and "opening" in self._plan.points:
            for _ in range(ROUNDS):
                await self._point_death("opening", name="migrating")

    async def _talk(self, gateway: Process) -> None:
        """Let people begin, in the first life that is ready for them."""
        plan = self._plan
        await self._ready(gateway)
        self._note_handles(gateway)
        await self._crowd.talk(every=plan.every, seed=plan.seed)

    async def _random_death(self) -> None:
        async with self._life() as gateway:
            await self._ready(gateway)
            await self._a_while()
            self._died(gateway, None)
        self._campaign.kills["random"] += 1

    async def _random_stop(self) -> None:
        async with self._life() as gateway:
            await self._ready(gateway)
            await self._a_while()
            await self._stop(gateway)

    async def _stop(self, gateway: Process) -> None:
        self._campaign.exit_codes.append(await gateway.terminate(STOPPING))

    async def _a_while(self) -> None:
        await asyncio.sleep(self._chance.uniform(0.25, 1.1))

    async def _point_deaths(self) -> None:
        """Each point in turn. One that a life does not reach is tried again: people may have been silent."""
        left = self._plan.point_kills - self._campaign.kills["migrating"]
        for number in range(max(0, left)):
            point = self._plan.points[number % len(self._plan.points)]
            passes = self._chance.randint(1, PASSES.get(point, SELDOM))
            for _ in range(TRIES):
                if await self._point_death(point, name=point, hits=1 if point in ONCE else passes):
                    break
                passes = 1

    async def _point_death(self, point: str, *, name: str, hits: int = 1) -> bool:
        """Live until *point* kills the process; False when nothing reaches it."""
        async with self._life("--die-at", point, "--hits", str(hits)) as gateway:
            started = await gateway.ready()
            if started is not None:
                self._campaign.starts.append(started)
            try:
                await asyncio.wait_for(gateway.child.wait(), LONGEST_LIFE)
            except TimeoutError:
                self._campaign.kills["not reached"] += 1
                return False
            self._died(gateway, -signal.SIGKILL)
        self._campaign.kills[name] += 1
        return True

    async def _last_life(self) -> None:
        async with self._life() as gateway:
            await (self._ready(gateway) if self._campaign.handles else self._talk(gateway))
            await asyncio.sleep(self._plan.calm)
            await self._crowd.quiet()
            await self._drain()
            await self._rest(gateway)
            self._note_handles(gateway)
            await self._stop(gateway)

    async def _drain(self) -> None:
        """Wait until nobody waits, or until nothing is left that could still change that."""
        clock = asyncio.get_running_loop().time
        began = still_since = clock()
        while clock() - began < DRAIN:
            waiting = await self._crowd.waiting()
            self._campaign.pending = await self._pending()
            if any(self._campaign.pending.values()):
                still_since = clock()
            elif waiting == 0:
                self._campaign.drained = clock() - began
                return
            elif clock() - still_since > STILL:
                return
            await asyncio.sleep(0.1)

    async def _rest(self, gateway: Process) -> None:
        """Wait until the process holds no more files and threads than before anybody spoke, for a while."""
        clock = asyncio.get_running_loop().time
        began = clock()
        files, threads = self._campaign.handles[0]
        while clock() - began < RESTING:
            now = _handles(gateway)
            if now[0] <= files + WARM and now[1] <= threads:
                return
            await asyncio.sleep(0.1)

    # One life

    def _life(self, *options: str) -> AbstractAsyncContextManager[Process]:
        self._lives += 1
        place, plan = self._place, self._plan
        return process(
            "crash.gateway",
            (
                *("--db", str(place.db), "--listen", place.listen, "--world", place.world),
                *("--secret", place.secret, "--seed", str(plan.seed * 1000 + self._lives)),
                *("--refused", str(plan.refused), "--defect", plan.defect.value),
                *self._crowd.options,
                *options,
            ),
            place.log,
        )

    async def _ready(self, gateway: Process) -> None:
        seconds = await gateway.ready()
        if seconds is None:
            raise AssertionError(f"the gateway ended at its start; see {self._place.log}")
        self._campaign.starts.append(seconds)

    def _died(self, gateway: Process, how: int | None) -> None:
        """A process that ended otherwise than it was meant to is a fault of its own."""
        code = gateway.child.returncode
        if code != how:
            raise AssertionError(f"the gateway ended with {code} and not with {how}; see {self._place.log}")

    def _note_handles(self, gateway: Process) -> None:
        self._campaign.handles.append(_handles(gateway))

    # Questions

    async def _pending(self) -> dict[str, int]:
        """Unfinished messages and callbacks, as `GET /metrics` tells."""
        async with self._session.get(f"{self._place.url}/metrics") as response:
            text = await response.text()
        found = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                state = sample.labels.get("state", "")
                if sample.name == "assistant_gateway_messages_in_state" and state in UNFINISHED:
                    found[state] = int(sample.value)
                elif sample.name == "assistant_gateway_deliveries":
                    found[f"callbacks {state}"] = int(sample.value)
        return found


def _handles(gateway: Process) -> tuple[int, int]:
    """Open files and threads of a process."""
    seen = psutil.Process(gateway.pid)
    return seen.num_fds(), seen.num_threads()
