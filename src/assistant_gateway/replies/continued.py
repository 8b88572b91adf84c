"""
One long answer over several posts.

The sources of the pages joined are the text. What is shown of a page stands by itself: a fence
that goes on is closed and opened again with its language, a table gets its header again, emphasis
is closed and opened again. A page ends before a block, else before a line, else behind a word, in
its second half; never inside a link, a mention or a grapheme that could be kept whole. Where it ends
depends only on the text up to where it is full: pages that others follow stay as they are.

A page that is streamed can't take anything back: it never ends before what was sent of it, and may be
ended before it is full.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from assistant_gateway.replies.blocks import FENCE_BEGUN, IN_QUOTE, UNDERLINE, Fence, Leaf, Outline
from assistant_gateway.replies.cuts import best_cut, last_word, reopened
from assistant_gateway.replies.frames import Framer
from assistant_gateway.replies.inline import Span, read
from assistant_gateway.replies.split import Unit, fitting, measure

BLANK_LINES = re.compile(r"(?:[ \t]*\n)+")
TRIES = 8  # to find a place where the markers that are open there can be closed and opened again
NEAR = 200  # units before the end of a page, in which only whole words are firm
PART_OF_WORD = re.compile(r"\S{1,100}\Z")


@dataclass(frozen=True, slots=True)
class Page:
    """
    What one post shows.

    Attributes:
        source: The part of the text that it stands for; it may end in more blanks than a post takes.
        shown: What is posted; empty where the source is blank, or nothing of it can be shown yet.
        firm: The beginning of it that no later text takes back, without blanks at its end.
    """

    source: str
    shown: str
    firm: str = field(default="", compare=False)


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
        before_block: The best line to end the page before; 0 when there is none.
        low: Behind which it may end: its first half, or what was sent of it, stays whole.
    """

    at: int
    outline: Outline
    line_at: int
    before_block: int
    low: int


@dataclass(frozen=True, slots=True)
class _Begin:
    """
    Where a page begins.

    Attributes:
        at: Its first character.
        line_at: Where the line begins in which that is.
        outline: Where the text stands before that line.
    """

    at: int
    line_at: int
    outline: Outline
    carry: _Carry


