"""What stands in a thread or in direct messages, read page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator

from assistant_gateway.platforms.shapes import Json, table, tables, text
from assistant_gateway.values import Conversation
from assistant_gateway_slack.web import Web

PAGE = 200  # messages
PAGES = 10  # of a thread or of direct messages


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

    async def before(self, where: Conversation, ts: str, limit: int) -> list[Json]:
        """
        The newest *limit* messages of a thread that are older than *ts*, oldest first, and its root.

        Raises:
            Unread: There are more than 2,000.
            AdapterError: Slack does not show them.
        """
        found: list[Json] = []
        cursor = ""
        for _ in range(PAGES):
            # Pages begin with the oldest; what is asked for is at the end.
            arguments: dict[str, str | int | bool] = {"latest": ts, "limit": PAGE}
            if cursor:
                arguments["cursor"] = cursor
            told = await self._web.read(
                "conversations.replies", channel=where.channel, ts=where.topic, **arguments
            )
            found += [each for each in tables(told.get("messages")) if text(each.get("ts")) < ts]
            cursor = text(table(told.get("response_metadata")).get("next_cursor"))
            if not cursor:
                return found[:1] + found[1:][-limit + 1 :] if limit > 1 else found[-1:]
        raise Unread

    async def message(self, channel: str, ts: str, thread_ts: str) -> Json:
        """
        One message; empty where it is not there any more.

        Raises:
            Forbidden: The bot is not in the channel.
            AdapterError: Slack does not show it.
        """
        exactly: dict[str, str | int | bool] = {"channel": channel, "oldest": ts, "latest": ts}
        exactly |= {"inclusive": True, "limit": 2}  # a thread's root comes along
        if thread_ts and thread_ts != ts:
            told = await self._web.read("conversations.replies", ts=thread_ts, **exactly)
        else:
            told = await self._web.read("conversations.history", **exactly)
        return next((each for each in tables(told.get("messages")) if each.get("ts") == ts), {})

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
