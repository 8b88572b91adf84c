"""
What is left of one budget.

A call counts from the moment it may begin until the budget's seconds after its answer came: whenever
in between the platform has counted it, no window of the platform's own clock ever holds too many.
A 429 shuts the budget for exactly as long as the platform says, and shrinks what is believed of it;
the belief recovers slowly. While the belief says "nothing left" but the platform's wait is over,
one call at a time may find out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

from assistant_gateway.adapter import Budget

SHRINK = 0.75  # of what was believed is believed after a 429, or what was spent if that is less,
SHRINK_MOST = 0.5  # but not less than this: a 429 may have another reason
RECOVERY = 0.05  # of the budget is believed again for each of its windows without a 429
NEVER = float("inf")


class Allowance:
    """The account of one budget. All times are seconds of the event loop's clock."""

    def __init__(self, budget: Budget) -> None:
        self._calls = budget.calls
        self.seconds = budget.seconds
        self.closed_until = -NEVER
        self._share = 1.0  # of the budget, believed at `_shrunk_at`
        self._shrunk_at = -NEVER
        self._probing = False
        self._flying = 0
        self._flight = 0.0  # seconds that a call takes, of late
        self._back: deque[float] = deque()  # when the calls that were made are free again

    def adopt(self, budget: Budget) -> None:
        """Go on with another size of the same budget; what was spent counts as if it had always been so."""
        before = self.seconds + self._margin
        self._calls = budget.calls
        self.seconds = budget.seconds
        if shift := self.seconds + self._margin - before:
            self._back = deque(at + shift for at in self._back)

    @property
    def cycle(self) -> float:
        """Seconds from a call's beginning until it may be made again."""
        return self.seconds + self._margin + self._flight

    @property
    def _margin(self) -> float:
        return min(0.1, self.seconds / 200)  # for clocks that do not agree about a second

    def capacity(self, now: float) -> int:
        """How many calls a window is believed to take; at least 1."""
        return max(1, int(self._calls * self._believed(now)))

    def free(self, now: float, ahead: float = 0.0) -> int:
        """How many calls may be made *ahead* seconds from *now*, if none is made until then."""
        while self._back and self._back[0] <= now:
            self._back.popleft()
        taken = len(self._back) - (bisect_right(self._back, now + ahead) if ahead else 0)
        return self.capacity(now) - taken - self._flying

    def coming(self, now: float, ahead: float) -> int:
        """How many calls become free within *ahead* seconds."""
        return bisect_right(self._back, now + ahead) - bisect_right(self._back, now)

    def is_open(self, now: float) -> bool:
        """Whether a call may be made."""
        if now < self.closed_until:
            return False
        if self.free(now) > 0:
            self._probing = False
            return True
        return self._probing and not self._flying

    def next_change(self, now: float, ahead: float = 0.0) -> float:
        """When `free` is next more than it is, if nothing is done until then."""
        number = bisect_right(self._back, now + ahead)
        return self._back[number] - ahead if number < len(self._back) else NEVER

    def take(self) -> None:
        """A call may begin."""
        self._flying += 1

    def give_back(self) -> None:
        """The call was not made."""
        self._flying -= 1

    def settle(self, now: float, *, began: float) -> None:
        """The answer came to the call that *began* then, or will never come."""
        self._flying -= 1
        self._flight += (now - began - self._flight) / 8
        self._back.append(now + self.seconds + self._margin)

    def refused(self, now: float, retry_after: float, *, began: float) -> None:
        """The platform said 429 to a call that *began* then."""
        self.free(now)  # forgets what is free again
        believed = self._believed(now)
        if began >= self._shrunk_at:  # the others that were under way tell nothing new
            spent = (len(self._back) + self._flying) / self._calls
            believed *= max(SHRINK_MOST, min(SHRINK, spent / believed))
        self._share, self._shrunk_at = believed, now
        self.closed_until = max(self.closed_until, now + retry_after)
        self._probing = True

    def is_idle(self, now: float) -> bool:
        """Whether it may be forgotten: a new account would say the same."""
        spent = self.free(now) < self._calls
        return not spent and now >= self.closed_until and self._believed(now) >= 1.0

    def _believed(self, now: float) -> float:
        if self._share >= 1.0:
            return 1.0
        return min(1.0, self._share + RECOVERY * (now - self._shrunk_at) / self.seconds)
