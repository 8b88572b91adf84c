"""Splitting: no character lost, no piece too long, nothing that was cut ever changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant_gateway.replies.split import Unit, measure, split

FAMILY = "👩‍👩‍👧‍👦"  # seven code points, held together by joiners
UNITS = st.sampled_from(["characters", "utf16", "bytes"])

words = st.sampled_from(["a", "word", " ", "\n", "\n\n", "e\u0301", "ß", "世界", "🌍", FAMILY, "🇩🇪", "👍🏽"])
texts = st.lists(words | st.text(max_size=3), max_size=60).map("".join)
limits = st.integers(min_value=4, max_value=40)


@given(texts, limits, UNITS)
def test_pieces_joined_are_the_text(text: str, limit: int, unit: Unit) -> None:
    """Whatever the text, the limit and the unit: nothing is lost, added or reordered."""
    assert "".join(split(text, limit, unit)) == text


@given(texts, limits, UNITS)
def test_no_piece_is_too_long_or_empty(text: str, limit: int, unit: Unit) -> None:
    """Each piece measures 1 to *limit* units, as the platform counts them."""
    assert all(1 <= measure(piece, unit) <= limit for piece in split(text, limit, unit))


@given(texts, texts, limits, UNITS)
def test_what_was_cut_stays(text: str, more: str, limit: int, unit: Unit) -> None:
    """While a text grows, all pieces but the last stay as they are: no finished post is edited again."""
    early, late = split(text, limit, unit), split(text + more, limit, unit)

    assert late[: max(0, len(early) - 1)] == early[:-1]


@given(texts, st.integers(min_value=8, max_value=40), UNITS)
def test_pieces_stay_few(text: str, limit: int, unit: Unit) -> None:
    """No piece but the last is shorter than a quarter of what fits: a hostile text can't make thousands."""
    for piece in split(text, limit, unit)[:-1]:
        # At least half of what fits, of characters that may be four times as large as others.
        assert len(piece) >= limit // {"characters": 1, "utf16": 2, "bytes": 4}[unit] // 2


@pytest.mark.parametrize(
    "grapheme",
    [
        pytest.param("e\u0301\u0323", id="accents"),
        pytest.param(FAMILY, id="joined emoji"),
        pytest.param("🇩🇪", id="flag"),
        pytest.param("👍🏽", id="skin tone"),
        pytest.param("❤\ufe0f", id="variant"),
        pytest.param("1\ufe0f\u20e3", id="keycap"),
        pytest.param("\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", id="region"),
        pytest.param("\u0915\u093f", id="vowel sign"),
        pytest.param("\u1112\u1161\u11ab", id="Hangul in parts"),
    ],
)
@pytest.mark.parametrize("filler", ["", "x", "xx", "世"])
def test_no_cut_inside_of_a_grapheme(grapheme: str, filler: str) -> None:
    """A hundred equal graphemes, cut into pieces of at most 31, are whole in every piece."""
    text = filler + grapheme * 100

    pieces = split(text, 31)

    assert all(piece.removeprefix(filler).replace(grapheme, "") == "" for piece in pieces)


def test_a_space_keeps_its_accent() -> None:
    """A space that carries a combining mark is no place to cut."""
    pieces = split("aaaaaaa \u0301bbbbbbb", 10)

    assert pieces == ["aaaaaaa \u0301b", "bbbbbb"]


def test_an_endless_grapheme_is_cut_all_the_same() -> None:
    """5,000 combining marks on one letter make 3 pieces of 2,000, not thousands of one."""
    assert len(split("a" + "\u0301" * 5000, 2000)) == 3


def test_two_thousand_flags_stay_flags() -> None:
    """2,000 flags of two characters make 3 pieces of at most 1,999, each with whole flags."""
    pieces = split("🇩🇪" * 2000, 1999)

    assert [len(piece) for piece in pieces] == [1998, 1998, 4]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12345 789\n\n2345 78901", ["12345 789\n\n", "2345 78901"]),
        ("12345 789\n12345 78901", ["12345 789\n", "12345 78901"]),
        ("1234567 9012345", ["1234567 ", "9012345"]),
        ("1234567890123456", ["123456789012", "3456"]),
    ],
)
def test_a_cut_falls_behind_a_paragraph_else_a_line_else_a_word(text: str, expected: list[str]) -> None:
    """With at most 12 characters a piece, the best boundary of its second half is taken."""
    assert split(text, 12) == expected


def test_a_boundary_early_in_a_piece_is_passed_by() -> None:
    """A space after 3 of 20 characters is no reason to make a post of 3."""
    assert split("abc " + "d" * 30, 20) == ["abc " + "d" * 16, "d" * 14]


def test_units_are_what_the_platform_counts() -> None:
    """One globe is 1 character, 2 of UTF-16, and 4 bytes."""
    assert [measure("🌍"), measure("🌍", "utf16"), measure("🌍", "bytes")] == [1, 2, 4]
    assert [len(split("🌍" * 10, 10, unit)) for unit in ("characters", "utf16", "bytes")] == [1, 2, 5]


def test_an_empty_text_has_no_piece() -> None:
    """Nothing to say is no post."""
    assert split("", 10) == []
