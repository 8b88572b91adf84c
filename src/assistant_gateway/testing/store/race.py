"""
Many claimers at one store: whether two of them ever meet.

The race counts what must never be: a message claimed twice, or before an older one of its lane,
or a lane in two hands.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

from assistant_gateway.errors import LeaseLost
from assistant_gateway.store import Store
from assistant_gateway.testing.store.samples import LEASE
from assistant_gateway.values import MessageState


@dataclass
class Race:
    """
    Many claimers at the messages of many lanes.

    Attributes:
        claimed: Lane and seq of each claimed message, in the order of the claims.
        together: Claims of a lane that was held by another claimer of this race.
    """

    claimed: list[tuple[int, int]] = field(default_factory=list)
    together: int = 0
    _held: set[int] = field(default_factory=set)

    async def run(self, store: Store, claimers: int) -> None:
        """Claim and finish until nothing is left."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(claimers):
                tasks.create_task(self._claim(store, f"worker-{number}"))

    async def _claim(self, store: Store, owner: str) -> None:
        while (claim := await store.claim(owner, LEASE)) is not None:
            lane = claim.message.lane_id
            self.together += lane in self._held
            self._held.add(lane)
            self.claimed.append((lane, claim.message.seq))
            await asyncio.sleep(0)
            self._held.discard(lane)
            try:
                await store.finish(claim, MessageState.DELIVERED)
            except LeaseLost:
                self.together += 1

    def flaws(self) -> int:
        """How often a message was claimed twice or before an older one, or a lane by two at once."""
        twice = sum(times - 1 for times in Counter(self.claimed).values())
        lanes: dict[int, list[int]] = {}
        for lane, seq in self.claimed:
            lanes.setdefault(lane, []).append(seq)
        disorder = sum(later < earlier for seqs in lanes.values() for earlier, later in pairwise(seqs))
        return twice + disorder + self.together
