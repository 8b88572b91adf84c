"""The virtual clock: what takes hours takes none, and in the right order."""

from __future__ import annotations

import asyncio
import time

import pytest

from assistant_gateway.testing.clock import NothingToDo, run_virtual


def test_a_day_of_sleep_takes_no_time() -> None:
    """Sleeping 86,400 s moves the clock by exactly that, and takes less than 1 s."""

    async def sleep() -> float:
        await asyncio.sleep(86_400)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    slept = run_virtual(sleep())

    assert 86_400.0 == slept
    assert time.monotonic() - began < 1


def test_timers_fire_in_order_and_on_time() -> None:
    """Three sleepers of 3 s, 1 s and 2 s wake at 1 s, 2 s and 3 s."""

    async def sleepers() -> list[float]:
        woken: list[float] = []

        async def sleep(seconds: float) -> None:
            await asyncio.sleep(seconds)
            woken.append(asyncio.get_running_loop().time())

        await asyncio.gather(sleep(3), sleep(1), sleep(2))
        return woken

    assert [1.0, 2.0, 3.0] == run_virtual(sleepers())


def test_time_stands_still_while_code_runs() -> None:
    """A thousand turns of the event loop take 0 s."""

    async def spin() -> float:
        for _ in range(1000):
            await asyncio.sleep(0)
        return asyncio.get_running_loop().time()

    assert 0.0 == run_virtual(spin())


def test_a_test_that_would_hang_is_told_so() -> None:
    """Waiting for an event that nobody sets raises instead of hanging."""

    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(NothingToDo):
        run_virtual(wait())
