"""
What Discord allows a bot: a few calls in each channel, and fifty a second over all.

Discord publishes no figures for channels and asks to read them from the answers' headers; until
those have told, five in five seconds is believed (reported by many: discord-api-docs#20,
discord.py#6073), and for an interaction five in two seconds (reported: discord-api-docs#2701).
"""

from __future__ import annotations

from collections.abc import Sequence

from assistant_gateway.adapter import Budget
from assistant_gateway_discord.buckets import Buckets
from assistant_gateway_discord.routes import BOT, Route

CHANNEL = (5, 5.0)
INTERACTION = (5, 2.0)
# 50 a second are allowed (developers/topics/rate-limits.mdx); some are left for typing and reading.
ALL = Budget(BOT, 40, 1.0)


def budgets(route: Route, buckets: Buckets) -> Sequence[Budget]:
    """The budgets that a call counts against, the narrowest first."""
    calls, seconds = buckets.size(route) or (CHANNEL if route.is_bots else INTERACTION)
    own = Budget(route.scope, calls, seconds)
    return (own, ALL) if route.is_bots else (own,)
