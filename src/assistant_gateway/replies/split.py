"""
Cut a text into pieces that a platform takes, without losing a character.

The pieces joined are the text. A cut falls behind a paragraph, else a line, else a word,
else between two characters, and depends only on the text before it: what has been cut
stays as it is while the text grows.
"""

from __future__ import annotations

import unicodedata
from typing import Literal

Unit = Literal["characters", "utf16", "bytes"]


def measure(text: str, unit: Unit = "characters") -> int:
    """The length of *text* as the platform counts it."""
    match unit:
        case "characters":
            return len(text)
        case "utf16":
            return len(text.encode("utf-16-le", "surrogatepass")) // 2
        case "bytes":
            return len(text.encode("utf-8", "surrogatepass"))


def split(text: str, limit: int, unit: Unit = "characters") -> list[str]:
    """Cut *text* into pieces of at most *limit* units; a piece is never empty, an empty text has none."""
    pieces = []
    while text:
        fits = _fitting(text, limit, unit)
        if fits < len(text):
            fits = _boundary(text, fits)
        pieces.append(text[:fits])
        text = text[fits:]
    return pieces


def _fitting(text: str, limit: int, unit: Unit) -> int:
    """How many characters of *text* fit into *limit* units; at least one."""
    if measure(text[: limit + 1], unit) <= limit:
        return min(len(text), limit)
    low, high = 1, limit
    while low < high:
        middle = (low + high + 1) // 2
        if measure(text[:middle], unit) <= limit:
            low = middle
        else:
            high = middle - 1
    return low


def _boundary(text: str, fits: int) -> int:
    """The best cut at or before *fits*: none of them in the first half, so that pieces stay few."""
    for mark in ("\n\n", "\n", " "):
        cut = text.rfind(mark, fits // 2, fits)
        if cut >= 0:
            return cut + len(mark)
    while fits > 1 and _joins(text[fits - 1], text[fits]):
        fits -= 1
    return fits


def _joins(before: str, after: str) -> bool:
    """Whether two neighbours show as one character: combining marks, joiners, variants, skin tones, flags."""
    return (
        unicodedata.combining(after) != 0
        or before == "\u200d"
        or after in "\u200d\ufe0e\ufe0f"
        or "\U0001f3fb" <= after <= "\U0001f3ff"
        or ("\U0001f1e6" <= before <= "\U0001f1ff" and "\U0001f1e6" <= after <= "\U0001f1ff")
    )
