"""
What a message of the bot looks like to Discord: inert text, no previews, nobody called, and its buttons.

developers/resources/message.mdx, "Create Message" and "Edit Message", 2026-08-06. Whoever is to be called
stands beside the text, on edits too: an edit without it is read anew, with everybody allowed.
"""

from __future__ import annotations

from assistant_gateway.adapter import Content
from assistant_gateway.errors import TooLong
from assistant_gateway.values import JsonObject, JsonValue
from assistant_gateway_discord.buttons import rows
from assistant_gateway_discord.markup import shown

# developers/resources/message.mdx, 2026-08-06. What is counted is not said; UTF-16 is never less.
LENGTH = 2_000
SUPPRESS_EMBEDS, EPHEMERAL = 1 << 2, 1 << 6
NOBODY: JsonObject = {"parse": [], "replied_user": False}
SMALL = "-# "  # small print


def draft(content: Content, nonce: str = "") -> dict[str, JsonValue]:
    """
    The body of a post or an edit; *nonce* is what its buttons tell of the post.

    Raises:
        TooLong: With what Discord needs it is longer than a message may be.
    """
    text = shown(content.text)
    if len(text.encode("utf-16-le", "surrogatepass")) > 2 * LENGTH:
        raise TooLong("the message is too long")
    return {**_inert(text), "components": rows(content.controls, content.run_id, nonce)}


def small(text: str) -> dict[str, JsonValue]:
    """The body of a note in small print."""
    return _inert("\n".join(f"{SMALL}{line}" for line in text.splitlines()))


def private(text: str) -> dict[str, JsonValue]:
    """The data of an answer to an interaction that only one person sees."""
    body = _inert(shown(text)[:LENGTH])
    return {**body, "flags": SUPPRESS_EMBEDS | EPHEMERAL}


def reply_to(message: str) -> JsonObject:
    """The members that make a message a reply, also to one that is gone by then."""
    return {"message_reference": {"message_id": message, "fail_if_not_exists": False}}


def _inert(text: str) -> dict[str, JsonValue]:
    return {
        "content": text if text.strip() else "…",
        "flags": SUPPRESS_EMBEDS,
        "allowed_mentions": NOBODY,
    }
