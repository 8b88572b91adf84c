"""
Tables: Discord shows none, so they become aligned text in a code block.

A code block breaks lines that are wider than the screen, and then nothing is aligned any more: a wide
table becomes a list, a row in each line of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

WIDEST = 80  # columns of a table that is aligned
_PIPE = re.compile(r"(?<!\\)\|")
_DASHES = re.compile(r" {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
_BREAK = re.compile(r"[ \t]*<br[ \t]*/?>[ \t]*", re.IGNORECASE)
_EMPHASIS = re.compile(r"(\*\*|__|~~|`+)(?=\S)(.+?)(?<=\S)\1")


def table_at(lines: Sequence[str], start: int) -> int:
    """How many lines of *lines*, from *start* on, are a table; 0 where none begins there."""
    if start + 1 >= len(lines) or "|" not in lines[start] or "|" not in lines[start + 1]:
        return 0
    if not _DASHES.fullmatch(lines[start + 1]) or len(_cells(lines[start])) != len(_cells(lines[start + 1])):
        return 0
    end = start + 2
    while end < len(lines) and "|" in lines[end] and lines[end].strip():
        end += 1
    return end - start


def listed(lines: Sequence[str]) -> list[str]:
    """The lines of a table as a list: heads in one line, each row in one; its cells keep their markup."""
    head, _, *body = [_cells(line) for line in lines]
    title = " · ".join(_plain(cell) for cell in head if cell)
    rows = (" · ".join(cell.replace("\\|", "|") for cell in row if cell) for row in body)
    return [f"**{title}**" if title else "", *(f"- {row}" for row in rows)]


def aligned(lines: Sequence[str]) -> list[str]:
    """The lines of a table as a code block, its fences included; none where it is too wide for one."""
    head, dashes, *body = [_cells(line) for line in lines]
    columns = len(head)
    rows = [
        (row + [""] * columns)[:columns] for row in ([_plain(cell) for cell in row] for row in (head, *body))
    ]
    widths = [max(_width(row[column]) for row in rows) for column in range(columns)]
    if sum(widths) + len(" | ") * (columns - 1) > WIDEST:
        return []
    to_the_right = [cell.endswith(":") and not cell.startswith(":") for cell in dashes]
    shown = [_row(row, widths, to_the_right) for row in rows]
    rule = "-+-".join("-" * width for width in widths)
    return ["```", shown[0], rule, *shown[1:], "```"]


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return [_BREAK.sub(" ", cell.strip()) for cell in _PIPE.split(inner)]


def _plain(cell: str) -> str:
    """A cell without markup, which a code block would show."""
    return _EMPHASIS.sub(r"\2", cell).replace("\\|", "|").replace("```", "`\u200b``")


def _row(cells: Sequence[str], widths: Sequence[int], to_the_right: Sequence[bool]) -> str:
    shown = []
    for cell, width, right in zip(cells, widths, to_the_right, strict=True):
        space = " " * (width - _width(cell))
        shown.append(space + cell if right else cell + space)
    return " | ".join(shown).rstrip()


def _width(cell: str) -> int:
    """How many columns a text takes in a font of fixed width."""
    return sum(_columns(character) for character in cell)


def _columns(character: str) -> int:
    if character in "\u200b\u200d" or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
