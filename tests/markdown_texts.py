"""Texts as models write them, for property tests, and another reader of Markdown to judge our work by."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from markdown_it import MarkdownIt
from markdown_it.token import Token

FAMILY = "👩‍👩‍👧‍👦"  # seven code points, held together by joiners

words = st.sampled_from(
    [
        "a",
        "the",
        "word",
        "gateway",
        "ß",
        "naïve",
        "世界",
        "שלום",
        "مرحبا",
        "🌍",
        FAMILY,
        "🇩🇪",
        "👍🏽",
        "e\u0301x",
        "x1",
        "end.",
    ]
)
plain = st.lists(words, min_size=1, max_size=8).map(" ".join)
tokens = st.sampled_from(
    [
        "<@U012AB>",
        "<#C01|general>",
        "<!channel>",
        "<:wave:123456>",
        "<t:1700000000:R>",
        "<https://example.com/a_b>",
        "[the docs](https://example.com/a_(b))",
        '[a **bold** one](https://example.com "with a title")',
        "![an image](https://example.com/i.png)",
        "&amp;",
        "&#8364;",
        "\\*",
        "\\_",
        "2 * 3",
        "snake_case_name",
        "||hidden words||",
        "[1]",
        "R&D",
        "a < b",
    ]
)


def _wrapped(inner: SearchStrategy[str]) -> SearchStrategy[str]:
    return st.builds(
        lambda marker, text: f"{marker}{text}{marker}",
        st.sampled_from(["*", "**", "***", "_", "__", "~~"]),
        inner,
    )


code = st.sampled_from(["`x`", "`a b`", "``a ` b``", "`**no**`"])
emphasised = _wrapped(plain) | _wrapped(_wrapped(plain).map(lambda text: f"a {text} b"))
pieces = words | words | tokens | code | emphasised
inlines = st.lists(pieces, min_size=1, max_size=10).map(" ".join)
hostile = st.lists(
    st.sampled_from([*"*_`~|[]()<>!&#-+=\\ \n", "```", "**", "\n\n", "a", "b c", "https://x.y", "1. ", "é"]),
    max_size=40,
).map("".join)

paragraphs = st.lists(inlines, min_size=1, max_size=3).map("\n".join)
headings = st.builds(lambda level, text: f"{'#' * level} {text}", st.integers(1, 4), inlines)
lists = st.lists(inlines, min_size=1, max_size=4).flatmap(
    lambda items: st.sampled_from(["- ", "* ", "1. ", "- [ ] "]).map(
        lambda mark: "\n".join(mark + item for item in items)
    )
)
quotes = paragraphs.map(lambda text: "\n".join("> " + line for line in text.split("\n")))
lines_of_code = st.lists(
    st.sampled_from(["x = 1", "    return **x", "# no heading", "", "`", "~~", "- a", "| a |", "世界 🌍"]),
    min_size=1,
    max_size=6,
)


def _fence(lines: list[str], marker: str, info: str, indent: str) -> str:
    return "\n".join(indent + line for line in [marker + info, "code", *lines, marker])


fences = st.builds(
    _fence,
    lines_of_code,
    st.sampled_from(["```", "````", "~~~"]),
    st.sampled_from(["", "python", "c++ title=x"]),
    st.sampled_from(["", "  "]),
)
nested = st.just("````md\nsee:\n```py\nx = 1\n```\n````")
fences_in_lists = st.builds(
    lambda lines, mark: f"{mark}item\n\n" + _fence(lines, "```", "sh", " " * len(mark)),
    lines_of_code,
    st.sampled_from(["- ", "1. "]),
)
fences_in_quotes = fences.map(lambda text: "\n".join("> " + line for line in text.split("\n")))


def _table(rows: list[tuple[str, str]]) -> str:
    return "\n".join(["| one | two |", "|:---|---|", *(f"| {a} | {b} |" for a, b in rows)])


cells = st.lists(words | emphasised | st.just("<@U1>"), min_size=1, max_size=3).map(" ".join)
tables = st.lists(st.tuples(cells, cells), min_size=1, max_size=5).map(_table)
rules = st.sampled_from(["---", "- - -"])

blocks = st.one_of(
    paragraphs,
    paragraphs,
    headings,
    lists,
    quotes,
    fences,
    nested,
    fences_in_lists,
    fences_in_quotes,
    tables,
    rules,
)
documents = st.lists(blocks, min_size=1, max_size=5).map("\n\n".join)

oracle = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
MARKERS = re.compile(r"\*+|_+|`+|~~+|\|\|+")


def _flat(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _flat(token.children or [])


def stray(text: str) -> Counter[str]:
    """The markers that show as themselves when *text* is rendered, by their first character."""
    found: Counter[str] = Counter()
    for token in _flat(oracle.parse(text)):
        if token.type == "text":
            for marker in MARKERS.findall(re.sub(r"\|\|(?! ).*?(?<! )\|\|", "", token.content)):
                found[marker[0]] += len(marker)
    return found


def open_fence(text: str) -> bool:
    """Whether *text* ends inside a fence: then more text is rendered as code."""
    tokens = [token for token in _flat(oracle.parse(text + "\n\nqqqq")) if token.type == "fence"]
    return any("qqqq" in token.content for token in tokens)


def in_common(one: str, other: str) -> int:
    """How many characters the beginnings of the two have in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
