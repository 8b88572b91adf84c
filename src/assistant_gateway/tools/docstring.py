"""
The words of a docstring: what the function is for, and what each parameter means.

Google (``Args:``), NumPy (``Parameters`` underlined) and Sphinx (``:param name:``) styles
are understood; any other section stays part of the description.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field

GOOGLE_SECTION = re.compile(r"(Args|Arguments|Parameters|Params):\s*$")
GOOGLE_ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")
NUMPY_ENTRY = re.compile(r"\*{0,2}(\w+(?:\s*,\s*\w+)*)\s*(?::.*)?$")
NUMPY_RULE = re.compile(r"-{3,}\s*$")
SPHINX_PARAMETER = re.compile(r":(?:param|parameter|arg|argument)\s+(?:[^:]*\s)?(\w+)\s*:\s*(.*)$")
SPHINX_FIELD = re.compile(r":\w[^:]*:")
# Sections that speak to programmers, not to a model.
OTHER_SECTION = re.compile(r"(Returns|Return|Yields|Yield|Raises|Raise)(:\s*)?$")


@dataclass(frozen=True, slots=True)
class Docstring:
    """What a docstring says: the description, and a sentence for each parameter it names."""

    description: str = ""
    parameters: dict[str, str] = field(default_factory=dict)


def read_docstring(function: Callable[..., object]) -> Docstring:
    """The docstring of *function*; empty when it has none."""
    lines = (inspect.getdoc(function) or "").splitlines()
    kept: list[str] = []
    parameters: dict[str, str] = {}
    at = 0
    while at < len(lines):
        line = lines[at]
        underlined = at + 1 < len(lines) and NUMPY_RULE.match(lines[at + 1]) is not None
        if underlined and line.strip() in ("Parameters", "Other Parameters"):
            at = _entries(lines, at + 2, parameters, NUMPY_ENTRY, indented=False)
        elif GOOGLE_SECTION.match(line):
            at = _entries(lines, at + 1, parameters, GOOGLE_ENTRY, indented=True)
        elif OTHER_SECTION.match(line) and (underlined or line.rstrip().endswith(":")):
            at = _end_of_section(lines, at + (2 if underlined else 1), indented=not underlined)
        elif found := SPHINX_PARAMETER.match(line):
            at = _continued(lines, at + 1, parameters, found[1], found[2])
        elif SPHINX_FIELD.match(line):
            at = _continued(lines, at + 1, {}, "", "")
        else:
            kept.append(line)
            at += 1
    return Docstring("\n".join(kept).strip(), {name: text for name, text in parameters.items() if text})


def _end_of_section(lines: list[str], at: int, *, indented: bool) -> int:
    """Where the section that begins at *at* ends: an indented one at the first line that is not."""
    while at < len(lines):
        line = lines[at]
        if indented and line.strip() and not line.startswith((" ", "\t")):
            break
        if not indented and at + 1 < len(lines) and line.strip() and NUMPY_RULE.match(lines[at + 1]):
            break
        at += 1
    return at


def _entries(
    lines: list[str], at: int, parameters: dict[str, str], entry: re.Pattern[str], *, indented: bool
) -> int:
    """Read ``name: text`` entries, each with its more deeply indented lines, up to the section's end."""
    end = _end_of_section(lines, at, indented=indented)
    section = [line for line in lines[at:end] if line.strip()]
    margin = min((len(line) - len(line.lstrip()) for line in section), default=0)
    names: list[str] = []
    for line in section:
        found = entry.match(line[margin:])
        if found and not line[margin:].startswith((" ", "\t")):
            names = [name.strip() for name in found[1].split(",")]
            text = found[2] if entry.groups > 1 else ""
        else:
            text = line
        for name in names:
            parameters[name] = f"{parameters.get(name, '')} {text.strip()}".strip()
    return end


def _continued(lines: list[str], at: int, parameters: dict[str, str], name: str, text: str) -> int:
    """A Sphinx field with its indented lines."""
    while at < len(lines) and lines[at].startswith((" ", "\t")) and lines[at].strip():
        text = f"{text} {lines[at].strip()}"
        at += 1
    parameters[name] = text.strip()
    return at
