"""
Socket Mode: events over a WebSocket that the app opened.

docs.slack.dev, "Using Socket Mode" (2026-09-14): up to 10 connections of an app, a payload goes to any one
of them; every envelope is acknowledged by its `envelope_id`; `disconnect` comes about 10 s ahead. The
address of a connection is temporary; here it is good for one connection within 30 s of the machine (assumed).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from emulators.clock import Clock
from emulators.shapes import Json, record, string
from emulators.slack import sizes
from emulators.slack.deliveries import Delivery, Outcome
from emulators.slack.faults import Faults
from emulators.slack.world import App

TICKET_SECONDS = 30.0
WARNING_SECONDS = 10.0


@dataclass(eq=False, slots=True)
class Connection:
    """One WebSocket of an app; *leaving* ones get nothing new."""

    app: App
    socket: web.WebSocketResponse
    request: web.Request
    leaving: bool = False
    answers: dict[str, asyncio.Future[Json]] = field(default_factory=dict)


class Sockets:
    """The WebSockets of all apps."""

    def __init__(self, clock: Clock, faults: Faults, deadline: float, changed: Callable[[], None]) -> None:
        self.connections: list[Connection] = []
        self.opened = 0
        self._clock = clock
        self._faults = faults
        self._deadline = deadline
        self._changed = changed
        self._tickets: dict[str, tuple[App, float]] = {}
        self._turn = 0

    def ticket(self, app: App, name: str) -> None:
        """Let *app* connect with *name*."""
        self._tickets[name] = (app, self._clock.now() + TICKET_SECONDS * self._clock.speed)

    async def take(self, request: web.Request) -> web.StreamResponse:
        """The WebSocket endpoint."""
        if self._faults.refused_handshakes:
            self._faults.refused_handshakes -= 1
            return web.Response(status=503, text="try later")
        app, until = self._tickets.pop(request.query.get("ticket", ""), (None, 0.0))
        if app is None or until < self._clock.now():
            return web.Response(status=403, text="bad ticket")
        socket = web.WebSocketResponse(max_msg_size=4_000_000, timeout=1.0)
        await socket.prepare(request)
        if len(self._of(app)) >= sizes.CONNECTIONS:
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets"})
            await socket.close()
            return socket
        connection = Connection(app, socket, request)
        self.connections.append(connection)
        self.opened += 1
        try:
            await socket.send_json(self._hello(app))
            self._changed()
            await self._listen(connection)
        finally:
            self.connections.remove(connection)
            for answer in connection.answers.values():
                answer.cancel()
            self._changed()
        return socket

    def _hello(self, app: App) -> Json:
        info = {"host": "applink-emulator", "build_number": 1, "approximate_connection_time": 18_060}
        return {
            "type": "hello",
            "num_connections": len(self._of(app)),
            "debug_info": info,
            "connection_info": {"app_id": app.id},
        }

    async def _listen(self, connection: Connection) -> None:
        async for message in connection.socket:
            if message.type is not WSMsgType.TEXT:
                continue
            try:
                told = record(json.loads(message.data))
            except ValueError:
                continue
            answer = connection.answers.get(string(told.get("envelope_id")))
            if answer is not None and not answer.done():
                answer.set_result(record(told.get("payload")))

    def _of(self, app: App) -> list[Connection]:
        return [each for each in self.connections if each.app is app]

    async def send(self, delivery: Delivery, number: int, reason: str) -> Outcome:
        """Send *delivery* over any connection and wait for its acknowledgement."""
        ready = [each for each in self._of(delivery.app) if not each.leaving and not each.socket.closed]
        if not ready:
            return Outcome("connection_failed")
        self._turn += 1
        connection = ready[self._turn % len(ready)]
        envelope: Json = {
            "type": delivery.kind,
            "envelope_id": delivery.envelope_id,
            "payload": delivery.payload,
            "accepts_response_payload": delivery.kind != "events_api",
        }
        if delivery.kind == "events_api":
            envelope |= {"retry_attempt": number, "retry_reason": reason}
        answer = connection.answers.get(delivery.envelope_id)
        if answer is None or answer.done():
            answer = asyncio.get_running_loop().create_future()
            connection.answers[delivery.envelope_id] = answer
        try:
            await connection.socket.send_json(envelope)
            async with asyncio.timeout(self._deadline):
                return Outcome(answer=await asyncio.shield(answer))
        except TimeoutError:
            return Outcome("timeout")
        except ConnectionError:
            return Outcome("connection_failed")
        except asyncio.CancelledError:
            if answer.cancelled():  # the connection went, not we
                return Outcome("connection_failed")
            raise

    async def warn(self, reason: str = "refresh_requested") -> None:
        """Tell every connection that it ends in 10 s; nothing new goes over it."""
        leaving = [each for each in self.connections if not each.leaving]
        for connection in leaving:
            connection.leaving = True
            info = {"host": "applink-emulator"}
            await connection.socket.send_json({"type": "disconnect", "reason": reason, "debug_info": info})

    async def refresh(self) -> None:
        """Warn every connection, and close after 10 s those that are still there."""
        leaving = list(self.connections)
        await self.warn()
        await self._clock.sleep(WARNING_SECONDS)
        for connection in leaving:
            await connection.socket.close()

    def cut(self) -> int:
        """Cut the TCP connection of every WebSocket without a word; tells how many there were."""
        cut = list(self.connections)
        for connection in cut:
            transport = connection.request.transport
            if transport is not None:
                transport.abort()
        return len(cut)

    async def close(self) -> None:
        """Close every connection."""
        for connection in list(self.connections):
            await connection.socket.close()
