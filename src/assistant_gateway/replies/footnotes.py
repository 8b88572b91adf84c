"""
What stands below an answer that leans on others: its sources, the tools it used, the code that ran.

The text itself stays as the model said it; which source stands behind which word is told only after
the word has been shown, so sources are listed and not marked. A title is the stranger's own word: it
can't mention anybody or end its link, and the address's real host always stands beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from assistant_gateway.values import Citation, ToolUse

NAMED = 6  # tools
CODES = 3  # stretches of code
NAME_LENGTH = 40  # characters of a tool's name

_DIGITS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
# What Markdown or a platform reads as more than a character, and what looks like it.
_INERT = str.maketrans("[]<>`*|\\@~{}", "()‹›'∗¦∕＠∼()")
_HOSTED = frozenset({"code_interpreter", "file_search", "image_generation", "web_search"})
_LONE_UNDERSCORE = re.compile(r"(?<!\w)_+|_+(?!\w)")


def sources(citations: Iterable[Citation]) -> str:
    """``¹ [Title](https://host/page) · host``, a line for each source; empty without any."""
    # Two blanks: the line ends there in every dialect.
    return "  \n".join(
        f"{str(number).translate(_DIGITS)} {_source(source)}" for number, source in enumerate(citations, 1)
    )


def used(tools: Sequence[ToolUse]) -> str:
    """``🛠 get_weather, code interpreter · 3 calls``, and the code that was run; empty without tools."""
    if not tools:
        return ""
    names = list(dict.fromkeys(shown_name(tool.name) for tool in tools))
    more = f" +{len(names) - NAMED}" if len(names) > NAMED else ""
    calls = f"{len(tools)} call{'' if len(tools) == 1 else 's'}"
    line = f"🛠 {', '.join(names[:NAMED])}{more} · {calls}"
    codes = [tool for tool in tools if tool.code][:CODES]
    return "\n\n".join([line, *(_code(tool) for tool in codes)])


def shown_name(name: str) -> str:
    """A tool's name as people see it; the model may have made it up."""
    if name in _HOSTED:
        return name.replace("_", " ")
    words = re.sub(r"[^\w.:-]+|__+", " ", name)
    return " ".join(_LONE_UNDERSCORE.sub(" ", words).split())[:NAME_LENGTH] or "a tool"


def _source(citation: Citation) -> str:
    host = urlsplit(citation.url).hostname or ""
    if not host:
        return f"`{citation.title.replace('`', chr(39))}`"  # a name such as `a.md` is no address
    title = " ".join(_LONE_UNDERSCORE.sub(" ", citation.title.translate(_INERT)).split())
    return f"[{title or host}]({citation.url})" + ("" if title == host else f" · {host}")


def _code(tool: ToolUse) -> str:
    shown = [_fenced(tool.code, "python")]
    if tool.output.strip():
        shown.append(_fenced(tool.output, ""))
    return "\n".join(shown)


def _fenced(text: str, language: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text.strip(chr(10))}\n{fence}"
