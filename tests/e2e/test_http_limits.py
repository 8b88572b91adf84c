"""The server's door under hostile clients: real sockets, short deadlines, and honest callers beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from assistant_gateway.config.settings import ServerSettings
from assistant_gateway.http.connection import DoorLimits
from assistant_gateway.http.limits import Allowance, Callers
from assistant_gateway.http.server import HttpServer
from emulators.eventually import eventually

SHORT = DoorLimits(request_seconds=0.3, write_seconds=0.3)


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def refuse(request: web.Request) -> web.Response:
    raise web.HTTPUnauthorized(text="No.")


async def flood(request: web.Request) -> web.Response:
    return web.Response(body=bytes(64 << 20))


@asynccontextmanager
async def serving(limits: DoorLimits = SHORT, **settings: object) -> AsyncIterator[HttpServer]:
    async def ready() -> list[str]:
        return []

    async def metrics() -> bytes:
        return b""

    server = HttpServer(
        ServerSettings.model_validate({"listen": "127.0.0.1:0", **settings}),
        version="0",
        routes=[web.post("/echo", echo), web.post("/refuse", refuse), web.get("/flood", flood)],
        ready=ready,
        metrics=metrics,
        limits=limits,
    )
    await server.start()
    try:
        yield server
    finally:
        await server.stop(grace=0.1)


class Wire:
    """A client that sends exactly these bytes."""

    def __init__(self, server: HttpServer) -> None:
        self._port = int(server.url.rpartition(":")[2])

    async def __aenter__(self) -> Wire:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def rest(self) -> bytes:
        """Everything until the server closes the connection."""
        async with asyncio.timeout(10):
            try:
                return await self._reader.read()
            except ConnectionResetError:
                return b""


async def get(server: HttpServer, path: str = "/healthz") -> int:
    async with aiohttp.ClientSession() as session, session.get(server.url + path) as response:
        return response.status


async def test_half_a_request_line_is_closed() -> None:
    """H8: a connection that has sent half a request gets 408 and is closed."""
    async with serving() as server, Wire(server) as wire:
        await wire.send(b"GET /healthz HT")

        said = await wire.rest()

    assert said.startswith(b"HTTP/1.1 408 ")


async def test_silence_is_closed() -> None:
    """A connection that sends nothing is closed without a word."""
    async with serving() as server, Wire(server) as wire:
        assert b"" == await wire.rest()


async def test_half_a_body_gets_408() -> None:
    """H7: `Content-Length: 5`, 3 bytes, silence: 408 as problem details, and the end."""
    async with serving() as server, Wire(server) as wire:
        await wire.send(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabc")

        said = await wire.rest()

    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in said


async def test_dripping_does_not_help() -> None:
    """A byte every 50 ms resets nothing: the deadline is for the whole request."""
    async with serving() as server, Wire(server) as wire:
        try:
            for letter in b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 400:
                await wire.send(bytes([letter]))
                await asyncio.sleep(0.05)
        except ConnectionError:
            pass

        assert 0 == server.connections


async def test_the_deadline_begins_anew_with_each_request() -> None:
    """Four requests on one connection, 0.2 s apart, outlive a deadline of 0.3 s; half a fifth does not."""
    async with serving() as server, Wire(server) as wire:
        for _ in range(4):
            await wire.send(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
            await asyncio.sleep(0.2)
        await wire.send(b"GET /heal")

        said = await wire.rest()

    assert 4 == said.count(b"HTTP/1.1 200 ")
    assert 1 == said.count(b"HTTP/1.1 408 ")


async def test_pipelined_requests_are_answered_in_order() -> None:
    """Three requests in one packet get three answers."""
    one = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n%d"
    async with serving() as server, Wire(server) as wire:
        await wire.send(b"".join(one % number for number in range(3)))
        await asyncio.sleep(0.1)
        await wire.send(b"GET /")

        said = await wire.rest()

    assert [b"0", b"1", b"2"] == [part[:1] for part in said.split(b"\r\n\r\n")[1:4]]
    assert 3 == said.count(b"HTTP/1.1 200 ")


async def test_five_hundred_slow_clients_lock_nobody_out() -> None:
    """H8: with 500 half requests open, an honest one is answered; then all 500 are closed."""
    async with serving(DoorLimits(request_seconds=2.0)) as server:
        wires = [Wire(server) for _ in range(500)]
        for wire in wires:
            await wire.__aenter__()
            await wire.send(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc")

        status = await get(server)
        closed = [await wire.rest() for wire in wires]
        for wire in wires:
            await wire.__aexit__()

    assert 200 == status
    assert 500 == len(closed)


async def test_a_full_house_makes_room_for_the_newest() -> None:
    """With room for 10 connections and 10 silent ones, an eleventh is served and the oldest is closed."""
    async with serving(DoorLimits(connections=10, request_seconds=30)) as server:
        wires = [Wire(server) for _ in range(10)]
        for wire in wires:
            await wire.__aenter__()

        status = await get(server)
        oldest = await wires[0].rest()
        for wire in wires:
            await wire.__aexit__()

    assert 200 == status
    assert b"" == oldest


async def test_slow_bodies_give_way_to_others() -> None:
    """With one place for bodies and a slow one in it, a second body is read after at most about a second."""
    async with serving(DoorLimits(request_seconds=60), max_unauthenticated=1) as server, Wire(server) as slow:
        await slow.send(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabc")
        await eventually(lambda: server.connections)
        async with Wire(server) as other:
            await other.send(
                b"POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 3\r\n\r\nx"
            )
            await asyncio.sleep(0.1)
            await other.send(b"yz")
            said = await other.rest()
        cut = await slow.rest()

    assert said.endswith(b"xyz")
    assert cut.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: -1",
        b"Content-Length: +5",
        b"Content-Length: 5, 5",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"Content-Length: 99999999999",
        b"Content-Length: 1048577",
        b"X: " + b"x" * 80_000,
        b"\r\n".join(b"X-%d: y" % number for number in range(200)),
    ],
)
async def test_a_body_of_no_honest_length_is_refused(head: bytes) -> None:
    """H9, H10: wrong lengths get 400, 413 or, where the rest never comes, 408, and the end."""
    async with serving() as server, Wire(server) as wire:
        await wire.send(b"POST /echo HTTP/1.1\r\nHost: h\r\n" + head + b"\r\n\r\n")

        said = await wire.rest()

    assert said.split(b" ")[1] in (b"400", b"408", b"413")
    assert b"application/problem+json" in said
    assert b"Traceback" not in said


async def test_a_chunked_body_over_the_limit_is_refused() -> None:
    """H10: 2 MiB in chunks, without a length, get 413."""
    async with serving(DoorLimits(request_seconds=10)) as server, Wire(server) as wire:
        await wire.send(b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(512):
                await wire.send(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        except ConnectionError:
            pass

        said = await wire.rest()

    assert said.startswith(b"HTTP/1.1 413 ")


async def test_a_body_of_three_megabytes_gets_one_answer() -> None:
    """H10: of 3 MiB that were announced and sent nothing is taken for a second request: one 413 is all."""
    async with serving(DoorLimits(request_seconds=10)) as server, Wire(server) as wire:
        await wire.send(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (3 << 20))
        with suppress(ConnectionError):
            await wire.send(bytes(3 << 20))

        said = await wire.rest()

    assert said.startswith(b"HTTP/1.1 413 ")
    assert 1 == said.count(b"HTTP/1.1 ")
    assert said.endswith(b"}")


async def test_an_answered_connection_is_kept_though_its_body_came_later() -> None:
    """A body in a packet of its own leaves no deadline of 0.3 s behind: 0.6 s later a request is answered."""
    async with serving() as server, Wire(server) as wire:
        for _ in range(2):
            await wire.send(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n")
            await asyncio.sleep(0.05)
            await wire.send(b"abc")
            await asyncio.sleep(0.6)
        await wire.send(b"GET /heal")

        said = await wire.rest()

    assert 2 == said.count(b"HTTP/1.1 200 ")
    assert 1 == said.count(b"HTTP/1.1 408 ")


async def test_endless_headers_are_cut() -> None:
    """More than 1 MiB of headers in small pieces end the connection."""
    async with serving(DoorLimits(request_seconds=30)) as server, Wire(server) as wire:
        try:
            await wire.send(b"GET / HTTP/1.1\r\n")
            for number in range(100):
                await wire.send(b"X-%d: " % number + b"x" * 60_000 + b"\r\n")
        except ConnectionError:
            pass

        said = await wire.rest()

    assert said.split(b" ")[1:2] in ([b"400"], [b"431"], [])


async def test_a_client_that_does_not_take_its_answer_is_cut() -> None:
    """An answer of 64 MiB that nobody reads ends with the connection."""
    async with serving() as server, Wire(server) as wire:
        await wire.send(b"GET /flood HTTP/1.1\r\nHost: h\r\n\r\n")
        await eventually(lambda: server.connections)

        await eventually(lambda: not server.connections)


async def test_an_address_that_is_refused_too_often_has_to_wait() -> None:
    """With 5 refusals a second the sixth request gets 429 with Retry-After, whatever it asks."""
    async with serving(requests_per_second=5) as server, aiohttp.ClientSession() as session:
        statuses = []
        for _ in range(6):
            async with session.post(server.url + "/refuse") as response:
                statuses.append(response.status)
        async with session.get(server.url + "/healthz") as response:
            then = response.status, int(response.headers["Retry-After"])

    assert [401] * 5 + [429] == statuses
    assert (429, 1) == then


async def test_honest_requests_are_not_counted() -> None:
    """With 5 refusals a second 50 good requests in a row are answered."""
    async with serving(requests_per_second=5) as server:
        assert {200} == {await get(server) for _ in range(50)}


def test_an_allowance_comes_back_with_time() -> None:
    """Two refusals at 2 a second are all there is; half a second later there is one more."""
    now = 0.0
    allowance = Allowance(2.0, clock=lambda: now)

    allowance.charge("a")
    allowance.charge("a")
    blocked = allowance.wait("a")
    now = 0.5

    assert 0.5 == blocked
    assert 0.0 == allowance.wait("a") == allowance.wait("b")


def test_an_allowance_does_not_grow_without_end() -> None:
    """Of 30,000 addresses 10,000 are remembered."""
    allowance = Allowance(1.0, clock=lambda: 0.0)

    for number in range(30_000):
        allowance.charge(f"a{number}")

    assert 0.0 == allowance.wait("a0")
    assert allowance.wait("a29999") > 0


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "address"),
    [
        ("192.0.2.1", "9.9.9.9", (), "192.0.2.1"),
        ("10.0.0.1", "9.9.9.9", ("10.0.0.0/8",), "9.9.9.9"),
        ("10.0.0.1", "8.8.8.8, 9.9.9.9, 10.0.0.2", ("10.0.0.0/8",), "9.9.9.9"),
        ("10.0.0.1", "9.9.9.9, nonsense", ("10.0.0.0/8",), "10.0.0.1"),
        ("10.0.0.1", "", ("10.0.0.0/8",), "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "", (), "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "", (), "192.0.2.1"),
    ],
)
def test_only_trusted_proxies_say_who_is_asking(
    peer: str, forwarded: str, proxies: tuple[str, ...], address: str
) -> None:
    """H75: X-Forwarded-For counts from the right, through trusted proxies; IPv6 callers are their /64."""
    transport = type("Transport", (), {"get_extra_info": lambda self, name: (peer, 1)})()
    request = make_mocked_request("GET", "/", headers={"X-Forwarded-For": forwarded}, transport=transport)

    assert address == Callers(proxies).address(request)
