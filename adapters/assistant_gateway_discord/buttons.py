"""
The buttons below an answer.

A button holds nothing but what it is for and which run it belongs to, so it works after a restart, in any
process. What comes back when it is pressed can be forged: the intake checks it.
developers/components/reference.mdx, 2026-08-06.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from assistant_gateway.adapter import Control
from assistant_gateway.platforms.shapes import Json, tables, text
from assistant_gateway.values import JsonObject

_ID = re.compile(r"ag:(\w{1,16}):([\w.-]{1,60})(?::([a-z2-7]{1,25}))?", re.ASCII)
ACTION_ROW, BUTTON, TEXT_INPUT = 1, 2, 4
SECONDARY = 2
PARAGRAPH = 2


class Press(StrEnum):
    """What a button, or the form behind it, is for."""

    STOP = "stop"
    REGENERATE = "regenerate"
    GOOD = "good"
    BAD = "bad"
    COMMENT = "comment"
    """The form that asks what was wrong."""

    ABOUT = "about"
    """The form that asks for a question about a message."""


@dataclass(frozen=True, slots=True)
class Pressed:
    """
    What a custom id tells.

    Attributes:
        about: A run's id, or for `Press.ABOUT` the key of what is kept.
        nonce: Of the post that the button was first put below, where it was put there with the post.
    """

    press: Press
    about: str
    nonce: str = ""


_SHOWN = {
    Control.STOP: ((Press.STOP, "Stop", "⏹️"),),
    Control.REGENERATE: ((Press.REGENERATE, "Regenerate", "🔁"),),
    Control.FEEDBACK: ((Press.GOOD, "", "👍"), (Press.BAD, "", "👎")),
}


def rows(controls: Sequence[Control], run_id: str, nonce: str = "") -> list[JsonObject]:
    """The components of a post; none for no controls."""
    buttons = [
        _button(custom_id(press, run_id, nonce), label, emoji)
        for control in controls
        for press, label, emoji in _SHOWN.get(control, ())
    ]
    return [{"type": ACTION_ROW, "components": buttons}] if buttons and run_id else []


def custom_id(press: Press, about: str, nonce: str = "") -> str:
    """The id that comes back; at most 100 characters."""
    return f"ag:{press.value}:{about}:{nonce}" if nonce else f"ag:{press.value}:{about}"


def read(custom_id: str) -> Pressed | None:
    """What a custom id tells; None where it is none of ours."""
    match = _ID.fullmatch(custom_id)
    if match is None or match[1] not in {press.value for press in Press}:
        return None
    return Pressed(Press(match[1]), match[2], match[3] or "")


def marks(message: Json) -> list[Pressed]:
    """What the buttons below a message tell."""
    ids = (
        text(button.get("custom_id"))
        for row in tables(message.get("components"))
        for button in tables(row.get("components"))
    )
    return [pressed for id in ids if (pressed := read(id)) is not None]


def form(custom_id: str, title: str, label: str, *, required: bool) -> JsonObject:
    """A form with one field, whose custom id is ``text``."""
    field: JsonObject = {
        "type": TEXT_INPUT,
        "custom_id": "text",
        "style": PARAGRAPH,
        "label": label,
        "required": required,
        "max_length": 2000,
    }
    return {
        "custom_id": custom_id,
        "title": title,
        "components": [{"type": ACTION_ROW, "components": [field]}],
    }


def filled_in(data: Json) -> str:
    """What somebody wrote into `form`: in an action row, as we send it, or in a label."""
    for row in tables(data.get("components")):
        for field in (*tables(row.get("components")), row.get("component")):
            if isinstance(field, dict) and field.get("custom_id") == "text":
                return text(field.get("value")).strip()
    return ""


def _button(custom_id: str, label: str, emoji: str) -> JsonObject:
    button: dict[str, str | int | JsonObject] = {
        "type": BUTTON,
        "style": SECONDARY,
        "custom_id": custom_id,
        "emoji": {"id": None, "name": emoji},
    }
    if label:
        button["label"] = label
    return button
