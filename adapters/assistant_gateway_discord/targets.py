"""
Where an answer goes, from stored values alone.

What is kept with an accepted message is written here and read here: any process can finish any reply.
The id of a post tells its channel too, and whether it is the first answer to a command.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from assistant_gateway.platforms.shapes import number, text
from assistant_gateway.values import JsonObject, ReplyTarget
from assistant_gateway_discord.shapes import snowflake

LIFE = 900.0  # seconds that an interaction's token is good: developers/interactions, 2026-08-06
MARGIN = 45.0  # seconds before its end that it is not used any more


@dataclass(frozen=True, slots=True)
class Token:
    """
    What lets an interaction be answered for fifteen minutes.

    Attributes:
        until: When it ends, in epoch seconds.
    """

    interaction: str
    application: str
    token: str
    until: float

    @property
    def is_good(self) -> bool:
        return time.time() < self.until - MARGIN

    @property
    def age(self) -> float:
        """Seconds since the person has acted."""
        return time.time() - (self.until - LIFE)


@dataclass(frozen=True, slots=True)
class PostId:
    """A post as the gateway keeps it."""

    channel: str
    message: str
    is_original: bool = False

    def __str__(self) -> str:
        return f"{self.channel}:{self.message}" + (":original" if self.is_original else "")

    @classmethod
    def read(cls, id: str) -> PostId:
        channel, _, rest = id.partition(":")
        message, _, kind = rest.partition(":")
        return cls(channel, message, kind == "original")


def to_message(message: str, words: str, before: int, *, thread: str = "") -> JsonObject:
    """
    What is kept with a message.

    Args:
        words: What its author wrote, as it stands in the text that was accepted.
        before: How many characters of that text stand before it.
        thread: The name of the thread that is to be made from it; empty for none.
    """
    kept: JsonObject = {"message": message, "words": [before, len(words)]}
    return {**kept, "thread": thread} if thread else kept


def to_interaction(token: Token) -> JsonObject:
    """What is kept with a command that is answered."""
    return {
        "interaction": token.interaction,
        "application": token.application,
        "token": token.token,
        "until": int(token.until),
    }


def to_post(message: str) -> JsonObject:
    """What is kept with a button's press that is answered anew."""
    return {"message": message}


def token(target: ReplyTarget) -> Token | None:
    """The interaction that is answered; None where it is a message."""
    kept = target.reply_to
    if not text(kept.get("token")):
        return None
    ids = snowflake(kept.get("interaction")), snowflake(kept.get("application"))
    return Token(*ids, text(kept.get("token")), float(number(kept.get("until"))))


def reference(target: ReplyTarget) -> str:
    """The message that the answer replies to; empty for none."""
    return snowflake(target.reply_to.get("message"))


def thread_name(target: ReplyTarget) -> str:
    """The name of the thread that the answer is to begin; empty for none."""
    return text(target.reply_to.get("thread"))


def words(kept: JsonObject, accepted: str) -> tuple[str, str, str]:
    """The text of an accepted message: what stands before its author's words, these, and what follows."""
    span = kept.get("words")
    if not (isinstance(span, list) and len(span) == 2 and all(isinstance(each, int) for each in span)):
        return "", accepted, ""
    begin, length = span
    return accepted[:begin], accepted[begin : begin + length], accepted[begin + length :]
