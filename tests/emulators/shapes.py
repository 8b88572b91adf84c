"""What travels: JSON objects, read with care."""

from __future__ import annotations

from typing import TypeAlias

Json: TypeAlias = dict[str, object]


def record(value: object) -> Json:
    """*value* if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def records(value: object) -> list[Json]:
    """The JSON objects in *value* if it is a list, else nothing."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def string(value: object) -> str:
    """*value* if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""
