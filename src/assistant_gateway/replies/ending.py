"""
What stands below an answer: how it ended if it did not simply complete, its sources, the tools it used,
and what the gateway has to say beside it.

An ending is no part of the text: above it stands what the model said, word for word.
"""

from __future__ import annotations

from assistant_gateway.replies.footnotes import sources, used
from assistant_gateway.replies.frames import Framer
from assistant_gateway.values import Answer, RunStatus

FILE_NAME = "answer.md"
FILE_TYPE = "text/markdown; charset=utf-8"


def with_ending(answer: Answer) -> str:
    """The text that people see in the end; never empty."""
    note = _note(answer)
    if not answer.text.strip() and not answer.files:
        note = note or "_The assistant had nothing to say._"
    text = answer.text if answer.text.strip() else ""
    notices = "\n\n".join(f"_{notice}_" for notice in answer.notices)
    below = [part for part in (sources(answer.citations), note, notices, used(answer.tools)) if part]
    if below and text:
        text = _closed(text)
    return "\n\n".join(part for part in (text, *below) if part) or "_The assistant made a file._"


def as_file(answer: Answer) -> str:
    """The text and its sources, for an answer that is too long to be shown."""
    below = sources(answer.citations)
    return f"{_closed(answer.text)}\n\n{below}" if below else answer.text


def below_the_first_post(answer: Answer) -> str:
    """What stands below the first post of an answer that goes on in a file."""
    goes_on = f"_The whole answer is in the file `{FILE_NAME}`._"
    notices = (f"_{notice}_" for notice in answer.notices)
    return "\n\n".join(note for note in (goes_on, _note(answer), *notices) if note)


def _closed(text: str) -> str:
    """*text*, whose last block of code may have been cut off: what follows must not be part of it."""
    closers = Framer().read(f"{text}\n.").closers
    if not closers.startswith("\n"):
        return text
    return text + (closers[1:] if text.endswith("\n") else closers)


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
