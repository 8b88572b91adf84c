"""
Every write goes through one task that commits what has gathered: one fsync for many callers.

Nobody waits for a timer: while one group is being committed the next one gathers. Each caller's
operation stands or falls alone: a group in which one fails is rolled back and done again with a
savepoint for each. A commit that fails is told to every caller of the group, and the next group
simply tries again. The task is never
cancelled. A caller that is cancelled has only stopped listening: its operation stands or falls
with its group.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from assistant_gateway.errors import StoreUnavailable
from assistant_gateway.store.database import Connection, Database, Operation, Result, translated

GROUP = 128  # operations in one transaction at most


@dataclass(frozen=True, slots=True)
class _Waiting:
    operation: Operation[Any]
    future: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _Outcome:
    result: Any = None
    error: Exception | None = None


class Writer:
    """
    The writer task and its connection.

    Args:
        database: Wraps the connection for the operations.
        check: Called on the connection's thread before each commit; raises `StoreUnavailable`
            where a commit would reach no file that anybody will ever read.
        tidy: Called on the connection's thread after each commit.
    """

    def __init__(
        self,
        connection: Connection,
        database: Callable[[sqlite3.Connection], Database],
        *,
        check: Callable[[], None],
        tidy: Callable[[sqlite3.Connection], None],
    ) -> None:
        self._connection = connection
        self._database = database
        self._check = check
        self._tidy = tidy
        self._queue: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._failing = False
        self._log = structlog.get_logger()
        self._task = asyncio.create_task(self._work(), name="store-writer")

    async def write(self, operation: Operation[Result]) -> Result:
        """
        The result of *operation*, once it is on disk.

        Raises:
            StoreUnavailable: Nothing was written.
        """
        if self._closing:
            raise StoreUnavailable("the store is closed")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(operation, future))
        self._wake.set()
        return await future

    async def close(self) -> None:
        """Write what waits, then let go of the connection."""
        self._closing = True
        self._wake.set()
        # `wait` leaves the task alone when the caller is cancelled.
        await asyncio.wait({self._task})
        await self._connection.close()

    async def _work(self) -> None:
        try:
            while True:
                while self._queue:
                    await self._commit_group()
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
        finally:
            self._closing = True
            while self._queue:
                _tell(self._queue.popleft(), _Outcome(error=StoreUnavailable("the store is closed")))

    async def _commit_group(self) -> None:
        group = [self._queue.popleft() for _ in range(min(GROUP, len(self._queue)))]
        operations = [waiting.operation for waiting in group]
        try:
            outcomes = await self._connection.run(partial(self._commit, operations))
        except Exception as error:
            if not self._failing:
                self._failing = True
                self._log.error("store.failing", error=str(error), callers=len(group))
            for waiting in group:
                unavailable = StoreUnavailable(str(error))
                unavailable.__cause__ = error
                _tell(waiting, _Outcome(error=unavailable))
            return
        if self._failing:
            self._failing = False
            self._log.info("store.recovered")
        for waiting, outcome in zip(group, outcomes, strict=True):
            _tell(waiting, outcome)

    def _commit(self, operations: Sequence[Operation[Any]], connection: sqlite3.Connection) -> list[_Outcome]:
        database = self._database(connection)
        try:
            # A savepoint costs a fifth of the write rate, and hardly any operation fails.
            outcomes = self._commit_with(_trust, operations, database)
        except _Failed:
            outcomes = self._commit_with(_attempt, operations, database)
        self._tidy(connection)
        return outcomes

    def _commit_with(
        self,
        call: Callable[[Operation[Any], Database], _Outcome],
        operations: Sequence[Operation[Any]],
        database: Database,
    ) -> list[_Outcome]:
        connection = database.connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            outcomes = [call(operation, database) for operation in operations]
            self._check()
            connection.execute("COMMIT")
        except BaseException:
            # A failed rollback leaves the first error to be told; the next group's BEGIN would fail
            # in its turn and come here again.
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        return outcomes


class _Failed(Exception):
    """An operation of a trusted group failed: the group is rolled back and tried with savepoints."""


def _trust(operation: Operation[Any], database: Database) -> _Outcome:
    try:
        return _Outcome(operation(database))
    except Exception as error:
        raise _Failed from error


def _attempt(operation: Operation[Any], database: Database) -> _Outcome:
    connection = database.connection
    connection.execute("SAVEPOINT operation")
    try:
        outcome = _Outcome(operation(database))
    except Exception as error:
        if not connection.in_transaction:
            raise  # SQLite has rolled back the whole group by itself (disk full, I/O error)
        connection.execute("ROLLBACK TO operation")
        outcome = _Outcome(error=_chained(error))
    connection.execute("RELEASE operation")
    return outcome


def _chained(error: Exception) -> Exception:
    ours = translated(error)
    if ours is not error:
        ours.__cause__ = error
    return ours


def _tell(waiting: _Waiting, outcome: _Outcome) -> None:
    if waiting.future.done():
        return  # the caller has gone
    if outcome.error is not None:
        waiting.future.set_exception(outcome.error)
    else:
        waiting.future.set_result(outcome.result)
