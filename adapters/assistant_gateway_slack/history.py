"""What stands in a thread or in direct messages, read page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator

from assistant_gateway.values import Conversation
from assistant_gateway_slack.shapes import Json, table, tables, text
from assistant_gateway_slack.web import Web

PAGE = 200  # messages
PAGES = 10


class Unread(Exception):
    """There is more than is read."""


class History:
    """Reads what was said in a conversation."""

    def __init__(self, web: Web) -> None:
        self._web = web

    async def since(self, where: Conversation, ts: str) -> AsyncIterator[Json]:
        """
        The messages of a conversation from *ts* on, with their metadata.

        Raises:
            Unread: There are more than 2,000.
            AdapterError: Slack does not show them.
        """
        cursor = ""
        for _ in range(PAGES):
            told = await self._page(where, ts, cursor)
            for message in tables(told.get("messages")):
                # `conversations.replies` begins with the root, whatever its age.
                if text(message.get("ts")) >= ts:
                    yield message
            cursor = text(table(told.get("response_metadata")).get("next_cursor"))
            if not cursor:
                return
        raise Unread

    async def _page(self, where: Conversation, ts: str, cursor: str) -> Json:
        arguments: dict[str, str | int | bool] = {
            "channel": where.channel,
            "oldest": ts,
            "inclusive": True,
            "limit": PAGE,
            "include_all_metadata": True,
        }
        if cursor:
            arguments["cursor"] = cursor
        if where.topic:
            return await self._web.read("conversations.replies", ts=where.topic, **arguments)
        return await self._web.read("conversations.history", **arguments)
