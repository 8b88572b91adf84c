"""Honest ends: what stands below an answer that did not simply complete, or that is too long to be shown."""

from __future__ import annotations

from assistant_gateway.values import Answer, RunStatus

FILE_NAME = "answer.md"
FILE_TYPE = "text/markdown; charset=utf-8"


def with_ending(answer: Answer) -> str:
    """The text that people see in the end; never empty."""
    note = _note(answer)
    if not answer.text.strip():
        return note or "_The assistant had nothing to say._"
    return f"{answer.text}\n\n{note}" if note else answer.text


def below_the_first_post(answer: Answer) -> str:
    """What stands below the first post of an answer that goes on in a file."""
    goes_on = f"_The whole answer is in the file `{FILE_NAME}`._"
    return "\n\n".join(note for note in (goes_on, _note(answer)) if note)


def _note(answer: Answer) -> str:
    error = answer.error
    match answer.status:
        case RunStatus.COMPLETED:
            return ""
        case RunStatus.CANCELLED:
            return f"_{error.message}_" if error else "_Stopped._"
        case RunStatus.INCOMPLETE:
            why = error.message if error else "The answer reached its limit."
            return f"_Cut off: {why[:1].lower()}{why[1:]}_"
        case _:
            return f"⚠️ {error.message} (`{error.id}`)" if error else "⚠️ No answer could be given."
