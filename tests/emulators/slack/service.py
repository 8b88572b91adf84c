"""
Everything that is behind the Web API and the page: state, time, quotas, faults and the feed.

One event loop owns it all; nothing here waits between looking and changing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

from emulators.clock import Clock
from emulators.shapes import Json
from emulators.slack.deliveries import Deliveries
from emulators.slack.faults import Faults
from emulators.slack.feed import Feed
from emulators.slack.quotas import Quotas
from emulators.slack.sockets import Sockets
from emulators.slack.world import Installation, World


@dataclass(frozen=True, slots=True)
class Call:
    """
    A call of the Web API that came in.

    Attributes:
        at: Seconds since 1970.
        answer: What was told; empty when the connection was broken on purpose.
        fault: The fault that struck it.
    """

    at: float
    method: str
    team: str
    arguments: Json
    status: int
    answer: Json
    fault: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was done and told so."""
        return self.answer.get("ok") is True


@dataclass(frozen=True, slots=True)
class ResponseUrl:
    """Where an app may answer an interaction: 5 posts in 30 minutes."""

    installation: Installation
    channel: str
    user: str
    until: float
    thread_ts: str = ""
    message_ts: str = ""
    posts: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Consent:
    """
    What a person does on the install page.

    Attributes:
        team: Where they install; empty for the workspace that the page was asked for, or the first one.
        agrees: Whether they do.
        organisation: Id of the organisation for all of which they install; empty for one workspace.
    """

    team: str = ""
    agrees: bool = True
    organisation: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """What a person agreed to; good once, and until a time."""

    app_id: str
    team: str
    organisation: str
    redirect_uri: str
    scopes: frozenset[str]
    until: float


class Service:
    """The parts, and a way to wait until something has changed."""

    def __init__(
        self,
        clock: Clock,
        quotas: Quotas,
        faults: Faults,
        *,
        ack_deadline: float,
        splits_long_text: bool,
        share_seconds: float,
    ) -> None:
        self.clock = clock
        self.quotas = quotas
        self.faults = faults
        self.splits_long_text = splits_long_text
        self.share_seconds = share_seconds
        self.world = World()
        self.base_url = ""
        self.calls: list[Call] = []
        self.triggers: dict[str, tuple[str, str, float]] = {}
        self.used_triggers: set[str] = set()
        self.response_urls: dict[str, ResponseUrl] = {}
        self.consent = Consent()
        self.refresh_grace = 0.0
        self.oauth_codes: dict[str, Code | None] = {}
        self.sockets = Sockets(clock, faults, ack_deadline, self.changed)
        self.deliveries = Deliveries(clock, faults, self.changed)
        self.feed = Feed(self.world, clock, self.deliveries, self.sockets, self.spawn, ack_deadline)
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: list[BaseException] = []
        self._waiters: set[asyncio.Event] = set()

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
        return bool(self._tasks)

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
        await self.sockets.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.feed.close()
        if self._failed:
            raise BaseExceptionGroup("the emulator failed", self._failed)
