"""
The dialogs: what was wrong with an answer, a question about a message, and a plain note.

Sizes: docs.slack.dev, "Views" and "Plain-text input element", 2026-08-20: a title has 24 characters,
`private_metadata` 3,000, an input 3,000. What is kept there comes back signed by Slack, and is looked
up again all the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from assistant_gateway.platforms.shapes import Json, table, text
from assistant_gateway.values import JsonObject

COMMENT = "assistant_comment"
ASK = "assistant_ask"  # also the message shortcut that opens it
NOTE = "assistant_note"
FIELD = "words"  # both block and element of a dialog's one input
INPUT_LENGTH = 3_000  # characters
KEPT_LENGTH = 3_000  # characters of what a dialog keeps
QUESTION = "Explain this message."


def comment_dialog(kept: Mapping[str, str]) -> JsonObject:
    """Asks what was wrong; nobody has to say."""
    words = _input("What was wrong with the answer?", optional=True)
    return {**_modal(COMMENT, "Thank you", [words], kept), "submit": _plain("Send")}


def ask_dialog(kept: Mapping[str, str]) -> JsonObject:
    """Asks what one wants to know about a message."""
    words = _input("What do you want to know?", initial=QUESTION)
    return {**_modal(ASK, "Ask about this", [words], kept), "submit": _plain("Ask")}


def note_dialog(words: str) -> JsonObject:
    """Says something to the person alone."""
    shown: JsonObject = {"type": "section", "text": _plain(words[:INPUT_LENGTH])}
    return _modal(NOTE, "Ask about this", [shown], {})


def kept_in(view: Json) -> dict[str, str]:
    """What a dialog was given to keep; empty where it is none of ours."""
    try:
        kept = table(json.loads(text(view.get("private_metadata"))))
    except (ValueError, RecursionError):
        return {}
    return {name: value for name, value in kept.items() if isinstance(value, str)}


def words_in(view: Json) -> str:
    """What a person filled in."""
    values = table(table(view.get("state")).get("values"))
    return text(table(table(values.get(FIELD)).get(FIELD)).get("value")).strip()


def fits(kept: Mapping[str, str]) -> bool:
    """Whether a dialog can keep that much."""
    return len(_encoded(kept)) <= KEPT_LENGTH


def _modal(callback_id: str, title: str, blocks: list[JsonObject], kept: Mapping[str, str]) -> JsonObject:
    return {
        "type": "modal",
        "callback_id": callback_id,
        "title": _plain(title),
        "close": _plain("Close"),
        "blocks": blocks,
        "private_metadata": _encoded(kept),
    }


def _encoded(kept: Mapping[str, str]) -> str:
    return json.dumps(kept, ensure_ascii=False)


def _input(label: str, *, initial: str = "", optional: bool = False) -> JsonObject:
    element: JsonObject = {
        "type": "plain_text_input",
        "action_id": FIELD,
        "multiline": True,
        "max_length": INPUT_LENGTH,
        **({"initial_value": initial} if initial else {}),
    }
    return {
        "type": "input",
        "block_id": FIELD,
        "label": _plain(label),
        "element": element,
        "optional": optional,
    }


def _plain(words: str) -> JsonObject:
    return {"type": "plain_text", "text": words}
