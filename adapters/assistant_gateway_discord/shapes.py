"""What Discord writes in its own way: ids, which tell when a thing was made, and timestamps."""

from __future__ import annotations

import re
from datetime import datetime

from assistant_gateway.platforms.shapes import text

EPOCH = 1_420_070_400_000  # milliseconds: developers/reference.mdx, "Snowflakes", 2026-08-06
_ID = re.compile(r"[0-9]{1,20}", re.ASCII)


def snowflake(value: object) -> str:
    """*value* where it is an id of Discord's, else an empty text."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def snowflakes(value: object) -> tuple[str, ...]:
    """The ids in *value* where it is a list."""
    return tuple(id for each in value if (id := snowflake(each))) if isinstance(value, list) else ()


def born(id: str) -> float:
    """When a thing with this id was made, in epoch seconds."""
    return ((int(id) >> 22) + EPOCH) / 1000


def older(first: str, second: str) -> bool:
    """Whether *first* was made before *second*; an empty id is older than any."""
    return int(first or 0) < int(second or 0)


def moment(value: object) -> float:
    """A timestamp in epoch seconds; 0 where it is none."""
    try:
        return datetime.fromisoformat(text(value)).timestamp()
    except ValueError:
        return 0.0
