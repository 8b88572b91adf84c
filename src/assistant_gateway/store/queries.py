"""The SQL statements of a store, by name, from the file beside this one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

_NAMED = re.compile(r"^-- name: (\w+)\n-- [^\n]+\n(.*?);$", re.MULTILINE | re.DOTALL)


def load(name: str) -> Mapping[str, str]:
    """
    The statements of an SQL file of this package.

    Each is a line ``-- name: verb``, a line that says what it does, and one statement.
    """
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    return {match[1]: match[2] for match in _NAMED.finditer(text)}
