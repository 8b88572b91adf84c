"""
What Discord's answers tell of its limits, and the guard against being shut out.

Every answer says how many calls are left in its bucket and when the bucket is full again; a call
into a bucket that is known to be empty is not made. Of calls that Discord turns away (401, 403,
429) it takes 10,000 in ten minutes, then shuts the address out: long before that nothing is sent.
developers/topics/rate-limits.mdx, 2026-08-06.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from assistant_gateway.errors import RateLimited
from assistant_gateway_discord.routes import BOT, Route

KEPT = 10_000  # buckets
# Calls a second that no reply makes (typing, reading): replies have 40 of the 50 (`budgets`).
BESIDES = 9
INVALID = frozenset({401, 403, 429})
INVALID_WINDOW = 600.0  # seconds
INVALID_MOST = 5_000  # half of what Discord takes


class Extent(Enum):
    """What a 429 is about."""

    BUCKET = auto()
    BOT = auto()
    """All calls with the bot's token."""

    ADDRESS = auto()
    """All calls: it is not Discord that speaks, but what stands before it."""


@dataclass(frozen=True, slots=True)
class _Left:
    remaining: int
    full_at: float


class Buckets:
    """The buckets as the newest answers tell of them; *clock* gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._names: dict[str, str] = {}  # the bucket of a kind of call, as Discord names it
        self._left: OrderedDict[tuple[str, str], _Left] = OrderedDict()
        self._sizes: dict[str, tuple[int, float]] = {}
        self._refused: OrderedDict[tuple[str, str], float] = OrderedDict()  # until when, after a 429
        self._bot_until = self._all_until = 0.0

    def size(self, route: Route) -> tuple[int, float] | None:
        """How many such calls in how many seconds, as far as Discord has told."""
        return self._sizes.get(route.kind)

    def wait(self, route: Route) -> float:
        """Seconds until such a call may be made; 0 where nothing is known against it."""
        now = self._clock()
        key = self._key(route)
        left = self._left.get(key)
        until = left.full_at if left is not None and left.remaining <= 0 else 0.0
        # The bucket may have had no name yet.
        refused = (self._refused.get(each, 0.0) for each in (key, (route.kind, route.major)))
        until = max(until, self._all_until, *refused)
        if route.is_bots:
            until = max(until, self._bot_until)
        return max(0.0, until - now)

    def learn(self, route: Route, headers: Mapping[str, str]) -> None:
        """What an answer's headers tell."""
        try:
            limit = int(headers["X-RateLimit-Limit"])
            remaining = int(headers["X-RateLimit-Remaining"])
            seconds = float(headers["X-RateLimit-Reset-After"])
        except (KeyError, ValueError):
            return
        if not (limit > 0 and remaining >= 0 and 0 <= seconds < 86_400):
            return
        if name := headers.get("X-RateLimit-Bucket", ""):
            self._names[route.kind] = name
        if remaining == limit - 1 and seconds > 0:
            self._sizes[route.kind] = limit, max(seconds, self._seconds(route, limit))
        key = self._key(route)
        self._left[key] = _Left(remaining, self._clock() + seconds)
        self._left.move_to_end(key)
        while len(self._left) > KEPT:
            self._left.popitem(last=False)

    def refused(self, route: Route, seconds: float, extent: Extent) -> None:
        """A 429: so many seconds long nothing of that extent, whatever answers to earlier calls tell."""
        until = self._clock() + seconds
        match extent:
            case Extent.ADDRESS:
                self._all_until = max(self._all_until, until)
            case Extent.BOT:
                self._bot_until = max(self._bot_until, until)
            case Extent.BUCKET:
                key = self._key(route)
                self._refused[key] = max(self._refused.get(key, 0.0), until)
                self._refused.move_to_end(key)
                while len(self._refused) > KEPT:
                    self._refused.popitem(last=False)

    def _seconds(self, route: Route, limit: int) -> float:
        """The longest window seen so far; none where the size has changed."""
        known = self._sizes.get(route.kind)
        return known[1] if known is not None and known[0] == limit else 0.0

    def _key(self, route: Route) -> tuple[str, str]:
        return self._names.get(route.kind, route.kind), route.major


class Turns:
    """So many calls a second, one after another in the order of asking; *clock* gives seconds."""

    def __init__(self, clock: Callable[[], float], most: int) -> None:
        self._clock = clock
        self._times: deque[float] = deque(maxlen=most)

    def take(self, patience: float) -> float:
        """
        Seconds until the turn that is taken now.

        Raises:
            RateLimited: That would be more than *patience* seconds; no turn was taken.
        """
        now = self._clock()
        is_full = len(self._times) == self._times.maxlen
        wait = max(0.0, self._times[0] + 1.0 - now) if is_full else 0.0
        if wait > patience:
            raise RateLimited(wait, "too many calls wait", scope=BOT)
        self._times.append(now + wait)
        return wait


class Guard:
    """Counts the calls that were turned away; *clock* gives seconds."""

    def __init__(self, clock: Callable[[], float], most: int = INVALID_MOST) -> None:
        self._clock = clock
        self._most = most
        self._times: deque[float] = deque()

    def note(self, status: int, scope: str) -> None:
        """An answer came; a 429 of a resource that others share is not held against us."""
        if status in INVALID and scope != "shared":
            self._times.append(self._clock())

    @property
    def wait(self) -> float:
        """Seconds until calls may be made again; 0 while few were turned away."""
        now = self._clock()
        while self._times and self._times[0] <= now - INVALID_WINDOW:
            self._times.popleft()
        if len(self._times) < self._most:
            return 0.0
        return self._times[len(self._times) - self._most] + INVALID_WINDOW - now
