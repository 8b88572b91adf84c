"""
A TOML file with the line of every key.

`tomllib` parses; it says nothing about where a key stands. So the text it has accepted is
walked a second time, for positions only: headers, keys, and values just well enough to find
the keys within them and where they end.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from assistant_gateway.errors import ConfigError

KeyPath: TypeAlias = tuple[str | int, ...]

SIZE = 1 << 20  # bytes; a configuration that is longer is a mistake or an attack

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""[ \t]*(?:([A-Za-z0-9_-]+)|("(?:\\.|[^"\\\n])*"|'[^'\n]*'))[ \t]*""")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'  # up to two quotes may stand before the closing three
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_BARE = re.compile(r"[^,\]}\n#]+")
_SYNTAX_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Document:
    """
    A parsed file.

    Attributes:
        path: As it was named on the command line.
        table: Everything in it.
        lines: The line of every key, table and array element, from 1.
    """

    path: Path
    table: Mapping[str, object]
    lines: Mapping[KeyPath, int]


def read_document(path: Path) -> Document:
    """
    Read and parse a configuration file.

    Raises:
        ConfigError: It can't be read, is no UTF-8, too large, or no TOML; names the line.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(SIZE + 1)
    except OSError as error:
        raise ConfigError(f"can't be read: {error.strerror or error}", str(path)) from error
    if len(raw) > SIZE:
        raise ConfigError(f"is larger than {SIZE} bytes", str(path))
    text = _decode(raw, path)
    try:
        table = tomllib.loads(text)
        lines = _Walk(text).lines
    except (
        ValueError
    ) as error:  # mostly `tomllib.TOMLDecodeError`; a number of 5,000 digits is refused by `int`
        place = _SYNTAX_PLACE.search(str(error))
        line = place[1] if place and place[1] else str(text.rstrip().count("\n") + 1)
        column = f" (column {place[2]})" if place and place[2] else ""
        told = _SYNTAX_PLACE.sub("", str(error))
        raise ConfigError(f"{told[:1].lower()}{told[1:]}{column}", f"{path}:{line}") from error
    except RecursionError as error:
        raise ConfigError("is nested too deeply", str(path)) from error
    return Document(path, table, lines)


def dotted(path: KeyPath) -> str:
    """A key path as people write it: ``routes[0].channel``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", part)
            text += ("." if text else "") + (part if bare else f'"{part}"')
    return text


def _decode(raw: bytes, path: Path) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        raise ConfigError("begins with a byte order mark; save it as UTF-8 without one", f"{path}:1")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"byte 0x{raw[error.start]:02x} is no UTF-8", f"{path}:{line}") from error


class _Walk:
    """One pass over a text that tomllib has accepted, noting where each key stands."""

    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._text = text
        self._at = 0
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._last: dict[KeyPath, int] = {}  # index of the newest element of each [[array of tables]]
        self._statements()

    def _statements(self) -> None:
        table: KeyPath = ()
        while self._skip_blank():
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> KeyPath:
        line = self._line()
        is_array = self._text.startswith("[[", self._at)
        self._at += 2 if is_array else 1
        path: KeyPath = ()
        keys = list(self._keys())
        for position, key in enumerate(keys):
            path = (*path, key)
            if is_array and position == len(keys) - 1:
                self._last[path] = self._last.get(path, -1) + 1
            self._note(path, line)
            if path in self._last:
                path = (*path, self._last[path])
                self._note(path, line)
        self._at += 2 if is_array else 1
        return path

    def _pair(self, table: KeyPath) -> None:
        line = self._line()
        path = table
        for key in self._keys():
            path = (*path, key)
            self._note(path, line)
        self._at += 1  # =
        self._value(path)

    def _keys(self) -> Iterator[str]:
        while match := _KEY.match(self._text, self._at):
            self._at = match.end()
            # A quoted key is decoded by the parser that accepted it.
            yield match[1] if match[1] is not None else tomllib.loads(f"key = {match[2]}")["key"]
            if not self._text.startswith(".", self._at):
                return
            self._at += 1

    def _value(self, path: KeyPath) -> None:
        self._skip_blank()
        if match := _STRING.match(self._text, self._at):
            self._at = match.end()
        elif self._text[self._at] == "[":
            for index in self._members("]"):
                self._note((*path, index), self._line())
                self._value((*path, index))
        elif self._text[self._at] == "{":
            for _ in self._members("}"):
                self._pair(path)
        elif match := _BARE.match(self._text, self._at):
            self._at = match.end()

    def _members(self, closing: str) -> Iterator[int]:
        """Stand at each member of an array or inline table in turn; in the end behind its bracket."""
        self._at += 1
        index = 0
        while self._skip_blank():
            if self._text[self._at] == closing:
                self._at += 1
                return
            if self._text[self._at] == ",":
                self._at += 1
                continue
            yield index
            index += 1

    def _skip_blank(self) -> bool:
        match = _BLANK.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._at < len(self._text)

    def _line(self) -> int:
        return bisect_right(self._newlines, self._at - 1) + 1 if self._at else 1

    def _note(self, path: KeyPath, line: int) -> None:
        self.lines.setdefault(path, line)
