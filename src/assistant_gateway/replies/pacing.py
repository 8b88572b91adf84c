"""
Whose turn it is to call a platform that counts the calls of all replies together.

A reply asks for a turn and makes its text when it gets one, never before. Finals go first, then
first words, then the reply whose people have waited longest for what was said already. No budget
is overdrawn: `Allowance` keeps the accounts, and `Spread` decides how often a reply is edited, so
that a call is left for its end. A stream begins only where its stop is sure to have a call, too; first
words that would stand there for long before they could be completed wait a while, since an answer that
ends meanwhile is posted whole. Where the platform has no budgets, a post is edited at most once in its
``limits.edit_interval``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import IntEnum
from types import TracebackType
from typing import Literal

import structlog

from assistant_gateway.adapter import Adapter, Budget, CallKind, HasBudgets
from assistant_gateway.errors import RateLimited
from assistant_gateway.replies.allowance import NEVER, Allowance
from assistant_gateway.replies.lifetimes import Lifetimes
from assistant_gateway.replies.spread import Spread
from assistant_gateway.values import ReplyTarget

BLINK = 0.3  # seconds between two edits of a post: more often, nobody sees a difference
FLOW = 0.2  # seconds between two pieces of a stream, which is drawn as it comes
HOLD = 10.0  # seconds that first words wait for their end at most
FORGET_AT = 64  # scopes, before idle ones are looked for


class Rank(IntEnum):
    """Who goes first."""

    FINAL = 0
    FIRST = 1
    GROWTH = 2


class Pacer:
    """Gives turns to the replies of one process. It belongs to one event loop."""

    def __init__(self) -> None:
        self._scopes: dict[str, _Scope] = {}
        self._forget_at = FORGET_AT
        self.lifetimes = Lifetimes()

    @property
    def accounts(self) -> int:
        """How many budgets are remembered."""
        return len(self._scopes)

    def pace(self, adapter: Adapter, target: ReplyTarget) -> Pace:
        """The turns of one reply."""
        return Pace(self, adapter, target)

    def scopes(self, adapter: Adapter, target: ReplyTarget, kind: CallKind) -> Sequence[_Scope]:
        """The accounts that such a call counts against, the narrowest first."""
        if not isinstance(adapter, HasBudgets):
            return ()
        return [self._scope(budget) for budget in adapter.budgets(target, kind)]

    def _scope(self, budget: Budget) -> _Scope:
        scope = self._scopes.get(budget.scope)
        if scope is None:
            if len(self._scopes) >= self._forget_at:
                self._forget_idle()
            scope = self._scopes[budget.scope] = _Scope(budget, self.lifetimes)
        else:
            scope.allowance.adopt(budget)
        return scope

    def _forget_idle(self) -> None:
        now = asyncio.get_running_loop().time()
        self._scopes = {name: scope for name, scope in self._scopes.items() if not scope.is_idle(now)}
        self._forget_at = max(FORGET_AT, 2 * len(self._scopes))


class Pace:
    """
    The turns of one reply: one at a time.

    It lives until `leave`; from its first turn on, a call is kept free for its end.
    """

    def __init__(self, pacer: Pacer, adapter: Adapter, target: ReplyTarget) -> None:
        self._pacer = pacer
        self._adapter = adapter
        self._target = target
        self._budgeted = isinstance(adapter, HasBudgets)
        self._asked: _Ask | None = None
        self._end: Literal["edit", "stop"] | None = None  # the call that is kept for the reply's end
        self._joined: Sequence[_Scope] = ()
        self._rested = -NEVER  # until when this reply alone leaves the platform alone
        self._ended = False
        self.last = -NEVER  # when the last turn was given
        self.began = -NEVER  # when the first one was asked for

    async def turn(self, kind: CallKind, rank: Rank, since: float) -> Turn | None:
        """
        Wait for a turn to make such a call; None when `withdraw` was called meanwhile.

        Args:
            since: When what is to be shown was said, on the loop's clock: who waits longest goes first.
        """
        if rank is Rank.FINAL:
            self._note_end()
        else:
            self._hold("stop" if kind in ("start", "append", "stop") else "edit")
        scopes = self._pacer.scopes(self._adapter, self._target, kind)
        ask = _Ask(self, scopes, kind, rank, since)
        self._asked = ask
        try:
            ask.begin()
            given = await ask.future
        except asyncio.CancelledError:
            ask.drop()
            raise
        finally:
            self._asked = None
        return Turn(self, ask.scopes) if given else None

    def may_stream(self) -> bool:
        """Whether a stream may begin at once, and its stop is sure to have a call."""
        now = asyncio.get_running_loop().time()
        starts = self._pacer.scopes(self._adapter, self._target, "start")
        stops = self._pacer.scopes(self._adapter, self._target, "stop")
        return all(scope.earliest(Rank.FIRST, now) <= now for scope in (*starts, *stops)) and all(
            scope.spread.has_room(self, now) for scope in stops
        )

    def withdraw(self) -> None:
        """Growth needs no turn any more."""
        if self._asked is not None and not self._asked.future.done():
            self._asked.drop()
            self._asked.future.set_result(False)

    def rest(self, seconds: float) -> None:
        """Let the platform alone for a while after a fault."""
        self._rested = asyncio.get_running_loop().time() + seconds

    def leave(self) -> None:
        """The reply has ended: nothing is kept for it any more."""
        joined, self._joined, self._end = self._joined, (), None
        now = asyncio.get_running_loop().time()
        for scope in joined:
            scope.spread.leave(self, now)
        for scope in joined:
            scope.look()

    def due(self, kind: CallKind, rank: Rank) -> float:
        """The earliest time of the next turn, budgets aside."""
        pause = 0.0
        if kind == "edit" and not self._budgeted:
            pause = self._adapter.limits.edit_interval
        elif rank is Rank.GROWTH:
            pause = {"edit": BLINK, "append": FLOW}.get(kind, 0.0)
        due = max(self._rested, self.last + pause)
        if kind == "post" and rank is Rank.FIRST and not self._can_end():
            due = max(due, self.began + HOLD)
        return due

    def _can_end(self) -> bool:
        """Whether what begins now is likely to have a call for its end in time."""
        now = asyncio.get_running_loop().time()
        return all(scope.spread.will_have_room(self, now) for scope in self._joined)

    def _hold(self, end: Literal["edit", "stop"]) -> None:
        """Keep a call of that kind free for the reply's end, and no other."""
        if end == self._end:
            return
        if self._end is not None:
            self.leave()
        if self.began == -NEVER:
            self.began = asyncio.get_running_loop().time()
        self._end = end
        ends = self._pacer.scopes(self._adapter, self._target, end)
        for scope in ends:
            scope.spread.join(self, self.began)
        grows = self._pacer.scopes(self._adapter, self._target, "append") if end == "stop" else ()
        for scope in grows:
            scope.spread.join(self, self.began, ends=False)
        self._joined = (*ends, *grows)

    def _note_end(self) -> None:
        if self._joined and not self._ended:
            self._ended = True
            self._pacer.lifetimes.add(asyncio.get_running_loop().time() - self.began)


