"""
What is wrong with a configuration, said in one line each: file and line, key, what was expected.

All that is wrong is told at once, so that one start shows everything there is to mend.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from assistant_gateway.config.document import Document, KeyPath, dotted
from assistant_gateway.config.schema import Shapes, description, members
from assistant_gateway.errors import ConfigError

_EXPECTED = {
    "missing": "is missing",
    "extra_forbidden": "unknown key",
    "string_type": "should be a text in quotes",
    "int_type": "should be a whole number",
    "int_parsing": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "float_parsing": "should be a number",
    "bool_type": "should be true or false",
    "bool_parsing": "should be true or false",
    "tuple_type": "should be a list",
    "list_type": "should be a list",
    "dict_type": "should be a table",
    "model_type": "should be a table",
}


@dataclass(slots=True)
class Problems:
    """
    Collects what is wrong, each with the place where it can be mended.

    Attributes:
        document: The file, where there is one.
        origins: Where values came from that no file names: a variable or an option.
    """

    document: Document | None
    origins: dict[KeyPath, str] = field(default_factory=dict)
    _found: dict[tuple[str, str], int] = field(default_factory=dict)
    _paths: set[KeyPath] = field(default_factory=set)

    def add(self, path: KeyPath, message: str) -> None:
        """Note that the value at *path* is wrong."""
        self._paths.add(path)
        self._found.setdefault((self.where(path), message), self._line(path))

    def add_invalid(self, prefix: KeyPath, error: ValidationError, data: object, shapes: Shapes) -> None:
        """Note what a model refused about *data*, which stands at *prefix*, where nothing is noted yet."""
        refused: dict[KeyPath, tuple[list[str], str]] = {}
        for detail in error.errors(include_url=False, include_context=False):
            # Behind the data's own keys pydantic names the member of a union that it tried.
            location = tuple(_existing(detail["loc"], data, detail["type"] == "missing"))
            wishes, _ = refused.setdefault(location, ([], _shown(detail["type"], detail["input"])))
            wishes.append(_wish(detail["type"], detail["msg"]))
        for location, (wishes, given) in refused.items():
            if (*prefix, *location) in self._paths:
                continue
            about = _about(shapes, location)
            text = " or ".join(dict.fromkeys(wishes)) + given
            self.add((*prefix, *location), f"{text} ({about})" if about else text)

    def raise_if_any(self) -> None:
        """
        End with all that was found.

        Raises:
            ConfigError: Something was.
        """
        if self._found:
            (where, message), *others = sorted(self._found, key=lambda problem: self._found[problem])
            raise ConfigError("\n".join([message, *(f"{place}: {text}" for place, text in others)]), where)

    def where(self, path: KeyPath) -> str:
        """The file and line, or the variable or option, that a key's value came from, and the key."""
        for length in range(len(path), 0, -1):
            part = path[:length]
            if part in self.origins:
                return self.origins[part]
            if self.document and part in self.document.lines:
                return f"{self.document.path}:{self.document.lines[part]}: {dotted(path)}"
        return f"{self.document.path}: {dotted(path)}" if self.document else dotted(path)

    def _line(self, path: KeyPath) -> int:
        lines = self.document.lines if self.document else {}
        return next((lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in lines), 0)


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """A question that names the nearest known word, else all of them."""
    words = sorted(known)
    close = difflib.get_close_matches(wrong, words, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"known: {', '.join(words)}" if words else "none is known here"


def _existing(location: KeyPath, data: object, missing: bool) -> Iterator[int | str]:
    for number, part in enumerate(location, start=1):
        if isinstance(data, Mapping):
            if part not in data:
                if number < len(location):
                    continue  # not a key, but the member of a union; keys may follow
                if missing:
                    yield part
                return
            data = data[part]
        elif isinstance(data, list | tuple) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return
        yield part


def _about(shapes: Shapes, location: KeyPath) -> str:
    about = ""
    for key in location:
        about = description(shapes, key) or (about if isinstance(key, int) else "")
        shapes = members(shapes, key)
    return about


def _wish(kind: str, text: str) -> str:
    """What pydantic wants, in the words of somebody who writes TOML."""
    if kind == "value_error":
        return text.removeprefix("Value error, ")
    return _EXPECTED.get(kind) or text.replace("Input should be", "should be", 1)


def _shown(kind: str, given: object) -> str:
    """The refused value. A text may be a secret that went astray: it is shown only where few words fit."""
    if kind == "extra_forbidden":
        return ""
    if isinstance(given, bool):
        return f", not {str(given).lower()}"
    if isinstance(given, int | float) or (kind in ("literal_error", "enum") and isinstance(given, str)):
        return f", not {given!r}"
    return ""
