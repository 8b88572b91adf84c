"""Honest ends: whatever happened, people see that it is over, and why."""

from __future__ import annotations

import pytest

from assistant_gateway.replies.ending import with_ending
from assistant_gateway.values import Answer, RunFailure, RunStatus

ERROR = RunFailure("provider_unavailable", "The provider is overloaded.", "e-12345678")


def test_a_complete_answer_is_itself() -> None:
    """Nothing is put below an answer that simply completed."""
    assert with_ending(Answer("Hello.\n", RunStatus.COMPLETED)) == "Hello.\n"


@pytest.mark.parametrize("text", ["", " ", "\n\n\t"])
@pytest.mark.parametrize("status", [status for status in RunStatus if status.is_final])
@pytest.mark.parametrize("error", [None, ERROR])
def test_no_end_is_invisible(text: str, status: RunStatus, error: RunFailure | None) -> None:
    """Without a word said, each of the five ends still shows at least ten characters."""
    shown = with_ending(Answer(text, status, error=error))

    assert len(shown.strip()) >= 10


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.EXPIRED])
def test_a_failure_keeps_what_was_said_and_can_be_quoted(status: RunStatus) -> None:
    """Below the words that were said stand the reason and the short id that the log carries too."""
    shown = with_ending(Answer("It is", status, error=ERROR))

    assert shown == "It is\n\n⚠️ The provider is overloaded. (`e-12345678`)"


def test_a_stop_says_who_ended_it() -> None:
    """A run that a person stopped keeps its words and says so."""
    error = RunFailure("stopped", "Stopped.", "e-1")

    assert with_ending(Answer("It is", RunStatus.CANCELLED, error=error)) == "It is\n\n_Stopped._"
    assert with_ending(Answer("It is", RunStatus.CANCELLED)) == "It is\n\n_Stopped._"


def test_an_answer_that_was_cut_off_says_why() -> None:
    """An incomplete answer tells its limit."""
    error = RunFailure("max_output_tokens", "The answer reached its longest length.", "e-1")

    shown = with_ending(Answer("It is", RunStatus.INCOMPLETE, error=error))

    assert shown == "It is\n\n_Cut off: the answer reached its longest length._"
