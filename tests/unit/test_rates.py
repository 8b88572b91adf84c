"""The rate limit: so many messages of one person in any minute, and nobody remembered for longer."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant_gateway.adapter import Verdict
from assistant_gateway.rates import MINUTE, Rates
from assistant_gateway.testing.backend import ScriptedBackend, says
from assistant_gateway.values import Command, Conversation, Inbound, User
from fixtures.house import House

ANN, BOB = ("slack", "T1", "U1"), ("slack", "T1", "U2")


class Clock:
    """Seconds, as the test wants them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def echo() -> ScriptedBackend:
    return ScriptedBackend(lambda step: says("Well."))


def test_the_window_slides() -> None:
    """3 a minute, sent at 0, 10 and 20 s: the fourth has to wait until 60 s, the fifth until 70 s."""
    clock = Clock()
    rates = Rates(3, clock=clock)
    for _ in range(3):
        assert 0.0 == rates.take(ANN)
        clock.now += 10

    waits = [rates.take(ANN)]
    clock.now += 30
    waits += [rates.take(ANN), rates.take(ANN)]

    assert [30.0, 0.0, 10.0] == waits
    assert 0.0 == rates.take(BOB)


def test_without_a_limit_nobody_is_remembered() -> None:
    """0 a minute lets 1,000 messages pass and remembers nobody."""
    rates = Rates(0)

    assert {0.0} == {rates.take(("slack", "T1", f"U{n}")) for n in range(1_000)}
    assert 0 == len(rates)


def test_who_was_quiet_for_a_minute_is_forgotten() -> None:
    """10,000 people say something; a minute later one does, and is the only one remembered."""
    clock = Clock()
    rates = Rates(5, clock=clock)
    for n in range(10_000):
        rates.take(("slack", "T1", f"U{n}"))
    remembered = len(rates)
    clock.now += MINUTE

    rates.take(ANN)

    assert (10_000, 1) == (remembered, len(rates))


@given(st.lists(st.floats(0.0, 40.0), max_size=60), st.integers(1, 5))
def test_no_minute_holds_more_than_the_limit(pauses: list[float], limit: int) -> None:
    """Whenever messages come: of those that pass, no minute has more than the limit, and waits are true."""
    clock = Clock()
    rates = Rates(limit, clock=clock)
    passed: list[float] = []

    for pause in pauses:
        clock.now += pause
        wait = rates.take(ANN)
        if wait:
            assert clock.now + wait == pytest.approx(passed[-limit] + MINUTE)
        else:
            passed.append(clock.now)

    assert all(passed[n + limit] - passed[n] >= MINUTE for n in range(len(passed) - limit))


async def test_who_sends_too_much_is_told_when_to_go_on(tmp_path: Path) -> None:
    """2 a minute: the third is refused with the seconds, and is taken when they have passed."""
    clock = Clock()
    async with House(tmp_path, echo(), per_minute=2, steady=clock) as house:
        for n in range(2):
            await house.ask(f"Hello {n}")
        clock.now += 20

        refused = await house.say("Too much", id="third")
        clock.now += 40
        taken = await house.say("Too much", id="third")

        assert (Verdict.BUSY, None, 40.0) == (refused.verdict, refused.message, refused.retry_after)
        assert "You have sent 2 messages within a minute; the next one is taken in 40 s." == refused.reason
        assert Verdict.ACCEPTED is taken.verdict


async def test_a_repeated_delivery_counts_once(tmp_path: Path) -> None:
    """2 a minute: a message delivered 5 times leaves room for a second; at the limit it is known still."""
    async with House(tmp_path, echo(), per_minute=2) as house:
        first = [(await house.say("Hello", id="m1")).verdict for _ in range(5)]
        second = await house.say("Hello", id="m2")
        again = await house.say("Hello", id="m1")
        third = await house.say("Hello", id="m3")

    assert [Verdict.ACCEPTED, *[Verdict.DUPLICATE] * 4] == first
    assert (Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.BUSY) == (
        second.verdict,
        again.verdict,
        third.verdict,
    )


async def test_stop_and_help_always_pass(tmp_path: Path) -> None:
    """At the limit of 1 a minute /stop and /help are taken, typed or pressed; /usage and /retry are not."""
    async with House(tmp_path, echo(), per_minute=1) as house:
        await house.ask("Hello")

        receipts = [await house.say(text) for text in ("/stop", "/help", "/usage")]
        for receipt in receipts[:2]:
            await house.settled(receipt.message)
        pressed = Inbound(Conversation("fake", "T1", "C1"), "p1", User("U1"), "", command=Command.RETRY)
        told = await house.inbox.command(pressed)

    assert [Verdict.ACCEPTED, Verdict.ACCEPTED, Verdict.BUSY] == [one.verdict for one in receipts]
    assert told.startswith("You have sent a message within a minute")


async def test_people_are_counted_apart(tmp_path: Path) -> None:
    """1 a minute: Ann's message leaves Bob his."""
    async with House(tmp_path, echo(), per_minute=1) as house:
        receipts = [await house.say("Hello", user=User(id)) for id in ("U1", "U2", "U1")]

    assert [Verdict.ACCEPTED, Verdict.ACCEPTED, Verdict.BUSY] == [one.verdict for one in receipts]
