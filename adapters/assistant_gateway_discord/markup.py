"""
Text on its way out: Markdown as models write it, made into what Discord shows.

Discord has no tables, no rules, no headings below the third, no images and only one kind of fence; it reads
``__x__`` as underlined and ``||x||`` as hidden, and ``<@1>`` as a mention. What is written stays
readable, and nothing in it is a token. Code is left alone. The result may be longer than the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from assistant_gateway.links import LINK, misleads
from assistant_gateway_discord.tables import aligned, listed, table_at

RULE = "─" * 12
QUOTES = 4  # levels of quotations that are looked into

_FENCE = re.compile(r"( {0,3}|(?:[ \t]*(?:[-*+]|[0-9]{1,9}[.)])?[ \t]+))(`{3,}(?=[^`]*$)|~{3,})(.*)")
_LANGUAGE = re.compile(r"[\w+#.-]+", re.ASCII)
_CODE = re.compile(r"(?<!`)(`+)(?!`)(?:.+?)(?<!`)\1(?!`)", re.DOTALL)
_HEADING = re.compile(r"(?m)^( {0,3})#{4,6}[ \t]+(.+?)(?:[ \t]+#+)?[ \t]*$")
_TOKEN = re.compile(
    r"(\\*)(<)(?=@[!&]?[0-9]|#[0-9]|a?:\w+:[0-9]|/[^<>\n:]{1,100}:[0-9]|t:-?[0-9]|id:\w)", re.ASCII
)
_RULE = re.compile(r"(?m)(?<![^\n]\n)^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$")
_SPOILER = re.compile(r"(\\*)(\|\|)")
# __init__.py and x.__init__() are names, as far as can be told; __init__ alone is strong text.
_DUNDER = re.compile(r"(?<![\w\\])__(\w+?)__(?=\(|\.\w)|(?<=\w\.)__(\w+?)__(?!\w)")
_STRONG = re.compile(r"(?<![\w\\_])__(?=\S)([^_\n]*?[^\s_])__(?![\w_])")


def shown(markdown: str) -> str:
    """What *markdown* is as the content of a message."""
    return _shown(markdown.split("\n"), QUOTES)


def _shown(lines: list[str], quotes: int) -> str:
    parts = []
    for is_ready, block in _blocks(lines, quotes):
        parts.append("\n".join(block) if is_ready else _inline("\n".join(block)))
    return "\n".join(parts)


def quoted(text: str) -> str:
    """*text* as a quotation."""
    return "\n".join(f"> {line}" for line in text.split("\n"))


def _blocks(lines: list[str], quotes: int) -> Iterator[tuple[bool, list[str]]]:
    """What is ready (code, tables that have become code, quotations) and prose, in turn; by lines."""
    prose: list[str] = []
    at = 0
    while at < len(lines):
        fence = _FENCE.fullmatch(lines[at])
        rows = 0 if fence else table_at(lines, at)
        quoted_lines = _quoted_at(lines, at) if quotes else 0
        if not (fence or rows or quoted_lines):
            prose.append(lines[at])
            at += 1
            continue
        if prose:
            yield False, prose
            prose = []
        if quoted_lines:
            inner = [line[1:].removeprefix(" ") for line in lines[at : at + quoted_lines]]
            yield True, [quoted(_shown(inner, quotes - 1))]
            at += quoted_lines
        elif fence:
            end = _end_of_fence(lines, at + 1, fence[2])
            yield True, _fenced(fence, lines[at + 1 : end])
            at = end + 1
        else:
            table = lines[at : at + rows]
            code = aligned(table)
            yield bool(code), code or listed(table)
            at += rows
    if prose:
        yield False, prose


def _quoted_at(lines: list[str], start: int) -> int:
    """How many lines from *start* on are a quotation."""
    end = start
    while end < len(lines) and lines[end].startswith(">"):
        end += 1
    return end - start


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
    text = _RULE.sub(RULE, text)
    text = _HEADING.sub(lambda match: f"{match[1]}**{match[2].replace('**', '')}**", text)
    text = _SPOILER.sub(_escaped, text)
    text = _DUNDER.sub(lambda match: f"\\_\\_{match[1] or match[2]}\\_\\_", text)
    text = _STRONG.sub(r"**\1**", text)
    text = LINK.sub(_link, text)
    return _TOKEN.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    """What would be markup, escaped, unless an odd number of backslashes does so already."""
    before, token = match.groups()
    return match[0] if len(before) % 2 else before + "".join(f"\\{each}" for each in token)


def _link(match: re.Match[str]) -> str:
    is_image, label, target = match.groups()
    if not target.lower().startswith(("http://", "https://")):
        return match[0]
    if not label.strip():
        return f"<{target}>"
    if misleads(label, target):
        return f"{label} (<{target}>)"
    return f"[{label}]({target})" if is_image else match[0]
