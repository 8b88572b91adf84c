"""How much longer an answer will go on, as far as the latest answers tell."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from itertools import accumulate

KEPT = 32  # answers; older ones say little about the model of today
FIRST_GUESS = (5.0, 10.0, 20.0, 30.0)  # seconds, before any was seen


class Lifetimes:
    """The durations of the latest answers, in seconds from their first words to their end."""

    def __init__(self) -> None:
        self._latest = deque(FIRST_GUESS, maxlen=KEPT)
        self._sort()

    def add(self, seconds: float) -> None:
        """An answer has ended."""
        self._latest.append(seconds)
        self._sort()

    def left(self, age: float) -> float:
        """
        How long an answer of *age* seconds will go on, on average.

        Never less than half of a usual answer: one that outlives the others may do so for long, and
        what it does not need is for the next one.
        """
        older = len(self._sorted) - bisect_right(self._sorted, age)
        expected = self._sums[older] / older - age if older else age / 2
        return max(expected, self._least)

    def _sort(self) -> None:
        self._sorted = sorted(self._latest)
        self._sums = [0.0, *accumulate(reversed(self._sorted))]  # of the longest 0, 1, 2 … answers
        self._least = max(1.0, self._sums[-1] / len(self._sorted) / 2)
