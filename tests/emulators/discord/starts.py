"""
What it takes to start a session: developers/events/gateway.mdx, "Identifying" and "Session Start Limit",
2026-08-06.
"""

from __future__ import annotations

from emulators.clock import Clock
from emulators.discord.intents import KNOWN, PRIVILEGED, Intent
from emulators.discord.world import App
from emulators.shapes import Json

STARTS = 1_000  # in 24 h over all shards
DAY = 86_400.0
CONCURRENCY_WINDOW = 5.0  # seconds in which `max_concurrency` shards may identify
# Close codes after which nothing is resumed:
ENDING = frozenset({4003, 4004, 4005, 4007, 4009, 4010, 4011, 4012, 4013, 4014})


class Closed(Exception):
    """The client did something that ends its connection with *code*."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Starts:
    """Counts the sessions that apps start."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._slots: dict[tuple[str, int], float] = {}

    def limit(self, app: App) -> Json:
        """How many sessions may still be started: "Session Start Limit Structure"."""
        now = self._clock.now()
        app.identifies = [each for each in app.identifies if each > now - DAY]
        after = app.identifies[0] + DAY - now if app.identifies else 0
        return {
            "total": STARTS,
            "remaining": max(0, STARTS - len(app.identifies)),
            "reset_after": int(after * 1_000),
            "max_concurrency": app.max_concurrency,
        }

    def admits(self, app: App, shard: int) -> bool:
        """Whether a shard may start now: one in 5 s of those with its number modulo `max_concurrency`."""
        slot = (app.id, shard % app.max_concurrency)
        now = self._clock.now()
        if now - self._slots.get(slot, -DAY) < CONCURRENCY_WINDOW:
            return False
        self._slots[slot] = now
        return True

    def count(self, app: App) -> bool:
        """Count a start; the 1,001st in 24 h is none, and resets the app's token."""
        left = self.limit(app)["remaining"]
        app.identifies.append(self._clock.now())
        if not left:
            app.token = f"{app.token}-reset"
        return bool(left)


def shard_in(given: object) -> tuple[int, int]:
    """
    The shard that an IDENTIFY names, and how many there are.

    Raises:
        Closed: 4010.
    """
    match given:
        case [int(number), int(shards)] if 0 <= number < shards:
            return number, shards
    raise Closed(4010, "Invalid shard.")


def intents_in(given: object, app: App) -> Intent:
    """
    The intents that an IDENTIFY asks for.

    Raises:
        Closed: 4013: unknown or none; 4014: privileged and not switched on.
    """
    if not isinstance(given, int) or given < 0 or given & ~int(KNOWN):
        raise Closed(4013, "Invalid intent(s).")
    intents = Intent(given)
    if intents & PRIVILEGED & ~Intent(app.privileged):
        raise Closed(4014, "Disallowed intent(s).")
    return intents
