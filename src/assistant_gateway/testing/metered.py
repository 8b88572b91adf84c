"""
A platform in memory that counts calls, and answers 429 to those that are too many.

What it enforces and what it tells the gateway may differ: so one learns how a gateway lives with a
budget that others use up too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from assistant_gateway.adapter import Budget, CallKind, Content, Limits, Piece, StreamLimits
from assistant_gateway.errors import RateLimited
from assistant_gateway.testing.adapter import FakeAdapter
from assistant_gateway.values import ReplyTarget

Rules: TypeAlias = Callable[[ReplyTarget, CallKind], Sequence[Budget]]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a post began to show, at a time of the loop's clock."""

    at: float
    target: ReplyTarget
    post_id: str
    text: str


class MeteredAdapter(FakeAdapter):
    """
    A `FakeAdapter` with quotas; all times are those of the running loop.

    Args:
        rules: What is enforced: sliding windows, counted when a call arrives.
        told: What the gateway is told of it; the same, unless given.
        latency: Seconds that the next call takes, half of it before it is counted and takes effect.
        moods: Seconds of a 429 that the next call gets whatever the quota says; 0 for none.

    Attributes:
        history: Everything that became visible.
        refused: When a call was refused.
        hasty: Calls that were begun while a 429 that had arrived asked to wait.
    """

    def __init__(
        self,
        rules: Rules,
        *,
        told: Rules | None = None,
        limits: Limits | None = None,
        streams: StreamLimits | None = None,
        latency: Callable[[], float] = lambda: 0.0,
        moods: Callable[[], float] = lambda: 0.0,
    ) -> None:
        super().__init__(limits=limits, clock=_now, streams=streams)
        self._rules = rules
        self._told = told or rules
        self._next_latency = latency
        self._moods = moods
        self._counted: dict[str, deque[float]] = {}
        self._closed: dict[str, tuple[float, float]] = {}
        self.history: list[Shown] = []
        self.refused: list[float] = []
        self.hasty = 0

    def budgets(self, target: ReplyTarget, call: CallKind) -> Sequence[Budget]:
        return self._told(target, call)

    async def post(self, target: ReplyTarget, key: str, content: Content) -> str:
        async with self._metered(target, "post"):
            id = await super().post(target, key, content)
            self._note(target, id)
        return id

    async def edit(self, target: ReplyTarget, post_id: str, content: Content) -> None:
        async with self._metered(target, "edit"):
            await super().edit(target, post_id, content)
            self._note(target, post_id)

    async def delete(self, target: ReplyTarget, post_id: str) -> None:
        async with self._metered(target, "delete"):
            await super().delete(target, post_id)
            self.history.append(Shown(_now(), target, post_id, ""))

    async def start(self, target: ReplyTarget, key: str, piece: Piece) -> str:
        async with self._metered(target, "start"):
            id = await super().start(target, key, piece)
            self._note(target, id)
        return id

    async def append(self, target: ReplyTarget, post_id: str, piece: Piece) -> None:
        async with self._metered(target, "append"):
            await super().append(target, post_id, piece)
            self._note(target, post_id)

    async def stop(self, target: ReplyTarget, key: str, post_id: str, piece: Piece, content: Content) -> None:
        async with self._metered(target, "stop"):
            await super().stop(target, key, post_id, piece, content)
            self._note(target, post_id)

    async def mend(self, target: ReplyTarget, key: str, post_id: str, content: Content) -> None:
        async with self._metered(target, "edit"):
            await super().mend(target, key, post_id, content)
            self._note(target, post_id)

    def _note(self, target: ReplyTarget, post_id: str) -> None:
        self.history.append(Shown(_now(), target, post_id, self.posts[post_id][-1]))

    @asynccontextmanager
    async def _metered(self, target: ReplyTarget, kind: CallKind) -> AsyncIterator[None]:
        rules = self._rules(target, kind)
        began = _now()
        for rule in rules:
            since, until = self._closed.get(rule.scope, (0.0, 0.0))
            self.hasty += since <= began < until
        way = self._next_latency() / 2
        await asyncio.sleep(way)
        wait, scope = max(((self._count(rule), rule.scope) for rule in rules), default=(0.0, ""))
        mood = self._moods()
        if mood > 0:
            wait, scope = mood, rules[0].scope if rules else ""
        if wait <= 0:
            yield
            await asyncio.sleep(way)
            return
        self.refused.append(_now())
        await asyncio.sleep(way)
        if scope:
            self._closed[scope] = (_now(), _now() + wait)
        raise RateLimited(wait, scope=scope)

    def _count(self, rule: Budget) -> float:
        """Count a call; seconds to wait when it is one too many."""
        times = self._counted.setdefault(rule.scope, deque())
        while times and times[0] <= _now() - rule.seconds:
            times.popleft()
        if len(times) >= rule.calls:
            return times[0] + rule.seconds - _now()
        times.append(_now())
        return 0.0


def _now() -> float:
    return asyncio.get_running_loop().time()
