"""
How the calls of one budget are spread over the replies that live on it.

Some are kept for the ends of live replies, so that no final waits for edits. What is above that is
spread evenly over the seconds that will be spoken, as far as the latest answers tell: a few replies are
edited often, many seldom, and one that begins later still finds something. Where ends cost a call of
another budget, as those of streams do, all calls are spread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

from assistant_gateway.replies.allowance import NEVER, Allowance
from assistant_gateway.replies.lifetimes import Lifetimes

PROMPT = 0.4  # seconds, the longest that a final may have to wait for edits
AGAIN = 0.4  # of what was said within a window is expected to be said again in the next one


class Spread:
    """The live replies of one budget. All times are seconds of the event loop's clock."""

    def __init__(self, allowance: Allowance, lifetimes: Lifetimes) -> None:
        self._allowance = allowance
        self._lifetimes = lifetimes
        self._pays_ends = True
        self._live: dict[Hashable, float] = {}  # when each reply began
        self._ended: deque[tuple[float, float]] = deque()  # when, and how many seconds it took

    def __contains__(self, reply: Hashable) -> bool:
        return reply in self._live

    def __len__(self) -> int:
        return len(self._live)

    def join(self, reply: Hashable, began: float, *, ends: bool = True) -> None:
        """A reply that *began* then calls here; its last call *ends* it here, or elsewhere."""
        self._live[reply] = began
        self._pays_ends = ends

    def leave(self, reply: Hashable, now: float) -> None:
        """A reply has ended."""
        began = self._live.pop(reply)
        self._forget(now)
        self._ended.append((now, min(self._allowance.seconds, now - began)))

    def next_edit(self, now: float) -> float:
        """When an edit may be made without a final having to wait for it; *now*, if it may."""
        if self._allowance.free(now, PROMPT) > self._kept(now):
            return now
        return self._allowance.next_change(now, PROMPT)

    def has_room(self, reply: Hashable, now: float) -> bool:
        """Whether there is a call for the end of *reply*, too."""
        return self._allowance.free(now, PROMPT) > self._kept(now, besides=reply)

    def will_have_room(self, reply: Hashable, now: float) -> bool:
        """Whether there is a call for the end of *reply*, too, by the time that a usual answer ends."""
        ahead = max(PROMPT, self._lifetimes.left(0.0))
        is_open = self._allowance.closed_until <= now + ahead
        return is_open and self._allowance.free(now, ahead) > self._kept(now, besides=reply)

    def gap(self, now: float) -> float:
        """
        Seconds between two edits of one reply; `NEVER` where all that is left is for ends.

        An end closes a gap too, so the calls that are kept for ends count among those that are spread,
        save those that will be kept for the replies that are live then.
        """
        replies = len(self._live)
        allowance = self._allowance
        self._forget(now)
        left = sum(self._lifetimes.left(now - began) for began in self._live.values())
        new = AGAIN * sum(seconds for _, seconds in self._ended)
        if left + new < replies * allowance.seconds:
            kept = replies if self._pays_ends else 0
            gap = self._supplied(now, left + new, kept=kept - replies * left / (left + new))
        else:
            calls = allowance.capacity(now) - self._kept(now)
            seconds = max(allowance.cycle - PROMPT, allowance.seconds / 2)
            gap = replies * seconds / calls if calls > 0 else NEVER
        # Whatever comes later: what is there must do until then.
        soon = min(left, replies * allowance.seconds)
        return max(gap, self._supplied(now, soon, kept=self._kept(now) - replies * soon / left))

    def _supplied(self, now: float, spoken: float, *, kept: float) -> float:
        """The gap if *spoken* seconds of all replies together must do with the calls that come meanwhile."""
        allowance = self._allowance
        coming = allowance.coming(now + PROMPT, spoken / len(self._live))
        calls = allowance.free(now, PROMPT) + coming - kept
        return spoken / calls if calls > 0 else NEVER

    def _kept(self, now: float, *, besides: Hashable = None) -> int:
        """
        How many calls are kept for ends: one for each live reply but *besides*.

        Only where calls come back while replies go on, as in windows of seconds, it is one for each that
        is expected to end within half a window, and never all.
        """
        live = [began for reply, began in self._live.items() if reply is not besides]
        if not live or not self._pays_ends:
            return 0
        seconds = self._allowance.seconds
        left = [self._lifetimes.left(now - began) for began in live]
        kept = max(1, int(sum(1.0 if each <= seconds else seconds / each / 2 for each in left) + 1e-9))
        return kept if max(left) <= seconds else min(kept, self._allowance.capacity(now) - 1)

    def _forget(self, now: float) -> None:
        while self._ended and self._ended[0][0] < now - self._allowance.seconds:
            self._ended.popleft()