class Turn:
    """
    The right to make one call now; a context around it.

    A `RateLimited` that leaves the context shuts the budget it names, else the one that is fullest.
    """

    def __init__(self, pace: Pace, scopes: Sequence[_Scope]) -> None:
        self._pace = pace
        self._scopes = scopes
        self._began = asyncio.get_running_loop().time()
        self._used = True

    def decline(self) -> None:
        """There is nothing to call for after all."""
        self._used = False

    def __enter__(self) -> Turn:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        now = asyncio.get_running_loop().time()
        for scope in self._scopes:
            if self._used:
                scope.allowance.settle(now, began=self._began)
            else:
                scope.allowance.give_back()
        if isinstance(error, RateLimited):
            self._shut(error, now)
        for scope in self._scopes:
            scope.look()

    def _shut(self, error: RateLimited, now: float) -> None:
        if not self._scopes:
            self._pace.rest(max(error.retry_after, 0.05))
            return
        named = [scope for scope in self._scopes if scope.name == error.scope]
        spent = named[0] if named else min(self._scopes, key=lambda scope: scope.left(now))
        spent.allowance.refused(now, error.retry_after, began=self._began)
        structlog.get_logger().warning(
            "budget.refused",
            scope=spent.name,
            seconds=error.retry_after,
            capacity=spent.allowance.capacity(now),
        )


