"""
What the world has seen, as plain values that travel as JSON.

Everything that happens gets a tick; a later tick happened later. Ticks are microseconds of the
machine's clock, so that two processes on it can tell what came first. The record knows nothing of
the gateway but what the gateway has shown it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

from pydantic import TypeAdapter

Platform = Literal["chat", "webhook"]


@dataclass(slots=True)
class Said:
    """
    A message of a person.

    Attributes:
        number: Unique in the world; the text names it, and so must the answer.
        acked: Tick of the first acknowledgement; None while there is none.
        deliveries: How often it was brought to the gateway, repetitions included.
    """

    number: int
    platform: Platform
    conversation: str
    id: str
    acked: int | None = None
    deliveries: int = 0


@dataclass(slots=True)
class Shown:
    """What a post showed from a tick on; ``final`` says that the gateway called the answer complete."""

    tick: int
    text: str
    final: bool = False


@dataclass(slots=True)
class Posted:
    """A post of the bot on the chat platform."""

    id: str
    key: str
    conversation: str
    answers: str
    shown: list[Shown]
    deleted: int | None = None

    @property
    def text(self) -> str:
        """What it shows now."""
        return self.shown[-1].text


@dataclass(slots=True)
class CalledBack:
    """One delivery to the receiver of callbacks; ``verified`` says that its signature was right."""

    tick: int
    id: str
    body: str
    verified: bool


@dataclass(slots=True)
class Asked:
    """
    One call of the model.

    Attributes:
        number: The message that it was asked to answer.
        call_id: The function call that it made; empty when it made none.
        whole: All that the run has said when this call has ended, earlier parts included.
        cut: The stream was cut off on purpose.
        run: The gateway's id of the run.
    """

    tick: int
    number: int
    take: int
    call_id: str
    whole: str
    cut: bool
    run: str = ""


@dataclass(slots=True)
class Told:
    """The output of a function call, as the model was given it."""

    tick: int
    call_id: str
    output: str


@dataclass(slots=True)
class Effect:
    """
    One call of the service with effects.

    Attributes:
        key: The caller's idempotency key; empty at the endpoint that counts every call.
        executed: False when the key was known and nothing was done again.
    """

    tick: int
    number: int
    key: str
    executed: bool


@dataclass(slots=True)
class Death:
    """
    A gateway's last word before it killed itself at a fail point.

    Attributes:
        number: The message that the point belongs to; 0 where it belongs to none.
        text: The complete answer, where one was on disk.
    """

    tick: int
    point: str
    number: int = 0
    text: str | None = None


@dataclass(slots=True)
class Record:
    """
    All of it, in the order in which it happened.

    Attributes:
        left_open: What the platform itself still shows as under way in the end, or should never have seen.
    """

    said: list[Said] = field(default_factory=list)
    posts: list[Posted] = field(default_factory=list)
    callbacks: list[CalledBack] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    deaths: list[Death] = field(default_factory=list)
    left_open: list[str] = field(default_factory=list)
    dropped: int = 0
    ticks: int = 0

    def tick(self) -> int:
        """The time, which goes on."""
        self.ticks = max(self.ticks + 1, tick_at(time.time()))
        return self.ticks

    def to_json(self) -> bytes:
        return TypeAdapter(Record).dump_json(self)

    @staticmethod
    def from_json(body: bytes) -> Record:
        return TypeAdapter(Record).validate_json(body)


def tick_at(seconds: float) -> int:
    """The tick of a moment, given in seconds since 1970."""
    return int(seconds * 1_000_000)
