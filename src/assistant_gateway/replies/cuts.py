"""Where a page may end: outside of what must stay whole, at a line, a word, or between two graphemes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from assistant_gateway.replies.inline import Span
from assistant_gateway.replies.split import joined

WORD_ENDS = frozenset("。、，．！？；：…」』）】")  # of scripts that put no spaces between words


def best_cut(text: str, low: int, high: int, spans: Sequence[Span], *, marked: bool) -> int:
    """
    The best place in (low, high] to cut *text*, and the last one of these; *high* when there is none.

    Args:
        spans: What had better stay whole; what has no marker to open it again, in any case.
        marked: The lines begin with marks of a quote or list, before which no marker can be opened.
    """
    whole = _merged(spans)
    atoms = _merged([span for span in spans if not span.marker])
    for ends, kept in (
        (_is_line_end, whole),
        (_is_word_end, whole),
        (_is_inner_word_end if marked else _is_word_end, atoms),
        (_is_grapheme_end, atoms),
        (_is_grapheme_end, ()),
    ):
        cut = _last(text, low, high, ends, kept)
        if cut:
            return cut
    return high


def last_word(text: str, low: int, high: int) -> int:
    """The last end of a word in (low, high]; *high* when there is none."""
    return _last(text, low, high, _is_word_end, ()) or high


def reopened(text: str, start: int, cut: int, spans: Sequence[Span]) -> list[str] | None:
    """The markers that are open at *cut*, outermost first; None where they can't be opened there again."""
    opened: list[str] = []
    for span in sorted(spans, key=lambda span: span.start):
        if not span.marker or not span.start < cut < span.end:
            continue
        if span.marker[0] in "*_":
            opened.append(span.marker)
        elif len(span.marker) < 3 and span.marker not in opened:
            # At the beginning of a page, three tildes or backticks in a row would be a fence.
            opened.append(span.marker)
    if opened:
        inner = opened[-1][0]
        if text[cut : cut + 1] == inner or (inner == "`" and text[start:cut].rstrip().endswith("`")):
            return None
    return opened


def _last(
    text: str, low: int, high: int, ends: Callable[[str, int], bool], whole: Sequence[tuple[int, int]]
) -> int:
    """The last place in (low, high] where *ends* holds and nothing of *whole* is cut; 0 if there is none."""
    at, left = min(high, len(text)), len(whole)
    while at > low:
        while left and whole[left - 1][0] >= at:
            left -= 1
        if left and whole[left - 1][1] > at:
            at = whole[left - 1][0]
        elif at == len(text) or (ends(text, at) and not joined(text, at)):
            return at
        else:
            at -= 1
    return 0


def _merged(spans: Sequence[Span]) -> list[tuple[int, int]]:
    """What the spans cover, in order and apart."""
    found: list[tuple[int, int]] = []
    for span in sorted(spans, key=lambda span: span.start):
        if found and span.start < found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], span.end))
        else:
            found.append((span.start, span.end))
    return found


def _is_line_end(text: str, at: int) -> bool:
    return text[at - 1] == "\n"


def _is_word_end(text: str, at: int) -> bool:
    before = text[at - 1]
    return (before.isspace() and not text[at].isspace()) or before in WORD_ENDS


def _is_inner_word_end(text: str, at: int) -> bool:
    return text[at - 1] != "\n" and _is_word_end(text, at)


def _is_grapheme_end(text: str, at: int) -> bool:
    return True
