"""
Posts that were made twice: the one of which nobody knew is removed when its echo comes.

After a post whose outcome was lost and could not be learned the answer is posted once more. Slack
tells of the first one late, or never.
"""

from __future__ import annotations

import asyncio

import structlog

from assistant_gateway.errors import AdapterError, PostGone, RateLimited
from assistant_gateway_slack.errands import Call

TRIES = 3
PAUSE = 5.0  # seconds between two
WAITING = 100  # orphans; more are left where they are


class Orphans:
    """The orphans of all workspaces, removed one after another by *call*."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._found: asyncio.Queue[tuple[str, str, str]] = asyncio.Queue(WAITING)
        self._log = structlog.get_logger()

    def add(self, team_id: str, channel: str, ts: str) -> None:
        """Remove it, soon."""
        try:
            self._found.put_nowait((team_id, channel, ts))
        except asyncio.QueueFull:
            self._log.warning("slack.orphan_left", channel=channel, ts=ts)

    async def run(self) -> None:
        """Remove them, until cancelled."""
        while True:
            team_id, channel, ts = await self._found.get()
            for _ in range(TRIES):
                try:
                    await self._call(team_id, "chat.delete", {"channel": channel, "ts": ts})
                except PostGone:
                    break
                except RateLimited as error:
                    await asyncio.sleep(error.retry_after)
                except AdapterError as error:
                    self._log.warning("slack.orphan_stays", channel=channel, ts=ts, error=str(error))
                    await asyncio.sleep(PAUSE)
                else:
                    self._log.info("slack.orphan_removed", channel=channel, ts=ts)
                    break
