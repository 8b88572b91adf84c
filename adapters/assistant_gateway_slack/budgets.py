"""
What Slack allows an app in a workspace, all its answers together.

docs.slack.dev, "Rate limits", 2026-09-14: tier 3 is 50 calls a minute and method; a channel takes a
post a second, a workspace "several hundred" a minute. The window is not published; a sliding
minute is the strictest reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from assistant_gateway.adapter import Budget
from assistant_gateway.values import Conversation

MINUTE = 60.0  # seconds
TIER_3 = 50
BURST = 3  # posts into a channel at once: "short bursts" pass, after which it is one a second
POSTS = 200  # a minute and workspace: below "several hundred"


def budgets(where: Conversation, call: Literal["post", "edit", "delete"]) -> Sequence[Budget]:
    """The budgets that a call counts against, the narrowest first."""
    scope = f"slack:{where.tenant}"
    match call:
        case "post":
            return (
                Budget(f"{scope}:chat.postMessage:{where.channel}", BURST, float(BURST)),
                Budget(f"{scope}:chat.postMessage", POSTS, MINUTE),
            )
        case "edit":
            return (Budget(f"{scope}:chat.update", TIER_3, MINUTE),)
        case "delete":
            return (Budget(f"{scope}:chat.delete", TIER_3, MINUTE),)
