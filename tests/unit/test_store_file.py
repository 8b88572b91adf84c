"""What a file must be before the store uses it: each refusal says why and what to do."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from assistant_gateway.errors import StoreRefused, StoreUnavailable
from assistant_gateway.store.file import StoreFile
from assistant_gateway.store.lock import LockFile
from assistant_gateway.store.migrations import APPLICATION_ID, migrate
from assistant_gateway.store.place import Watch, examine, filesystem


def use(path: Path) -> None:
    """Open and close a store's file, cleanly."""
    file = StoreFile(path, visitor=False, allow_network_filesystem=False, factory=sqlite3.Connection)
    writing, reading = file.open()
    reading.close()
    writing.execute("UPDATE meta SET value = 'yes' WHERE key = 'clean'")
    writing.close()
    file.release()


def other_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE people (name TEXT)")


def other_application(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA application_id = 7")
        connection.execute("PRAGMA user_version = 1")


def newer_schema(path: Path) -> None:
    use(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


def read_only(path: Path) -> None:
    use(path)
    path.chmod(0o444)


def open_to_all(path: Path) -> None:
    use(path)
    path.chmod(0o666)


def link(path: Path) -> None:
    use(path.with_name("real.db"))
    path.symlink_to("real.db")


def cut_in_half(path: Path) -> None:
    use(path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def emptied(path: Path) -> None:
    use(path)
    with path.open("r+b") as file:
        file.truncate(0)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (
            lambda path: path.mkdir(),
            r"is a directory; name a file in it, for example .*gateway\.db/gateway\.db",
        ),
        (link, r"is a symbolic link; name the file itself: .*/real\.db"),
        (read_only, r"is read-only for us; run: chmod 600 "),
        (open_to_all, r"can be changed by everybody on this machine; run: chmod 600 "),
        (
            lambda path: path.write_text("hello " * 999),
            r"is no SQLite database, or damaged .*name another file",
        ),
        (other_program, r"is the database of another program; name another file"),
        (other_application, r"is the database of another program; name another file"),
        (newer_schema, r"newer version \(schema 99, this one knows 4\); install that version again"),
        (cut_in_half, r"damaged .*restore a backup"),
        (emptied, r"is empty, but it was in use before; restore a backup"),
    ],
)
def test_a_file_that_is_not_ours_to_use_is_refused_and_left_alone(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    """The refusal names the file, the reason and a way out; not one byte of the file changes."""
    path = tmp_path / "gateway.db"
    make(path)
    before = None if path.is_dir() else path.read_bytes()

    with pytest.raises(StoreRefused, match=reason) as refusal:
        use(path)

    assert str(path) in str(refusal.value)
    assert before == (None if path.is_dir() else path.read_bytes())
    assert [] == [left.name for left in tmp_path.iterdir() if left.name.endswith(("-wal", "-shm"))]


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Nothing is made on the way to a file."""
    with pytest.raises(StoreRefused, match=r"there is no directory .*/data; create it first"):
        use(tmp_path / "data" / "gateway.db")

    assert [] == list(tmp_path.iterdir())


def test_a_new_file_is_for_us_alone(tmp_path: Path) -> None:
    """Database and lock are made with mode 0600 and carry our application id and schema 4."""
    path = tmp_path / "gateway.db"

    use(path)

    assert [0o600, 0o600] == [
        stat.S_IMODE(file.stat().st_mode) for file in (path, tmp_path / "gateway.db.lock")
    ]
    with closing(sqlite3.connect(path)) as connection:
        assert (APPLICATION_ID,) == connection.execute("PRAGMA application_id").fetchone()
        assert (4,) == connection.execute("PRAGMA user_version").fetchone()


def test_a_schema_is_applied_once_and_wholly(tmp_path: Path) -> None:
    """A second start applies nothing; a script that fails leaves the file as it was."""
    path = tmp_path / "gateway.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE lanes (id INTEGER)")
        with pytest.raises(sqlite3.OperationalError, match="already exists"):
            migrate(connection)
        assert (0,) == connection.execute("PRAGMA user_version").fetchone()
        assert [("lanes",)] == connection.execute("SELECT name FROM sqlite_master").fetchall()

        connection.execute("DROP TABLE lanes")
        applied = [migrate(connection), migrate(connection)]

    assert [["0001_initial.sql", "0002_topics.sql", "0003_controls.sql", "0004_ledger.sql"], []] == applied


def test_the_file_keeps_what_was_committed_through_a_power_cut(tmp_path: Path) -> None:
    """The writing connection syncs each commit, checks foreign keys and waits 5 s for others."""
    file = StoreFile(
        tmp_path / "gateway.db", visitor=False, allow_network_filesystem=False, factory=sqlite3.Connection
    )
    writing, reading = file.open()
    names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "journal_size_limit")

    values = [writing.execute(f"PRAGMA {name}").fetchone()[0] for name in names]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reading.execute("DELETE FROM notes")
    reading.close()
    writing.close()
    file.release()

    assert ["wal", 2, 1, 5000, 64 << 20] == values


MOUNTS = r"""22 1 254:0 / / rw - ext4 /dev/vda rw
30 22 0:40 / /mnt/team rw shared:1 - nfs4 server:/team rw
31 30 254:1 / /mnt/team/local rw - ext4 /dev/vdb rw
32 22 0:41 / /mnt/with\040space rw - cifs //server/share rw
33 22 0:42 / /mnt/ssh rw - fuse.sshfs me@there: rw
34 22 0:43 / /mnt/container rw - fuse.fuse-overlayfs fuse-overlayfs rw
35 22 0:44 / /mnt/twice rw - ext4 /dev/vdc rw
36 22 0:45 / /mnt/twice rw - nfs server:/twice rw
"""


@pytest.mark.parametrize(
    ("directory", "kind"),
    [
        ("/srv", "ext4"),
        ("/mnt/team", "nfs4"),
        ("/mnt/team/deep/down", "nfs4"),
        ("/mnt/team/local", "ext4"),
        ("/mnt/teamwork", "ext4"),
        ("/mnt/with space", "cifs"),
        ("/mnt/ssh/x", "fuse.sshfs"),
        ("/mnt/twice", "nfs"),
    ],
)
def test_the_file_system_is_the_one_of_the_nearest_mount(tmp_path: Path, directory: str, kind: str) -> None:
    """The longest mount point wins, the newest of two on one point, and names are compared as paths."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)

    assert kind == filesystem(Path(directory), mounts)


@pytest.mark.parametrize(
    ("kind", "refused"),
    [("nfs4", True), ("cifs", True), ("fuse.sshfs", True), ("fuse.fuse-overlayfs", False), ("ext4", False)],
)
def test_a_network_file_system_is_refused_unless_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, refused: bool
) -> None:
    """The refusal names the file system and three ways out; whoever insists is let through."""
    monkeypatch.setattr("assistant_gateway.store.place.filesystem", lambda directory: kind)
    path = tmp_path / "gateway.db"

    if refused:
        with pytest.raises(StoreRefused, match=rf"network file system \({kind}\).*local disk.*PostgreSQL"):
            examine(path, allow_network_filesystem=False)
    else:
        examine(path, allow_network_filesystem=False)
    examine(path, allow_network_filesystem=True)


def test_without_a_mount_table_nothing_is_refused(tmp_path: Path) -> None:
    """Where the kernel keeps no table (macOS), the type is unknown."""
    assert "" == filesystem(tmp_path, tmp_path / "nowhere")


def test_a_lock_that_was_left_behind_means_nothing(tmp_path: Path) -> None:
    """The file stays after a release, with its owner's number; the next one takes it and writes its own."""
    lock = LockFile(tmp_path / "gateway.db")
    lock.sign()
    with pytest.raises(StoreRefused, match="in use by process"):
        LockFile(tmp_path / "gateway.db")
    lock.release()

    again = LockFile(tmp_path / "gateway.db")
    again.release()

    assert (False, True) == (lock.was_used, again.was_used)


def test_a_lock_is_no_link(tmp_path: Path) -> None:
    """A link in the lock's place is refused: it would make us write somewhere else."""
    (tmp_path / "gateway.db.lock").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StoreRefused, match="can't be opened"):
        LockFile(tmp_path / "gateway.db")

    assert not (tmp_path / "elsewhere").exists()


def test_a_log_that_cannot_be_looked_at_fails_no_commit(tmp_path: Path) -> None:
    """Its size is asked for after the commit: where a file stands in the directory's place, it is 0."""
    directory = tmp_path / "store"
    directory.mkdir()
    (directory / "gateway.db").touch()
    watch = Watch(directory / "gateway.db")
    directory.rename(tmp_path / "moved")
    directory.touch()

    assert 0 == watch.log_size
    with pytest.raises(StoreUnavailable):
        watch.check()
