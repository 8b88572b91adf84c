"""
Small things that Slack is told in the background, as fast as it allows and no faster.

Nothing waits for them. The newest word about a thing takes the place of an older one that was not
told yet; what must be told is told before anything else, and again when it fails.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog

from assistant_gateway.errors import AdapterError, RateLimited
from assistant_gateway.platforms.shapes import Json
from assistant_gateway.values import Conversation, JsonObject

Call: TypeAlias = Callable[[str, str, JsonObject], Awaitable[Json]]
"""Calls a method with a body in a workspace; raises `AdapterError`."""

MINUTE = 60.0  # seconds
# Calls a minute and workspace, a little below the tiers: docs.slack.dev, "Rate limits", 2026-09-14.
RATES: Mapping[str, int] = {
    "agents.sessions.setStatus": 45,
    "assistant.threads.setStatus": 45,
    "assistant.threads.setTitle": 90,
    "assistant.threads.setSuggestedPrompts": 90,
}
RESERVE = 10  # of those, kept for what must be told
PATIENCE = 5.0  # seconds for one call
TRIES = 6
PAUSE = 1.0  # seconds before the second try, twice as long before each further one
# What no later try would change: the app has no such feature, or may not use it.
OFF = frozenset({"feature_disabled", "unknown_method", "missing_scope", "not_agent_app"})
REMEDY = "slack.view and the app's manifest must say the same: assistant-gateway slack manifest"


async def _nothing() -> None:
    """Nothing more is to be done."""


@dataclass(slots=True)
class Errand:
    """
    Something to be told.

    Attributes:
        must: It is told before what need not be, and again when it fails.
        first: Done before it is told; *then* after Slack has taken it.
        tries: How often it has failed.
        due: Not before this time of the clock.
    """

    where: Conversation
    method: str
    body: JsonObject
    must: bool = False
    first: Callable[[], Awaitable[None]] = _nothing
    then: Callable[[], Awaitable[None]] = _nothing
    tries: int = 0
    due: float = 0.0


@dataclass(slots=True)
class _Rate:
    """When a method was called in a workspace in the last minute, and until when it must rest."""

    calls: deque[float] = field(default_factory=deque)
    rests_until: float = 0.0


class Errands:
    """What is still to be told in all workspaces; *clock* gives seconds."""

    def __init__(self, call: Call, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._call = call
        self._clock = clock
        self._waiting: dict[tuple[Conversation, str], Errand] = {}
        self._rates: dict[tuple[str, str], _Rate] = {}
        self._off: set[tuple[str, str]] = set()
        self._woken = asyncio.Event()
        self._log = structlog.get_logger()

    def add(self, errand: Errand) -> None:
        """Tell it soon, in place of an older one about the same."""
        if (errand.where.tenant, errand.method) not in self._off:
            self._waiting[errand.where, errand.method] = errand
            self._woken.set()

    def drop(self, where: Conversation, method: str) -> None:
        """Don't tell it any more."""
        self._waiting.pop((where, method), None)

    async def run(self) -> None:
        """Tell Slack, until cancelled."""
        while True:
            self._woken.clear()
            errand, wait = self._next()
            if errand is not None:
                await self._tell(errand)
                continue
            try:
                async with asyncio.timeout(wait):
                    await self._woken.wait()
            except TimeoutError:
                continue

    def _next(self) -> tuple[Errand | None, float | None]:
        """What can be told now; else how many seconds to wait, None for something new."""
        now = self._clock()
        waits: list[float] = []
        for key, errand in sorted(self._waiting.items(), key=lambda each: not each[1].must):
            pause = max(errand.due - now, self._pause(errand, now))
            if pause <= 0:
                return self._waiting.pop(key), None
            waits.append(pause)
        return None, min(waits, default=None)

    def _pause(self, errand: Errand, now: float) -> float:
        """Seconds until its method may be called again."""
        rate = self._rates.setdefault((errand.where.tenant, errand.method), _Rate())
        while rate.calls and rate.calls[0] <= now - MINUTE:
            rate.calls.popleft()
        most = RATES[errand.method] - (0 if errand.must else RESERVE)
        full = rate.calls[-most] + MINUTE - now if len(rate.calls) >= most else 0.0
        return max(full, rate.rests_until - now)

    async def _tell(self, errand: Errand) -> None:
        rate = self._rates[errand.where.tenant, errand.method]
        rate.calls.append(self._clock())
        try:
            await errand.first()
            async with asyncio.timeout(PATIENCE):
                await self._call(errand.where.tenant, errand.method, errand.body)
        except RateLimited as error:
            rate.rests_until = self._clock() + error.retry_after
            self._log.warning("slack.errand_limited", method=errand.method, seconds=error.retry_after)
            self._again(errand)
        except (AdapterError, TimeoutError) as error:
            self._failed(errand, str(error) or "no answer in time")
        else:
            await errand.then()

    def _failed(self, errand: Errand, reason: str) -> None:
        log = self._log.bind(method=errand.method, channel=errand.where.channel, reason=reason)
        if reason in OFF:
            self._off.add((errand.where.tenant, errand.method))
            log.error("slack.errands_off", remedy=REMEDY)
        elif errand.must and errand.tries < TRIES:
            errand.due = self._clock() + PAUSE * 2**errand.tries
            errand.tries += 1
            self._again(errand)
            log.info("slack.errand_again")
        else:
            log.warning("slack.errand_failed")

    def _again(self, errand: Errand) -> None:
        """Tell it later, unless there is a newer one by then."""
        self._waiting.setdefault((errand.where, errand.method), errand)
