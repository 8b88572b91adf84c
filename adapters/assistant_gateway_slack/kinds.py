"""
What kind of channel something was said in, which Slack leaves out of mentions.

An ``app_mention`` has no ``channel_type``, and the ids of new group messages begin as those of channels
do (reported openclaw#115463, 2026-07-29). Its twin, the ``message``, has one: whichever of the two comes
first, both shall be of the same conversation.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from assistant_gateway.platforms.shapes import Json, table, text

PATIENCE = 0.5  # seconds that a mention waits for its twin, in a channel that is not known yet
KEPT = 10_000  # channels
DEFAULT = "channel"


class Kinds:
    """The kinds of the channels of one workspace, as far as events have told."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, str] = OrderedDict()
        self._told: dict[str, asyncio.Event] = {}

    async def completed(self, payload: Json) -> Json:
        """*payload* with the kind of its channel, where Slack has left that out of a mention."""
        event = table(payload.get("event"))
        channel, kind = text(event.get("channel")), text(event.get("channel_type"))
        if kind:
            self._learn(channel, kind)
        elif event.get("type") == "app_mention" and not channel.startswith("D"):
            return {**payload, "event": {**event, "channel_type": await self._of(channel)}}
        return payload

    async def _of(self, channel: str) -> str:
        if channel not in self._known:
            told = self._told.setdefault(channel, asyncio.Event())
            try:
                async with asyncio.timeout(PATIENCE):
                    await told.wait()
            except TimeoutError:
                # Without `message` events there is no twin, and no other mention needs to wait for one.
                self._learn(channel, DEFAULT)
        return self._known.get(channel, DEFAULT)

    def _learn(self, channel: str, kind: str) -> None:
        self._known[channel] = kind
        self._known.move_to_end(channel)
        if told := self._told.pop(channel, None):
            told.set()
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
