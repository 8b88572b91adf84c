"""
What steps leave behind at the provider: runs that go on for nobody, threads that no state remembers.

It is taken away beside everything else, so that nobody waits for it, and only as far as the provider
lets us: a cache that is not cleaned does no harm but for its size.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from assistant_gateway.backends.assistants_wire import Wire
from assistant_gateway.backends.connection import Refusal
from assistant_gateway.errors import BackendError

PATIENCE = 10.0  # seconds for one thread with all that belongs to it
LAST_PATIENCE = 2.0  # seconds for all of it, when the process ends


class Litter:
    """The litter of all steps of one backend."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger()

    def cancel(self, thread: str, run: str) -> None:
        """Have a run ended; without its id, the one that keeps the thread busy."""
        self._begin(self._cancel(thread, run), "assistants:cancel")

    def remove(self, thread: str, *, run: str = "", busy: bool = False, files: Sequence[str] = ()) -> None:
        """
        Have a thread forgotten (an empty id: none), and its pictures.

        Args:
            run: A run in it that may not be over.
            busy: There may be one, whatever its id.
        """
        self._begin(self._remove(thread, run, busy, files), "assistants:remove")

    async def close(self) -> None:
        """Wait a moment for what is under way."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=LAST_PATIENCE)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _begin(self, work: Awaitable[None], name: str) -> None:
        async def within_limits() -> None:
            try:
                async with asyncio.timeout(PATIENCE):
                    await work
            except TimeoutError:
                self._log.warning("remote_thread.left_behind", reason="the provider did not answer")

        task = asyncio.create_task(within_limits(), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _cancel(self, thread: str, run: str) -> None:
        async def cancel() -> None:
            live = run or await self._wire.live_run(thread)
            if live:
                await self._wire.cancel(thread, live)
                self._log.info("remote_run.cancelled", remote_run=live)

        await self._try(cancel)

    async def _remove(self, thread: str, run: str, busy: bool, files: Sequence[str]) -> None:
        if run or busy:
            await self._cancel(thread, run)
        if thread:
            await self._try(lambda: self._wire.remove_thread(thread))
        for file in files:
            await self._remove_file(file)

    async def _remove_file(self, file: str) -> None:
        await self._try(lambda: self._wire.remove_file(file))

    async def _try(self, what: Callable[[], Awaitable[None]]) -> None:
        try:
            await what()
        except Refusal as refusal:
            # It is gone or over already, or the server has no such verb.
            self._log.debug("remote_thread.refused", status=refusal.status)
        except BackendError as error:
            self._log.warning("remote_thread.left_behind", reason=str(error))
