"""Ids that tell the time: developers/reference.mdx, "Snowflakes", 2026-08-06."""

from __future__ import annotations

EPOCH = 1_420_070_400  # the first second of 2015, Discord's own era


class Snowflakes:
    """Mints ids that only grow."""

    def __init__(self) -> None:
        self._last = 0

    def mint(self, now: float, *, own_millisecond: bool = False) -> str:
        """
        A new id for the moment *now*, in seconds since 1970.

        With *own_millisecond* it shares its millisecond with no earlier id: servers are spread over the
        shards by it.
        """
        least = ((self._last >> 22) + 1) << 22 if own_millisecond else self._last + 1
        self._last = max(least, round((now - EPOCH) * 1_000) << 22)
        return str(self._last)


def moment(snowflake: str) -> float:
    """When *snowflake* was minted, in seconds since 1970."""
    return (int(snowflake) >> 22) / 1_000 + EPOCH


def is_snowflake(value: object) -> bool:
    """Whether *value* can be an id, as JSON carries it."""
    return isinstance(value, str) and value.isascii() and value.isdigit() and int(value) < 1 << 64


def shard_of(guild_id: str, shards: int) -> int:
    """The shard of a server; direct messages (no server) are on the first: developers/events/gateway.mdx."""
    return (int(guild_id) >> 22) % shards if guild_id else 0
