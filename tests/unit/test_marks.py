"""A model's citation marks: left out, however a stream cuts them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant_gateway.backends.marks import hold_marks_back, without_marks
from assistant_gateway.backends.slots import Part

PIECES = st.sampled_from(
    [
        "【",
        "】",
        "†",
        "4",
        ":",
        "0",
        "source",
        "word ",
        "\n",
        "\ue200",
        "\ue201",
        "\ue202",
        "\U0001f600",
        "x" * 90,
    ]
)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Rain 【4:0†source】.", "Rain ."),
        ("【1†a.pdf】【12:34†b c.pdf】", ""),
        ("a \ue200filecite\ue202turn0file0\ue201 b", "a  b"),
        ("【note】 【4】 【4:0】 【†】", "【note】 【4】 【4:0】 【†】"),
        ("【4:0†" + "x" * 81 + "】", "【4:0†" + "x" * 81 + "】"),
        ("【4:0†so\nurce】", "【4:0†so\nurce】"),
        ("plain", "plain"),
    ],
)
def test_marks_are_left_out_and_nothing_else(text: str, kept: str) -> None:
    """Only what has a mark's whole shape goes; a bracket of somebody's language stays."""
    assert kept == without_marks(text)


def test_words_do_not_wait_for_what_can_be_no_mark() -> None:
    """A bracket with a word in it is shown with that word; one with a number waits for what follows."""
    assert ("See 【n", "") == hold_marks_back("See 【n")
    assert ("See ", "【4:") == hold_marks_back("See 【4:")
    assert ("See ", "【") == hold_marks_back("See 【")
    assert ("See 【4 ", "") == hold_marks_back("See 【4 ")


@given(st.lists(PIECES, max_size=30), st.booleans())
def test_pieces_give_what_the_whole_gives(pieces: list[str], told: bool) -> None:
    """Wherever a stream is cut: the pieces given on and the end make the text without its marks."""
    text = "".join(pieces)
    part = Part(marks=True)

    shown = "".join([part.grow(piece) for piece in pieces])
    shown += part.complete(text if told else None)

    assert without_marks(text) == shown == part.text
