"""
Let people see that an answer is being made, for as long as it is and no longer.

Platforms forget it after a while, so it is said again; it is taken back however the answer ends. What
goes wrong here is logged and costs no answer anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from assistant_gateway.adapter import Adapter, ShowsTyping
from assistant_gateway.values import ReplyTarget

EARLY = 0.8  # of the time that the platform shows it, after which it is said again
PATIENCE = 5.0  # seconds for one call of an adapter that waits although it should not


@asynccontextmanager
async def working(adapter: Adapter, target: ReplyTarget) -> AsyncIterator[None]:
    """Show that *target* is being answered, where the platform has something for it."""
    if not isinstance(adapter, ShowsTyping):
        yield
        return
    showing = asyncio.create_task(_show(adapter, target), name=f"working:{target.message_id}")
    try:
        yield
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)
        await _try(adapter, target, rested=True)


async def _show(adapter: ShowsTyping, target: ReplyTarget) -> None:
    while True:
        await _try(adapter, target)
        await asyncio.sleep(adapter.typing_seconds * EARLY)


async def _try(adapter: ShowsTyping, target: ReplyTarget, *, rested: bool = False) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            await (adapter.rested(target) if rested else adapter.working(target))
    except Exception as error:  # whatever an adapter does wrong here, the answer is not at fault
        structlog.get_logger().warning("typing.failed", rested=rested, error=type(error).__name__)
