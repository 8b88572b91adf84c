"""
Let hours pass in a test that takes milliseconds.

On a `VirtualClockLoop` time stands still while code runs and jumps to the next timer when there
is nothing to do: what is paced, spaced or timed out can be asserted to the digit, on a machine of
any speed. It is for code in memory alone: whoever waits for a thread or a socket waits for
something that no clock can hurry, and is told so by `NothingToDo`.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


class NothingToDo(Exception):
    """Every task waits and no timer runs: this would hang for ever, or it waits for a thread or a socket."""


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time`, in seconds from 0, moves only from one timer to the next."""

    def __init__(self) -> None:
        self._clock = _Clock()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def run_virtual(main: Coroutine[object, object, T]) -> T:
    """
    Run *main* on a virtual clock, and return what it returns.

    Raises:
        NothingToDo: It waits for something that will never happen.
    """
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        return runner.run(main)


class _Clock(selectors.DefaultSelector):
    """Waits for nothing: where a selector would sleep, time moves on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise NothingToDo("every task waits, and no timer runs")
            self.now += max(0.0, timeout)
        return ready
