"""
Find adapters and backends by their entry points.

The built-in ones are found exactly as a stranger's. Adapters are loaded at the start, backends
only when a configured one is of their kind. A package that can't be imported stops nobody who
does not use it; who does is told which package it is and how to mend it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from typing import TypeVar

from pydantic import BaseModel

from assistant_gateway.adapter import AdapterPlugin
from assistant_gateway.backend import BackendPlugin
from assistant_gateway.errors import ConfigError

ADAPTERS = "assistant_gateway.adapters"
BACKENDS = "assistant_gateway.backends"

Loaded = TypeVar("Loaded")


@dataclass(frozen=True, slots=True)
class PluginFault:
    """
    An entry point that can't be loaded.

    Attributes:
        name: The entry point's name, ``slack`` for instance.
        reason: What is wrong and what to do, naming the distribution.
    """

    name: str
    reason: str


class Plugins:
    """The entry points of both groups, each loaded once and when it is first needed."""

    def __init__(self, entry_points: Iterable[metadata.EntryPoint]) -> None:
        self._groups: dict[str, dict[str, list[metadata.EntryPoint]]] = {}
        for point in entry_points:
            self._groups.setdefault(point.group, {}).setdefault(point.name, []).append(point)
        self._backends: dict[str, BackendPlugin[BaseModel]] = {}

    @classmethod
    def discover(cls) -> Plugins:
        """The entry points of all installed distributions."""
        return cls(point for group in (ADAPTERS, BACKENDS) for point in metadata.entry_points(group=group))

    @property
    def adapters(self) -> Mapping[str, AdapterPlugin[BaseModel]]:
        """The adapters that can be loaded, by the entry point's name."""
        return self._loaded_adapters[0]

    @property
    def adapter_faults(self) -> Mapping[str, PluginFault]:
        """The adapters that can't be loaded, by the entry point's name."""
        return self._loaded_adapters[1]

    @cached_property
    def _loaded_adapters(self) -> tuple[dict[str, AdapterPlugin[BaseModel]], dict[str, PluginFault]]:
        adapters, faults = {}, {}
        for name in sorted(self._groups.get(ADAPTERS, {})):
            try:
                adapters[name] = self._load(ADAPTERS, name, AdapterPlugin[BaseModel])
            except ConfigError as error:
                faults[name] = PluginFault(name, str(error))
        return adapters, faults

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names that ``kind`` of a backend may have; nothing is loaded for it."""
        return tuple(sorted(self._groups.get(BACKENDS, {})))

    def backend(self, kind: str) -> BackendPlugin[BaseModel]:
        """
        The backend plugin of one kind.

        Raises:
            ConfigError: There is none, or it can't be loaded.
        """
        if kind not in self._backends:
            self._backends[kind] = self._load(BACKENDS, kind, BackendPlugin[BaseModel])
        return self._backends[kind]

    def _load(self, group: str, name: str, kind: type[Loaded]) -> Loaded:
        points = self._groups.get(group, {}).get(name, [])
        if not points:
            known = ", ".join(sorted(self._groups.get(group, {}))) or "none"
            raise ConfigError(f'there is no "{name}" in {group} (installed: {known})')
        if len(points) > 1:
            owners = " and ".join(sorted(_distribution(point) for point in points))
            raise ConfigError(f'"{name}" in {group} is claimed by {owners}; uninstall one of them')
        (point,) = points
        try:
            loaded = point.load()
        except Exception as error:  # a stranger's import may fail in any way
            told = f"{_summary(error)}{_remedy(point, error)}"
            raise ConfigError(f'"{name}" of {_distribution(point)} can\'t be loaded: {told}') from error
        expected = getattr(kind, "__origin__", kind)
        if not isinstance(loaded, expected):
            raise ConfigError(
                f'"{name}" of {_distribution(point)} names {point.value}, '
                f"which is a {type(loaded).__name__} and no {expected.__name__}"
            )
        return loaded


def _distribution(point: metadata.EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.module


def _summary(error: Exception) -> str:
    text = str(error).splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def _remedy(point: metadata.EntryPoint, error: Exception) -> str:
    """The extra to install, where a module is missing and the distribution has an extra of that name."""
    if not isinstance(error, ModuleNotFoundError) or point.dist is None:
        return ""
    if point.name not in (point.dist.metadata.get_all("Provides-Extra") or ()):
        return ""
    return f"; pip install '{point.dist.name}[{point.name}]'"
