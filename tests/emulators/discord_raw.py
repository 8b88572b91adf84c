"""Discord's REST API and gateway with nothing but aiohttp, to see what exactly is told."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

import aiohttp

from emulators.discord import DiscordEmulator
from emulators.shapes import Json, record


@dataclass(frozen=True, slots=True)
class Told:
    """An answer; *body* is None unless it is JSON."""

    status: int
    body: object
    headers: Mapping[str, str]

    @property
    def code(self) -> object:
        """Discord's number for a refusal."""
        return record(self.body).get("code")

    @property
    def reason(self) -> tuple[int, object]:
        """Status and code."""
        return self.status, self.code

    def __getitem__(self, name: str) -> object:
        return record(self.body)[name]


class Rest:
    """Calls with a bot's token; use it as an async context."""

    def __init__(self, discord: DiscordEmulator, token: str | None = None) -> None:
        self._discord = discord
        self._token = discord.bot_token if token is None else token
        self._session = aiohttp.ClientSession()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        data: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Told:
        """What `/api/v10` and *path* answers."""
        given = dict(headers or {})
        if self._token:
            given.setdefault("Authorization", f"Bot {self._token}")
        if body is not None:
            given["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        url = f"{self._discord.api_url}{path}"
        async with self._session.request(method, url, data=data, headers=given) as answer:
            raw = await answer.read()
            parsed = json.loads(raw) if answer.headers.get("Content-Type") == "application/json" else None
            return Told(answer.status, parsed, dict(answer.headers))

    async def say(self, channel: str, content: str, **more: object) -> Told:
        """Post a message."""
        return await self.call("POST", f"/channels/{channel}/messages", {"content": content, **more})


class Socket:
    """A connection to the gateway that does nothing by itself."""

    def __init__(self, discord: DiscordEmulator, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._discord = discord
        self._socket = socket
        self._inflate = zlib.decompressobj()
        self.sequence: int | None = None

    async def send(self, op: int, data: object) -> None:
        """Send one message."""
        await self._socket.send_str(json.dumps({"op": op, "d": data}))

    async def send_text(self, text: str) -> None:
        """Send what is perhaps no message."""
        await self._socket.send_str(text)

    async def receive(self) -> Json:
        """The next message; one without `op` tells the close code."""
        message = await self._socket.receive(timeout=20)
        match message.type:
            case aiohttp.WSMsgType.TEXT:
                told = record(json.loads(message.data))
            case aiohttp.WSMsgType.BINARY:
                assert message.data.endswith(b"\x00\x00\xff\xff")
                told = record(json.loads(self._inflate.decompress(message.data)))
            case _:
                return {"closed": self._socket.close_code}
        if isinstance(told.get("s"), int):
            self.sequence = int(str(told["s"]))
        return told

    async def event(self, name: str) -> Json:
        """The data of the next event *name*; others are passed over."""
        while (told := await self.receive()).get("t") != name:
            assert "closed" not in told, told
        return record(told["d"])

    async def close_code(self) -> object:
        """The code with which the gateway closes; other messages are passed over."""
        while "closed" not in (told := await self.receive()):
            pass
        return told["closed"]

    async def identify(
        self, intents: int = 37377, *, shard: tuple[int, int] = (0, 1), token: str = ""
    ) -> None:
        """Say who we are."""
        data: Json = {
            "token": token or self._discord.bot_token,
            "properties": {"os": "linux", "browser": "test", "device": "test"},
            "intents": intents,
            "shard": list(shard),
        }
        await self.send(2, data)

    async def ready(self, intents: int = 37377, *, shard: tuple[int, int] = (0, 1)) -> Json:
        """Say who we are; tells READY."""
        await self.identify(intents, shard=shard)
        return await self.event("READY")

    async def resume(self, session: object, sequence: int | None) -> None:
        """Go on with a session."""
        data: Json = {"token": self._discord.bot_token, "session_id": session, "seq": sequence}
        await self.send(6, data)

    async def close(self, code: int) -> None:
        """Close with *code*."""
        await self._socket.close(code=code)


@asynccontextmanager
async def socket_to(
    discord: DiscordEmulator, *, query: str = "v=10&encoding=json", url: str = ""
) -> AsyncIterator[Socket]:
    """A connection, greeted."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url or discord.gateway_url}?{query}", autoclose=True) as socket,
    ):
        connected = Socket(discord, socket)
        hello = await connected.receive()
        if "closed" not in hello:
            assert hello["op"] == 10
        yield connected
