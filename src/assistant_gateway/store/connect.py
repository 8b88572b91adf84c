"""From a store's URL to the store."""

from __future__ import annotations

from assistant_gateway.errors import ConfigError
from assistant_gateway.store import Store
from assistant_gateway.store.sqlite import SqliteStore


def open_store(url: str, *, allow_network_filesystem: bool = False, visitor: bool = False) -> Store:
    """
    The store behind *url*, not yet opened; ``sqlite:///relative.db`` or ``sqlite:////absolute.db``.

    Args:
        visitor: Look in while a server may be running: no lock, no upgrade.

    Raises:
        ConfigError: This is no URL of a store.
    """
    scheme, separator, rest = url.partition("://")
    if separator and scheme in ("postgresql", "postgres"):
        raise ConfigError(
            "PostgreSQL comes as the extra 'postgres' and is not available yet; use sqlite:///path",
            "store.url",
        )
    path = rest.removeprefix("/")
    if scheme != "sqlite" or not separator or not rest.startswith("/"):
        raise ConfigError(
            "a store is sqlite:///relative.db or sqlite:////absolute.db (mind the slashes)", "store.url"
        )
    if path in ("", "/", ":memory:"):
        raise ConfigError("a store needs a file, or it would keep nothing", "store.url")
    return SqliteStore(path, allow_network_filesystem=allow_network_filesystem, visitor=visitor)
