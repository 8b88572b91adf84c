"""
Where a store's file may live, and whether it is still there.

A file is refused with its reason and a way out, before anything is written to it. While the
store runs, each commit first makes sure that the file is the one that was opened: SQLite would
go on writing into a deleted file without a complaint, and everything accepted would be lost.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

from assistant_gateway.errors import StoreRefused, StoreUnavailable

# SQLite's locks and shared memory are not kept across machines: https://www.sqlite.org/wal.html,
# "All processes using a database must be on the same host computer", 2026-11-22.
_NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "fuse", "afs", "ceph", "coda", "davfs"),
        *("glusterfs", "lustre", "beegfs", "gpfs", "ncpfs", "orangefs", "pvfs2"),
    }
)
# The root of a rootless container, on the machine's own disk.
_LOCAL_FUSE = frozenset({"fuse.fuse-overlayfs"})


def examine(path: Path, *, allow_network_filesystem: bool) -> None:
    """
    Make sure that *path* may hold a store.

    Raises:
        StoreRefused: It may not; the message says why and what to do.
    """
    directory = path.parent
    if not directory.is_dir():
        raise StoreRefused(f"{path}: there is no directory {directory}; create it first")
    if path.is_symlink():
        raise StoreRefused(f"{path} is a symbolic link; name the file itself: {os.path.realpath(path)}")
    if path.is_dir():
        raise StoreRefused(f"{path} is a directory; name a file in it, for example {path / 'gateway.db'}")
    if not allow_network_filesystem and _is_network(kind := filesystem(directory)):
        raise StoreRefused(
            f"{path} is on a network file system ({kind}), where SQLite loses data; put it on a local disk, "
            "use PostgreSQL, or set store.allow_network_filesystem if you know better"
        )
    if not os.access(directory, os.W_OK | os.X_OK):
        raise StoreRefused(f"{directory} is not writable for us, and SQLite keeps its log beside {path.name}")
    if path.exists():
        _examine_file(path)


def _examine_file(path: Path) -> None:
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise StoreRefused(f"{path} is no regular file; name another one")
    if mode & stat.S_IWOTH:
        raise StoreRefused(f"{path} can be changed by everybody on this machine; run: chmod 600 {path}")
    # root may write to a read-only file, but whoever made it read-only meant it
    if not mode & (stat.S_IWUSR | stat.S_IWGRP) or not os.access(path, os.R_OK | os.W_OK):
        raise StoreRefused(f"{path} is read-only for us; run: chmod 600 {path}, or name another file")


def filesystem(directory: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """The type of the file system that holds *directory*; empty where the kernel doesn't say."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    place = os.path.realpath(directory)
    best, kind = "", ""
    for line in lines:
        before, _, after = line.partition(" - ")
        point = before.split()[4].encode("latin-1", "replace").decode("unicode_escape")
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):  # a later mount on the same point hides the earlier one
            best, kind = point, after.split()[0]
    return kind


def _is_network(kind: str) -> bool:
    return kind in _NETWORK or (kind.startswith("fuse.") and kind not in _LOCAL_FUSE)


def create(path: Path) -> None:
    """An empty file that only we can read, where there is none."""
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


class Watch:
    """Knows the files that were opened, and notices when they are gone, replaced or cut short."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = Path(f"{path}-wal")
        found = os.stat(path)
        self._file = (found.st_dev, found.st_ino)
        self._size = found.st_size
        self._log_file: tuple[int, int] | None = None

    @property
    def log_size(self) -> int:
        """Bytes of the write-ahead log; 0 where it can't be told: `check` says what is wrong."""
        try:
            return os.stat(self._log).st_size
        except OSError:
            return 0

    def check(self) -> None:
        """
        Make sure that what is written now will be found again. Call it inside a transaction.

        Raises:
            StoreUnavailable: It would not.
        """
        try:
            found, log = os.stat(self._path), os.stat(self._log)
        except OSError as error:
            raise StoreUnavailable(f"{error.filename} is gone; restore it, then restart") from error
        log_file = (log.st_dev, log.st_ino)
        if (found.st_dev, found.st_ino) != self._file or log_file != (self._log_file or log_file):
            raise StoreUnavailable(f"{self._path} was replaced while it was in use; restart")
        self._log_file = log_file
        if found.st_size < self._size:
            self._examine_shorter()
        self._size = found.st_size

    def _examine_shorter(self) -> None:
        # VACUUM by another program shortens a file rightly. Only a fresh connection looks at
        # the disk and not at pages that it remembers.
        with closing(sqlite3.connect(self._path)) as fresh:
            try:
                verdict = fresh.execute("PRAGMA quick_check(1)").fetchone()[0]
            except sqlite3.DatabaseError as error:
                verdict = str(error)
        if verdict != "ok":
            raise StoreUnavailable(f"{self._path} was cut short ({verdict}); restore a backup, then restart")
