"""The processes of the test: started, waited for and in any case killed, each by its own id."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).parent.parent
STARTING = 30.0  # seconds that a process may take to its first line; a slow machine is no fault


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where a gateway lives: what stays the same over all its lives.

    Attributes:
        log: Where its log goes, all lives in one file.
    """

    db: Path
    listen: str
    world: str
    secret: str
    log: Path

    @property
    def url(self) -> str:
        """The gateway's address."""
        return f"http://{self.listen}"


@dataclass(slots=True)
class Process:
    """A child process."""

    child: asyncio.subprocess.Process
    first_line: str = ""
    started: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    @property
    def pid(self) -> int:
        return self.child.pid

    async def ready(self) -> float | None:
        """Seconds from the start to the first line; None when the process ended without one."""
        assert self.child.stdout is not None
        line = await asyncio.wait_for(self.child.stdout.readline(), STARTING)
        self.first_line = line.decode().strip()
        return asyncio.get_running_loop().time() - self.started if line else None

    async def kill(self) -> None:
        """End it as a power cut would end it."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        await self.child.wait()

    async def terminate(self, within: float) -> int | None:
        """Ask it to end; its exit code, None when it did not end *within* so many seconds."""
        self.child.terminate()
        try:
            return await asyncio.wait_for(self.child.wait(), within)
        except TimeoutError:
            return None


@asynccontextmanager
async def process(module: str, options: Sequence[str], log: Path) -> AsyncIterator[Process]:
    """Run a module of the test as a process of its own; it is dead when this is over."""
    paths = (str(TESTS), os.environ.get("PYTHONPATH"))
    with log.open("ab") as errors:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", module, *options),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
    running = Process(child)
    try:
        yield running
    finally:
        await running.kill()


@asynccontextmanager
async def world(directory: Path, seed: int) -> AsyncIterator[Place]:
    """The world, and the place of a gateway in it."""
    secret = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
    options = ("--seed", str(seed), "--secret", secret)
    async with process("crash.world", options, directory / "world.log") as running:
        await running.ready()
        yield Place(
            db=directory / "gateway.db",
            listen=f"127.0.0.1:{_free_port()}",
            world=running.first_line,
            secret=secret,
            log=directory / "gateway.log",
        )


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
