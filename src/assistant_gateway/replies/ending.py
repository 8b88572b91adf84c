"""Honest ends: what stands below an answer that did not simply complete."""

from __future__ import annotations

from assistant_gateway.values import Answer, RunStatus


def with_ending(answer: Answer) -> str:
    """The text that people see in the end; never empty."""
    note = _note(answer)
    if answer.text and note:
        return f"{answer.text}\n\n{note}"
    return answer.text or note or "_The assistant had nothing to say._"


def _note(answer: Answer) -> str:
    error = answer.error
    match answer.status:
        case RunStatus.COMPLETED:
            return ""
        case RunStatus.CANCELLED:
            return f"_{error.message}_" if error else "_Stopped._"
        case RunStatus.INCOMPLETE:
            return f"_Cut off: {error.message}_" if error else "_Cut off: the answer reached its limit._"
        case _:
            return f"⚠️ {error.message} (`{error.id}`)" if error else "⚠️ No answer could be given."
