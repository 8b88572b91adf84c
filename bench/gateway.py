"""
Measure the gateway from outside: one core for it, the other one for the load.

    uv run python bench/gateway.py

Prints what design section 7 asks for, each beside its aim. Speeds of one machine mean little
alone: the two lines without a gateway (a bare aiohttp server, an interpreter's start) are taken
in the same run to compare with.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import psutil

HERE = Path(__file__).parent
SECRET = b"bench-bench-bench-bench-bench!"
GATEWAY_CORE, LOAD_CORE = 0, max(0, (os.cpu_count() or 1) - 1)


def on_its_core() -> None:
    os.sched_setaffinity(0, {GATEWAY_CORE})


@contextlib.asynccontextmanager
async def served(*arguments: str, db: str | None = None) -> AsyncIterator[tuple[str, psutil.Process, float]]:
    """A gateway process on its core: its URL, the process, and the seconds from start to ready."""
    with tempfile.TemporaryDirectory() as directory:
        started = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(HERE / "served.py"),
            "--db",
            db or f"{directory}/bench.db",
            *arguments,
            stdout=subprocess.PIPE,
            preexec_fn=on_its_core,
        )
        try:
            assert process.stdout is not None
            url = (await process.stdout.readline()).decode().strip()
            yield url, psutil.Process(process.pid), time.monotonic() - started
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


def signed(body: bytes, id: str) -> dict[str, str]:
    """The headers of Standard Webhooks for *body*."""
    now = str(int(time.time()))
    mac = hmac.new(SECRET, f"{id}.{now}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": id,
        "webhook-timestamp": now,
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
        "content-type": "application/json",
    }


async def send(
    session: aiohttp.ClientSession, url: str, number: int, text: str, wait: int
) -> dict[str, object]:
    body = json.dumps(
        {"conversation": f"c{number % 400}", "user": {"id": "u1", "name": "Ann"}, "text": text}
    ).encode()
    headers = signed(body, f"m{secrets.token_hex(8)}")
    async with session.post(f"{url}/webhooks/default?wait={wait}", data=body, headers=headers) as answer:
        told: dict[str, object] = await answer.json()
        assert answer.status in (200, 202), (answer.status, told)
        return told


async def load(
    url: str, count: int, callers: int, one: Callable[..., Awaitable[object]]
) -> tuple[float, list[float]]:
    """Let *callers* do *count* things; how many a second, and how long each took."""
    numbers = iter(range(count))
    took: list[float] = []
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def caller() -> None:
            for number in numbers:
                began = time.monotonic()
                await one(session, url, number)
                took.append(time.monotonic() - began)

        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(caller())
        return count / (time.monotonic() - began), took


def quantiles(took: list[float]) -> str:
    cuts = statistics.quantiles(took, n=100)
    return f"p50 {cuts[49] * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms"


async def sent(
    url: str, process: psutil.Process, count: int, *, wait: int
) -> tuple[float, list[float], float]:
    """Send *count* messages from 32 callers: how many a second, how long each took, CPU seconds each."""
    before = process.cpu_times()
    speed, took = await load(
        url, count, 32, lambda session, url, number: send(session, url, number, "Hello", wait)
    )
    spent = process.cpu_times()
    return speed, took, (spent.user + spent.system - before.user - before.system) / count


async def accepted(fsync: str) -> None:
    async with served("--backend", "hung", "--fsync", fsync) as (url, process, _):
        speed, took, cpu = await sent(url, process, 4000, wait=0)
        print(
            f"accepted signed messages, FULL, fsync +{fsync} ms, 32 callers: "
            f"{speed:,.0f}/s, {quantiles(took)}, {cpu * 1e6:.0f} µs CPU each"
        )


async def bare() -> None:
    """The same requests to an aiohttp server that does nothing, for comparison."""
    code = (
        "from aiohttp import web\n"
        "async def post(r):\n    await r.read(); return web.json_response({}, status=202)\n"
        "app = web.Application(); app.router.add_post('/webhooks/default', post)\n"
        "web.run_app(app, port=18471, print=None, access_log=None)\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, preexec_fn=on_its_core)
    url = "http://127.0.0.1:18471"
    try:
        async with aiohttp.ClientSession() as session:
            for _ in range(200):
                with contextlib.suppress(aiohttp.ClientConnectionError):
                    await send(session, url, 0, "Hello", 0)
                    break
                await asyncio.sleep(0.05)
        speed, took = await load(
            url, 4000, 32, lambda session, url, number: send(session, url, number, "Hello", 0)
        )
        print(f"the same to a bare aiohttp server: {speed:,.0f}/s, {quantiles(took)}")
    finally:
        process.terminate()
        await process.wait()


async def called(fsync: str) -> None:
    async with served("--backend", "clocked", "--fsync", fsync) as (url, _, _):
        waits: list[float] = []

        async def one(session: aiohttp.ClientSession, url: str, number: int) -> None:
            told = await send(session, url, number, repr(time.monotonic()), 30)
            waits.append(float(str(told["text"])))

        await load(url, 50, 1, one)
        waits.clear()
        await load(url, 400, 1, one)
        print(f"request to backend, fsync +{fsync} ms, one at a time: {quantiles(waits)} (aim: p50 < 9 ms)")


async def end_to_end() -> None:
    async with served("--backend", "echo") as (url, process, _):
        speed, took, cpu = await sent(url, process, 3000, wait=60)
        print(
            f"short messages end to end, 32 callers: {speed:,.0f}/s (aim: 100), {quantiles(took)}, "
            f"{cpu * 1000:.1f} ms CPU each"
        )


async def at_rest() -> None:
    began = time.monotonic()
    bare = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import aiohttp, pydantic, structlog", preexec_fn=on_its_core
    )
    await bare.wait()
    imports = time.monotonic() - began
    async with served("--backend", "echo") as (url, process, ready):
        print(f"start to ready: {ready:.2f} s (aim: < 1 s; importing the libraries alone: {imports:.2f} s)")
        idle = process.memory_info().rss / 1e6
        await load(
            url,
            1000,
            16,
            lambda session, url, number: session.post(f"{url}/healthz"),
        )
        warm = process.memory_info().rss / 1e6

        async def one(session: aiohttp.ClientSession, url: str, number: int) -> None:
            body = json.dumps(
                {"conversation": f"idle-{number}", "user": {"id": "u"}, "text": "Hello"}
            ).encode()
            headers = signed(body, f"i{number}")
            async with session.post(f"{url}/webhooks/default", data=body, headers=headers) as answer:
                assert answer.status == 200

        await load(url, 1000, 16, one)
        first = process.memory_info().rss / 1e6
        await load(url, 3000, 16, lambda session, url, number: one(session, url, number + 1000))
        later = process.memory_info().rss / 1e6
        each = (later - first) / 3
        print(f"RSS idle: {idle:.0f} MB (aim: < 60 MB), warm {warm:.0f} MB")
        print(f"RSS per 1,000 idle conversations: {each:.2f} MB")


async def main() -> None:
    os.sched_setaffinity(0, {LOAD_CORE})
    await at_rest()
    await bare()
    await accepted("0")
    await accepted("5")
    await called("0")
    await called("5")
    await end_to_end()


if __name__ == "__main__":
    asyncio.run(main())
