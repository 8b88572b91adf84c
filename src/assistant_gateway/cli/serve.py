"""`serve`: answer on every configured platform until the process is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal

import structlog

from assistant_gateway.cli.banner import banner
from assistant_gateway.cli.start import base_directory, configured
from assistant_gateway.gateway import Gateway


def serve(arguments: argparse.Namespace) -> int:
    config = configured(arguments, level=None)
    for note in config.notes:
        structlog.get_logger().warning("config.noted", note=note)
    asyncio.run(_serve(Gateway(config, base=base_directory(arguments))))
    return 0


async def _serve(gateway: Gateway) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _asked_to_stop, stop)
    async with gateway:
        await gateway.serve(
            stop, lambda ready: print(banner(ready.config, ready.url, os.environ), flush=True)
        )


def _asked_to_stop(stop: asyncio.Event) -> None:
    """The first signal drains; a second one does not wait: what is unfinished is on disk."""
    if stop.is_set():
        structlog.get_logger().warning("gateway.aborted")
        os._exit(1)
    stop.set()
