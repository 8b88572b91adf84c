"""Speech: the pieces that were heard are, put together, the text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from assistant_gateway.events import RunCreated, RunEvent, RunRestarted, TextDelta, TextDone
from assistant_gateway.speech import Speech
from assistant_gateway.values import Run

RUN = Run("run_1", "thread_1", "default")

deltas = st.builds(
    TextDelta, st.sampled_from(["msg_1", "msg_2"]), st.text(max_size=5), st.integers(min_value=0, max_value=1)
)


def test_parts_are_joined_by_a_blank_line() -> None:
    """Three parts, of two items, have two blank lines between them."""
    speech = Speech()

    for delta in (
        TextDelta("a", "One"),
        TextDelta("a", "Two", 1),
        TextDelta("b", "Th"),
        TextDelta("b", "ree"),
    ):
        speech.hear(delta)

    assert speech.text == "One\n\nTwo\n\nThree"


def test_an_empty_part_leaves_no_blank_line() -> None:
    """A part without a word adds nothing, not even its blank line."""
    speech = Speech()

    pieces = [
        speech.hear(TextDelta("a", "")),
        speech.hear(TextDelta("b", "Hi")),
        speech.hear(TextDelta("c", "")),
    ]

    assert (pieces, speech.text) == (["", "Hi", ""], "Hi")


def test_other_events_add_no_text() -> None:
    """The complete text of a part was heard already, as deltas."""
    speech = Speech()
    speech.hear(TextDelta("a", "Hi"))

    assert [speech.hear(event) for event in (RunCreated(RUN), TextDone("a", "Hi"))] == ["", ""]
    assert speech.text == "Hi"


@given(st.lists(deltas | st.just(RunRestarted(RUN))))
def test_pieces_joined_are_the_text(events: list[RunEvent]) -> None:
    """Whatever comes: the pieces since the last restart are the text, and its length is known."""
    speech, heard = Speech(), ""

    for event in events:
        piece = speech.hear(event)
        heard = "" if isinstance(event, RunRestarted) else heard + piece
        assert (speech.text, speech.length) == (heard, len(heard))
