"""
What people see of a text that is still being written: well-formed Markdown at every moment.

What has begun and not ended is closed: code, emphasis, a table's row. What is garbage until it is
whole is held back: half a link or mention, a marker with nothing behind it, a fence without code,
a table's header without its dashes. Everything else is shown at once, word by word; what was held
back comes with the word that settles it. So a frame is a beginning of the text, and closers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from assistant_gateway.replies.blocks import IN_QUOTE, RULE, Leaf, Outline
from assistant_gateway.replies.inline import read
from assistant_gateway.replies.tables import PART_OF_DASHES, PIPE, cells, ends

MARKS = re.compile(r" {0,3}(?:(?:-#|[-+*>]|\d{1,9}[.)]|#{1,6})[ \t]*+)++")  # of lists, quotes, headings
LIKE_A_FENCE = re.compile(r"[ \t>]*`{3,}[^`]*")
QUOTED_BLANKS = re.compile(r"(?:\n[ \t>]*)+\Z")


@dataclass(frozen=True, slots=True)
class Frame:
    """
    What can be shown of a text.

    Attributes:
        kept: How many characters of the text; the others are held back.
        closers: What follows them.
    """

    kept: int
    closers: str = ""


def frame(text: str) -> str:
    """The visible version of *text*, which is still growing; a complete text needs none."""
    return Framer().frame(text)


class Framer:
    """Frames one growing text; what it has read of its complete lines is not read again."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._seen = ""
        self._outline = Outline()
        self._at = 0  # where the last line begins

    def frame(self, text: str) -> str:
        """The visible version of *text*; one that does not go on from the one before starts anew."""
        found = self.read(text)
        return text[: found.kept] + found.closers

    def read(self, text: str) -> Frame:
        """The same in two parts, for where a text can only be appended to."""
        if not text.startswith(self._seen):
            self._forget()
        self._seen = text
        while (end := text.find("\n", self._at)) >= 0:
            self._outline.take(text[self._at : end], self._at)
            self._at = end + 1
        return _LastLine(text, self._outline, self._at).frame()


class _LastLine:
    """The end of a text: *before* is where it stands before its last line, which begins at *at*."""

    def __init__(self, text: str, before: Outline, at: int) -> None:
        self.text = text
        self.before = before
        self.at = at
        self.line = text[at:]
        self.rest = before.inner(self.line)
        self.here = before.after(self.line, at) if self.line.strip() else before

    def frame(self) -> Frame:
        if self.before.fence:
            if self.here.fence is self.before.fence:
                return self._fenced()
            if self.before.fence.closed_by(self.rest):
                return Frame(len(self.text))
        if self.here.fence or self._is_only_marks():
            return self._until(self.at, self.before)
        header = self._header_without_dashes()
        if header is not None:
            return self._until(header, self.before)
        if self.here.leaf is Leaf.TABLE and self.before.leaf is Leaf.TABLE and self.line.strip():
            return self._row()
        return self._until(len(self.text), self.here)

    def _trimmed(self, end: int) -> int:
        """Where the text up to *end* ends when the blanks there are left out."""
        return len(self.text[:end].rstrip())

    def _fenced(self) -> Frame:
        fence = self.before.fence
        assert fence
        unsettled = not self.rest.strip() or fence.maybe_closed_by(self.rest)
        end = self.at if unsettled else len(self.text)
        if not self.text[fence.body : end].strip(" \t\n>"):
            return Frame(self._trimmed(fence.start))
        line_break = "" if self.text[end - 1] == "\n" else "\n"
        return Frame(end, f"{line_break}{self.before.prefix}{fence.marker}")

    def _is_only_marks(self) -> bool:
        rest = self.rest.rstrip()
        if not rest:
            return bool(self.line.strip())
        if self.before.leaf is Leaf.PARAGRAPH and rest in ("=", "=="):
            return True
        is_rule = RULE.match(rest) and rest.lstrip()[:3] not in ("***", "___")
        return MARKS.fullmatch(rest) is not None and not is_rule

    def _header_without_dashes(self) -> int | None:
        """Where a row begins that is no table yet; None when there is none."""
        before, rest = self.before, self.rest.strip()
        if before.leaf is Leaf.PARAGRAPH and "|" in before.last and PART_OF_DASHES.fullmatch(rest):
            if rest and ends(rest) and self.here.leaf is Leaf.TABLE:
                return None
            if _is_row(before.last):
                return before.last_at
            return self.at if rest else None
        is_text = self.here.leaf is Leaf.PARAGRAPH and self.here.last_at == self.at
        return self.at if is_text and rest and _is_row(self.here.last) else None

    def _row(self) -> Frame:
        pipes = [pipe.end() for pipe in PIPE.finditer(self.line)]
        cell = self.at + (pipes[-1] if pipes else len(self.line) - len(self.rest.lstrip()))
        inline = read(self.text[cell:])
        end = self._trimmed(cell + inline.shown)
        if not self.rest.lstrip().startswith("|"):
            return Frame(end, inline.closers)
        missing = cells(self.before.header.partition("\n")[0]) - cells(self.text[self.at : max(cell, end)])
        if end > cell:
            return Frame(end, inline.closers + " |" * max(1, 1 + missing))
        if len(pipes) == 1:
            return Frame(self._trimmed(self.at))
        return Frame(cell if missing > 0 else cell + inline.shown, " |" * missing)

    def _until(self, end: int, outline: Outline) -> Frame:
        """The text up to *end*, where it stands at *outline*, with what is open closed."""
        if end < len(self.text):
            end = self._trimmed(end)
        start = outline.start
        if outline.leaf not in (Leaf.PARAGRAPH, Leaf.HEADING) or start >= end:
            return Frame(end)
        inline = read(self.text[start:end])
        if inline.shown == end - start and not inline.closers:
            return Frame(end)
        kept = self.text[start : start + inline.shown]
        if IN_QUOTE in outline.containers:
            kept = QUOTED_BLANKS.sub("", kept)
        if not kept.strip():
            return Frame(self._trimmed(self.text.rfind("\n", 0, start) + 1))
        line = kept.rfind("\n") + 1
        if LIKE_A_FENCE.fullmatch(kept[line:] + inline.closers):
            # It is none, for a backtick follows; but that one is held back.
            return self._until(start + line, outline)
        return Frame(start + len(kept), inline.closers)


def _is_row(line: str) -> bool:
    """Whether *line* looks like a table's row; two bars begin a spoiler."""
    line = line.lstrip()
    return line.startswith("|") and not line.startswith("||")
