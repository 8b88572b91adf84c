"""
Everything that is behind the REST API, the gateway and the page: state, time, limits, faults and the feed.

One event loop owns it all; nothing here waits between looking and changing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass

from emulators.clock import Clock
from emulators.discord.address import Addresses
from emulators.discord.breaking import Breaker
from emulators.discord.buckets import Limits, Rule
from emulators.discord.cdn import Cdn
from emulators.discord.faults import Faults
from emulators.discord.feed import Feed
from emulators.discord.gateway import Gateway
from emulators.discord.interactions import Interaction
from emulators.discord.payloads import Payloads
from emulators.discord.world import Message, World

NOWHERE = Addresses("", "", "", "")


@dataclass(frozen=True, slots=True)
class Call:
    """
    A call of the REST API that came in.

    Attributes:
        at: Seconds since 1970.
        route: Method and path as the documentation has it, such as ``POST /channels/{channel}/messages``.
        app: Id of the app whose token it had, or whose webhook it named.
        body: The JSON; of multipart that of `payload_json`.
        files: Names of the files that came along.
        answer: What was told; None when the connection was broken on purpose, or there was no content.
        fault: The fault that struck it.
    """

    at: float
    method: str
    path: str
    route: str
    app: str
    body: object
    files: tuple[str, ...]
    status: int
    answer: object
    fault: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was done and told so."""
        return 200 <= self.status < 300


class Service:
    """
    The parts, and a way to wait until something has changed.

    Attributes:
        ack_deadline: Seconds of the machine in which an interaction must be acknowledged.
        unfurls: Whether links get a preview.
        interactions: Those there were, by id, oldest first.
        nonces: When a message was made and which, by app, channel and nonce, for `enforce_nonce`.
        typing: Until when a user is seen typing, by channel and user; *typed* is when each began.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        enforced: bool,
        rules: Mapping[str, Rule] | None,
        faults: Faults,
        ack_deadline: float,
        heartbeat_interval: float,
        unfurls: bool,
    ) -> None:
        self.clock = clock
        self.limits = Limits(clock, enforced=enforced, rules=rules)
        self.faults = faults
        self.ack_deadline = ack_deadline
        self.unfurls = unfurls
        self.world = World()
        self.breaker = Breaker()
        self.cdn = Cdn(self.world, clock, faults, self.breaker, NOWHERE)
        self.payloads = Payloads(self.world, self.cdn)
        self.gateway = Gateway(
            self.world,
            clock,
            self.payloads,
            faults,
            lambda: self.cdn.addresses,
            self.changed,
            heartbeat_interval,
        )
        self.feed = Feed(self.world, clock, self.payloads, self.gateway, faults, self.spawn)
        self.calls: list[Call] = []
        self.interactions: dict[str, Interaction] = {}
        self.nonces: dict[tuple[str, str, str], tuple[float, Message]] = {}
        self.typing: dict[tuple[str, str], float] = {}
        self.typed: list[tuple[float, str, str]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: list[BaseException] = []
        self._waiters: set[asyncio.Event] = set()

    def mint(self) -> str:
        """A new id of this moment."""
        return self.world.snowflakes.mint(self.clock.now())

    def spawn(self, work: Coroutine[object, object, None], name: str) -> None:
        """Do *work* beside the rest."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed.append(error)
        self.changed()

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        return bool(self._tasks) or not all(each.idle for each in self.gateway.connections)

    def changed(self) -> None:
        """Wake who waits for a change."""
        for waiter in self._waiters:
            waiter.set()

    async def until(self, holds: Callable[[], object], timeout: float) -> None:
        """
        Return as soon as *holds* is true; *timeout* in seconds of the machine.

        Raises:
            TimeoutError: It did not become true.
        """
        waiter = asyncio.Event()
        self._waiters.add(waiter)
        try:
            async with asyncio.timeout(timeout):
                while not holds():
                    waiter.clear()
                    await waiter.wait()
        finally:
            self._waiters.discard(waiter)

    async def close(self) -> None:
        """
        End all work.

        Raises:
            ExceptionGroup: A part of the emulator itself had failed.
        """
        await self.gateway.close_all(1001)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._failed:
            raise BaseExceptionGroup("the emulator failed", self._failed)
