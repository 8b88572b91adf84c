"""
Text and JSON that every database can keep and every provider can read back.

U+0000 ends a string for SQL functions and is refused by PostgreSQL; half a surrogate pair
has no UTF-8 at all and would fail every later write of its row. Both become U+FFFD.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import cast

from assistant_gateway.values import JsonObject, JsonValue

_SURROGATE = re.compile("[\ud800-\udfff]")
# A NUL in JSON text is an escape; a backslash before it, itself escaped, makes it five plain characters.
_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def clean(text: str) -> str:
    """*text* with U+FFFD for U+0000 and for lone surrogates."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def dumps(value: JsonValue) -> str:
    """Compact JSON text, clean inside of its strings too."""
    text = _ENCODER.encode(value)
    if "\\u0000" in text:
        text = _ESCAPED_NUL.sub("\\1\ufffd", text)
    return clean(text)


def loads(text: str) -> JsonObject:
    """The object of a JSON text that `dumps` has made."""
    return {} if text == "{}" else cast(JsonObject, json.loads(text))


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain)
