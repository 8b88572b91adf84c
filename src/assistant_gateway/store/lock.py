"""
One process per file: an exclusive lock on a small file beside the database.

The kernel lets go of the lock when its process ends, however it ends; a lock file that is left
behind means nothing. It holds the process id of its owner, for the message that a second one gets.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from assistant_gateway.errors import StoreRefused


class LockFile:
    """The lock of a database file; taken while it exists, until `release`."""

    def __init__(self, database: Path) -> None:
        """
        Take the lock.

        Raises:
            StoreRefused: Another process has it.
        """
        self.path = Path(f"{database}.lock")
        try:
            # `flock`, not `lockf`: SQLite's own locks and ours must not be released by each other's
            # close, and a second store in the same process must be refused too.
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreRefused(f"{self.path} can't be opened: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = self._read() or "of unknown number"
            os.close(self._file)
            raise StoreRefused(
                f"{database} is in use by process {owner}; stop that one first, or give this one its own file"
            ) from error
        self.was_used = bool(self._read())

    def sign(self) -> None:
        """Write who has it; from now on the database file is known to have been filled."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next process in. The file stays: removing it would race with who opens it now."""
        os.close(self._file)

    def _read(self) -> str:
        return os.pread(self._file, 32, 0).decode("ascii", "replace").strip()
