"""
The inside of an emulated platform: what goes on in it by itself, and a way to wait until something changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

from emulators.clock import Clock

T = TypeVar("T")


class Changing:
    """
    Does work beside the rest and tells when something has changed.

    Attributes:
        clock: The platform's time.
        closing: Set when all ends, for answers that hang on purpose.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.closing = asyncio.Event()
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

    async def until(self, holds: Callable[[], T], timeout: float) -> T:
        """
        What *holds* returns, as soon as it is true; *timeout* in seconds of the machine.

        Raises:
            TimeoutError: It did not become true.
        """
        waiter = asyncio.Event()
        self._waiters.add(waiter)
        try:
            async with asyncio.timeout(timeout):
                while not (told := holds()):
                    waiter.clear()
                    await waiter.wait()
                return told
        finally:
            self._waiters.discard(waiter)

    async def close(self) -> None:
        """
        End all work.

        Raises:
            BaseExceptionGroup: A part of the emulator itself had failed.
        """
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._failed:
            raise BaseExceptionGroup("the emulator failed", self._failed)
