"""
A model's own citation marks, which mean nothing to people: ``【4:0†source】``.

What a mark stands for is told by an annotation that comes after it, when the words around it have been
shown already; so marks are left out, and the sources stand below the answer. Newer models put theirs
between two characters of the private use area, which no font can show.
Seen in "File search" and "Citation formatting", OpenAI's guides, 2026-11.
"""

from __future__ import annotations

import re

from assistant_gateway.backends.characters import hold_back

_MARK = re.compile("【\\d{1,4}(?::\\d{1,4})?†[^】\n]{0,80}】|\ue200[^\ue200\ue201]{0,400}\ue201")
_BEGUN = re.compile(
    "(?:【(?:\\d{1,4}(?::\\d{0,4})?)?|【\\d{1,4}(?::\\d{1,4})?†[^】\n]{0,80}|\ue200[^\ue200\ue201]{0,400})\\Z"
)


def without_marks(text: str) -> str:
    """A complete *text* without its marks."""
    return _MARK.sub("", text)


def hold_marks_back(text: str) -> tuple[str, str]:
    """*text* without marks, up to where a mark or half a character begins that is not complete; the rest."""
    kept, half = hold_back(text)
    kept = _MARK.sub("", kept)
    begun = _BEGUN.search(kept)
    end = begun.start() if begun else len(kept)
    return kept[:end], kept[end:] + half
