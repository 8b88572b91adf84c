"""The buttons below an answer, as Slack takes them."""

from __future__ import annotations

import pytest

from assistant_gateway.adapter import Content, Control
from assistant_gateway.values import Rating
from assistant_gateway_slack.buttons import FEEDBACK, REGENERATE, STOP, blocks, rated
from emulators.shapes import record, records
from emulators.slack.blocks import check_message_blocks

RUN = "run_0123456789abcdef"


def test_stop_is_a_danger_button_that_carries_the_run() -> None:
    """While an answer grows there is one block with one red button; its value is the run's id."""
    (below,) = blocks(Content("Hel", controls=(Control.STOP,), run_id=RUN))

    (button,) = records(below["elements"])
    assert ("actions", STOP, "danger", RUN) == (
        below["type"],
        button["action_id"],
        button["style"],
        button["value"],
    )


def test_a_complete_answer_has_regenerate_and_two_thumbs() -> None:
    """Two blocks, a button and feedback buttons, and each thumb tells the run and its side."""
    content = Content("Hello", final=True, controls=(Control.REGENERATE, Control.FEEDBACK), run_id=RUN)

    below = blocks(content)

    (button,), (thumbs,) = (records(block["elements"]) for block in below)
    values = [record(thumbs[f"{side}_button"])["value"] for side in ("positive", "negative")]
    assert ["actions", "context_actions"] == [block["type"] for block in below]
    assert [(REGENERATE, RUN), FEEDBACK] == [(button["action_id"], button["value"]), thumbs["action_id"]]
    assert [(Rating.GOOD, RUN), (Rating.BAD, RUN)] == [rated(str(value)) for value in values]


def test_without_controls_or_without_a_run_there_is_nothing() -> None:
    """A post that has no buttons has no block below it."""
    assert [] == blocks(Content("Hello", run_id=RUN))
    assert [] == blocks(Content("Hello", controls=tuple(Control)))


def test_slack_takes_all_of_them_and_each_version_has_ids_of_its_own() -> None:
    """Slack's checks pass; another text has other block ids, the same text the same ones."""
    versions = [Content(text, controls=tuple(Control), run_id=RUN) for text in ("Hel", "Hello", "Hello")]

    first, second, third = (blocks(each) for each in versions)

    check_message_blocks([dict(block) for block in first])
    assert not {block["block_id"] for block in first} & {block["block_id"] for block in second}
    assert second == third


@pytest.mark.parametrize("value", ["", "good", "good:", "best:run_1", ":run_1", RUN])
def test_a_value_that_is_no_thumb_tells_nothing(value: str) -> None:
    """Six values of which none is a side and a run."""
    assert rated(value) is None
