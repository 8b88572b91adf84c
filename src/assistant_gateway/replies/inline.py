"""
What is open at the end of a paragraph that is still being written.

Emphasis, strikethrough and spoilers, code, links, images, mentions, escapes and entities are
read as CommonMark 0.31 and GitHub's extension read them. What has begun and not ended is closed;
a token that shows as garbage until it is whole (half a link, half a mention, a marker without
text) is held back.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from string import punctuation
from typing import NamedTuple

LABEL = 80  # characters; a bracket that has not closed by then is taken for a mere bracket
DEPTH = 8  # markers that are closed at once; nobody nests deeper on purpose

# A class at the beginning, no alternation: `re` then skips plain text at once.
SPECIAL = re.compile(
    r"[\\`*_~|<&!\[\]](?:(?<=\\).|(?<=`)`+|(?<=\*)\*+|(?<=_)_+|(?<=~)~+|(?<=\|)\|+|(?<=!)\[)?", re.DOTALL
)
TOKEN = re.compile(r"<[@#!:/A-Za-z][^\s<>|]*+(?:\|[^<>\n]{0,120})?>")
PART_OF_TOKEN = re.compile(r"<(?:[@#!:/A-Za-z][^\s<>|]*+(?:\|[^<>\n]{0,120})?)?\Z")
ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
PART_OF_NUMBER = re.compile(r"&#(?:\d{0,7}|[xX][0-9a-fA-F]{0,6})\Z")
NAMES = ("&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&nbsp;", "&copy;", "&mdash;", "&ndash;", "&hellip;")
_GOAL = r"(?:[^\s()\\<]|\\.|\((?:[^\s()\\]|\\.)*+\))(?:[^\s()\\]|\\.|\((?:[^\s()\\]|\\.)*+\))*+"
TARGET = re.compile(
    rf"\(\s*+(?:<[^<>\n]*+>|{_GOAL})?(?:\s++(?:\"[^\"]*+\"|'[^']*+'|\([^()]*+\)))?\s*+\)", re.DOTALL
)
PART_OF_TARGET = re.compile(
    rf"\(\s*+(?:<[^<>\n]*+>?|(?:{_GOAL})?+(?:\((?:[^\s()\\]|\\.)*+)?\\?)"
    r"(?:\s++(?:\"[^\"\n]{0,120}\"?|'[^'\n]{0,120}'?|\([^()\n]{0,120}\)?)?)?\s*+\Z",
    re.DOTALL,
)
PUNCTUATION = frozenset(punctuation)


class Span(NamedTuple):
    """
    Something that begins and ends.

    Attributes:
        end: Where it ends; beyond the text while it is open.
        marker: What closes and opens it; empty for what must stay whole (links, mentions, markers).
    """

    start: int
    end: int
    marker: str = ""


@dataclass(frozen=True, slots=True)
class Inline:
    """
    What a text has in it.

    Attributes:
        shown: How many characters of it can be shown.
        closers: What closes all that is open behind them.
        spans: All that begins and ends, in no order.
    """

    shown: int
    closers: str
    spans: Sequence[Span]


@dataclass(slots=True)
class _Run:
    """A run of markers: those that are *left* can still open something."""

    char: str
    start: int
    count: int
    left: int
    opens: bool
    closes: bool


@dataclass(slots=True)
class _Bracket:
    start: int
    end: int
    runs: int  # how many runs stand before it


def read(text: str) -> Inline:
    """Read the text of one paragraph, heading or table cell, as far as it is written."""
    reader = _Reader(text)
    reader.read()
    return reader.result()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.held = len(text)
        self.code = ""  # the marker of the code that is open at the end
        self.runs: list[_Run] = []
        self.brackets: list[_Bracket] = []
        self.spans: list[Span] = []

    def read(self) -> None:
        text, at = self.text, 0
        find = SPECIAL.search
        while found := find(text, at):
            token, start, at = found[0], found.start(), found.end()
            match token[0]:
                case "*" | "_" | "~" | "|":
                    self._run(token, start, at)
                case "`":
                    at = self._code(token, start, at)
                case "\\":
                    self._atom(start, at, whole=len(token) == 2)
                case "<":
                    at = self._angle(start, at)
                case "&":
                    at = self._entity(start, at)
                case "]":
                    at = self._close_bracket(at)
                case "[" | "!" if token[-1] == "[":
                    self.brackets.append(_Bracket(start, at, len(self.runs)))
            if self.held < len(text) or self.code:
                break
        for bracket in self.brackets:
            if self._short(bracket, self.held):
                self.held = bracket.start
                break

    def result(self) -> Inline:
        text, end = self.text, self.held
        while self.runs and self.runs[-1].start >= end:
            self.runs.pop()
        if self.code and self.spans[-1].start >= end:
            self.spans.pop()
            self.code = ""
        if self.runs and self.runs[-1].start + self.runs[-1].count == len(text):
            # It may grow, and open or close: it is held, and if it closed something, it comes back.
            end = self.runs.pop().start
        self.spans += [Span(run.start, run.start + run.count) for run in self.runs if run.count > 1]
        opened = [run for run in _pair(self.runs, self.spans) if not self._is_times(run)]
        self.spans += [Span(run.start, len(text) + 1, run.char * run.left) for run in opened[-DEPTH:]]
        if self.held < len(text) and not self.code:
            self.spans.append(Span(self.held, len(text) + 1))
        if end < len(text):
            end = len(text[:end].rstrip())
        while opened and opened[-1].start + opened[-1].count >= end and not self.code:
            empty = opened.pop()
            end = len(text[: empty.start + empty.count - empty.left].rstrip())
        closers = _closing(opened)
        if self.code or closers:
            end = len(text[:end].rstrip())
        return Inline(end, self.code + closers, self.spans)

    def _is_times(self, run: _Run) -> bool:
        """Whether it is a single star between two letters or digits: 2*3 is no emphasis while open."""
        if run.char != "*" or run.count > 1 or not run.closes:
            return False
        before, after = self.text[run.start - 1], self.text[run.start + 1]
        return before.isascii() and before.isalnum() and after.isascii() and after.isalnum()

    def _atom(self, start: int, end: int, *, whole: bool) -> None:
        if whole:
            self.spans.append(Span(start, end))
        else:
            self.held = start

    def _run(self, token: str, start: int, end: int) -> None:
        char, count = token[0], len(token)
        if char in "~|" and count != 2 and end < len(self.text):
            return
        before = self.text[start - 1] if start else " "
        after = self.text[end] if end < len(self.text) else " "
        spaced, ending = before.isspace(), after.isspace()
        marked = before in PUNCTUATION if before < "\x80" else _is_symbol(before)
        marking = after in PUNCTUATION if after < "\x80" else _is_symbol(after)
        left = not ending and (not marking or spaced or marked)
        right = not spaced and (not marked or ending or marking)
        if char == "_":
            left, right = left and (not right or marked), right and (not left or marking)
        elif char == "|":
            left, right = not ending, not spaced
        self.runs.append(_Run(char, start, count, count, left, right))

    def _code(self, token: str, start: int, end: int) -> int:
        text = self.text
        closing = re.compile(rf"(?<!`){token}(?!`)").search(text, end)
        if closing and closing.end() < len(text):
            self.spans.append(Span(start, closing.end(), token))
            return closing.end()
        shown = text[end:].rstrip("` \t\n")
        if shown:
            self.code = token
            self.held = end + len(shown)
            self.spans.append(Span(start, len(text) + 1, token))
        else:
            self.held = start
        return end

    def _angle(self, start: int, end: int) -> int:
        text = self.text
        whole = TOKEN.match(text, start)
        if whole:
            self.spans.append(Span(start, whole.end()))
            return whole.end()
        if PART_OF_TOKEN.match(text, start):
            word = start > 0 and text[start - 1].isalnum() and text[end : end + 1].isalpha()
            if not word:  # "x<y" compares
                self.held = start
        return end

    def _entity(self, start: int, end: int) -> int:
        text = self.text
        whole = ENTITY.match(text, start)
        if whole:
            self.spans.append(Span(start, whole.end()))
            return whole.end()
        rest = text[start : start + 10]
        part = start + len(rest) == len(text) and any(name.startswith(rest) for name in NAMES)
        if part or PART_OF_NUMBER.match(text, start):
            self.held = start
        return end

    def _close_bracket(self, end: int) -> int:
        if not self.brackets:
            return end
        text, bracket = self.text, self.brackets.pop()
        is_image = text[bracket.start] == "!"
        if end == len(text) and self._short(bracket, end):
            self.spans.append(Span(bracket.start, end + 1))  # an address may follow
            if is_image:
                self.held = bracket.start
        if not text.startswith("(", end):
            return end
        target = TARGET.match(text, end)
        if target:
            # Markers inside of a label and outside of it don't see each other.
            _pair(self.runs[bracket.runs :], self.spans)
            del self.runs[bracket.runs :]
            if not is_image:
                self.brackets.clear()  # there is no link in a link
            self.spans.append(Span(bracket.start, target.end()))
            return target.end()
        if PART_OF_TARGET.match(text, end):
            self.held = bracket.start if self._short(bracket, end) else end
        return end

    def _short(self, bracket: _Bracket, end: int) -> bool:
        return end - bracket.start <= LABEL and "\n" not in self.text[bracket.start : end]


def _pair(runs: Sequence[_Run], spans: list[Span]) -> list[_Run]:
    """
    Pair what opens with what closes, as CommonMark does; what is left open, outermost first.

    The pairs are added to *spans*.
    """
    opened: list[_Run] = []
    floors: dict[tuple[str, bool, int], int] = {}  # below which nothing fits such a closer
    for run in runs:
        if run.closes:
            kind = (run.char, run.opens, run.count % 3)
            at = len(opened) - 1
            while run.left and at >= floors.get(kind, 0):
                opener = opened[at]
                used = _fit(opener, run)
                if not used:
                    at -= 1
                    continue
                opener.left -= used
                end = run.start + run.count - run.left + used
                run.left -= used
                spans.append(Span(opener.start + opener.left, end, run.char * used))
                del opened[at + 1 :]
                if not opener.left:
                    opened.pop()
                    at -= 1
                for other, floor in floors.items():
                    floors[other] = min(floor, len(opened))
            if run.left:
                floors[kind] = len(opened)
        if run.left and run.opens:
            opened.append(run)
    return opened


def _fit(opener: _Run, closer: _Run) -> int:
    """How many markers the two have in common: 0 when they don't fit, 2 for strong."""
    if opener.char != closer.char:
        return 0
    if opener.char in "~|":
        return 2
    either = opener.closes or closer.opens
    odd = opener.count % 3 or closer.count % 3
    if either and odd and (opener.count + closer.count) % 3 == 0:
        return 0
    return 2 if min(opener.left, closer.left) >= 2 else 1


def _closing(opened: list[_Run]) -> str:
    """What closes as much of *opened* as can be closed at one place."""
    opened = opened[-DEPTH:]
    while opened:
        closers = "".join(run.char * run.left for run in reversed(opened))
        if not any(run.closes for run in opened) or _closes(opened, closers):
            return closers
        # Only runs inside of words can fail, by the rule of three; the outermost is given up.
        del opened[next(at for at, run in enumerate(opened) if run.closes)]
    return ""


def _closes(opened: Sequence[_Run], closers: str) -> bool:
    runs = [replace(run) for run in opened]
    for char, group in groupby(closers):
        count = len(list(group))
        runs.append(_Run(char, 0, count, count, opens=False, closes=True))
    return not _pair(runs, []) and not any(run.left for run in runs)


def _is_symbol(char: str) -> bool:
    return unicodedata.category(char)[0] in "PS"
