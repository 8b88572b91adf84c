"""
How often a method may be called: one window for each app, workspace and method.

docs.slack.dev, "Rate limits" (2026-09-14): tier 1 is 1+/min, 2 is 20+, 3 is 50+, 4 is 100+. The plus is a
floor and the window is not published; here the floor is the rule and the window slides over 60 s.
`chat.postMessage` has 1/s for each channel with short bursts, and several hundred a minute in all.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

from emulators.slack.refusal import Refusal

TIERS: Mapping[int, int] = {1: 1, 2: 20, 3: 50, 4: 100}
WINDOW = 60.0  # seconds
BURST = 5  # posts that pass at once in a channel: assumed, the page says "short bursts"
POSTS = 300  # posts a minute and workspace: assumed, the page says "several hundred"


class Window:
    """At most *limit* calls in any 60 s."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._times: deque[float] = deque()

    def wait(self, now: float) -> float:
        """Seconds until a call may be made; 0 when it may now."""
        while self._times and self._times[0] <= now - WINDOW:
            self._times.popleft()
        return 0.0 if len(self._times) < self.limit else self._times[0] + WINDOW - now

    def take(self, now: float) -> None:
        """Count a call."""
        self._times.append(now)


class Bucket:
    """One call a second, *burst* at once after a rest."""

    def __init__(self, burst: int) -> None:
        self.burst = burst
        self._left = float(burst)
        self._at = 0.0

    def wait(self, now: float) -> float:
        """Seconds until a call may be made; 0 when it may now."""
        self._left = min(float(self.burst), self._left + max(0.0, now - self._at))
        self._at = now
        return 0.0 if self._left >= 1.0 else 1.0 - self._left

    def take(self, now: float) -> None:
        """Count a call."""
        self._left -= 1.0


class Quotas:
    """
    The windows of everybody.

    Attributes:
        enforced: Whether anybody is refused.
        limits: Calls a minute by method, where a test wants another number than the tier's.
    """

    def __init__(self, *, enforced: bool = True, limits: Mapping[str, int] | None = None) -> None:
        self.enforced = enforced
        self.limits = dict(limits or {})
        self._windows: dict[tuple[str, ...], Window] = {}
        self._buckets: dict[tuple[str, ...], Bucket] = {}

    def spend(
        self, app: str, team: str, method: str, tier: int | None, channel: str, now: float, speed: float
    ) -> None:
        """
        Count a call.

        Raises:
            Refusal: 429; the header tells whole seconds of the machine, at least 1.
        """
        if not self.enforced:
            return
        limit = self.limits.get(method, POSTS if method == "chat.postMessage" else TIERS.get(tier or 0))
        meters: list[Window | Bucket] = []
        if limit is not None:
            window = self._windows.setdefault((app, team, method), Window(limit))
            window.limit = limit
            meters.append(window)
        if method == "chat.postMessage" and method not in self.limits:
            meters.append(self._buckets.setdefault((app, team, channel), Bucket(BURST)))
        wait = max((meter.wait(now) for meter in meters), default=0.0)
        if wait > 0:
            raise ratelimited(wait / speed)
        for meter in meters:
            meter.take(now)

    def left(self, app: str, team: str, method: str, now: float) -> int | None:
        """Calls that would pass now; None for a method that was not called or has no number."""
        window = self._windows.get((app, team, method))
        if window is None:
            return None
        window.wait(now)
        return window.limit - len(window._times)


def ratelimited(seconds: float) -> Refusal:
    """HTTP 429 with `Retry-After`: docs.slack.dev, "Rate limits", 2026-09-14."""
    return Refusal("ratelimited", status=429, retry_after=max(1, math.ceil(seconds)))
