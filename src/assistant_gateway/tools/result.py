"""
What the model is given after a call: always text, never longer than allowed.

Text stays as it is, every other value becomes JSON. A failure is JSON too:
``{"error": {"type": "timeout", "message": "…"}}``, in words that help the model to go on.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic_core import to_json

Failure = Literal[
    "unknown_tool",
    "not_allowed",
    "invalid_arguments",
    "approval_required",
    "tool_error",
    "tool_failed",
    "invalid_result",
    "timeout",
]

MESSAGE_LENGTH = 1000  # characters of an error's message
# NUL and lone surrogates are no text to databases and encoders.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What the model is given about a call; ``ok`` is False when the call did not do its work."""

    output: str
    ok: bool = True


class InvalidResult(Exception):
    """A tool returned something that can't be told to a model."""


def failure(type: Failure, message: str) -> ToolResult:
    """A structured error for the model."""
    error = {"type": type, "message": clean(message[:MESSAGE_LENGTH])}
    return ToolResult(json.dumps({"error": error}, ensure_ascii=False), ok=False)


def render(value: object, limit: int) -> str:
    """
    *value* as text of at most *limit* characters; what is cut off is said at the end.

    Raises:
        InvalidResult: It is binary, endless, circular, or otherwise no JSON.
    """
    if isinstance(value, str):
        return _cut(str.__str__(value), limit)
    if isinstance(value, bytes | bytearray | memoryview):
        raise InvalidResult("The tool returned bytes instead of text or a JSON value.")
    if isinstance(value, Iterator | AsyncIterator):
        raise InvalidResult("The tool returned an iterator instead of text or a JSON value.")
    try:
        text = to_json(value, inf_nan_mode="null").decode()
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidResult("The tool returned a value that can't be written as JSON.") from error
    return _cut(text, limit)


def clean(text: str) -> str:
    """*text* with U+FFFD in place of what can't be stored."""
    return UNSTORABLE.sub("\ufffd", text)


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return clean(text)
    note = f"\n[cut: the result has {len(text)} characters, only the beginning is shown]"
    return clean(text[: limit - len(note)]) + note
