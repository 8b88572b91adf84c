"""
How an event reaches an app, again and again until it is acknowledged.

docs.slack.dev, "The Events API" (2026-09-14): 2xx within 3 s, else up to three repeats: at once, after a
minute, after five minutes. `X-Slack-No-Retry: 1` stops them. Interactions and commands are not repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from emulators.clock import Clock
from emulators.shapes import Json, string
from emulators.slack.faults import Faults
from emulators.slack.world import App

EnvelopeKind: TypeAlias = Literal["events_api", "interactive", "slash_commands"]

PAUSES = (0.0, 60.0, 300.0)  # seconds before repeats 1, 2 and 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended: *reason* is empty when it was acknowledged."""

    reason: str = ""
    stop: bool = False
    answer: Json = field(default_factory=dict)


@dataclass(slots=True)
class Delivery:
    """
    An event on its way to one app.

    Attributes:
        attempts: When it was sent and how that ended: empty for acknowledged, else the reason.
        acknowledged_at: Seconds since 1970.
        given_up: No further attempt will follow.
    """

    app: App
    kind: EnvelopeKind
    payload: Json
    envelope_id: str
    attempts: list[tuple[float, str]] = field(default_factory=list)
    acknowledged_at: float | None = None
    given_up: bool = False
    answer: Json = field(default_factory=dict)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def event(self) -> Json:
        """The event in it; the payload itself for interactions and commands."""
        inner = self.payload.get("event")
        return inner if isinstance(inner, dict) else self.payload

    @property
    def event_id(self) -> str:
        """The id by which an app recognises a repeat."""
        return string(self.payload.get("event_id"))


Send: TypeAlias = Callable[[Delivery, int, str], Awaitable[Outcome]]
"""Sends one attempt: delivery, its number from 0 on, and the reason of the last failure."""


class Deliveries:
    """Every delivery there ever was, oldest first in *all*."""

    def __init__(self, clock: Clock, faults: Faults, changed: Callable[[], None]) -> None:
        self.all: list[Delivery] = []
        self._clock = clock
        self._faults = faults
        self._changed = changed

    async def carry(self, delivery: Delivery, send: Send) -> None:
        """Send *delivery* until it is acknowledged or given up."""
        fault = self._faults.for_event(string(delivery.event.get("type")))
        try:
            if fault is not None and fault.kind == "late":
                await self._clock.sleep(fault.seconds)
            if fault is not None and fault.kind == "lost":
                return
            copies = 1 + (fault.copies if fault is not None and fault.kind == "duplicate" else 0)
            async with asyncio.TaskGroup() as group:
                for _ in range(copies):
                    group.create_task(self._attempt_all(delivery, send, unmarked=copies > 1))
            if fault is not None and fault.kind == "repeat_acknowledged":
                await self._clock.sleep(fault.seconds)
                await self._attempt(delivery, send, 0, "")
        finally:
            delivery.given_up = delivery.acknowledged_at is None
            delivery.done.set()
            self._changed()

    async def _attempt_all(self, delivery: Delivery, send: Send, *, unmarked: bool) -> None:
        reason = ""
        pauses = (0.0, *PAUSES) if delivery.kind == "events_api" else (0.0,)
        for number, pause in enumerate(pauses):
            if pause:
                await self._clock.sleep(pause)
            if number and delivery.acknowledged_at is not None:
                return
            # Repeats come unmarked, too: reported bolt-python#1206.
            outcome = await self._attempt(delivery, send, 0 if unmarked else number, reason)
            if not outcome.reason or outcome.stop:
                return
            reason = outcome.reason

    async def _attempt(self, delivery: Delivery, send: Send, number: int, reason: str) -> Outcome:
        at = self._clock.now()
        outcome = await send(delivery, number, reason)
        delivery.attempts.append((at, outcome.reason))
        if not outcome.reason:
            delivery.answer = outcome.answer
            if delivery.acknowledged_at is None:
                delivery.acknowledged_at = self._clock.now()
        self._changed()
        return outcome
