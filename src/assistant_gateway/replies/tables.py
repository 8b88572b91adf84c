"""Rows of a Markdown table: where the cells are, and whether a line is the row of dashes."""

from __future__ import annotations

import re

PIPE = re.compile(r"(?<!\\)\|")
DASHES = re.compile(r"\|?[ \t]*+:?-++:?[ \t]*+(?:\|[ \t]*+:?-++:?[ \t]*+)*+\|?")
PART_OF_DASHES = re.compile(r"[ \t|:-]*")


def cells(row: str) -> int:
    """How many cells *row* has."""
    row = row.strip()
    inner = row[1:] if row.startswith("|") else row
    return len(PIPE.findall(inner)) + (0 if ends(row) else 1)


def ends(row: str) -> bool:
    """Whether the last cell of *row* is closed."""
    return row.endswith("|") and not row.endswith("\\|")


def heads(row: str, below: str) -> bool:
    """Whether *row*, with *below* as the row of dashes, begins a table."""
    return (
        "|" in row
        and "|" in below
        and DASHES.fullmatch(below.strip()) is not None
        and cells(row) == cells(below)
    )
