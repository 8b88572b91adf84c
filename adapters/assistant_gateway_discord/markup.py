"""
Text on its way out: Markdown as models write it, made into what Discord shows.

Discord has no tables, no headings below the third, no images and only one kind of fence; it reads
``__x__`` as underlined and ``||x||`` as hidden, and ``<@1>`` as a mention. What is written stays
readable, and nothing in it is a token. Code is left alone. The result may be longer than the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from assistant_gateway_discord.tables import aligned, table_at

_FENCE = re.compile(r"( {0,3}|(?:[ \t]*(?:[-*+]|[0-9]{1,9}[.)])?[ \t]+))(`{3,}(?=[^`]*$)|~{3,})(.*)")
_LANGUAGE = re.compile(r"[\w+#.-]+", re.ASCII)
_CODE = re.compile(r"(?<!`)(`+)(?!`)(?:.+?)(?<!`)\1(?!`)", re.DOTALL)
_HEADING = re.compile(r"(?m)^( {0,3})#{4,6}[ \t]+(.+?)(?:[ \t]+#+)?[ \t]*$")
_TOKEN = re.compile(
    r"(?<!\\)<(?=@[!&]?[0-9]|#[0-9]|a?:\w+:[0-9]|/[^<>\n:]{1,100}:[0-9]|t:-?[0-9]|id:\w)", re.ASCII
)
_SPOILER = re.compile(r"(?<!\\)\|\|")
_DUNDER = re.compile(r"(?<![\w\\])__(\w+?)__(?!\w)")
_STRONG = re.compile(r"(?<![\w\\_])__(?=\S)([^_\n]*?[^\s_])__(?![\w_])")
_LINK = re.compile(
    r"(!?)\[((?:[^\[\]\n\\]|\\.)*)\]\([ \t]*<?([^\s<>()]*(?:\([^\s<>()]*\)[^\s<>()]*)*)>?"
    r"(?:[ \t]+(?:\"[^\"\n]*\"|'[^'\n]*'))?[ \t]*\)"
)
_ADDRESS = re.compile(r"(?:https?://)?((?:[\w-]+\.)+[a-z]{2,})(?=[/:?#\s]|$)", re.IGNORECASE)


def shown(markdown: str) -> str:
    """What *markdown* is as the content of a message."""
    parts = []
    for is_code, lines in _blocks(markdown.split("\n")):
        parts.append("\n".join(lines) if is_code else _inline("\n".join(lines)))
    return "\n".join(parts)


def quoted(text: str) -> str:
    """*text* as a quotation."""
    return "\n".join(f"> {line}" for line in text.split("\n"))


def _blocks(lines: list[str]) -> Iterator[tuple[bool, list[str]]]:
    """The lines of code (tables have become code) and of prose, in turn."""
    prose: list[str] = []
    at = 0
    while at < len(lines):
        fence = _FENCE.fullmatch(lines[at])
        rows = 0 if fence else table_at(lines, at)
        if not (fence or rows):
            prose.append(lines[at])
            at += 1
            continue
        if prose:
            yield False, prose
            prose = []
        if fence:
            end = _end_of_fence(lines, at + 1, fence[2])
            yield True, _fenced(fence, lines[at + 1 : end])
            at = end + 1
        else:
            yield True, aligned(lines[at : at + rows])
            at += rows
    if prose:
        yield False, prose


def _end_of_fence(lines: list[str], start: int, marker: str) -> int:
    for at in range(start, len(lines)):
        line = lines[at].strip()
        if len(line) >= len(marker) and set(line) == {marker[0]}:
            return at
    return len(lines)


def _fenced(fence: re.Match[str], code: list[str]) -> list[str]:
    """A block with the one kind of fence that Discord knows; fences within it are broken, invisibly."""
    before, _, info = fence.groups()
    language = _LANGUAGE.match(info.strip())
    indent = " " * len(before) if before.strip() else before
    inner = [line.removeprefix(indent).replace("```", "`\u200b``") for line in code]
    start = before if before.strip() else ""
    return [f"{start}```{language[0] if language else ''}", *inner, "```"]


def _inline(prose: str) -> str:
    """Prose in which only what is meant as markup is markup."""
    parts, end = [], 0
    for code in _CODE.finditer(prose):
        parts += [_words(prose[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, _words(prose[end:])])


def _words(text: str) -> str:
    text = _HEADING.sub(lambda match: f"{match[1]}**{match[2].replace('**', '')}**", text)
    text = _SPOILER.sub(r"\\|\\|", text)
    text = _DUNDER.sub(r"\\_\\_\1\\_\\_", text)
    text = _STRONG.sub(r"**\1**", text)
    text = _LINK.sub(_link, text)
    return _TOKEN.sub(r"\\<", text)


def _link(match: re.Match[str]) -> str:
    is_image, label, target = match.groups()
    if not target.lower().startswith(("http://", "https://")):
        return match[0]
    if not label.strip():
        return f"<{target}>"
    if _misleads(label, target):
        return f"{label} (<{target}>)"
    return f"[{label}]({target})" if is_image else match[0]


def _misleads(label: str, target: str) -> bool:
    """Whether a link's label looks like an address that is not where it leads."""
    try:
        host = (urlsplit(target).hostname or "").removeprefix("www.")
    except ValueError:
        return True
    named = {found[1].lower().removeprefix("www.") for found in _ADDRESS.finditer(label)}
    return bool(named) and named != {host}