class Pager:
    """Lays out one growing text; pages that are full are not read again."""

    def __init__(self, limit: int, unit: Unit = "characters") -> None:
        self._limit = limit
        self._unit = unit
        self._framer = Framer()
        self._ends_soon = False
        self._forget()

    def _forget(self) -> None:
        self._seen = ""
        self._full: list[Page] = []
        self._begins: list[_Begin] = []  # of the full ones
        self._begin(_Begin(0, 0, Outline(), _Carry()))

    def _begin(self, where: _Begin) -> None:
        self._at = where.at  # where the last page begins
        self._line_at = where.line_at  # where the line begins in which it does
        self._outline = where.outline  # before that line
        self._carry = where.carry
        self._floor = where.at  # before which it does not end

    @property
    def full(self) -> int:
        """How many pages are full: those that others follow, or that were ended."""
        return len(self._full)

    def resize(self, page: int, limit: int, unit: Unit = "characters") -> None:
        """From *page* on, pages have another limit."""
        if (limit, unit) == (self._limit, self._unit):
            return
        self._limit, self._unit = limit, unit
        if page < len(self._full):
            self._begin(self._begins[page])
            del self._full[page:], self._begins[page:]

    def keep(self, page: int, sent: str, *, ends_soon: bool) -> None:
        """So much of *page*, as it was laid out, can't be taken back; if it *ends_soon*, words are whole."""
        self._ends_soon = ends_soon
        if page == len(self._full):
            self._floor = self._behind(sent)

    def end(self, text: str, *, anywhere: bool) -> bool:
        """
        End the last page of *text*, which was laid out growing, although it is not full.

        It ends before a block, else *anywhere* in what is firm; False where it can't.
        """
        if self._at == len(text):
            return False
        firm = self._behind(self._framed(text[self._at :])[1])
        overflow = self._overflow(text, until=max(firm, self._floor))
        if overflow is None or not (overflow.before_block or anywhere):
            return False
        cut, opened = self._cut(text, overflow)
        self._turn(text, cut, opened, known=overflow.at + 1)
        return True

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
        shown, firm = self._last(text, growing=growing)
        return [*self._full, Page(text[self._at :], shown, firm)]

    def _measure(self, text: str) -> int:
        return measure(text, self._unit)

    def _overflow(self, text: str, *, until: int | None = None) -> _Overflow | None:
        """Where the last page is full, as it is *until* there in any case; None while all of *text* fits."""
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
            full = (full and stop > self._floor) or (until is not None and at < until <= stop)
            if full:
                fits = room - used - reserve
                stop = at + (fitting(text[at:stop], fits, self._unit) if fits > 0 else 0)
                stop = max(self._floor, stop if until is None else min(stop, until))
                line = text[line_at : stop + 1]
            elif end < 0:
                return None
            before, outline = outline, outline.after(line, line_at)
            if not is_blank:
                is_late = at >= self._floor and (until is not None or used * 2 >= room)
                if at > self._at and is_late:
                    rank = 0 if after_heading else _rank(before, outline, line, at, after_blank=after_blank)
                    if rank is not None and rank >= best_rank:
                        best, best_rank = at, rank
                after_heading = outline.leaf is Leaf.HEADING
            if full:
                kept = self._floor > self._at
                low = self._floor - 1 if kept else self._half(text, stop, room)
                return _Overflow(stop, outline, line_at, best, low)
            after_blank = is_blank
            used += self._measure(text[at : end + 1])
            at = line_at = end + 1
        return None

    def _half(self, text: str, end: int, room: int) -> int:
        """Where the first half of a page ends that is full at *end*."""
        return self._at + fitting(text[self._at : max(end, self._at + 1)], max(1, room // 2), self._unit)

    def _behind(self, shown: str) -> int:
        """Where the part of the last page ends that shows *shown*; its beginning where none does."""
        text = self._seen
        mid_line = self._at > self._line_at
        low, high = self._at, len(text)
        while low < high:
            middle = (low + high) // 2
            if len(self._shown(text[self._at : middle], mid_line=mid_line).rstrip()) < len(shown):
                low = middle + 1
            else:
                high = middle
        whole = self._shown(text[self._at : low], mid_line=mid_line)
        return low if whole.startswith(shown) else self._at

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
        high, low = max(overflow.at, start + 1), overflow.low
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
        begin = _Begin(start, self._line_at, self._outline.copy(), self._carry)
        while 0 <= (end := text.find("\n", self._line_at)) < cut:
            self._outline.take(text[self._line_at : end], self._line_at)
            self._line_at = end + 1
        end = text.find("\n", self._line_at)
        known = min(known, len(text) if end < 0 else end)
        here = self._outline.after(text[self._line_at : known], self._line_at)
        carry = self._carried(here, cut, opened)
        shown = self._shown(text[start:cut], mid_line=mid_line).rstrip()
        # What was sent already may leave no room; a stream takes a little more than it is said to.
        if self._floor > start or self._measure(shown + carry.closing) <= self._limit:
            shown += carry.closing
        self._full.append(Page(text[start:cut], shown, shown))
        self._begins.append(begin)
        self._at, self._carry, self._floor = cut, carry, cut

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

    def _last(self, text: str, *, growing: bool) -> tuple[str, str]:
        """What the last page shows, and what of it is firm."""
        source = text[self._at :]
        if not source.strip():
            return "", ""
        if growing:
            shown, firm = self._framed(source)
            while (over := self._measure(shown) - self._limit) > 0:
                # There is no room for the closers: the last words wait for the next page.
                end = max(0, len(source) - over)
                source = source[: last_word(source, max(0, end - 40), end)]
                shown, _ = self._framed(source)
            return (shown, firm) if source.strip() else ("", firm)
        shown = self._shown(source, mid_line=self._at > self._line_at)
        outline, at = self._outline.copy(), self._line_at
        for line in text[at:].split("\n"):
            outline.take(line, at)
            at += len(line) + 1
        if outline.fence:
            shown = shown.rstrip("\n") + f"\n{self._own_prefix(outline)}{outline.fence.marker}"
        if self._measure(shown) > self._limit:
            shown = shown.rstrip()
        if self._measure(shown) > self._limit:
            shown, _ = self._last(text, growing=True)
        return shown, shown

    def _framed(self, source: str) -> tuple[str, str]:
        """The frame of the last page with *source*, and what of it is firm."""
        shown = self._shown(source, mid_line=self._at > self._line_at)
        found = self._framer.read(shown)
        firm = kept = shown[: found.kept]
        if self._ends_soon or self._measure(kept) > self._limit - min(NEAR, self._limit // 8):
            # It had better not end inside of a word.
            firm = PART_OF_WORD.sub("", kept)
        return kept + found.closers, firm.rstrip()


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
