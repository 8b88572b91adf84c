"""
What a file must be before it is used, and how an older one becomes current.

The schema is a list of numbered SQL files, each applied once, in order and in one transaction
with its number. A file of another application, a newer schema or a damaged file is refused and
not touched.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

from assistant_gateway.errors import StoreRefused

APPLICATION_ID = 0x41737347  # "AssG": what `file` and other programs can tell our files by
OLDEST_SQLITE = (3, 37, 0)  # STRICT tables: https://www.sqlite.org/stricttables.html, 2026-11-22


def admit(
    connection: sqlite3.Connection, path: Path, *, visitor: bool = False, was_used: bool = False
) -> None:
    """
    Make sure that the file is ours (or empty) and its schema not newer than this version; only reads.

    Args:
        visitor: The schema must be current: somebody else's server does the upgrade.
        was_used: The file had content before, so that an empty one has lost it.

    Raises:
        StoreRefused: It must not be used; the message says why and what to do.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StoreRefused(f"Python's SQLite is {sqlite3.sqlite_version}; 3.37 or newer is needed")
    try:
        application = _pragma(connection, "application_id")
        version = _pragma(connection, "user_version")
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise StoreRefused(
            f"{path} is no SQLite database, or damaged ({error}); name another file, or restore a backup"
        ) from error
    newest = len(_scripts())
    if application != APPLICATION_ID and (application or version or tables):
        raise StoreRefused(f"{path} is the database of another program; name another file")
    if version > newest:
        raise StoreRefused(
            f"{path} was written by a newer version (schema {version}, this one knows {newest}); "
            "install that version again, or restore a backup from before the upgrade"
        )
    if visitor and version < newest:
        raise StoreRefused(
            f"{path} has schema {version}, this version needs {newest}; start the gateway once"
        )
    if not application and was_used:
        raise StoreRefused(
            f"{path} is empty, but it was in use before; restore a backup, or delete it to begin anew"
        )


def migrate(connection: sqlite3.Connection) -> list[str]:
    """Apply what is missing; the names of what was applied."""
    version = _pragma(connection, "user_version")
    applied = []
    for number, (name, script) in enumerate(_scripts(), start=1):
        if number <= version:
            continue
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{script}\n"
                f"PRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {number};\nCOMMIT;"
            )
        except sqlite3.Error:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        applied.append(name)
    return applied


def _scripts() -> list[tuple[str, str]]:
    folder = files(__package__).joinpath("schema")
    scripts = sorted(
        (entry.name, entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    )
    numbers = [int(name.split("_")[0]) for name, _ in scripts]
    assert numbers == list(range(1, len(scripts) + 1)), f"schema files have a gap: {numbers}"
    return scripts


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
