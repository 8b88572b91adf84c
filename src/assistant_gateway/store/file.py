"""
Opening one SQLite file: refuse what must not be used, lock, migrate, look for damage.

All of it happens before any verb, and off the event loop.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import structlog

from assistant_gateway.errors import StoreError, StoreRefused, StoreUnavailable
from assistant_gateway.store.lock import LockFile
from assistant_gateway.store.migrations import admit, migrate
from assistant_gateway.store.place import Watch, create, examine

LOG_LIMIT = 64 * 1024 * 1024  # bytes of write-ahead log before it is emptied by force
_RETRY = 60.0  # seconds between two such attempts while somebody reads

# FULL: a power cut loses nothing that was committed. NORMAL lost acknowledged rows in 20 of 20 trials.
_WRITING = f"""
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA busy_timeout = 5000;
    PRAGMA foreign_keys = ON;
    PRAGMA journal_size_limit = {LOG_LIMIT};
    PRAGMA wal_autocheckpoint = 1000;
"""
_READING = """
    PRAGMA busy_timeout = 5000;
    PRAGMA query_only = ON;
"""


class StoreFile:
    """
    The file of a store, from refusal to release.

    Args:
        visitor: Look in while a server may be running: take no lock, upgrade nothing.
        factory: The class of the writing connection.
    """

    def __init__(
        self, path: Path, *, visitor: bool, allow_network_filesystem: bool, factory: type[sqlite3.Connection]
    ) -> None:
        self._path = path
        self._visitor = visitor
        self._allow_network_filesystem = allow_network_filesystem
        self._factory = factory
        self._lock: LockFile | None = None
        self._watch: Watch | None = None
        self._next_tidy = 0.0
        self._log = structlog.get_logger()

    def open(self) -> tuple[sqlite3.Connection, sqlite3.Connection]:
        """
        A connection that writes, and one that only reads.

        Raises:
            StoreRefused: The file must not be used.
            StoreUnavailable: It can't be used now.
        """
        try:
            return self._open()
        except StoreError:
            self.release()
            raise
        except sqlite3.OperationalError as error:
            self.release()
            raise StoreUnavailable(f"{self._path}: {error}") from error
        except sqlite3.DatabaseError as error:
            self.release()
            raise self._damaged(str(error)) from error
        except OSError as error:
            self.release()
            raise StoreRefused(f"{self._path} can't be opened: {error.strerror}") from error

    def _open(self) -> tuple[sqlite3.Connection, sqlite3.Connection]:
        if self._visitor and not self._path.exists():
            raise StoreRefused(f"there is no store at {self._path}; start the gateway once, or name its file")
        examine(self._path, allow_network_filesystem=self._allow_network_filesystem)
        was_used = False
        if not self._visitor:
            self._lock = LockFile(self._path)
            was_used = self._lock.was_used and self._path.exists()
            create(self._path)
        connection = self._connect(self._factory)
        try:
            admit(connection, self._path, visitor=self._visitor, was_used=was_used)
            connection.executescript(_WRITING)
            if self._lock is not None:
                self._take_over(connection, self._lock)
            self._watch = Watch(self._path)
            reading = self._connect(sqlite3.Connection)
            reading.executescript(_READING)
        except BaseException:
            connection.close()
            raise
        return connection, reading

    def _take_over(self, connection: sqlite3.Connection, lock: LockFile) -> None:
        for name in migrate(connection):
            self._log.info("store.migrated", schema=name)
        clean = connection.execute("SELECT value FROM meta WHERE key = 'clean'").fetchone()
        if clean != ("yes",):
            self._log.info("store.checking", reason="the last process did not close it")
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise self._damaged(verdict.splitlines()[-1])
        connection.execute("UPDATE meta SET value = 'no' WHERE key = 'clean'")
        lock.sign()

    def check(self) -> None:
        """
        Make sure that a commit reaches the file that was opened.

        Raises:
            StoreUnavailable: It would not.
        """
        assert self._watch is not None
        self._watch.check()

    def tidy(self, connection: sqlite3.Connection) -> None:
        """Empty the write-ahead log when it has grown; never an error of the commit before."""
        assert self._watch is not None
        if self._watch.log_size <= LOG_LIMIT or time.monotonic() < self._next_tidy:
            return
        try:
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.Error as error:
            busy = str(error)
        if busy:
            self._next_tidy = time.monotonic() + _RETRY
            self._log.warning("store.log_large", bytes=self._watch.log_size, busy=busy)

    def release(self) -> None:
        """Let the next process in."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _connect(self, factory: type[sqlite3.Connection]) -> sqlite3.Connection:
        # `mode=rw`: a file that has gone is an error and not made anew.
        uri = f"{self._path.as_uri()}?mode=rw"
        return sqlite3.connect(
            uri,
            uri=True,
            isolation_level=None,
            check_same_thread=False,  # opened here, then handed over to its own thread
            cached_statements=256,
            factory=factory,
        )

    def _damaged(self, verdict: str) -> StoreRefused:
        return StoreRefused(
            f"{self._path} is damaged ({verdict}); restore a backup, or use sqlite3's .recover"
        )
