"""
One SQLite connection: its statements by name, on a thread of its own.

Whatever a verb does is a plain function on `Database`, and crosses to the connection's thread
in one hop. A transaction that came back to the event loop halfway could be cancelled there and
would poison the connection for everybody after it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, cast

import aiosqlite

from assistant_gateway.errors import GatewayError, StoreError, StoreUnavailable
from assistant_gateway.store.rows import Parameter, Row
from assistant_gateway.store.text import clean

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Database:
    """
    A connection as the verbs see it; used on the connection's own thread only.

    Attributes:
        sql: The statements by name.
        now: The wall clock, in epoch seconds.
        steady: A clock that never jumps, in seconds; it times the leases.
    """

    connection: sqlite3.Connection
    sql: Mapping[str, str]
    now: Callable[[], float]
    steady: Callable[[], float]

    def run(self, name: str, /, **values: Parameter) -> int:
        """Execute a statement; how many rows it changed."""
        return self._execute(name, values).rowcount

    def all(self, name: str, /, **values: Parameter) -> list[Row]:
        """Every row of a statement. A cursor that is left half read would hold the log file's growth."""
        return self._execute(name, values).fetchall()

    def one(self, name: str, /, **values: Parameter) -> Row | None:
        """The first row of a statement."""
        rows = self.all(name, **values)
        return rows[0] if rows else None

    def value(self, name: str, /, **values: Parameter) -> Parameter:
        """The first column of a statement's first row."""
        row = self.one(name, **values)
        return None if row is None else cast(Parameter, row[0])

    def _execute(self, name: str, values: Mapping[str, Parameter]) -> sqlite3.Cursor:
        # Every text is looked at here, once, so that no verb can forget to. Half a surrogate pair
        # needs no look: SQLite has no UTF-8 for it and says so.
        for value in values.values():
            if value.__class__ is str and "\0" in value:
                return self.connection.execute(self.sql[name], _cleaned(values))
        try:
            return self.connection.execute(self.sql[name], values)
        except UnicodeEncodeError:
            return self.connection.execute(self.sql[name], _cleaned(values))


def _cleaned(values: Mapping[str, Parameter]) -> dict[str, Parameter]:
    return {key: clean(value) if isinstance(value, str) else value for key, value in values.items()}


Operation = Callable[[Database], Result]
"""What a verb does, as one function on the connection's thread."""


class Connection(aiosqlite.Connection):
    """A connection that runs whole functions on its thread."""

    async def run(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        """
        Call *function* with the SQLite connection, on its thread.

        Raises:
            StoreUnavailable: The connection is closed.
        """
        # aiosqlite offers one hop per statement; its own methods use `_execute` to make it,
        # and so does this one, for a function of many statements.
        try:
            return cast(Result, await self._execute(self._call, function))  # type: ignore[no-untyped-call]
        except ValueError as error:
            if self._connection is None:
                raise StoreUnavailable("the store is closed") from error
            raise

    def _call(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        return function(self._conn)


async def connected(connection: sqlite3.Connection) -> Connection:
    """*connection* on a thread of its own, which must be the only one that uses it from now on."""
    # aiosqlite could connect by itself, but a failure there leaves a thread that outlives the loop.
    return await Connection(lambda: connection, iter_chunk_size=64)  # type: ignore[return-value]


class Reader:
    """Reads: each sees all that was committed before it began."""

    def __init__(self, connection: Connection, database: Callable[[sqlite3.Connection], Database]) -> None:
        self._connection = connection
        self._database = database

    async def read(self, operation: Operation[Result]) -> Result:
        """
        What *operation* reads.

        Raises:
            StoreUnavailable: The file can't be read now.
        """
        try:
            return await self._connection.run(partial(self._run, operation))
        except Exception as error:
            raise translated(error) from error

    def _run(self, operation: Operation[Result], connection: sqlite3.Connection) -> Result:
        return operation(self._database(connection))

    async def close(self) -> None:
        """Let go of the connection."""
        await self._connection.close()


def translated(error: Exception) -> Exception:
    """What an error of SQLite is to a caller: try later, never, or (not SQLite's at all) as it is."""
    match error:
        case GatewayError():
            return error
        case sqlite3.OperationalError() | sqlite3.InternalError():
            return StoreUnavailable(str(error))
        case sqlite3.IntegrityError() | sqlite3.ProgrammingError() | sqlite3.DataError() | OverflowError():
            return StoreError(str(error))
        case sqlite3.DatabaseError():
            return StoreUnavailable(str(error))
        case _:
            return error
