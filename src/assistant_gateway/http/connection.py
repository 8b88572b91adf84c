"""
The door: a connection that owes us a request gets so many seconds and no more.

A request has to arrive completely within its deadline, counted from the connection or from its
first byte; a peer that does not take what it is sent is cut off, too. There is room for so many
connections; when it is used up, the one that has waited longest for its own request makes room.

aiohttp's server has no such limits: half a request keeps a connection open for an hour
(aiohttp 3.14, measured 2026-11).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader

from assistant_gateway.http.problems import problem

HEAD_LIMIT = 1 << 20  # bytes of request line and headers together
FIELD_LIMIT = 72 * 1024  # bytes of one header: a signature of 64 KiB is still judged by its route
TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """
    What a connection may take.

    Attributes:
        connections: How many may be open.
        request_seconds: For one request to arrive, headers and body.
        idle_seconds: Between two requests of one connection.
        write_seconds: For a peer to take what is buffered for it.
    """

    connections: int = 2000
    request_seconds: float = 10.0
    idle_seconds: float = 75.0
    write_seconds: float = 10.0


class Connection(web.RequestHandler):
    """aiohttp's connection with deadlines."""

    __slots__ = (
        "_answering",
        "_body",
        "_clock",
        "_door",
        "_heard",
        "_limits",
        "_more",
        "_timer",
        "_writing",
        "arrive_by",
    )

    def __init__(
        self, manager: Door, *, loop: asyncio.AbstractEventLoop, limits: DoorLimits, **options: Any
    ) -> None:
        super().__init__(manager, loop=loop, **options)
        self._door = manager
        self._clock = loop
        self._limits = limits
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None
        self._answering = False
        self._body: StreamReader | None = None
        self._more = False  # bytes of a next request came while one is being answered
        self._heard = 0
        self.arrive_by = 0.0
        """Loop time by which the request that is being received must be complete."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._expect()
        self._door.admit(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._door.forget(self)
        self._disarm()
        if self._writing is not None:
            self._writing.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # What a request still owes of its body, read or thrown away after a refusal, begins no next one.
        if data and (self._body is None or self._body.is_eof()):
            if self._answering:
                self._more = True
            elif self._timer is None:
                self._expect()
            self._heard += len(data)
            if self._heard > HEAD_LIMIT and not self._answering:
                self._end(TOO_LARGE)
                return
        super().data_received(data)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._writing = self._clock.call_later(self._limits.write_seconds, self._cut)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()

    def begun(self, body: StreamReader) -> None:
        """A request's headers are complete; whoever reads its *body* keeps to `arrive_by`."""
        self._answering = True
        self._body = body
        self._more = False

    def received(self) -> None:
        """A request is complete."""
        self._disarm()
        self._door.busy(self)

    def answered(self) -> None:
        """A request has its answer; the connection is free for the next one."""
        self._disarm()
        self._answering = False
        self._heard = 0
        if self._more:
            self._expect()
        self._door.idle(self)

    def cut(self) -> None:
        """End the connection, with 408 where half a request has come."""
        self._end(TIMED_OUT if self._heard else b"")

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is no HTTP request, or to one that aiohttp could not hand on."""
        if request.writer.output_size > 0:
            raise ConnectionResetError("the answer was cut off")
        structlog.get_logger().debug("http.malformed", status=status, error=type(exc).__name__)
        response = problem(status, "The request is not well-formed HTTP." if status == 400 else "")
        response.force_close()
        return response

    def _expect(self) -> None:
        self.arrive_by = self._clock.time() + self._limits.request_seconds
        self._timer = self._clock.call_at(self.arrive_by, self._expire)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        if not self._answering:
            self.cut()

    def _end(self, farewell: bytes) -> None:
        if self.transport is not None and farewell:
            self.transport.write(farewell)
        self.force_close()

    def _cut(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class Door(web.Server):
    """aiohttp's connection factory with room for so many connections."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        make_request: Callable[..., web.BaseRequest],
        limits: DoorLimits,
    ) -> None:
        def make(
            message: RawRequestMessage,
            payload: StreamReader,
            protocol: web.RequestHandler,
            writer: AbstractStreamWriter,
            task: asyncio.Task[None],
        ) -> web.BaseRequest:
            if isinstance(protocol, Connection):
                protocol.begun(payload)
            return make_request(message, payload, protocol, writer, task)

        super().__init__(handler, request_factory=make)
        self._limits = limits
        self._waiting: dict[Connection, None] = {}  # the one that has waited longest first

    def __call__(self) -> Connection:
        return Connection(
            self,
            loop=asyncio.get_running_loop(),
            limits=self._limits,
            access_log=None,
            keepalive_timeout=self._limits.idle_seconds,
            lingering_time=min(2.0, self._limits.request_seconds),
            max_field_size=FIELD_LIMIT,
            auto_decompress=False,
        )

    def admit(self, connection: Connection) -> None:
        """Make room for a new connection, or turn it away where all others are being answered."""
        self._waiting[connection] = None
        if len(self.connections) > self._limits.connections:
            structlog.get_logger().warning("http.full", connections=self._limits.connections)
            next(iter(self._waiting)).cut()

    def busy(self, connection: Connection) -> None:
        self._waiting.pop(connection, None)

    def idle(self, connection: Connection) -> None:
        if connection.connected:
            self._waiting[connection] = None

    def forget(self, connection: Connection) -> None:
        self._waiting.pop(connection, None)
