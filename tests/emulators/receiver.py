"""
An endpoint that gets callbacks and answers them as it is told.

It owns the truth about what was delivered: tests ask it, never the gateway.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from standardwebhooks import Webhook


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: after *delay* seconds, or never (*hang*), or not at all (*drop*)."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    hang: bool = False
    drop: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """One request that came in; ``at`` is the receiver's clock."""

    at: float
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def verify(self, secret: str) -> Any:
        """The body, checked by the reference implementation of Standard Webhooks."""
        return Webhook(secret).verify(self.body, dict(self.headers))


class Receiver:
    """The endpoint; without a script it takes everything."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.received: list[Received] = []
        self.url = ""
        self._clock = clock
        self._replies: dict[str, deque[Reply]] = {}
        self._always: dict[str, Reply] = {}
        self._changed = asyncio.Condition()
        self._released = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 << 20)
        app.add_routes([web.route("*", "/{path:.*}", self._take)])
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{site.port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        assert self._runner is not None
        await self._runner.cleanup()

    def script(self, *replies: Reply | int, path: str = "/") -> None:
        """The next requests to *path* are answered so; a number is a status."""
        queue = self._replies.setdefault(path, deque())
        queue.extend(Reply(reply) if isinstance(reply, int) else reply for reply in replies)

    def always(self, reply: Reply | int, path: str = "/") -> None:
        """Every request to *path* that no script is left for is answered so."""
        self._always[path] = Reply(reply) if isinstance(reply, int) else reply

    async def got(self, count: int, *, path: str | None = None, timeout: float = 10.0) -> list[Received]:
        """Wait until *count* requests have come (to *path*); they."""

        def found() -> list[Received]:
            return [one for one in self.received if path in (None, one.path)]

        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: len(found()) >= count)
        return found()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        path = request.path
        self.received.append(Received(self._clock(), path, dict(request.headers), body))
        queue = self._replies.get(path)
        reply = queue.popleft() if queue else self._always.get(path, Reply())
        async with self._changed:
            self._changed.notify_all()
        if reply.hang:
            await self._released.wait()
        if reply.delay:
            await asyncio.sleep(reply.delay)
        if reply.drop and request.transport is not None:
            request.transport.abort()
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)
