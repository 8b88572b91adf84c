"""
Where in the block structure of Markdown a text stands, line by line.

Quotes and list items contain; fences, tables, paragraphs, headings and indented code are
contained. The rules are those of CommonMark 0.31 and GitHub's tables with one difference: a
fence inside a list item is ended by its closing marker only, because models often forget the
indentation of the code, and chat platforms do not ask for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from assistant_gateway.replies.tables import heads

QUOTE = re.compile(r" {0,3}> ?")
ITEM = re.compile(r" {0,3}(?:[-+*]|(\d{1,9})[.)])(?:(?= *$)| {1,4}(?! )| )")
FENCE = re.compile(r"( {0,3})(`{3,}+(?=[^`]*$)|~{3,}+)(.*)")
FENCE_BEGUN = re.compile(r"[ \t>]*+(?:(?:[-+*]|\d{1,9}[.)])[ \t]++)*+(`{3,}+|~{3,}+)")
HEADING = re.compile(r" {0,3}#{1,6}(?:[ \t]+|$)")
RULE = re.compile(r" {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$")
UNDERLINE = re.compile(r" {0,3}(?:-+|=+)[ \t]*$")
LEAD = re.compile(r"[ \t>]*(?:(?:[-+*]|\d{1,9}[.)])[ \t]+[ \t>]*)*")

DEPTH = 16  # containers in one another; more are read as text
IN_QUOTE = 0  # the width of a quote among the containers; that of a list item is at least 2


class Leaf(Enum):
    """What the innermost block is."""

    NONE = "none"
    PARAGRAPH = "paragraph"
    HEADING = "heading"
    TABLE = "table"
    CODE = "code"
    """Code that is indented by four spaces; nothing in it is markup."""


@dataclass(frozen=True, slots=True)
class Fence:
    """
    A block of code between markers.

    Attributes:
        marker: What closes it: as many backticks or tildes as opened it.
        info: What stands behind the marker: the language.
        indent: How many spaces stand before the marker, 0 to 3.
        start: Where the line of the opening marker begins.
        body: Where the code begins.
    """

    marker: str
    info: str
    indent: int
    start: int
    body: int

    @property
    def opening(self) -> str:
        return " " * self.indent + self.marker + self.info

    def closed_by(self, line: str) -> bool:
        """Whether *line*, without the marks of its containers, is the closing marker."""
        mark = line.strip()
        return len(mark) >= len(self.marker) and self.maybe_closed_by(line)

    def maybe_closed_by(self, line: str) -> bool:
        """Whether *line* is, or may become, the closing marker."""
        mark = line.strip()
        indent = len(line) - len(line.lstrip(" "))
        return bool(mark) and not mark.strip(self.marker[0]) and indent <= 3


class Outline:
    """
    The state after some lines; `take` the next one.

    Attributes:
        containers: Widths of the list items that the text is in, outermost first; `IN_QUOTE` for a quote.
        fence: The open fence.
        leaf: The innermost block; `NONE` in a fence and after a blank line.
        start: Where the text of the leaf begins; of a table, where its rows begin.
        last: The last line of a paragraph, without the marks of its containers.
        last_at: Where that line begins, with these marks.
        header: Header and dashes of the table that the text is in, without the marks of their containers.
    """

    __slots__ = ("containers", "fence", "header", "last", "last_at", "leaf", "start")

    def __init__(self) -> None:
        self.containers: tuple[int, ...] = ()
        self.fence: Fence | None = None
        self.leaf = Leaf.NONE
        self.start = 0
        self.last = ""
        self.last_at = 0
        self.header = ""

    def copy(self) -> Outline:
        """A second one that goes its own way."""
        other = Outline()
        other.containers, other.fence, other.leaf = self.containers, self.fence, self.leaf
        other.start, other.last, other.last_at = self.start, self.last, self.last_at
        other.header = self.header
        return other

    def after(self, line: str, at: int) -> Outline:
        """What it would be after *line*."""
        other = self.copy()
        other.take(line, at)
        return other

    @property
    def prefix(self) -> str:
        """What a further line must begin with to be in the same containers."""
        return "".join("> " if width == IN_QUOTE else " " * width for width in self.containers)

    def inner(self, line: str) -> str:
        """The part of *line* that is behind the marks of the open containers."""
        line = _without_tabs(line)
        return line[self._matched(line)[1] :]

    def take(self, line: str, at: int) -> None:
        """Go on by *line*, which begins at *at* and is given without its line break."""
        end = at + len(line)
        line = _without_tabs(line)
        depth, begin = self._matched(line)
        rest = line[begin:]
        if self.fence:
            if depth == len(self.containers):
                if self.fence.closed_by(rest):
                    self.fence = None
                return
            self.fence = None
        if not rest or rest.isspace():
            self.containers = self.containers[:depth]
            self.leaf = Leaf.NONE
            return
        if self._continues(rest, whole=depth == len(self.containers)):
            if self.leaf is Leaf.PARAGRAPH:
                self._go_on(rest, at, end, whole=depth == len(self.containers))
            return
        self.containers = self.containers[:depth]
        self.leaf = Leaf.NONE
        rest = self._enter(rest)
        self._begin(rest, at, end)

    def _matched(self, line: str) -> tuple[int, int]:
        """How many of the containers go on in *line*, and where their marks end in it."""
        at = 0
        for depth, width in enumerate(self.containers):
            if width == IN_QUOTE:
                mark = QUOTE.match(line, at)
                if not mark:
                    return depth, at
                at = mark.end()
            else:
                spaces = len(line) - at - len(line[at:].lstrip(" "))
                if spaces < width and at + spaces < len(line) and not self.fence:
                    return depth, at
                at += min(spaces, width)
        return len(self.containers), at

    def _continues(self, rest: str, *, whole: bool) -> bool:
        match self.leaf:
            case Leaf.PARAGRAPH:
                # A paragraph goes on even where the marks of its containers are left out.
                return not _starts(rest, in_paragraph=whole) or (whole and UNDERLINE.match(rest) is not None)
            case Leaf.TABLE:
                return whole and not _starts(rest, in_paragraph=False)
            case Leaf.CODE:
                return whole and rest.startswith("    ")
            case _:
                return False

    def _go_on(self, rest: str, at: int, end: int, *, whole: bool) -> None:
        if whole and heads(self.last, rest):
            self.leaf = Leaf.TABLE
            self.header = f"{self.last}\n{rest}\n"
            self.start = end + 1
        elif whole and UNDERLINE.match(rest):
            self.leaf = Leaf.NONE
        else:
            self.last, self.last_at = rest, at

    def _enter(self, rest: str) -> str:
        """Go into the quotes and list items that begin here; what stands behind their marks."""
        while len(self.containers) < DEPTH:
            mark = QUOTE.match(rest)
            if mark:
                self.containers += (IN_QUOTE,)
            else:
                mark = None if RULE.match(rest) else ITEM.match(rest)
                if not mark:
                    return rest
                behind = mark.end() if mark[0].endswith(" ") else mark.end() + 1
                self.containers += (behind,)
            rest = rest[mark.end() :]
        return rest

    def _begin(self, rest: str, at: int, end: int) -> None:
        fence = FENCE.match(rest)
        heading = HEADING.match(rest)
        self.start = end - len(rest.lstrip())
        if fence:
            self.fence = Fence(fence[2], fence[3].rstrip(), len(fence[1]), at, end + 1)
        elif heading:
            self.leaf = Leaf.HEADING
            self.start = end - len(rest) + heading.end()
        elif rest and not rest.isspace() and not RULE.match(rest):
            self.leaf = Leaf.CODE if rest.startswith("    ") else Leaf.PARAGRAPH
            self.last, self.last_at = rest, at


def _starts(rest: str, *, in_paragraph: bool) -> bool:
    """Whether *rest* begins a block that can interrupt a paragraph, or a table."""
    first = rest.lstrip(" ")[:1]
    if first not in ">-+*_#`~" and not first.isdigit():
        return False
    if QUOTE.match(rest) or HEADING.match(rest) or RULE.match(rest) or FENCE.match(rest):
        return True
    item = ITEM.match(rest)
    if not item or not in_paragraph:
        return item is not None
    return item.end() < len(rest.rstrip()) and item[1] in (None, "1")


def _without_tabs(line: str) -> str:
    """*line* with spaces for the tabs before its text."""
    if "\t" not in line:
        return line
    lead = LEAD.match(line)
    cut = lead.end() if lead else 0
    return line[:cut].expandtabs(4) + line[cut:]
