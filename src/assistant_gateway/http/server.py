"""
The gateway's one HTTP server: health, numbers, the description of itself, and the adapters' routes.

A route's handler sees complete requests only, and what it raises becomes problem details.
While the server stops, what is being answered may finish; what does not is told to come again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

import structlog
from aiohttp import web

from assistant_gateway.config.settings import ServerSettings
from assistant_gateway.errors import ConfigError, NotAllowed, StoreUnavailable
from assistant_gateway.http.connection import Connection, Door, DoorLimits
from assistant_gateway.http.limits import Allowance, Callers, Receiving
from assistant_gateway.http.openapi import document
from assistant_gateway.http.problems import problem, problem_of
from assistant_gateway.values import JsonObject

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
READY_SECONDS = 5.0  # for the answer whether everything is ready
PROBES = ("/healthz", "/readyz", "/metrics")
UNHURT = (409, 429)  # refusals that say nothing bad about the caller
_STARTED = web.RequestKey("started", bool)


class HttpServer:
    """
    The server.

    Args:
        routes: What the adapters add.
        ready: Why the gateway is not ready, in one line each; nothing when it is.
        metrics: The numbers in Prometheus text format.
        described: OpenAPI path items and schemas of the adapters' routes.
    """

    def __init__(
        self,
        settings: ServerSettings,
        *,
        version: str,
        routes: Iterable[web.AbstractRouteDef],
        ready: Callable[[], Awaitable[list[str]]],
        metrics: Callable[[], Awaitable[bytes]],
        described: Iterable[tuple[JsonObject, JsonObject]] = (),
        limits: DoorLimits | None = None,
    ) -> None:
        self._settings = settings
        self._limits = limits or DoorLimits(
            connections=settings.max_connections, request_seconds=settings.request_seconds
        )
        self._version = version
        self._routes = tuple(routes)
        self._ready = ready
        self._metrics = metrics
        self._description = json.dumps(document(version, described)).encode()
        self._callers = Callers(settings.trusted_proxies)
        self._allowance = Allowance(settings.requests_per_second)
        self._receiving = Receiving(settings.max_unauthenticated)
        self._answering: set[asyncio.Task[object]] = set()
        self._draining = False
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._runner: web.AppRunner | None = None
        self._door: Door | None = None
        self._listener: asyncio.Server | None = None
        self._log = structlog.get_logger()

    @property
    def url(self) -> str:
        """Where it can be reached from this machine, without a path. Only while it runs."""
        if self._listener is None or not self._listener.sockets:
            raise RuntimeError("the server does not run")
        host, port = self._listener.sockets[0].getsockname()[:2]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._door.connections) if self._door is not None else 0

    async def start(self) -> None:
        """
        Listen.

        Raises:
            ConfigError: The address can't be listened on.
        """
        app = web.Application(middlewares=[self._serve], client_max_size=self._settings.body_limit)
        app.add_routes(
            [
                web.get("/", self._index),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._show_metrics),
                web.get("/openapi.json", self._openapi),
                *self._routes,
            ]
        )
        app.on_response_prepare.append(_prepare)
        self._runner = web.AppRunner(app, handle_signals=False, access_log=None)
        await self._runner.setup()
        inner = self._runner.server
        assert inner is not None
        self._door = Door(inner.request_handler, inner.request_factory, self._limits)
        try:
            self._listener = await asyncio.get_running_loop().create_server(
                self._door, self._settings.host, self._settings.port, backlog=1024
            )
        except OSError as error:
            await self._runner.cleanup()
            raise ConfigError(
                f"can't listen on {self._settings.listen}: {error.strerror or error}", "server.listen"
            ) from error
        self._log.info("http.listening", url=self.url)

    def drain(self) -> None:
        """Be unready from now on; everything else goes on."""
        self._draining = True

    async def stop(self, grace: float = 2.0) -> None:
        """Accept no more connections, let what is being answered finish within *grace* seconds, then end."""
        self._draining = True
        if self._listener is None or self._door is None or self._runner is None:
            return
        self._listener.close()
        self._door.pre_shutdown()
        if not await self._comes_to_rest(grace):
            self._stopping = True
            for task in self._answering:
                task.cancel()
            await self._comes_to_rest(1.0)
        await self._door.shutdown(1.0)
        await self._runner.cleanup()
        self._listener = None
        self._log.info("http.stopped")

    async def _comes_to_rest(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        return self._idle.is_set()

    @web.middleware
    async def _serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Around every route: limits, the account of who is refused, problems, and one log line."""
        started = asyncio.get_running_loop().time()
        connection = request.protocol
        assert isinstance(connection, Connection)
        address = self._callers.address(request)
        task = asyncio.current_task()
        assert task is not None
        self._answering.add(task)
        self._idle.clear()
        status = 499  # the caller went away
        try:
            response = await self._admit(request, handler, connection, address)
            status = response.status
        finally:
            self._answering.discard(task)
            if not self._answering:
                self._idle.set()
            connection.answered()
            log = self._log.debug if request.path in PROBES else self._log.info
            log(
                "http.request",
                method=request.method,
                path=request.rel_url.raw_path[:200],
                status=status,
                seconds=round(asyncio.get_running_loop().time() - started, 4),
                caller=address,
            )
        if self._draining:
            response.force_close()
        return response

    async def _admit(
        self, request: web.Request, handler: Handler, connection: Connection, address: str
    ) -> web.StreamResponse:
        """Turn away an address that was refused too often; count it when it is refused again."""
        if wait := self._allowance.wait(address):
            return problem(
                429,
                "Too many refused requests from this address.",
                headers={"Retry-After": f"{math.ceil(wait)}"},
            )
        response = await self._receive(request, connection) or await self._answer(request, handler)
        if 400 <= response.status < 500 and response.status not in UNHURT:
            self._allowance.charge(address)
        return response

    async def _receive(self, request: web.Request, connection: Connection) -> web.Response | None:
        """Take in the whole request; the problem when it is not fit to be taken in."""
        limit = self._settings.body_limit
        refusal = None
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            refusal = problem(400, "Compressed request bodies are not accepted.")
        elif (request.content_length or 0) > limit:
            refusal = problem(413, f"The body is larger than {limit} bytes.")
        else:
            try:
                await self._receiving.body(request, connection.arrive_by)
            except TimeoutError:
                refusal = problem(408, "The request did not arrive in time.")
            except web.HTTPRequestEntityTooLarge:
                refusal = problem(413, f"The body is larger than {limit} bytes.")
            except web.RequestPayloadError:
                refusal = problem(400, "The body is not well-formed HTTP.")
        connection.received()
        if refusal is not None:
            refusal.force_close()
        return refusal

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Call the route; what it raises becomes a problem, or a cut where the answer had begun."""
        try:
            return await handler(request)
        except web.HTTPException as error:
            return problem_of(error) if error.status >= 400 else error
        except ConnectionError:
            raise
        except StoreUnavailable as error:
            self._log.warning("http.store_unavailable", reason=str(error))
            response = problem(503, "The store is not available.", headers={"Retry-After": "5"})
        except NotAllowed as error:
            response = problem(403, str(error))
        except asyncio.CancelledError as error:
            if not self._stopping:
                raise
            if request.get(_STARTED):
                raise ConnectionResetError("the server stops") from error
            return problem(503, "The server is being stopped.", headers={"Retry-After": "5"})
        except Exception:
            id = secrets.token_hex(4)
            self._log.exception("http.failed", id=id, path=request.rel_url.raw_path[:200])
            response = problem(500, "Something went wrong inside; the log has more under this id.", id=id)
        if request.get(_STARTED):
            raise ConnectionResetError("the answer was cut off")
        return response

    async def _index(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"name": "assistant-gateway", "version": self._version, "api": "/openapi.json"}
        )

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _readyz(self, request: web.Request) -> web.Response:
        reasons = ["the gateway is shutting down"] if self._draining else await self._reasons()
        if reasons:
            return problem(503, "; ".join(reasons), headers={"Retry-After": "5"}, reasons=reasons)
        return web.json_response({"status": "ready"})

    async def _reasons(self) -> list[str]:
        try:
            async with asyncio.timeout(READY_SECONDS):
                return await self._ready()
        except TimeoutError:
            return [f"no answer from the inside within {READY_SECONDS:g} s"]

    async def _show_metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=await self._metrics(), headers={"Content-Type": METRICS_TYPE})

    async def _openapi(self, request: web.Request) -> web.Response:
        return web.Response(body=self._description, content_type="application/json")


async def _prepare(request: web.Request, response: web.StreamResponse) -> None:
    request[_STARTED] = True
    response.headers["Server"] = "assistant-gateway"
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Cache-Control", "no-store")