class _Scope:
    """All that share one budget."""

    def __init__(self, budget: Budget, lifetimes: Lifetimes) -> None:
        self.name = budget.scope
        self.allowance = Allowance(budget)
        self.spread = Spread(self.allowance, lifetimes)
        self.asks: dict[_Ask, None] = {}  # in the order of asking, which breaks ties
        self._timer: asyncio.TimerHandle | None = None
        self._alarm = NEVER

    def left(self, now: float) -> float:
        """The share of the budget that is free."""
        return self.allowance.free(now) / self.allowance.capacity(now)

    def is_idle(self, now: float) -> bool:
        return not self.spread and not self.asks and self.allowance.is_idle(now)

    def look(self) -> None:
        """Something has changed: see who may go now."""
        for ask in sorted(self.asks, key=lambda ask: (ask.rank, ask.since)):
            ask.attempt()

    def wake_at(self, at: float) -> None:
        """Look again then."""
        if at < self._alarm:
            if self._timer is not None:
                self._timer.cancel()
            self._alarm = at
            self._timer = asyncio.get_running_loop().call_at(at, self._wake)

    def _wake(self) -> None:
        self._alarm, self._timer = NEVER, None
        self.look()

    def earliest(self, rank: Rank, now: float) -> float:
        """When a call may be made here, as things stand; `NEVER` where something has to happen first."""
        allowance = self.allowance
        if not allowance.is_open(now):
            return allowance.closed_until if now < allowance.closed_until else allowance.next_change(now)
        return self.spread.next_edit(now) if rank is Rank.GROWTH else now


class _Ask:
    """A reply that waits for its turn."""

    def __init__(
        self, pace: Pace, scopes: Sequence[_Scope], kind: CallKind, rank: Rank, since: float
    ) -> None:
        self.pace = pace
        self.scopes = scopes
        self.kind = kind
        self.rank = rank
        self.since = since
        self.future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._given = False
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        for scope in self.scopes:
            scope.asks[self] = None
        self.attempt()

    def attempt(self) -> None:
        """Go if nothing stands against it; else be woken when that may have changed."""
        if self.future.done():
            return
        now = asyncio.get_running_loop().time()
        due = self._due(now)
        if due > now:
            self._attempt_at(due)
            return
        for scope in self.scopes:
            at = scope.earliest(self.rank, now)
            if at > now:
                if at < NEVER:
                    scope.wake_at(at)
                return
        self._forget()
        self._given = True
        for scope in self.scopes:
            scope.allowance.take()
        self.pace.last = now
        self.future.set_result(True)

    def drop(self) -> None:
        """The turn is not wanted any more, though it may just have been given."""
        self._forget()
        if self._given:
            for scope in self.scopes:
                scope.allowance.give_back()
            for scope in self.scopes:
                scope.look()

    def _due(self, now: float) -> float:
        """When it would be this reply's turn if every budget had a call left."""
        due = self.pace.due(self.kind, self.rank)
        if self.rank is Rank.GROWTH:
            gaps = [scope.spread.gap(now) for scope in self.scopes if self.pace in scope.spread]
            due = max(due, self.pace.last + max(gaps, default=0.0))
        return due

    def _attempt_at(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due < NEVER:
            self._timer = asyncio.get_running_loop().call_at(due, self.attempt)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for scope in self.scopes:
            scope.asks.pop(self, None)
