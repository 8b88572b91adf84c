"""Frames: what holds at every moment of every text, judged by another reader of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

import markdown_texts as texts
from assistant_gateway.replies.frames import Framer, frame
from assistant_gateway.replies.inline import LABEL

FIRST_LINES = re.compile(r"[ >]*(\||```|~~~|(\d+\.|[-*]) +(```|~~~))")  # of what shows with its second line
CLOSERS = re.compile(r"\n?[> ]*[*_`~|> ]*")


def moments(text: str, count: int, seed: int) -> Iterator[str]:
    """About *count* beginnings of *text*, evenly spread; its last is the text in most cases."""
    step = max(1, len(text) // count)
    for end in range(len(text) - seed % step, 0, -step):
        yield text[:end]


@settings(max_examples=200, deadline=None)
@given(texts.documents, st.integers(0, 1000))
def test_no_marker_is_stray_that_the_complete_text_does_not_show_too(text: str, seed: int) -> None:
    """Rendered by markdown-it, 12 frames of each text show no more stray markers than the text does."""
    allowed = texts.stray(text)

    for beginning in moments(text, 12, seed):
        shown = texts.stray(frame(beginning))

        assert all(count <= allowed[marker] for marker, count in shown.items()), beginning


@settings(max_examples=200, deadline=None)
@given(texts.documents | texts.hostile, st.integers(0, 1000))
def test_no_frame_ends_in_a_fence(text: str, seed: int) -> None:
    """What markdown-it reads behind any frame is text, not code."""
    for beginning in moments(text, 12, seed):
        assert not texts.open_fence(frame(beginning)), beginning


@settings(max_examples=300, deadline=None)
@given(texts.documents | texts.hostile)
def test_a_frame_is_a_beginning_of_the_text_and_closers(text: str) -> None:
    """Nothing is invented: without at most 40 characters of markers, a frame is what the model wrote."""
    framer = Framer()
    for end in range(len(text) + 1):
        found = framer.read(text[:end])

        assert 0 <= found.kept <= end
        assert CLOSERS.fullmatch(found.closers)
        assert len(found.closers) <= 40


@settings(max_examples=300, deadline=None)
@given(texts.documents)
def test_a_complete_text_is_its_own_frame(text: str) -> None:
    """Where everything that was opened is closed, nothing is held back and nothing is added."""
    assert text == frame(text)


@settings(max_examples=300, deadline=None)
@given(st.lists(texts.plain, min_size=1, max_size=5).map("\n\n".join))
def test_plain_words_are_shown_at_once(text: str) -> None:
    """Of text without markup, every prefix is its own frame, in the midst of a word, too."""
    framer = Framer()

    assert all(text[:end] == framer.frame(text[:end]) for end in range(len(text) + 1))


@settings(max_examples=300, deadline=None)
@given(texts.documents)
def test_what_is_held_back_is_one_token_or_a_first_line(text: str) -> None:
    """
    Held back are at most the first lines of a table (two) or fence (one), or one token.

    A token is a bracket of at most 80 characters with its address and title; the longest in
    these texts has 56.
    """
    framer = Framer()
    for end in range(len(text) + 1):
        held = text[framer.read(text[:end]).kept : end].strip()
        lines = [line for line in held.split("\n") if line.strip(" >")]

        assert len(lines) <= 2
        if lines and not FIRST_LINES.match(lines[0]):
            assert len(held) <= 56
            assert len(held) <= LABEL or " " not in held


@settings(max_examples=200, deadline=None)
@given(texts.documents | texts.hostile, st.lists(st.integers(1, 30), min_size=1, max_size=10))
def test_how_the_text_arrives_does_not_matter(text: str, sizes: list[int]) -> None:
    """A framer that was fed in pieces of 1 to 30 characters shows what one shows that sees all at once."""
    framer = Framer()
    end, turn = 0, 0
    while end < len(text):
        end += sizes[turn % len(sizes)]
        turn += 1

        assert frame(text[:end]) == framer.frame(text[:end])


@settings(max_examples=200, deadline=None)
@given(texts.documents)
def test_what_was_shown_stays_shown_but_for_one_token(text: str) -> None:
    """From one character to the next, at most the last line's mark or bracket is taken back."""
    framer = Framer()
    seen = 0
    for end in range(len(text) + 1):
        before, seen = seen, texts.in_common(text[:end], framer.frame(text[:end]))

        assert "\n" not in text[seen:before].strip()
        assert before - seen <= LABEL
