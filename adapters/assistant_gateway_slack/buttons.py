"""
The buttons below an answer: Stop while it grows; Regenerate and two thumbs when it is complete.

What a button carries is the run's id, a word to look things up by and no right: whoever presses it
is judged by the intake. Sizes: docs.slack.dev, "Button element", "Feedback buttons element" and
"Context actions block", 2026-08-20.
"""

from __future__ import annotations

import hashlib

from assistant_gateway.adapter import Content, Control
from assistant_gateway.values import JsonObject, JsonValue, Rating

STOP = "assistant_stop"
REGENERATE = "assistant_regenerate"
FEEDBACK = "assistant_feedback"


def blocks(content: Content) -> list[JsonObject]:
    """The blocks to put below what a post shows; none where it has no buttons."""
    if not content.run_id:
        return []
    buttons: list[JsonObject] = []
    if Control.STOP in content.controls:
        buttons.append({**_button(STOP, "Stop", content.run_id), "style": "danger"})
    if Control.REGENERATE in content.controls:
        buttons.append(_button(REGENERATE, "Regenerate", content.run_id))
    below: list[JsonObject] = []
    if buttons:
        below.append({"type": "actions", "block_id": _block_id("actions", content), "elements": buttons})
    if Control.FEEDBACK in content.controls:
        thumbs = [_thumbs(content.run_id)]
        block_id = _block_id("feedback", content)
        below.append({"type": "context_actions", "block_id": block_id, "elements": thumbs})
    return below


def rated(value: str) -> tuple[Rating, str] | None:
    """The thumb and the run's id that a thumb's *value* tells; None where it is none of ours."""
    side, _, run_id = value.partition(":")
    return (Rating(side), run_id) if side in tuple(Rating) and run_id else None


def _button(action_id: str, text: str, run_id: str) -> JsonObject:
    label: JsonObject = {"type": "plain_text", "text": text}
    return {"type": "button", "action_id": action_id, "text": label, "value": run_id}


def _thumbs(run_id: str) -> JsonObject:
    return {
        "type": "feedback_buttons",
        "action_id": FEEDBACK,
        "positive_button": _thumb("👍", "Good answer", Rating.GOOD, run_id),
        "negative_button": _thumb("👎", "Bad answer", Rating.BAD, run_id),
    }


def _thumb(text: str, label: str, rating: Rating, run_id: str) -> JsonObject:
    shown: JsonValue = {"type": "plain_text", "text": text}
    return {"text": shown, "accessibility_label": label, "value": f"{rating.value}:{run_id}"}


def _block_id(kind: str, content: Content) -> str:
    """Slack wants a new one for each version of a message, and takes the same one for the same version."""
    version = hashlib.sha256(f"{content.text}\0{content.final}".encode(errors="replace")).hexdigest()
    return f"assistant_{kind}_{version[:16]}"
