"""JSON that somebody else wrote: looked at member by member, never trusted to have a shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

Json: TypeAlias = Mapping[str, object]


def text(value: object) -> str:
    """*value* where it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def table(value: object) -> Json:
    """*value* where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def tables(value: object) -> list[Json]:
    """The objects in *value* where it is a list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def number(value: object) -> int:
    """*value* where it is a whole number that is not negative, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def seconds(value: object) -> float:
    """*value* where it is a number, else 0."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
