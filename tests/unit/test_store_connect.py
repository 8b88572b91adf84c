"""A store's URL is SQLAlchemy's, and every other one is refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant_gateway.errors import ConfigError
from assistant_gateway.store.connect import open_store
from assistant_gateway.store.sqlite import SqliteStore


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///gateway.db", Path.cwd() / "gateway.db"),
        ("sqlite:///data/gateway.db", Path.cwd() / "data" / "gateway.db"),
        ("sqlite:////var/lib/gateway.db", Path("/var/lib/gateway.db")),
        ("sqlite:////tmp/with space %20#?.db", Path("/tmp/with space %20#?.db")),
    ],
)
def test_three_slashes_are_relative_and_four_absolute(url: str, path: Path) -> None:
    """The rest of the URL is the path, as it stands."""
    store = open_store(url)

    assert isinstance(store, SqliteStore)
    assert path == store.path


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://localhost/gateway", "extra 'postgres'"),
        ("sqlite://gateway.db", "slashes"),
        ("sqlite:gateway.db", "slashes"),
        ("gateway.db", "slashes"),
        ("mysql://localhost/gateway", "slashes"),
        ("sqlite:///", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
    ],
)
def test_what_is_no_store_is_refused(url: str, reason: str) -> None:
    """The refusal names the setting and what to write instead."""
    with pytest.raises(ConfigError, match=f"store.url: .*{reason}"):
        open_store(url)


async def test_a_path_with_special_characters_is_that_file(tmp_path: Path) -> None:
    """Percent signs, hashes and question marks are part of the name and of nothing else."""
    path = tmp_path / "a b%20#?.db"
    store = open_store(f"sqlite:///{path}")

    await store.open()
    await store.close()

    assert path.stat().st_size > 0
