"""
What Slack allows an app in a workspace, all its answers together.

docs.slack.dev, "Rate limits", 2026-09-14: tier 2 is 20 calls a minute and method, tier 3 is 50, tier 4
is 100; a channel takes a post a second, a workspace "several hundred" a minute. The window is not
published; a sliding minute is the strictest reading.
"""

from __future__ import annotations

from collections.abc import Sequence

from assistant_gateway.adapter import Budget, CallKind
from assistant_gateway.values import Conversation

MINUTE = 60.0  # seconds
TIER_2, TIER_3, TIER_4 = 20, 50, 100
BURST = 5  # posts into a channel at once: "short bursts" pass, after which it is one a second
POSTS = 200  # a minute and workspace: below "several hundred"


def scope(team_id: str, method: str) -> str:
    """The budget of a method, in all channels of a workspace: what a 429 is about."""
    return f"slack:{team_id}:{method}"


def budgets(where: Conversation, call: CallKind) -> Sequence[Budget]:
    """The budgets that a call counts against, the narrowest first."""

    def of(method: str) -> str:
        return scope(where.tenant, method)

    match call:
        case "post":
            return (
                Budget(f"{of('chat.postMessage')}:{where.channel}", BURST, float(BURST)),
                Budget(of("chat.postMessage"), POSTS, MINUTE),
            )
        case "edit":
            return (Budget(of("chat.update"), TIER_3, MINUTE),)
        case "delete":
            return (Budget(of("chat.delete"), TIER_3, MINUTE),)
        case "start":
            return (Budget(of("chat.startStream"), TIER_2, MINUTE),)
        case "append":
            return (Budget(of("chat.appendStream"), TIER_4, MINUTE),)
        case "stop":
            return (Budget(of("chat.stopStream"), TIER_2, MINUTE),)
