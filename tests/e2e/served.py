"""A real `assistant-gateway serve` process, and a client that signs as Standard Webhooks says."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from standardwebhooks import Webhook

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes!!!!").decode()
READY = 30.0  # seconds; only a hung process needs more


@dataclass
class Served:
    """The process: where it answers, and what it has written."""

    process: asyncio.subprocess.Process
    url: str = ""
    output: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)


@contextlib.asynccontextmanager
async def serve(
    directory: Path, *arguments: str, environ: Mapping[str, str] | None = None, port: int = 0
) -> AsyncIterator[Served]:
    """Start the gateway in *directory* and wait until it is ready; kill it at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "assistant_gateway",
        "serve",
        "--listen",
        f"127.0.0.1:{port}",
        "--log-format",
        "json",
        *arguments,
        cwd=directory,
        env={**clean_environment(), "WEBHOOK_SECRET": SECRET, **(environ or {})},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    served = Served(process)
    assert process.stdout is not None
    assert process.stderr is not None
    ready = asyncio.Event()

    async def read_log() -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            served.errors.append(line.decode())
            with contextlib.suppress(json.JSONDecodeError):
                entry = json.loads(line)
                if entry.get("event") == "gateway.ready":
                    served.url = entry["url"]
                    ready.set()

    async def read_output() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            served.output.append(line.decode())

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(read_log())
            group.create_task(read_output())
            waiting = [asyncio.ensure_future(ready.wait()), asyncio.ensure_future(process.wait())]
            await asyncio.wait(waiting, timeout=READY, return_when=asyncio.FIRST_COMPLETED)
            try:
                assert served.url, f"it is not ready: {''.join(served.errors)}"
                yield served
            finally:
                for each in waiting:
                    each.cancel()
                if process.returncode is None:
                    process.kill()
    finally:
        await process.wait()


def clean_environment() -> dict[str, str]:
    """This process's environment without what would configure a gateway."""
    prefixes = ("OPENAI_", "SLACK_", "DISCORD_", "WEBHOOK_", "ASSISTANT_GATEWAY_")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


def signed(body: bytes, *, id: str = "", secret: str = SECRET) -> dict[str, str]:
    """The headers of a signed message."""
    id = id or f"m-{secrets.token_hex(6)}"
    now = datetime.now(UTC)
    return {
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(id, now, body.decode()),
    }


async def ask(
    url: str,
    text: str,
    *,
    conversation: str = "c1",
    id: str = "",
    wait: float = 30.0,
    **members: object,
) -> tuple[int, dict[str, object]]:
    """Send one signed message: the status and the JSON body of the answer."""
    body = json.dumps(
        {"conversation": conversation, "user": {"id": "u1", "name": "Ann"}, "text": text, **members}
    ).encode()
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{url}/webhooks/default?wait={wait:g}", data=body, headers=signed(body, id=id)
        ) as answer,
    ):
        return answer.status, await answer.json(content_type=None)


async def state(url: str, id: str) -> dict[str, object]:
    """What `GET /webhooks/default/messages/{id}` tells."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}/webhooks/default/messages/{id}", headers=signed(b"")) as answer,
    ):
        told: dict[str, object] = await answer.json(content_type=None)
        return told
