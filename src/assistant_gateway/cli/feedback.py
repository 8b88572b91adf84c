"""`feedback`: what people think of answers."""

from __future__ import annotations

import argparse
import asyncio

from assistant_gateway.cli.start import configured
from assistant_gateway.cli.terminal import plain
from assistant_gateway.cli.threads import rated, visited
from assistant_gateway.config import Config
from assistant_gateway.values import Rating


def feedback(arguments: argparse.Namespace) -> int:
    return asyncio.run(_feedback(arguments, configured(arguments)))


async def _feedback(arguments: argparse.Namespace, config: Config) -> int:
    rating = Rating(arguments.rating) if arguments.rating else None
    async with visited(config) as store:
        for word in await store.feedback(limit=arguments.limit, rating=rating):
            run = await store.run(word.run_id)
            print(plain(f"{run.thread_id if run else ''}  {word.run_id}  {rated(word)}"))
    return 0
