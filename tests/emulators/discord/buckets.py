"""
How often a bot may call: developers/topics/rate-limits.mdx, 2026-08-06, and what people measured.

Discord publishes no figures and asks everybody to read the headers; those here are reported or assumed, as
each line says. A bucket is a route with its channel, server or webhook; its window begins with its first
call.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from emulators.clock import Clock
from emulators.discord.refusal import Limited

GLOBAL = 50  # calls of a bot in a second: documented
INVALID = 10_000  # answers 401, 403 or 429 in 10 minutes, then a ban: documented
INVALID_WINDOW = 600.0
BAN = 3_600.0  # seconds: assumed


@dataclass(frozen=True, slots=True)
class Rule:
    """At most *limit* calls in *window* seconds."""

    limit: int
    window: float


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "POST message": Rule(5, 5),  # reported discord-api-docs#20
        "PATCH message": Rule(5, 5),  # reported discord-api-docs#20, discord.py#6073: of the channel
        "DELETE message": Rule(5, 1),  # assumed
        "GET messages": Rule(50, 5),  # assumed
        "typing": Rule(5, 5),  # assumed
        "reaction": Rule(1, 0.25),  # reported discord-api-docs#182
        "PATCH channel": Rule(10, 15),  # reported discord-api-docs#2208
        "threads": Rule(50, 300),  # assumed
        "webhook": Rule(5, 2),  # reported discord-api-docs#2701: of the interaction's token
        "other": Rule(30, 10),  # assumed
    }
)
HIDDEN: Mapping[str, Rule] = MappingProxyType(
    {
        "webhook in channel": Rule(30, 60),  # reported discord-api-docs#367, #3763; scope `shared` assumed
        "old edit": Rule(3, 20),  # of messages older than an hour: the figure is a guess
        "rename": Rule(2, 600),  # reported discord-api-docs#2208: name or topic of a channel
    }
)


class Window:
    """A fixed window of one bucket."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._used = 0
        self._ends = 0.0

    def wait(self, now: float) -> float:
        """Seconds until a call may be made; 0 when it may now."""
        if now >= self._ends:
            self._used = 0
        return 0.0 if self._used < self.rule.limit else self._ends - now

    def take(self, now: float) -> None:
        """Count a call."""
        if now >= self._ends:
            self._used, self._ends = 0, now + self.rule.window
        self._used += 1

    def left(self, now: float) -> tuple[int, float]:
        """How many calls are left, and for how many seconds the window goes on."""
        return self.rule.limit - self._used, max(0.0, self._ends - now)


class Limits:
    """
    The buckets of everybody.

    Attributes:
        enforced: Whether anybody is refused.
        rules: The buckets that headers tell of; *hidden* those that only a 429 tells of.
        banned: Until when Cloudflare answers an address, in seconds since 1970.
    """

    def __init__(
        self, clock: Clock, *, enforced: bool = True, rules: Mapping[str, Rule] | None = None
    ) -> None:
        given = dict(rules or {})
        if unknown := given.keys() - RULES.keys() - HIDDEN.keys() - {"global"}:
            raise ValueError(f"no such bucket: {', '.join(sorted(unknown))}")
        self.enforced = enforced
        self.rules = {name: given.get(name, rule) for name, rule in RULES.items()}
        self.hidden = {name: given.get(name, rule) for name, rule in HIDDEN.items()}
        self.banned: dict[str, float] = {}
        self._global = given.get("global", Rule(GLOBAL, 1))
        self._clock = clock
        self._windows: dict[tuple[str, ...], Window] = {}
        self._invalid: dict[str, deque[float]] = {}

    def spend_global(self, app_id: str) -> None:
        """
        Count a call with a bot's token.

        Raises:
            Limited: The 50 of this second are used up.
        """
        self._spend(("global", app_id), self._global, "global")

    def spend(self, app_id: str, bucket: str, major: str) -> dict[str, str]:
        """
        Count a call in its bucket; tells the headers.

        Raises:
            Limited: The bucket is empty.
        """
        window = self._windows.setdefault((app_id, bucket, major), Window(self.rules[bucket]))
        now = self._clock.now()
        wait = window.wait(now)
        if wait <= 0 or not self.enforced:
            window.take(now)
            return self._headers(window, bucket)
        refusal = Limited(wait / self._clock.speed, "user")
        refusal.headers = self._headers(window, bucket)
        raise refusal

    def spend_hidden(
        self, app_id: str, bucket: str, major: str, *, scope: str = "user", code: int = 0, message: str = ""
    ) -> None:
        """
        Count a call against a limit that no header tells of.

        Raises:
            Limited: It is used up.
        """
        self._spend((app_id, bucket, major), self.hidden[bucket], scope, code=code, message=message)

    def _spend(
        self, key: tuple[str, ...], rule: Rule, scope: str, *, code: int = 0, message: str = ""
    ) -> None:
        window = self._windows.setdefault(key, Window(rule))
        now = self._clock.now()
        wait = window.wait(now)
        if wait > 0 and self.enforced:
            raise Limited(wait / self._clock.speed, scope, code=code, message=message)
        window.take(now)

    def _headers(self, window: Window, bucket: str) -> dict[str, str]:
        now = self._clock.now()
        left, seconds = window.left(now)
        return {
            "X-RateLimit-Limit": str(window.rule.limit),
            "X-RateLimit-Remaining": str(max(0, left)),
            "X-RateLimit-Reset": f"{now + seconds:.3f}",
            "X-RateLimit-Reset-After": f"{seconds / self._clock.speed:.3f}",
            "X-RateLimit-Bucket": hashlib.md5(bucket.encode(), usedforsecurity=False).hexdigest(),
        }

    def left(self, app_id: str, bucket: str, major: str) -> int:
        """Calls that would pass now."""
        window = self._windows.get((app_id, bucket, major))
        rule = self.rules.get(bucket) or self.hidden[bucket]
        if window is None:
            return rule.limit
        window.wait(self._clock.now())
        return window.left(self._clock.now())[0]

    def count_invalid(self, address: str) -> None:
        """Count an answer 401, 403 or 429 (not of scope `shared`) to *address*; too many end in a ban."""
        now = self._clock.now()
        counted = self._invalid.setdefault(address, deque())
        counted.append(now)
        while counted and counted[0] <= now - INVALID_WINDOW:
            counted.popleft()
        if len(counted) >= INVALID and self.enforced:
            self.banned[address] = now + BAN
            counted.clear()

    def is_banned(self, address: str) -> bool:
        """Whether Cloudflare answers instead of Discord."""
        return self.banned.get(address, 0.0) > self._clock.now()

    def invalid(self, address: str) -> int:
        """How many answers to *address* count against the ban now."""
        least = self._clock.now() - INVALID_WINDOW
        return sum(each > least for each in self._invalid.get(address, ()))


def headers_of(refusal: Limited) -> dict[str, str]:
    """The headers of a 429; `Retry-After` is rounded up, as in the documentation's example."""
    told = refusal.headers | {
        "Retry-After": str(math.ceil(refusal.retry_after)),
        "X-RateLimit-Scope": refusal.scope,
    }
    return told | ({"X-RateLimit-Global": "true"} if refusal.scope == "global" else {})
