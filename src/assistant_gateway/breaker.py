"""
Which backends are worth asking now: one that fails is left alone for a while, then tried by one run.

A chain of backends (``backend = ["openai", "local"]``) is tried in its order; those that are left alone
come last, so that nobody waits for a provider that is known to be away, and nobody is turned away
because all of them are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from assistant_gateway.backend import Backend
from assistant_gateway.errors import BackendError, BackendRefused, BackendUnavailable, StreamCut

FAILURES = 3  # in a row, until a backend is left alone
FIRST_REST, LONGEST_REST = 15.0, 300.0  # seconds; doubled by each failed trial
PROBE = 60.0  # seconds after which a trial that told nothing is no longer waited for


class WatchesBackends(Protocol):
    """What is told about backends, for metrics."""

    def backend_health(self, backend: str, healthy: bool) -> None: ...


class Breakers:
    """The health of all backends, as the runs of this process have found it."""

    def __init__(self, watch: WatchesBackends) -> None:
        self._watch = watch
        self._breakers: dict[str, _Breaker] = {}

    def order(self, chain: Sequence[Backend]) -> list[Backend]:
        """The backends of a chain, those that are left alone last."""
        now = asyncio.get_running_loop().time()
        worth = [backend for backend in chain if self._of(backend).is_worth_asking(now)]
        for backend in worth[:1]:
            self._of(backend).ask(now)
        return [*worth, *(backend for backend in chain if backend not in worth)]

    def served(self, backend: Backend) -> None:
        """It has answered."""
        breaker = self._of(backend)
        if breaker.rests:
            structlog.get_logger().info("backend.back", backend=backend.name)
        breaker.mend()
        self._watch.backend_health(backend.name, True)

    def failed(self, backend: Backend, error: BackendError) -> None:
        """It could not answer; what only concerns one request does not count."""
        if not isinstance(error, BackendUnavailable | BackendRefused | StreamCut):
            return
        breaker = self._of(backend)
        rest = breaker.fail(asyncio.get_running_loop().time(), error.retry_after)
        if rest:
            structlog.get_logger().warning(
                "backend.left_alone", backend=backend.name, seconds=round(rest, 1), code=error.code
            )
            self._watch.backend_health(backend.name, False)

    def _of(self, backend: Backend) -> _Breaker:
        return self._breakers.setdefault(backend.name, _Breaker())


class _Breaker:
    """One backend. Times are seconds of the event loop's clock."""

    def __init__(self) -> None:
        self.rests = 0  # in a row
        self._failures = 0
        self._until = 0.0
        self._probed = -PROBE

    def is_worth_asking(self, now: float) -> bool:
        if not self.rests:
            return True
        return now >= self._until and now >= self._probed + PROBE

    def ask(self, now: float) -> None:
        """Somebody asks it; while it is on trial, nobody else does."""
        if self.rests:
            self._probed = now

    def mend(self) -> None:
        self.rests = self._failures = 0
        self._probed = -PROBE

    def fail(self, now: float, retry_after: float) -> float:
        """Note a failure; how long it is left alone from now on, 0 if it is not."""
        self._failures += 1
        self._probed = -PROBE
        if not retry_after and not self.rests and self._failures < FAILURES:
            return 0.0
        if now >= self._until:
            self.rests += 1
        rest = min(LONGEST_REST, max(retry_after, FIRST_REST * 2 ** (self.rests - 1)))
        self._until = max(self._until, now + rest)
        return self._until - now
