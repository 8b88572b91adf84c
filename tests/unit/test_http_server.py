"""The server's own routes, its errors, its log and its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs
from yarl import URL

from assistant_gateway.config.settings import ServerSettings
from assistant_gateway.errors import ConfigError, NotAllowed, StoreUnavailable
from assistant_gateway.http.server import HttpServer


class Slow:
    """A route that answers when it is let go."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        self.begun.set()
        await self.go.wait()
        return web.Response(text="done")


async def nobody() -> list[str]:
    return []


async def metrics() -> bytes:
    return b"messages_total 3\n"


async def fail(request: web.Request) -> web.Response:
    raise RuntimeError("the password is hunter2")


async def unavailable(request: web.Request) -> web.Response:
    raise StoreUnavailable("disk full")


async def not_allowed(request: web.Request) -> web.Response:
    raise NotAllowed("You may not ask here.")


async def cut(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"half")
    raise RuntimeError("in the middle")


@asynccontextmanager
async def serving(
    *routes: web.AbstractRouteDef,
    ready: Callable[[], Awaitable[list[str]]] = nobody,
    listen: str = "127.0.0.1:0",
) -> AsyncIterator[HttpServer]:
    server = HttpServer(
        ServerSettings(listen=listen),
        version="1.2.3",
        routes=[
            web.post("/fail", fail),
            web.get("/unavailable", unavailable),
            web.get("/cut", cut),
            web.get("/not-allowed", not_allowed),
            *routes,
        ],
        ready=ready,
        metrics=metrics,
    )
    await server.start()
    try:
        yield server
    finally:
        await server.stop(grace=0.1)


@asynccontextmanager
async def asking(server: HttpServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.url) as session:
        yield session


async def test_a_healthy_server_says_so() -> None:
    """Health and readiness are 200 in JSON, metrics are Prometheus text, / names the program."""
    async with serving() as server, asking(server) as session:
        answers = {}
        for path in ("/healthz", "/readyz", "/metrics", "/", "/openapi.json"):
            async with session.get(path) as response:
                answers[path] = response.status, response.content_type, await response.text()

    assert (200, "application/json", '{"status": "ok"}') == answers["/healthz"]
    assert (200, "application/json", '{"status": "ready"}') == answers["/readyz"]
    assert (200, "text/plain", "messages_total 3\n") == answers["/metrics"]
    assert "assistant-gateway" == json.loads(answers["/"][2])["name"]
    assert "1.2.3" == json.loads(answers["/openapi.json"][2])["info"]["version"]


async def test_what_is_not_ready_says_why() -> None:
    """Reasons give 503 and are listed; so does draining, while the process stays healthy."""
    reasons = ["slack: not connected", "the store does not write"]

    async def ready() -> list[str]:
        return reasons

    async with serving(ready=ready) as server, asking(server) as session:
        async with session.get("/readyz") as response:
            unready = (
                response.status,
                response.content_type,
                (await response.json(content_type=None))["reasons"],
            )
        reasons.clear()
        server.drain()
        async with session.get("/readyz") as response:
            draining = response.status
        async with session.get("/healthz") as response:
            healthy = response.status

    assert (503, "application/problem+json") == unready[:2]
    assert ["slack: not connected", "the store does not write"] == unready[2]
    assert (503, 200) == (draining, healthy)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "//admin", 404),
        ("GET", "/admin/..;/", 404),
        ("GET", "/%61dmin", 404),
        ("POST", "/healthz", 405),
        ("TRACE", "/healthz", 405),
        ("GET", "/unavailable", 503),
        ("GET", "/not-allowed", 403),
        ("POST", "/fail", 500),
    ],
)
async def test_every_error_is_a_problem(method: str, path: str, status: int) -> None:
    """RFC 9457: type, title, status and detail, in application/problem+json, and nothing from inside."""
    async with (
        serving() as server,
        asking(server) as session,
        session.request(method, URL(server.url + path, encoded=True)) as response,
    ):
        text = await response.text()

    problem = json.loads(text)
    assert (status, status) == (response.status, problem["status"])
    assert "application/problem+json" == response.content_type
    assert {"type", "title", "status", "detail"} <= set(problem)
    assert "hunter2" not in text
    assert "nosniff" == response.headers["X-Content-Type-Options"]
    assert "assistant-gateway" == response.headers["Server"]
    if status == 405:
        assert "GET" in response.headers["Allow"]
    if status == 503:
        assert "5" == response.headers["Retry-After"]


async def test_an_inner_error_is_found_by_its_id() -> None:
    """The caller of a route that fails gets an id, and one log line has it too."""
    with capture_logs() as lines:
        async with serving() as server, asking(server) as session, session.post("/fail") as response:
            problem = await response.json(content_type=None)

    (line,) = [line for line in lines if line["event"] == "http.failed"]
    assert line["id"] == problem["id"]


async def test_an_answer_that_breaks_off_is_not_mended() -> None:
    """A route that fails in the middle of its answer ends the connection, without a second answer in it."""
    async with serving() as server, asking(server) as session:
        with pytest.raises(aiohttp.ClientPayloadError):
            async with session.get("/cut") as response:
                await response.read()


async def test_the_log_has_no_query() -> None:
    """One line per request with method, path, status and time; what comes after ? is nowhere."""
    with capture_logs() as lines:
        async with serving() as server, asking(server) as session, session.get("/nothing?token=hunter2"):
            pass

    (line,) = [line for line in lines if line["event"] == "http.request"]
    assert ("GET", "/nothing", 404) == (line["method"], line["path"], line["status"])
    assert line["seconds"] >= 0
    assert "hunter2" not in str(lines)


async def test_what_is_being_answered_may_finish() -> None:
    """P15: stop waits for the request that is under way, and takes no new connection."""
    slow = Slow()
    async with serving(web.get("/slow", slow.answer)) as server, asking(server) as session:
        asked = asyncio.create_task(session.get("/slow"))
        await slow.begun.wait()
        stopping = asyncio.create_task(server.stop(grace=10))
        await asyncio.sleep(0.05)
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get("/healthz")
        slow.go.set()

        async with await asked as response:
            text = await response.text()
        await asyncio.wait_for(stopping, 5)

    assert "done" == text


async def test_what_does_not_finish_is_told_to_come_again() -> None:
    """After the grace a request that still waits gets 503 with Retry-After."""
    slow = Slow()
    async with serving(web.get("/slow", slow.answer)) as server, asking(server) as session:
        asked = asyncio.create_task(session.get("/slow"))
        await slow.begun.wait()

        await asyncio.wait_for(server.stop(grace=0.05), 5)
        async with await asked as response:
            answer = response.status, response.headers["Retry-After"]

    assert (503, "5") == answer


async def test_a_port_that_is_taken_is_told() -> None:
    """Listening where somebody else listens is a ConfigError that names the address."""
    async with serving() as server:
        taken = server.url.removeprefix("http://")

        with pytest.raises(ConfigError, match=f"can't listen on {taken}"):
            async with serving(listen=taken):
                pass
