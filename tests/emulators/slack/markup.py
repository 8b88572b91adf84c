"""
What in a text is alive: mentions that ping, links that would be fetched for a preview.

Both of Slack's dialects are read. `<…>` tokens are live in markdown too, and escaped ones are not read
again as tokens: reported PostHog#95054, on a real workspace.
"""

from __future__ import annotations

import re

TOKEN = re.compile(
    r"<(?:"
    r"(?P<broadcast>!(?:here|channel|everyone))(?:\|[^<>]*)?"
    r"|(?P<group>!subteam\^S[A-Z0-9]+)(?:\|[^<>]*)?"
    r"|(?P<user>@[UWB][A-Z0-9]+)(?:\|[^<>]*)?"
    r"|(?P<channel>\#[CG][A-Z0-9]+)(?:\|[^<>]*)?"
    r"|(?P<date>!date\^[^<>]*)"
    r"|(?P<link>(?:https?|mailto|tel):[^<>|\s]+)(?:\|[^<>]*)?"
    r")>"
)
NAMED = re.compile(r"(?<![\w@<])@(here|channel|everyone)\b")
URL = re.compile(r"https?://[^\s<>|)\]\"'`]+")
ENTITY = re.compile(r"&(?!(?:amp|lt|gt);)")


def mentions(text: str, *, names: bool = False) -> tuple[str, ...]:
    """
    The tokens of *text* that would ping somebody, such as ``@U1`` and ``!channel``.

    Attributes:
        names: Whether ``@here`` and its like count without brackets (`parse` full or client, `link_names`).
    """
    found = [
        group[0]
        for match in TOKEN.finditer(text)
        if (group := [v for k, v in match.groupdict().items() if v and k in ("broadcast", "group", "user")])
    ]
    if names:
        found += [f"!{match[1]}" for match in NAMED.finditer(text)]
    return tuple(found)


def links(text: str) -> tuple[str, ...]:
    """The addresses in *text* that Slack's previewer would fetch."""
    return tuple(dict.fromkeys(match[0].rstrip(".,;:!?*_~") for match in URL.finditer(text)))


def normalised(text: str) -> str:
    """*text* as Slack stores it: tokens stay, other ``&``, ``<`` and ``>`` become entities."""
    kept: list[str] = []
    end = 0
    for match in TOKEN.finditer(text):
        kept += [escaped(text[end : match.start()]), match[0]]
        end = match.end()
    return "".join([*kept, escaped(text[end:])])


def escaped(text: str) -> str:
    """*text* without live characters; entities that are there stay."""
    return ENTITY.sub("&amp;", text).replace("<", "&lt;").replace(">", "&gt;")


def typed(text: str) -> str:
    """What a person wrote as Slack's own client sends it: addresses become links."""
    kept: list[str] = []
    end = 0
    for match in TOKEN.finditer(text):
        kept += [URL.sub(r"<\g<0>>", escaped(text[end : match.start()])), match[0]]
        end = match.end()
    return "".join([*kept, URL.sub(r"<\g<0>>", escaped(text[end:]))])


def readable(text: str) -> str:
    """*text* without entities, as people read it."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
