"""Wait for what nobody announces."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def eventually(holds: Callable[[], object], *, timeout: float = 10.0) -> None:
    """
    Return when *holds* says so.

    Raises:
        TimeoutError: It never did.
    """
    async with asyncio.timeout(timeout):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
