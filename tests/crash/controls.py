"""
The negative controls: adapters that each break one promise, and what the checker has to say to it.

A checker that finds nothing may be blind. These show that it is not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from crash.campaign import Plan
from crash.outside import Defect


@dataclass(frozen=True, slots=True)
class Control:
    """
    One defect and the conditions under which it does harm.

    Attributes:
        breaks: The invariants of which at least one has to break.
    """

    conditions: Plan
    breaks: frozenset[str]

    def plan(self, seed: int) -> Plan:
        """The plan for a seed."""
        return replace(self.conditions, seed=seed)


CONTROLS = {
    "no look before a post is repeated": Control(
        Plan(
            0,
            point_kills=6,
            points=("posted_not_saved",),
            webhooks=0,
            defect=Defect.NEVER_FINDS,
        ),
        frozenset({"I2"}),
    ),
    "acknowledged before it is on disk": Control(
        Plan(0, point_kills=6, points=("before_commit",), webhooks=0, defect=Defect.ACKS_FIRST),
        frozenset({"I1"}),
    ),
    "final edits skipped": Control(
        Plan(0, calm=6.0, webhooks=0, defect=Defect.SKIPS_FINALS), frozenset({"I1", "I3"})
    ),
    "retries dropped": Control(
        Plan(0, calm=5.0, webhooks=0, refused=0.2, defect=Defect.DROPS_RETRIES), frozenset({"I1"})
    ),
}
