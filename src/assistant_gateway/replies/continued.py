"""
One long answer over several posts.

The sources of the pages joined are the text. What is shown of a page stands by itself: a fence
that goes on is closed and opened again with its language, a table gets its header again, emphasis
is closed and opened again. A page ends before a block, else before a line, else behind a word, in
its second half; never inside a link, a mention or a grapheme that could be kept whole. Where it ends
depends only on the text up to where it is full: pages that others follow stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from assistant_gateway.replies.blocks import FENCE_BEGUN, IN_QUOTE, UNDERLINE, Fence, Leaf, Outline
from assistant_gateway.replies.cuts import best_cut, last_word, reopened
from assistant_gateway.replies.frames import Framer
from assistant_gateway.replies.inline import Span, read
from assistant_gateway.replies.split import Unit, fitting, measure

BLANK_LINES = re.compile(r"(?:[ \t]*\n)+")
TRIES = 8  # to find a place where the markers that are open there can be closed and opened again


@dataclass(frozen=True, slots=True)
class Page:
    """
    What one post shows.

    Attributes:
        source: The part of the text that it stands for; it may end in more blanks than a post takes.
        shown: What is posted; empty where the source is blank, or nothing of it can be shown yet.
    """

    source: str
    shown: str


def pages(text: str, limit: int, unit: Unit = "characters", *, growing: bool = False) -> list[Page]:
    """
    Lay *text* out on pages of at most *limit* units.

    Args:
        growing: More text may follow, so that the last page is shown as a frame.
    """
    return Pager(limit, unit).pages(text, growing=growing)


@dataclass(frozen=True, slots=True)
class _Carry:
    """
    How a page begins that goes on with a block of the page before.

    Attributes:
        closing: How the page before ends.
        opening: How this one begins.
        markers: What the opening ends in: markers of emphasis, strikethrough, spoilers, code.
        fence: The fence that goes on.
        width: How many spaces the lines of the fence or table lose, for they have left their list.
        inline: A paragraph goes on.
    """

    closing: str = ""
    opening: str = ""
    markers: str = ""
    fence: Fence | None = None
    width: int = 0
    inline: bool = False


@dataclass(frozen=True, slots=True)
class _Overflow:
    """
    What is known of a page that is full.

    Attributes:
        at: How far the text fits.
        outline: Where the text stands there.
        line_at: Where that line begins.
        before_block: The best line of the second half to end the page before; 0 when there is none.
        room: What the page takes, in units.
    """

    at: int
    outline: Outline
    line_at: int
    before_block: int
    room: int


class Pager:
    """Lays out one growing text; pages that are full are not read again."""

    def __init__(self, limit: int, unit: Unit = "characters") -> None:
        self._limit = limit
        self._unit = unit
        self._framer = Framer()
        self._forget()

    def _forget(self) -> None:
        self._seen = ""
        self._full: list[Page] = []
        self._at = 0  # where the last page begins
        self._line_at = 0  # where the line begins in which it does
        self._outline = Outline()  # before that line
        self._carry = _Carry()

    def pages(self, text: str, *, growing: bool = False) -> list[Page]:
        """The pages of *text*; a text that does not go on from the one before is laid out anew."""
        if not text.startswith(self._seen):
            self._forget()
        self._seen = text
        while overflow := self._overflow(text):
            cut, opened = self._cut(text, overflow)
            self._turn(text, cut, opened, known=overflow.at + 1)
        if self._at == len(text):
            return list(self._full)
        return [*self._full, Page(text[self._at :], self._last(text, growing=growing))]

    def _measure(self, text: str) -> int:
        return measure(text, self._unit)

    def _overflow(self, text: str) -> _Overflow | None:
        """Where the last page is full; None while all of *text* fits."""
        room = self._limit - self._measure(self._carry.opening)
        outline, line_at, at, used = self._outline.copy(), self._line_at, self._at, 0
        best, best_rank, after_blank, after_heading = 0, -1, False, False
        while at < len(text):
            end = text.find("\n", at)
            stop = len(text) if end < 0 else end
            line = text[line_at:stop]
            is_blank = not line.strip()
            reserve = self._reserve(outline, line, whole=end >= 0)
            full = not is_blank and used + self._measure(text[at:stop]) + reserve > room
            if full:
                fits = room - used - reserve
                stop = at + (fitting(text[at:stop], fits, self._unit) if fits > 0 else 0)
                line = text[line_at : stop + 1]
            elif end < 0:
                return None
            before, outline = outline, outline.after(line, line_at)
            if not is_blank:
                if at > self._at and used * 2 >= room:
                    rank = 0 if after_heading else _rank(before, outline, line, at, after_blank=after_blank)
                    if rank is not None and rank >= best_rank:
                        best, best_rank = at, rank
                after_heading = outline.leaf is Leaf.HEADING
            if full:
                return _Overflow(stop, outline, line_at, best, room)
            after_blank = is_blank
            used += self._measure(text[at : end + 1])
            at = line_at = end + 1
        return None

    def _reserve(self, outline: Outline, line: str, *, whole: bool) -> int:
        """How much room it will take to close the fence that *line* is in."""
        if outline.fence:
            inner = outline.inner(line)
            unsettled = not inner.strip() or outline.fence.maybe_closed_by(inner)
            if outline.fence.closed_by(inner) or (unsettled and not whole):
                return 0
            closing = self._measure(f"\n{outline.prefix}{outline.fence.marker}")
        else:
            begun = FENCE_BEGUN.match(line)
            closing = 1 + 2 * begun.start(1) + len(begun[1]) if begun else 0
        return closing if closing <= self._limit // 4 else 0

    def _cut(self, text: str, overflow: _Overflow) -> tuple[int, Sequence[str]]:
        """Where the page ends, and the markers that are open there."""
        if overflow.before_block:
            return overflow.before_block, ()
        start, here = self._at, overflow.outline
        high = max(overflow.at, start + 1)
        low = start + fitting(text[start:high], max(1, overflow.room // 2), self._unit)
        spans: list[Span] = []
        if here.leaf in (Leaf.PARAGRAPH, Leaf.HEADING, Leaf.TABLE):
            base = overflow.line_at if here.leaf is Leaf.TABLE else here.start
            if base < high:
                low = max(low, base)
            carried = self._carry.markers if base < start else ""
            base = max(base, start) - len(carried)
            spans = [
                Span(span.start + base, span.end + base, span.marker)
                # What is behind the cut tells whether a marker before it opens or closes.
                for span in read(carried + text[base + len(carried) : high + 1]).spans
            ]
        for _ in range(TRIES):
            cut = best_cut(text, low, high, spans, marked=bool(here.containers))
            opened = reopened(text, start, cut, spans)
            over = 0
            if opened is not None:
                closed = self._carry.opening + text[start:cut].rstrip() + "".join(opened)
                over = self._measure(closed) - self._limit if opened else 0
                if over <= 0 and sum(map(len, opened)) <= self._limit // 8:
                    return cut, opened
            if cut - max(1, over) <= low:
                break
            high = cut - max(1, over)
        return cut, ()

    def _turn(self, text: str, cut: int, opened: Sequence[str], *, known: int) -> None:
        """End the page at *cut*, where the markers *opened* are open, and begin the next one."""
        start = self._at
        mid_line = start > self._line_at
        while 0 <= (end := text.find("\n", self._line_at)) < cut:
            self._outline.take(text[self._line_at : end], self._line_at)
            self._line_at = end + 1
        end = text.find("\n", self._line_at)
        known = min(known, len(text) if end < 0 else end)
        here = self._outline.after(text[self._line_at : known], self._line_at)
        carry = self._carried(here, cut, opened)
        shown = self._shown(text[start:cut], mid_line=mid_line).rstrip()
        if self._measure(shown + carry.closing) <= self._limit:
            shown += carry.closing
        self._full.append(Page(text[start:cut], shown))
        self._at, self._carry = cut, carry

    def _carried(self, here: Outline, cut: int, opened: Sequence[str]) -> _Carry:
        before, mid_line = self._outline, cut > self._line_at
        markers, closing = "".join(opened), "".join(reversed(opened))
        quoted = IN_QUOTE in before.containers
        prefix, width = (before.prefix, 0) if quoted else ("", sum(before.containers))
        if before.fence and here.fence is before.fence:
            fence = before.fence
            closing = f"\n{self._own_prefix(before)}{fence.marker}"
            for line in (fence.opening, " " * fence.indent + fence.marker):
                opening = f"{prefix}{line}\n{prefix if mid_line else ''}"
                if max(self._measure(opening), len(closing)) <= self._limit // 4:
                    return _Carry(closing, opening, fence=fence, width=width)
        elif before.leaf is Leaf.TABLE and here.leaf is Leaf.TABLE:
            opening = "".join(f"{prefix}{row}\n" for row in here.header.splitlines())
            opening += prefix if mid_line else ""
            if self._measure(opening) <= self._limit // 3:
                return _Carry(closing, opening + markers, markers, width=width)
        elif here.leaf in (Leaf.PARAGRAPH, Leaf.HEADING) and here.start < cut:
            marks = "> " * here.containers.count(IN_QUOTE) if mid_line else ""
            return _Carry(closing, marks + markers, markers, inline=True)
        return _Carry()

    def _own_prefix(self, outline: Outline) -> str:
        """What the closing marker of the fence of *outline* needs before it on this page."""
        return "" if self._carry.fence is outline.fence and self._carry.width else outline.prefix

    def _shown(self, source: str, *, mid_line: bool) -> str:
        """The page with the opening that it needs."""
        carry = self._carry
        if carry.inline:
            return carry.opening + source.lstrip()
        if not carry.fence and self._full:
            blank = BLANK_LINES.match(source)
            source = source[blank.end() :] if blank else source
        if carry.width:
            source = _dedented(source, carry, mid_line=mid_line)
        return carry.opening + source

    def _last(self, text: str, *, growing: bool) -> str:
        source = text[self._at :]
        mid_line = self._at > self._line_at
        if not source.strip():
            return ""
        shown = self._shown(source, mid_line=mid_line)
        if growing:
            shown = self._framer.frame(shown)
            while (over := self._measure(shown) - self._limit) > 0:
                # There is no room for the closers: the last words wait for the next page.
                end = max(0, len(source) - over)
                source = source[: last_word(source, max(0, end - 40), end)]
                shown = self._framer.frame(self._shown(source, mid_line=mid_line))
            return shown if source.strip() else ""
        outline, at = self._outline.copy(), self._line_at
        for line in text[at:].split("\n"):
            outline.take(line, at)
            at += len(line) + 1
        if outline.fence:
            shown = shown.rstrip("\n") + f"\n{self._own_prefix(outline)}{outline.fence.marker}"
        if self._measure(shown) > self._limit:
            shown = shown.rstrip()
        return shown if self._measure(shown) <= self._limit else self._last(text, growing=True)


def _rank(before: Outline, after: Outline, line: str, at: int, *, after_blank: bool) -> int | None:
    """How good it is to end a page before *line*: 3 is best; None in the midst of a paragraph or the like."""
    fence = before.fence
    if fence and after.fence is fence:
        return (2 if after_blank else 1) if at > fence.body else None
    if fence and fence.maybe_closed_by(before.inner(line)):
        return None
    if after.leaf is Leaf.TABLE:
        return 1 if before.leaf is Leaf.TABLE and at > before.start else None
    if after.leaf is Leaf.CODE and after.start < at:
        return 1
    underlines = before.leaf is Leaf.PARAGRAPH and UNDERLINE.match(before.inner(line))
    if underlines or (after.leaf is Leaf.PARAGRAPH and after.start < at):
        return None
    return 3 if after_blank else 2


def _dedented(source: str, carry: _Carry, *, mid_line: bool) -> str:
    """The lines of a fence or table without the indentation of the list that they stood in."""
    lines = source.split("\n")
    for number, line in enumerate(lines):
        if number or not mid_line:
            lines[number] = line = line[min(carry.width, len(line) - len(line.lstrip(" "))) :]
        if carry.fence.closed_by(line) if carry.fence else not line.strip():
            break
    return "\n".join(lines)
