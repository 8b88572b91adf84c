"""
Plain functions run in threads of their own, so that they never stop the event loop.

A thread can't be cancelled. One that is waited for no longer runs on by itself, keeps its
place until it ends, and never keeps the process from exiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

T = TypeVar("T")


class _Outcome(Generic[T]):
    """What a thread leaves behind for the event loop: a value or an error."""

    def __init__(self) -> None:
        self.value: T
        self.error: BaseException | None = None


class Threads:
    """At most *limit* daemon threads at a time; further calls wait for a place."""

    def __init__(self, limit: int) -> None:
        self._places = asyncio.Semaphore(limit)
        self._log = structlog.get_logger()

    async def run(self, name: str, function: Callable[[], T]) -> T:
        """
        The result of *function*, called in a thread with a copy of the context variables.

        Raises whatever *function* raises. When cancelled, the thread is left to itself.
        """
        await self._places.acquire()
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        context = contextvars.copy_context()
        outcome = _Outcome[T]()

        def settle() -> None:
            self._places.release()
            if not ended.done():
                ended.set_result(None)

        def work() -> None:
            try:
                outcome.value = context.run(function)
            except BaseException as error:
                outcome.error = error
            # The loop may be closed by the time a thread that nobody waits for ends.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(settle)

        # The threads of an executor are joined at exit: one that hangs would keep the process alive.
        thread = threading.Thread(target=work, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._places.release()
            raise
        try:
            await ended
        except asyncio.CancelledError:
            if thread.is_alive():
                self._log.warning("thread.left_running", thread=name)
            raise
        if outcome.error is not None:
            raise outcome.error
        return outcome.value
