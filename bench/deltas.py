"""
What one word of an answer costs on its whole way, in CPU time of the gateway.

    python bench/deltas.py [--streams 20] [--deltas 200]

The provider is a server in another process (that of bench/backend.py) that streams 50 words per
second and stream. The gateway is whole: inbox, worker, runner, handlers, journal and replies
that are edited once a second on a platform in memory. The floor is taken in the same run:
the backend alone, without anything behind it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pydantic import SecretStr

from assistant_gateway.adapter import Limits
from assistant_gateway.backends.responses import ResponsesBackend, ResponsesSettings
from assistant_gateway.config import load_config
from assistant_gateway.gateway import Gateway
from assistant_gateway.logs import configure_logging
from assistant_gateway.testing.adapter import FakeAdapter
from assistant_gateway.testing.backend import a_step


async def alone(backend: ResponsesBackend, streams: int) -> None:
    """Only the backend: read the stream and look at nothing."""

    async def read() -> None:
        async for _ in backend.stream(a_step("Hi", model="m")):
            pass

    await asyncio.gather(*(read() for _ in range(streams)))


async def answered(gateway: Gateway, adapter: FakeAdapter, streams: int) -> None:
    """Every stream is the answer to a message of a conversation of its own."""
    receipts = [await adapter.deliver("Hi", channel=f"C{number}") for number in range(streams)]
    for receipt in receipts:
        assert receipt.message is not None
        message = await gateway.inbox.answered(receipt.message, timeout=120)
        assert message.answer is not None
        assert message.answer.error is None, message.answer.error


async def measure(url: str, streams: int, deltas: int, rounds: int) -> None:
    adapter = FakeAdapter(limits=Limits(text_length=4000, edit_interval=1.0))
    backend = ResponsesBackend("demo", ResponsesSettings(base_url=url, api_key=SecretStr("x")))
    configure_logging("json", "error")
    with tempfile.TemporaryDirectory() as directory:
        config = load_config(None, {"ASSISTANT_GATEWAY_STORE": f"sqlite:///{Path(directory)}/bench.db"})
        gateway = Gateway(config, backends={"demo": backend}, adapters={"fake": adapter})
        async with gateway:
            running = asyncio.create_task(adapter.run(gateway.inbox))
            await answered(gateway, adapter, 1)
            whole, floor = [], []
            for _ in range(rounds):
                gc.collect()
                began = time.process_time()
                await alone(backend, streams)
                floor.append((time.process_time() - began) / (streams * deltas) * 1e6)
                began = time.process_time()
                await answered(gateway, adapter, streams)
                whole.append((time.process_time() - began) / (streams * deltas) * 1e6)
            running.cancel()
    ratio = statistics.median(a / b for a, b in zip(whole, floor, strict=True))
    print(f"a word on its whole way: {statistics.median(whole):.0f} µs CPU (aim: < 150)")
    print(f"the backend alone: {statistics.median(floor):.0f} µs; the whole way costs {ratio:.1f} × as much")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--deltas", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    command = [sys.executable, str(Path(__file__).with_name("backend.py")), "--serve", "0.02"]
    with subprocess.Popen(
        [*command, "--deltas", str(given.deltas)], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            asyncio.run(measure(url, given.streams, given.deltas, given.rounds))
        finally:
            server.kill()


if __name__ == "__main__":
    main()
