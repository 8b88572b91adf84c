"""
Text on its way in: Discord's tokens become words.

developers/reference.mdx, "Message Formatting", 2026-08-06.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from assistant_gateway.platforms.shapes import Json, tables, text
from assistant_gateway_discord.markup import quoted
from assistant_gateway_discord.said import forwarded_in, is_voice, words_of

LONGEST_QUOTE = 1500  # characters of a message that is quoted
_TOKEN = re.compile(
    r"<(?:@!?(?P<user>[0-9]{1,20})|@&(?P<role>[0-9]{1,20})|#(?P<channel>[0-9]{1,20})"
    r"|a?:(?P<emoji>\w{1,64}):[0-9]{1,20}|(?P<command>/[^<>:\n]{1,100}):[0-9]{1,20}"
    r"|t:(?P<time>-?[0-9]{1,12})(?::[a-zA-Z])?)>",
    re.ASCII,
)


def readable(said: str, *, me: str, names: Mapping[str, str], own_roles: tuple[str, ...] = ()) -> str:
    """
    What a person wrote, without the bot's own mention and with words for tokens.

    Args:
        me: The bot's user id.
        names: The names of users by their ids; one who has none keeps the id.
        own_roles: The role that is the bot's alone, which people take for the bot itself.
    """
    own = "|".join([f"@!?{re.escape(me)}", *(f"@&{re.escape(role)}" for role in own_roles)])
    spoken = re.sub(rf"[ \t]*<(?:{own})>[ \t]*(?:[:,](?=\s))?[ \t]*", " ", said)
    return _TOKEN.sub(lambda match: _word(match, names), spoken).strip()


def quotation(author: str, said: str, *, names: Mapping[str, str], what: str = "wrote") -> str:
    """What somebody else said, quoted; empty where nothing can be read in it."""
    words = readable(said, me="", names=names)
    if not words:
        return ""
    cut = words if len(words) <= LONGEST_QUOTE else words[: LONGEST_QUOTE - 1] + "…"
    return f"{author or 'Somebody'} {what}:\n{quoted(cut)}"


def readable_content(message: Json) -> str:
    """The words of a message that somebody else wrote, or that it forwards; else what its embeds say."""
    if is_voice(message):
        return "[voice message]"
    if words := "\n".join(part for each in (message, *forwarded_in(message)) if (part := words_of(each))):
        return words
    embeds = [
        part
        for embed in tables(message.get("embeds"))
        for part in (text(embed.get("title")), text(embed.get("description")))
        if part
    ]
    return "\n".join(embeds)


def _word(match: re.Match[str], names: Mapping[str, str]) -> str:
    kind, value = match.lastgroup, match[match.lastgroup or 0]
    match kind:
        case "user":
            return f"@{names.get(value) or value}"
        case "role":
            return f"@role {value}"
        case "channel":
            return f"#{names.get(value) or value}"
        case "emoji":
            return f":{value}:"
        case "time":
            return _moment(int(value)) or match[0]
        case _:
            return value


def _moment(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, OSError, ValueError):
        return ""
