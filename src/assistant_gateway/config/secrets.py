"""
Secrets by reference: ``{ env = "NAME" }`` or ``{ file = "path" }`` where a setting is a secret.

A secret that stands in the file itself is refused, so is one that is empty or was never changed
from an example. What a reference resolves to is a `SecretStr`: it shows itself to nobody by accident.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from assistant_gateway.config.document import KeyPath, dotted
from assistant_gateway.config.problems import Problems, suggestion
from assistant_gateway.config.schema import Shapes, is_secret, known_keys, members
from assistant_gateway.config.settings import Reference

SIZE = 65_536  # bytes of a secret's file
_BY_REFERENCE = 'a secret is never written here; refer to it: { env = "NAME" } or { file = "path" }'
_PLACEHOLDER = re.compile(
    r"change[-_ ]?me|secret|password|example|placeholder|todo|x{3,}|your[-_ ].*|<.*>|.*(?:…|\.\.\.).*",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Reading:
    """
    Reads a table against its schema: secrets are resolved, unknown keys are noted as problems.

    Attributes:
        literal: The table came from the environment, where a secret is simply a text.
        directory: What a secret's file name is relative to.
        references: Where the secrets came from, by their key.
        notes: What the operator should be told although it is allowed.
    """

    problems: Problems
    environ: Mapping[str, str]
    directory: Path
    literal: bool = False
    references: dict[str, Reference] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def table(self, value: Mapping[str, object], shapes: Shapes, path: KeyPath) -> dict[str, object]:
        """The table with its secrets resolved."""
        known = known_keys(shapes)
        read: dict[str, object] = {}
        for key, member in value.items():
            if known is not None and key not in known:
                self.problems.add((*path, key), f"unknown key; {suggestion(key, known)}")
            else:
                read[key] = self._value(member, members(shapes, key), (*path, key))
        return read

    def _value(self, value: object, shapes: Shapes, path: KeyPath) -> object:
        if is_secret(shapes) and not isinstance(value, list):
            return self._secret(value, path)
        if isinstance(value, Mapping):
            return self.table(value, shapes, path)
        if isinstance(value, list):
            return [
                self._value(member, members(shapes, index), (*path, index))
                for index, member in enumerate(value)
            ]
        if isinstance(value, bool) and shapes and not {bool, object} & set(shapes):
            # Python counts true as the number 1, and pydantic with it.
            self.problems.add(path, f"should not be {str(value).lower()}")
        return value

    def _secret(self, value: object, path: KeyPath) -> SecretStr:
        if isinstance(value, SecretStr):
            return value
        if isinstance(value, str) and self.literal:
            text, source = value, "the secret"
        elif isinstance(value, Mapping) and set(value) == {"env"}:
            name = str(value["env"])
            text, source = self.environ.get(name, ""), f"the environment variable {name}"
            self.references[dotted(path)] = Reference(kind="env", name=name)
            if name not in self.environ:
                self.problems.add(path, f"{source} is not set")
                return SecretStr("")
        elif isinstance(value, Mapping) and set(value) == {"file"}:
            file = self.directory / Path(str(value["file"])).expanduser()
            self.references[dotted(path)] = Reference(kind="file", name=str(file))
            found, source = self._file(file, path), f"the file {file}"
            if found is None:
                return SecretStr("")
            text = found
        else:
            self.problems.add(path, _BY_REFERENCE)
            return SecretStr("")
        text = text.removesuffix("\n").removesuffix("\r")
        if fault := _fault(text):
            self.problems.add(path, f"{source} {fault}")
        return SecretStr(text)

    def _file(self, file: Path, path: KeyPath) -> str | None:
        try:
            with file.open("rb") as opened:
                raw = opened.read(SIZE + 1)
            mode = file.stat().st_mode
            text = raw.decode("utf-8")
        except OSError as error:
            self.problems.add(path, f"the file {file} can't be read: {error.strerror or error}")
            return None
        except UnicodeDecodeError:
            self.problems.add(path, f"the file {file} is no UTF-8 text")
            return None
        if len(raw) > SIZE:
            self.problems.add(path, f"the file {file} is larger than {SIZE} bytes")
            return None
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            self.notes.append(
                f"{file} holds a secret and everybody on this machine can read it: chmod 600 {file}"
            )
        return text


def _fault(text: str) -> str:
    """Why a secret must not be used; empty when nothing speaks against it."""
    if not text.strip():
        return "is empty"
    if text != text.strip() or any(character.isspace() or not character.isprintable() for character in text):
        return "has spaces or line breaks in it"
    if _PLACEHOLDER.fullmatch(text):
        return "still holds an example; put the real secret there"
    return ""
