"""
Characters that arrive in halves, and labels that must stay on their line.

JSON may cut a character outside the basic plane between two strings; half of one can neither be
stored nor sent, and a NUL is no text to databases. Names of people and files are labels that
anybody can choose.
"""

from __future__ import annotations

import re
import unicodedata

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def is_plain(text: str) -> bool:
    """Whether *text* is certainly fine as it is; cheap, for the many small pieces of a stream."""
    return text.isascii() and "\0" not in text


def whole(text: str) -> str:
    """*text* with halves joined to characters, and U+FFFD for a half without its other one, or a NUL."""
    if is_plain(text) or _UNSTORABLE.search(text) is None:
        return text
    return text.replace("\0", "\ufffd").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def hold_back(text: str) -> tuple[str, str]:
    """*text* made whole, without a first half at its end; and that half."""
    if text and "\ud800" <= text[-1] <= "\udbff":
        return whole(text[:-1]), text[-1]
    return whole(text), ""


def label(text: str, limit: int = 80) -> str:
    """*text* as one line of at most *limit* characters, without control and direction characters."""
    # Cc control, Cf format (the bidirectional controls among them), Cs half, Zl and Zp line ends.
    kept = (
        " " if unicodedata.category(c) in _BREAKS else c for c in text if unicodedata.category(c) not in _GONE
    )
    return " ".join("".join(kept).split())[:limit].rstrip()


_BREAKS = frozenset({"Cc", "Zl", "Zp", "Zs"})
_GONE = frozenset({"Cf", "Cs", "Co", "Cn"})
