"""
A platform that runs here, as a test holds it: it starts and stops, is waited for, and its time can be moved.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, Self, TypeVar

from emulators.changing import Changing
from emulators.clock import Clock, HandClock
from emulators.server import Server

T = TypeVar("T")
S = TypeVar("S", bound=Changing)


class Emulated(ABC, Generic[S]):
    """
    The platform around its inside, which is *service*; use it as an async context.

    Attributes:
        clock: The platform's time.
    """

    def __init__(self, service: S) -> None:
        self.service = service
        self.clock: Clock = service.clock
        self._server = Server()

    @abstractmethod
    async def start(self, host: str = "127.0.0.1", port: int = 0) -> Self:
        """Listen; port 0 takes a free one."""

    async def stop(self) -> None:
        """
        End everything.

        Raises:
            BaseExceptionGroup: A part of the emulator itself had failed.
        """
        self.service.closing.set()
        try:
            await self.service.close()
        finally:
            await self._server.stop()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def until(self, holds: Callable[[], T], timeout: float = 10.0) -> T:
        """
        What *holds* returns, as soon as it is true; *timeout* in seconds of the machine.

        Raises:
            TimeoutError: It did not become true.
        """
        return await self.service.until(holds, timeout)

    async def settled(self, timeout: float = 10.0) -> None:
        """
        Return when nothing is under way: all that was to be sent or answered is, or is given up.

        Raises:
            TimeoutError: Something is still under way.
        """
        await self.service.until(lambda: not self.service.busy, timeout)

    def advance(self, seconds: float) -> None:
        """
        Move time on, and end what has its time over.

        Raises:
            TypeError: The clock runs by itself.
        """
        if not isinstance(self.clock, HandClock):
            raise TypeError("only a HandClock can be moved")
        self.clock.advance(seconds)
        self.settle()

    @abstractmethod
    def settle(self) -> None:
        """End what has its time over."""
