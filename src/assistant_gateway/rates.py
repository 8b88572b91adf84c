"""
How many messages one person may send in a minute: a sliding window for each, in this process's memory.

A restart forgets what was counted, and each process of several counts for itself; what a person may
spend is the budgets' affair, and those are on disk. Nobody is remembered for longer than a minute.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import TypeAlias

MINUTE = 60.0  # seconds

Sender: TypeAlias = tuple[str, str, str]
"""Adapter, tenant and the person's id."""


class Rates:
    """
    Counts messages.

    Args:
        per_minute: Messages of one person within any minute; 0 sets no limit.
        clock: Seconds of a clock that never jumps.
    """

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._clock = clock
        # The one who was quiet longest comes first.
        self._sent: OrderedDict[Sender, deque[float]] = OrderedDict()

    def __len__(self) -> int:
        """How many people are remembered."""
        return len(self._sent)

    def take(self, sender: Sender) -> float:
        """Count a message: 0 where it may come, else the seconds after which the next one may."""
        if not self.per_minute:
            return 0.0
        now = self._clock()
        self._forget(now)
        sent = self._sent.setdefault(sender, deque())
        while sent and sent[0] <= now - MINUTE:
            sent.popleft()
        if len(sent) >= self.per_minute:
            return sent[0] + MINUTE - now
        sent.append(now)
        self._sent.move_to_end(sender)
        return 0.0

    def give_back(self, sender: Sender) -> None:
        """The message that was counted last was none: it is not new, or can't be taken in."""
        sent = self._sent.get(sender)
        if sent:
            sent.pop()

    def _forget(self, now: float) -> None:
        while self._sent:
            sender, sent = next(iter(self._sent.items()))
            if sent and sent[-1] > now - MINUTE:
                return
            del self._sent[sender]
