"""
discord.py's client, led over our own calls.

discord.py keeps the connection, resumes it after a cut and knows the servers. Two things of it are not
used. Its calls would sleep on rate limits, so they go over `Web`. And its messages are made of what its
cache holds, which another process has not: so events are taken as Discord sent them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route as LibraryRoute

from assistant_gateway_discord.routes import Route
from assistant_gateway_discord.web import Web

Happened: TypeAlias = Callable[[str, tuple[object, ...]], None]


def client_for(
    web: Web, gateway: str, happened: Happened, *, shards: int, message_content: bool
) -> discord.Client:
    """
    A client that is not connected yet.

    Args:
        gateway: The address that Discord gave; empty for the usual one.
        happened: Is told each event that discord.py dispatches, with its arguments, at once.
        shards: How many connections it keeps.
    """
    intents = discord.Intents.none()
    intents.guilds = intents.guild_messages = intents.dm_messages = True
    intents.message_content = message_content
    options: dict[str, Any] = {
        "intents": intents,
        "max_messages": None,
        "chunk_guilds_at_startup": False,
        "member_cache_flags": discord.MemberCacheFlags.none(),
        "allowed_mentions": discord.AllowedMentions.none(),
        "enable_debug_events": True,  # events as Discord sent them
    }
    client: discord.Client
    if shards > 1:
        client = _ManyShards(happened, shard_count=shards, **options)
    else:
        client = _OneShard(happened, **options)
    _lead(client, web, yarl.URL(gateway) if gateway else DiscordWebSocket.DEFAULT_GATEWAY)
    return client


class _OneShard(discord.Client):
    """discord.py's client, which tells what happens."""

    def __init__(self, happened: Happened, **options: Any) -> None:
        super().__init__(**options)
        self._happened = happened

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        self._happened(event, args)
        if not event.startswith("socket_"):
            super().dispatch(event, *args, **kwargs)


class _ManyShards(_OneShard, discord.AutoShardedClient):
    """The same, for bots in so many servers that they need several connections."""


def _lead(client: discord.Client, web: Web, gateway: yarl.URL) -> None:
    """Lead the client's calls over *web*, and its connection to the gateway that Discord named."""
    connect = client.http.ws_connect

    async def request(route: LibraryRoute, **options: Any) -> Any:
        path = route.url.removeprefix(LibraryRoute.BASE)
        return await web.call(
            Route(route.method, path.replace("{", "{{").replace("}", "}}")), options.get("json")
        )

    async def ws_connect(url: str, *, compress: int = 0) -> aiohttp.ClientWebSocketResponse:
        asked = yarl.URL(url)
        if asked.origin() == DiscordWebSocket.DEFAULT_GATEWAY.origin():
            asked = gateway.with_path(gateway.path or "/").with_query(asked.query)
        return await connect(str(asked), compress=compress)

    client.http.request = request  # type: ignore[method-assign]
    client.http.ws_connect = ws_connect  # type: ignore[method-assign]
