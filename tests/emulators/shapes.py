"""What travels: JSON objects, read with care."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeAlias

Json: TypeAlias = dict[str, object]
Given: TypeAlias = Mapping[str, object]


def record(value: object) -> Json:
    """*value* if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def records(value: object) -> list[Json]:
    """The JSON objects in *value* if it is a list, else nothing."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def string(value: object) -> str:
    """*value* if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def encoded(value: object) -> bytes:
    """*value* as JSON."""
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a character can only be sent escaped
        return json.dumps(value).encode()
