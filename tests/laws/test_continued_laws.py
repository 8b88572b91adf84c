"""Continued posts: what holds for every text, limit and unit, growing or complete."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

import markdown_texts as texts
from assistant_gateway.replies.continued import Pager, pages
from assistant_gateway.replies.split import Unit, joined, measure

UNITS = st.sampled_from(["characters", "utf16", "bytes"])

answers = st.lists(texts.documents, min_size=1, max_size=4).map("\n\n".join)
limits = st.integers(60, 300)


@settings(max_examples=300, deadline=None)
@given(answers | texts.hostile, st.integers(8, 300), UNITS)
def test_sources_joined_are_the_text_and_the_limit_is_kept(text: str, limit: int, unit: Unit) -> None:
    """Nothing is lost, added or reordered; with all that is repeated, no page is too long."""
    found = pages(text, limit, unit)

    assert text == "".join(page.source for page in found)
    assert all(page.source for page in found)
    assert all(measure(page.shown, unit) <= limit for page in found)


@settings(max_examples=200, deadline=None)
@given(answers | texts.hostile, limits, UNITS)
def test_every_page_stands_by_itself(text: str, limit: int, unit: Unit) -> None:
    """What markdown-it reads behind any page is text, not code."""
    assert not any(texts.open_fence(page.shown) for page in pages(text, limit, unit))


@settings(max_examples=200, deadline=None)
@given(answers, st.integers(150, 400), UNITS)
def test_no_marker_becomes_stray_by_a_cut(text: str, limit: int, unit: Unit) -> None:
    """Rendered by markdown-it, all pages together show no more stray markers than the text does."""
    shown: Counter[str] = Counter()
    for page in pages(text, limit, unit):
        shown += texts.stray(page.shown)
    allowed = texts.stray(text)

    assert all(count <= allowed[marker] for marker, count in shown.items())


@settings(max_examples=120, deadline=None)
@given(answers | texts.hostile, limits, UNITS, st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_pages_that_others_follow_never_change(text: str, limit: int, unit: Unit, sizes: list[int]) -> None:
    """While the text arrives in pieces of 1 to 60 characters, all pages but the last are final."""
    final = pages(text, limit, unit)
    pager = Pager(limit, unit)
    end, turn = 0, 0
    while end < len(text):
        end += sizes[turn % len(sizes)]
        turn += 1
        found = pager.pages(text[:end], growing=True)

        assert final[: max(0, len(found) - 1)] == found[:-1]
        assert text[:end] == "".join(page.source for page in found)
        assert all(measure(page.shown, unit) <= limit for page in found)
        assert found == pages(text[:end], limit, unit, growing=True)

    assert final == pager.pages(text)


@settings(max_examples=200, deadline=None)
@given(answers | texts.hostile, st.integers(100, 300), UNITS)
def test_no_cut_is_inside_of_a_grapheme(text: str, limit: int, unit: Unit) -> None:
    """Emoji families, flags, accents and skin tones are whole on their page."""
    end = 0
    for page in pages(text, limit, unit)[:-1]:
        end += len(page.source)

        assert not joined(text, end)


@settings(max_examples=200, deadline=None)
@given(answers, st.integers(150, 400))
def test_pages_stay_few(text: str, limit: int) -> None:
    """No page but the last fills less than two fifths of what fits: half, less the blanks at its end."""
    assert all(len(page.shown) >= limit * 2 // 5 for page in pages(text, limit)[:-1])
