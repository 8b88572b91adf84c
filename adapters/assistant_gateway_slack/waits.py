"""
How long Slack wants to be left alone: a call that it has forbidden for now is refused here, and not made.

A 429 is for a method in a workspace, in all of its channels and whoever calls: docs.slack.dev, "Rate
limits", 2026-09-14. Replies have their budgets; names, asides, files and dialogs call beside these.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from assistant_gateway.errors import RateLimited


class Waits:
    """The methods that must not be called for now, for one token; *clock* gives seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def check(self, method: str) -> None:
        """
        Let a call be made.

        Raises:
            RateLimited: Slack has asked to wait, and the wait is not over.
        """
        left = self._until.get(method, 0.0) - self._clock()
        if left > 0:
            raise RateLimited(left, "ratelimited")
        self._until.pop(method, None)

    def begin(self, method: str, seconds: float) -> None:
        """Slack has asked to wait."""
        self._until[method] = max(self._until.get(method, 0.0), self._clock() + seconds)
