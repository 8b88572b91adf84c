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
        fits = fitting(text, limit, unit)
        if fits < len(text):
            fits = _boundary(text, fits)
        pieces.append(text[:fits])
        text = text[fits:]
    return pieces


def fitting(text: str, limit: int, unit: Unit) -> int:
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
        cut = text.rfind(mark, fits // 2, fits) + len(mark)
        if cut >= len(mark) and not joined(text, cut):
            return cut
    for cut in range(fits, fits // 2, -1):
        if not joined(text, cut):
            return cut
    return fits  # one endless grapheme: nothing that a person would miss


def joined(text: str, cut: int) -> bool:
    """Whether the neighbours of *cut* show as one character (roughly Unicode TR 29, version 16)."""
    before, after = text[cut - 1], text[cut]
    if after.isascii():
        return before == "\r" and after == "\n"
    if _is_flag(before) and _is_flag(after):
        start = cut
        while start and _is_flag(text[start - 1]):
            start -= 1
        return (cut - start) % 2 == 1  # two letters make a flag, the next two another one
    return (
        before == "\u200d"
        or after in "\u200c\u200d"  # joiners; variants and accents are marks
        or "\U0001f3fb" <= after <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= after <= "\U000e007f"  # the letters in flags of regions
        or "\u1160" <= after <= "\u11ff"  # the rest of a Hangul syllable that is written in parts
        or unicodedata.category(after).startswith("M")
    )


def _is_flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
