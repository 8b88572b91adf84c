"""
Run the world: `python -m crash.world --seed N`. Its first line on standard output is its address.

`POST /talk` lets people begin, `POST /quiet` lets them fall silent, `POST /deaths` is a gateway's
last word, and `GET /truth` is the record.
"""

from __future__ import annotations

import argparse
import asyncio

from aiohttp import web

from crash.record import Death, Record
from crash.world.callbacks import Callbacks
from crash.world.chat import Chat
from crash.world.effects import Effects
from crash.world.faults import Network
from crash.world.model import Model
from crash.world.people import People
from crash.world.waiting import Waiting


async def live(seed: int, secret: str) -> None:
    """Run until the process is told to end."""
    record, waiting = Record(), Waiting()
    network = Network(record, seed)

    async def die(request: web.Request) -> web.Response:
        record.deaths.append(Death(record.tick(), **await request.json()))
        return web.json_response({})

    async def truth(request: web.Request) -> web.Response:
        return web.Response(body=record.to_json(), content_type="application/json")

    app = web.Application(client_max_size=1 << 24)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    people = People(record, waiting, secret, callback_url="")
    app.add_routes(
        [
            *Chat(record, network, waiting).routes(),
            *Callbacks(record, network, waiting, secret).routes(),
            *Effects(record, network).routes(),
            *Model(record, seed).routes(),
            *people.routes(),
            web.post("/deaths", die),
            web.get("/truth", truth),
        ]
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    people.callback_url = f"http://{host}:{port}/callbacks"
    print(f"http://{host}:{port}", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await people.close()
        await runner.cleanup()


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="The world around the gateway")
    options.add_argument("--seed", type=int, required=True)
    options.add_argument("--secret", required=True)
    given = options.parse_args()
    asyncio.run(live(given.seed, given.secret))
