"""
The line to Discord's gateway: discord.py's client, kept up.

discord.py resumes a connection after a cut; where it gives up, or waits for too long, a new client is
begun. What was not delivered meanwhile is told by the beginning of a session.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Callable

import aiohttp
import discord
import structlog
from pydantic import SecretStr

from assistant_gateway.errors import AdapterError, RateLimited
from assistant_gateway.platforms.shapes import Json, number, table, text
from assistant_gateway_discord import routes
from assistant_gateway_discord.client import client_for
from assistant_gateway_discord.faults import Unauthorised
from assistant_gateway_discord.identity import Identity
from assistant_gateway_discord.places import HAS_THREADS, Place
from assistant_gateway_discord.web import Web

# The third also in bulk: MESSAGE_DELETE_BULK begins alike.
EVENTS = ("MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE", "INTERACTION_CREATE")
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0  # seconds between two tries to connect
REFUSED_PAUSE = 300.0  # seconds, where only a person can mend it: 1,000 sessions a day may be begun
HOPELESS = frozenset({4010, 4011, 4012, 4013})  # codes of a close that only a person can mend
# Seconds without a connection after which discord.py's own waiting (up to 17 minutes) is cut short.
DEAF = 60.0
SESSIONS_LEFT = 5  # sessions of the day that are not begun: with the last one Discord takes the token away


class Line:
    """
    The connection to the gateway.

    Args:
        hear: Gets each event of `EVENTS`, with its data, in their order. Must not wait.
        begun: A new session has begun, of that shard and of so many: what came before it was not delivered.

    Attributes:
        fault: Why there is no connection, in words; empty while nothing is known.
    """

    def __init__(
        self,
        web: Web,
        token: SecretStr,
        *,
        shards: int | None,
        message_content: bool,
        hear: Callable[[str, Json], None],
        begun: Callable[[int, int], None],
    ) -> None:
        self._web = web
        self._token = token
        self._shards = shards
        self._message_content = message_content
        self._hear = hear
        self._begun = begun
        self._client: discord.Client | None = None
        self._me: Identity | None = None
        self._up: set[int] = set()
        self._was_up = False
        self._wanted = 1
        self._log = structlog.get_logger()
        self.fault = ""
        # discord.py writes whole events into its debug log, and warns of voice, which nobody wants here.
        logging.getLogger("discord").setLevel(logging.WARNING)
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False

    @property
    def connected(self) -> bool:
        """All shards are connected."""
        return len(self._up) >= self._wanted

    def place(self, channel: str) -> Place | None:
        """What discord.py knows of a channel or thread of a server."""
        found = self._client.get_channel(int(channel)) if self._client is not None else None
        if isinstance(found, discord.Thread):
            return Place(str(found.guild.id), str(found.parent_id), channel)
        if isinstance(found, discord.abc.GuildChannel):
            return Place(str(found.guild.id), channel, takes_threads=found.type.value in HAS_THREADS)
        return None

    def own_roles(self, guild: str) -> tuple[str, ...]:
        """The role that is the bot's alone in a server; none where it has none, or nobody knows."""
        found = self._client.get_guild(int(guild)) if self._client is not None and guild else None
        role = found.self_role if found is not None else None
        return (str(role.id),) if role is not None else ()

    async def run(self) -> None:
        """Be connected until cancelled."""
        pause = FIRST_PAUSE
        while True:
            self._was_up = False
            try:
                await self._connect(await self._web.ask_identity(), await self._web.get(routes.gateway()))
                wait = 0.0
            except Exception as error:  # discord.py 2.7.1 fails in many ways, and none may be the last one
                self.fault, wait = self._meaning(error)
            finally:
                self._up.clear()
            pause = FIRST_PAUSE if self._was_up else pause
            wait = max(wait, pause)
            self._log.error("discord.line_down", reason=self.fault, seconds=round(wait, 1))
            await asyncio.sleep(wait * (1 + random.random() / 4))  # noqa: S311
            pause = min(pause * 2, LONGEST_PAUSE)

    def _meaning(self, error: Exception) -> tuple[str, float]:
        """Why there is no connection, in words, and for how many seconds at least a new try is no use."""
        match error:
            case Unauthorised() | discord.ConnectionClosed(code=4004):
                return (
                    "the bot token is refused: copy it anew from the Developer Portal, page Bot",
                    REFUSED_PAUSE,
                )
            case discord.PrivilegedIntentsRequired():
                return "Discord refuses the intents", 0.0 if self._renounce_content() else REFUSED_PAUSE
            case discord.ConnectionClosed(code=code):
                told = f"Discord has closed the connection with code {code}"
                return told, REFUSED_PAUSE if code in HOPELESS else 0.0
            case RateLimited(retry_after=seconds):
                return "Discord limits how often the bot connects", seconds
            case AdapterError() | discord.DiscordException() | aiohttp.ClientError() | OSError():
                return str(error) or type(error).__name__, 0.0
            case _:  # so it fails when the first connection is refused
                self._log.warning("discord.library_failed", exc_info=error)
                return f"discord.py has failed: {type(error).__name__}", 0.0

    async def _connect(self, me: Identity, told: Json) -> None:
        """One client, from its login to its end."""
        limits = table(told.get("session_start_limit"))
        if "remaining" in limits and number(limits.get("remaining")) <= SESSIONS_LEFT:
            seconds = number(limits.get("reset_after")) / 1000
            raise RateLimited(seconds, "no sessions are left for today")
        self._me = me
        if not me.hears_content:
            self._renounce_content()
        self._wanted = self._shards or max(1, number(told.get("shards")))
        client = client_for(
            self._web,
            text(told.get("url")),
            self._happened,
            shards=self._wanted,
            message_content=self._message_content,
        )
        async with client:
            self._client = client
            running = asyncio.create_task(client.start(self._token.get_secret_value()), name="discord:client")
            try:
                await self._watch(running)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    async def _watch(self, running: asyncio.Task[None]) -> None:
        """
        Return when the client has ended.

        Raises:
            AdapterError: It was without a connection for too long.
        """
        loop = asyncio.get_running_loop()
        last = loop.time()
        patience = DEAF + 6.0 * (self._wanted - 1)  # shards are started one by one, 5 s apart
        while not running.done():
            await asyncio.wait({running}, timeout=DEAF / 12)
            if self.connected:
                last = loop.time()
            elif loop.time() - last > patience:
                raise AdapterError(f"no connection for {patience:.0f} s")
        await running

    def _renounce_content(self) -> bool:
        """Go on without what would be refused again; False where that was so already."""
        if not self._message_content:
            return False
        self._message_content = False
        portal = self._me.portal if self._me is not None else "the Developer Portal"
        self._log.error(
            "discord.intent_missing",
            intent="Message Content Intent",
            remedy=f"switch it on at {portal} under Privileged Gateway Intents, then start again",
            until_then="only mentions, direct messages and commands are answered",
        )
        return True

    # What the client tells

    def _happened(self, event: str, arguments: tuple[object, ...]) -> None:
        """discord.py dispatches an event, from within its connection: no fault of ours must end that."""
        try:
            self._note(event, arguments)
        except Exception:
            self._log.exception("discord.event_failed", kind=event)

    def _note(self, event: str, arguments: tuple[object, ...]) -> None:
        is_single = self._wanted == 1
        match event, arguments:
            case "socket_raw_receive", (str(raw),):
                self._read(raw)
            case "connect", _ if is_single:
                self._connected(0)
            case "shard_connect", (int(shard),):
                self._connected(shard)
            case "resumed", _ if is_single:
                self._is_up(0)
            case "shard_resumed", (int(shard),):
                self._is_up(shard)
            case "disconnect", _ if is_single:
                self._is_down(0)
            case "shard_disconnect", (int(shard),):
                self._is_down(shard)

    def _read(self, raw: str) -> None:
        if not any(event in raw for event in EVENTS):
            return
        told = table(json.loads(raw))
        kind = text(told.get("t"))
        if kind.startswith(EVENTS):
            self._hear(kind, table(told.get("d")))

    def _connected(self, shard: int) -> None:
        self._log.info("discord.session_begun", shard=shard)
        self._is_up(shard)
        self._begun(shard, self._wanted)

    def _is_up(self, shard: int) -> None:
        self._up.add(shard)
        self._was_up = True
        self.fault = ""

    def _is_down(self, shard: int) -> None:
        self._up.discard(shard)
        self.fault = self.fault or "the connection was cut"
