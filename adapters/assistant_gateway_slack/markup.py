"""
Text on its way in and out: Slack's tokens become words, and the model's words never become tokens.

docs.slack.dev, "Formatting message text", 2026-09-14: in the text of events ``&``, ``<`` and ``>`` of
people are entities, so that every ``<…>`` is a token of Slack's. Tokens are live in markdown blocks,
too; entities are not read again as tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from assistant_gateway.links import LINK, host, misleads
from assistant_gateway.values import JsonObject

MARKDOWN_LENGTH = 12_000  # characters of a markdown block: docs.slack.dev, "Markdown block", 2026-08-20
SUMMARY_LENGTH = 200  # characters of a message's notification
FLAGS: JsonObject = {"parse": "none", "link_names": False, "unfurl_links": False, "unfurl_media": False}

_TOKEN = re.compile(r"<([^<>\n]+)>")
_ENTITY = re.compile(r"&(?=(?:amp|lt|gt);)")
_PART_OF_ENTITY = re.compile(r"&((?:a|am|amp|l|lt|g|gt)?)\Z")
_CODE = re.compile(r"(?<!`)(`+)(?!`)(?:.+?)(?<!`)\1(?!`)")
_QUOTE = re.compile(r"(?m)^([ \t]*(?:>[ \t]?)*)")


def mentioned(text: str) -> list[str]:
    """The ids of the users whom *text* mentions without a label, each once."""
    found = (match[1] for match in _TOKEN.finditer(text) if match[1].startswith("@") and "|" not in match[1])
    return list(dict.fromkeys(token[1:] for token in found))


def mentions(text: str, user_id: str) -> bool:
    """Whether *text* mentions a user."""
    return any(match[1].partition("|")[0] == f"@{user_id}" for match in _TOKEN.finditer(text))


def readable(text: str, *, me: str, names: Mapping[str, str]) -> str:
    """
    What a person wrote, without the bot's own mention and with words for tokens.

    Args:
        me: The bot's user id.
        names: The names of users by their ids; one who has none keeps the id.
    """
    own = re.compile(rf"[ \t]*<@{re.escape(me)}(?:\|[^<>]*)?>[ \t]*(?:[:,](?=\s))?[ \t]*")
    spoken = own.sub(" ", text)
    words = _TOKEN.sub(lambda match: _word(match[1], names), spoken)
    return words.strip().replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _word(token: str, names: Mapping[str, str]) -> str:
    target, _, label = token.partition("|")
    if target.startswith("@"):
        return f"@{label or names.get(target[1:], '') or target[1:]}"
    if target.startswith("#"):
        return f"#{label or target[1:]}"
    if target.startswith("!subteam^"):
        return label or f"@{target.removeprefix('!subteam^')}"
    if target.startswith("!date^"):
        return label or target
    if target.startswith("!"):
        return f"@{target[1:]}"
    address = target.removeprefix("mailto:").removeprefix("tel:")
    if not label or label in (target, address) or target.endswith(f"://{label}"):
        return address
    return f"[{label}]({target})"


def inert(markdown: str) -> str:
    """
    Model text in which nothing is a token, at any cut: no ``<`` is left that could begin one.

    ``&`` stays, since it is part of addresses, but where it would be read as an entity; so does ``>``
    where it marks a quotation. A link whose words name another host than its own is told apart.
    """
    return "\n".join(_inert_line(line) for line in markdown.split("\n"))


def inert_piece(markdown: str, *, begins: bool) -> str:
    """
    The same for a piece of a stream, which ends anywhere and *begins* a message or goes on with a line.
    """
    first, *others = markdown.split("\n")
    lines = [_inert_line(first, begins=begins), *map(_inert_line, others)]
    return _PART_OF_ENTITY.sub(r"&amp;\1", "\n".join(lines))  # the next piece would make it whole


def _inert_line(line: str, *, begins: bool = True) -> str:
    marker = _QUOTE.match(line) if begins else None
    end = marker.end() if marker else 0
    rest = _ENTITY.sub("&amp;", _honest(line[end:]))
    return line[:end] + rest.replace("<", "&lt;").replace(">", "&gt;")


def _honest(line: str) -> str:
    """A line in which a link that pretends to lead elsewhere is followed by its host; code is left alone."""
    if "](" not in line:
        return line
    parts, end = [], 0
    for code in _CODE.finditer(line):
        parts += [LINK.sub(_with_host, line[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, LINK.sub(_with_host, line[end:])])


def _with_host(link: re.Match[str]) -> str:
    _, label, target = link.groups()
    return f"{link[0]} ({host(target) or '?'})" if misleads(label, target) else link[0]


def summary(markdown: str) -> str:
    """The beginning of a message, for notifications and screen readers, with nothing alive in it."""
    words = " ".join(markdown.split())
    cut = words if len(words) <= SUMMARY_LENGTH else words[: SUMMARY_LENGTH - 1] + "…"
    return cut.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") or "…"


def message(markdown: str, below: Iterable[JsonObject] = ()) -> JsonObject:
    """
    What a post or an edit shows, with the blocks *below*, as `chat.postMessage` and `chat.update` take it.

    The text of a message is cut or refused above 4,000 characters, so it is only the summary; the
    answer is in a markdown block.
    """
    shown = inert(markdown)
    block = {"type": "markdown", "text": shown if shown.strip() else "…"}
    return {"text": summary(markdown), "blocks": [block, *below], **FLAGS}
