"""
What stands in a channel, read page by page.

developers/resources/message.mdx, "Get Channel Messages", 2026-08-06.
"""

from __future__ import annotations

from assistant_gateway.platforms.shapes import Json
from assistant_gateway_discord import routes
from assistant_gateway_discord.shapes import older, snowflake
from assistant_gateway_discord.web import Web

PAGE = 100  # messages


class History:
    """Reads channels and threads."""

    def __init__(self, web: Web) -> None:
        self._web = web

    async def newest(self, channel: str, *, after: str, limit: int) -> tuple[list[Json], bool]:
        """
        The newest *limit* messages after *after*, oldest first; and whether there are more in between.

        Raises:
            AdapterError: Discord does not show them.
        """
        found: list[Json] = []
        before = ""
        while len(found) < limit:
            page = await self._web.get_list(
                routes.messages(channel, min(PAGE, limit - len(found)), before=before)
            )
            fresh = [each for each in page if older(after, snowflake(each.get("id")))]
            found += fresh
            if len(fresh) < len(page) or not page:
                return found[::-1], False
            before = min((snowflake(each.get("id")) for each in page), key=int)
        return found[::-1], True

    async def oldest(self, channel: str, *, after: str, limit: int) -> list[Json]:
        """
        The oldest *limit* messages after *after*, oldest first.

        Raises:
            AdapterError: Discord does not show them.
        """
        found: list[Json] = []
        while len(found) < limit:
            page = await self._web.get_list(routes.messages(channel, PAGE, after=after))
            found += sorted(page, key=lambda each: int(snowflake(each.get("id")) or 0))
            if len(page) < PAGE:
                break
            after = snowflake(found[-1].get("id"))
        return found[:limit]
