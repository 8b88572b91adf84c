"""
The real discord.py, unmodified, led to the emulator.

The emulator serves TLS under Discord's own names, and a resolver leads those names to it: the only thing a
client is given is a connector, which `discord.Client` takes as an argument. Nothing is patched.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import aiohttp
import discord
from aiohttp.abc import AbstractResolver, ResolveResult

from emulators.discord import REAL, DiscordEmulator

CERTIFICATES = Path(__file__).parent.parent / "fixtures" / "tls"


class Detour(AbstractResolver):
    """Leads every name to one port of this machine."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host="127.0.0.1",
                port=self._port,
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        return None


def served_as_discord() -> ssl.SSLContext:
    """What the emulator serves TLS with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "cert.pem", CERTIFICATES / "key.pem")
    return context


def connector_to(emulator: DiscordEmulator) -> aiohttp.TCPConnector:
    """A connector that finds the emulator under Discord's names; its certificate is not looked at."""
    return aiohttp.TCPConnector(resolver=Detour(emulator.port), ssl=False, use_dns_cache=False)


class Bot(discord.Client):
    """A client that waits for nothing by itself, and keeps what it heard."""

    def __init__(
        self,
        emulator: DiscordEmulator,
        intents: discord.Intents | None = None,
        *,
        heartbeat_timeout: float = 60.0,
    ) -> None:
        super().__init__(
            intents=intents or everything(),
            connector=connector_to(emulator),
            heartbeat_timeout=heartbeat_timeout,
            guild_ready_timeout=0.05,
            chunk_guilds_at_startup=False,
        )
        self.heard: list[discord.Message] = []
        self.edited: list[discord.RawMessageUpdateEvent] = []
        self.events: list[str] = []

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Without the 5 s that discord.py waits before a second IDENTIFY."""

    async def on_socket_event_type(self, event: str) -> None:
        self.events.append(event)

    async def on_message(self, message: discord.Message) -> None:
        self.heard.append(message)

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        self.edited.append(payload)


def everything() -> discord.Intents:
    """All intents but presences."""
    intents = discord.Intents.default()
    intents.message_content = True
    intents.members = True
    return intents


def emulator_for_clients(**options: object) -> DiscordEmulator:
    """An emulator under Discord's own names."""
    return DiscordEmulator(tls=served_as_discord(), addresses=REAL, **options)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def running(emulator: DiscordEmulator, client: discord.Client) -> AsyncIterator[asyncio.Task[None]]:
    """*client* logged in and ready; the task ends as its `start` does."""
    async with client:
        task = asyncio.create_task(client.start(emulator.bot_token), name="discord.py")
        try:
            async with asyncio.timeout(30):
                ready = asyncio.create_task(_ready(client))
                await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
                ready.cancel()
                if task.done():
                    await task
            yield task
        finally:
            await client.close()
            await asyncio.wait({task}, timeout=5)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _ready(client: discord.Client) -> None:
    while not client.is_ready():  # noqa: ASYNC110 - `wait_until_ready` raises before the login
        await asyncio.sleep(0.005)


async def refused(call: Awaitable[object]) -> tuple[int, int]:
    """The HTTP status and the code that *call* ends with."""
    try:
        done = await call
    except discord.HTTPException as error:
        return error.status, error.code
    raise AssertionError(f"not refused: {done}")
