"""
JSON that providers and models wrote: taken only where every other reader would take it too.
"""

from __future__ import annotations

import json
import math
from typing import cast

from assistant_gateway.backends.characters import whole
from assistant_gateway.values import JsonObject


def read(text: str) -> object:
    """
    The value of *text*.

    Raises:
        ValueError: It is no JSON, is nested beyond all measure, or holds NaN or an infinite number.
    """
    text = text.strip()
    try:
        value, end = _DECODER.raw_decode(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if end != len(text):
        raise ValueError("more than one value")
    return cast(object, value)


def parsed(text: str) -> object:
    """The value of *text*; None where it can't be read."""
    try:
        return read(text)
    except ValueError:
        return None


def clean(body: JsonObject) -> JsonObject:
    """*body* without half characters, which nothing could store."""
    text = json.dumps(body, ensure_ascii=False)
    cleaned = whole(text)
    return body if cleaned is text else cast(JsonObject, json.loads(cleaned))


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


# Python's own parser takes NaN, Infinity and 1e999, which no other reader of our store would.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
