"""
When a fault strikes: a number of times, after the first ones have passed, or by chance with a seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Protocol, TypeVar

from emulators.shapes import Json


class Striking(Protocol):
    """
    A fault, counted where it is kept.

    Attributes:
        times: How often it strikes; None for always.
        after: How many pass before.
        chance: Probability of striking, 0 to 1.
    """

    times: int | None
    after: int
    chance: float


Struck = TypeVar("Struck", bound=Striking)
Told = TypeVar("Told")


class Dice:
    """Decides which fault strikes."""

    def __init__(self, seed: int = 0) -> None:
        self._chance = random.Random(seed)  # not a secret

    def first(self, faults: Iterable[Struck]) -> Struck | None:
        """The first of *faults* that strikes, counted."""
        return next((fault for fault in faults if self._strikes(fault)), None)

    def _strikes(self, fault: Striking) -> bool:
        if fault.times == 0:
            return False
        if fault.after > 0:
            fault.after -= 1
            return False
        if self._chance.random() >= fault.chance:
            return False
        if fault.times is not None:
            fault.times -= 1
        return True


def fault_of(given: Json, kinds: Mapping[str, type[Told]]) -> Told:
    """
    A fault as the control API is told; *kinds* has the class of each kind.

    Raises:
        ValueError: There is none like it.
    """
    kind = str(given.get("kind"))
    if kind not in kinds:
        raise ValueError(f"kind must be one of {', '.join(kinds)}")
    if unknown := given.keys() - {each.name for each in fields(kinds[kind])}:  # type: ignore[arg-type]
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    return kinds[kind](**given)
