"""
One WebSocket of the gateway: what goes out, in order, and what comes in, counted.

developers/events/gateway.mdx, "Rate Limiting" and "Sending Events" (2026-08-06): 120 messages in 60 s and
4096 bytes each. These are times of the machine: they measure the bot, not Discord's calendar.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from typing import TYPE_CHECKING

from aiohttp import web

from emulators.discord.compression import Compressor
from emulators.shapes import Json

if TYPE_CHECKING:
    from emulators.discord.sessions import Session

SENDS = 120
WINDOW = 60.0  # seconds
LENGTH = 4_096  # bytes
GARBAGE = b"\xff{garbage\x00\x00\xff\xff"  # neither JSON nor zlib


class Connection:
    """
    A client that is connected.

    Attributes:
        path: Where it connected: a session is resumed at another address than the first one.
        session: The session it carries, once it has said who it is.
        acknowledges: Whether heartbeats are answered; without that it is a zombie to the client.
        muted: Whether nothing at all is sent any more, although the connection stands.
        heartbeats: When they came, in seconds of the machine.
        close_code: With which code we closed it.
    """

    def __init__(
        self, socket: web.WebSocketResponse, request: web.Request, compressor: Compressor | None
    ) -> None:
        self.socket = socket
        self.path = request.path
        self.session: Session | None = None
        self.acknowledges = True
        self.muted = False
        self.heartbeats: list[float] = []
        self.close_code: int | None = None
        self.presences: list[Json] = []
        self._request = request
        self._compressor = compressor
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._received: deque[float] = deque()

    @property
    def idle(self) -> bool:
        """Whether everything was sent."""
        return self._waiting.empty() or self.muted or self.socket.closed

    def send(self, message: Json) -> None:
        """Send *message* after all before it."""
        self._waiting.put_nowait(json.dumps(message).encode())

    def send_garbage(self) -> None:
        """Send what is neither JSON nor rightly compressed."""
        self._waiting.put_nowait(GARBAGE)

    async def write(self) -> None:
        """Send what is waiting until the connection ends."""
        while (message := await self._waiting.get()) is not None:
            if self.muted:
                continue
            try:
                await self._write(message)
            except ConnectionError:
                return  # the reader sees the end, too

    async def _write(self, message: bytes) -> None:
        if message == GARBAGE:
            await self.socket.send_bytes(message)
        elif self._compressor is not None:
            await self.socket.send_bytes(self._compressor.frame(message))
        else:
            await self.socket.send_str(message.decode())

    def too_many(self) -> bool:
        """Count a message that came in; whether it is one too many."""
        now = time.monotonic()
        while self._received and self._received[0] <= now - WINDOW:
            self._received.popleft()
        self._received.append(now)
        return len(self._received) > SENDS

    async def close(self, code: int, reason: str = "") -> None:
        """Close with *code*, after what is waiting."""
        self.close_code = code
        self._waiting.put_nowait(None)
        with contextlib.suppress(ConnectionError, TimeoutError):
            await self.socket.close(code=code, message=reason.encode())

    def cut(self) -> None:
        """Cut the TCP connection without a word."""
        if self._request.transport is not None:
            self._request.transport.abort()
