"""An emulator that runs by itself, from the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar


class Runs(Protocol):
    """What can be started and stopped."""

    async def start(self, host: str, port: int) -> object:
        """Listen; port 0 takes a free one."""

    async def stop(self) -> None:
        """End everything."""


E = TypeVar("E", bound=Runs)


def run_alone(emulator: E, host: str, port: int, tell: Callable[[E], Iterable[str]]) -> None:
    """Run *emulator* until it is interrupted; print what *tell* says once it listens."""

    async def serve() -> None:
        await emulator.start(host, port)
        try:
            for line in tell(emulator):
                print(line, flush=True)
            await asyncio.Event().wait()
        finally:
            await emulator.stop()

    try:
        asyncio.run(serve())
    except KeyboardInterrupt:
        print("Bye.")
