"""
The process that is killed: a whole gateway on a SQLite file, open to the world.

    python -m crash.gateway --db FILE --listen HOST:PORT --world URL --secret whsec_… [--slack TABLE]

Its first line on standard output says that it is ready. SIGTERM drains it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from typing import cast
from urllib.parse import urlsplit

import aiohttp

from assistant_gateway.adapter import Adapter, AdapterServices, Content, Notes, Piece
from assistant_gateway.config import Config
from assistant_gateway.gateway import Gateway
from assistant_gateway.http.egress import GuardedEgress
from assistant_gateway.logs import configure_logging
from assistant_gateway.store import Store
from assistant_gateway.store.connect import open_store
from assistant_gateway.values import ReplyTarget
from assistant_gateway_discord.adapter import DiscordAdapter
from assistant_gateway_discord.settings import DiscordSettings
from assistant_gateway_slack.adapter import SlackAdapter
from assistant_gateway_slack.settings import SlackSettings
from assistant_gateway_webhook import plugin as webhook
from crash.fuse import POINTS, FailingStore, Fuse
from crash.outside import Defect, WorldAdapter, WorldBackend, world_tools


class FusedSlack(SlackAdapter):
    """The Slack adapter, with a fail point where Slack has a post and nobody here knows its id."""

    def __init__(self, settings: SlackSettings, fuse: Fuse) -> None:
        super().__init__(settings)
        self._fuse = fuse

    async def post(self, target: ReplyTarget, key: str, content: Content) -> str:
        posted = await super().post(target, key, content)
        self._fuse.reach("posted_not_saved")
        return posted

    async def start(self, target: ReplyTarget, key: str, piece: Piece) -> str:
        started = await super().start(target, key, piece)
        self._fuse.reach("posted_not_saved")
        return started


class FusedDiscord(DiscordAdapter):
    """The Discord adapter, with the same fail point."""

    def __init__(self, settings: DiscordSettings, notes: Notes, fuse: Fuse) -> None:
        super().__init__(settings, notes)
        self._fuse = fuse

    async def post(self, target: ReplyTarget, key: str, content: Content) -> str:
        posted = await super().post(target, key, content)
        self._fuse.reach("posted_not_saved")
        return posted


def config_for(options: argparse.Namespace) -> Config:
    """The configuration of the gateway under test."""
    return Config.model_validate(
        {
            "server": {"listen": options.listen, "requests_per_second": 1_000_000},
            "store": {"url": f"sqlite:///{options.db}"},
            "egress": {"allow": [urlsplit(options.world).netloc]},
            # A message may see more deaths here than a process dies in a year.
            "worker": {"crashes": 1000},
            "backends": {"world": {"kind": "demo"}},
            "assistants": {"default": {"backend": "world", "window_tokens": 512}},
        }
    )


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM, or until the fuse has burnt down."""
    config = config_for(options)
    fuse = Fuse(options.world, options.die_at, options.hits, options.seed)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=0.5)
    async with aiohttp.ClientSession(options.world, connector=connector) as session:
        store = open_store(config.store.url, allow_network_filesystem=False)
        egress = GuardedEgress(config.egress.allow)
        webhooks = webhook.build(
            webhook.settings.model_validate({"default": {"secret": options.secret}}), AdapterServices(egress)
        )
        adapters: dict[str, Adapter] = {
            "world": WorldAdapter(session, fuse, Defect(options.defect), seed=options.seed)
        }
        if webhooks is not None:
            adapters[webhooks.name] = webhooks
        if options.slack:
            settings = SlackSettings.model_validate(json.loads(options.slack))
            adapters["slack"] = FusedSlack(settings, fuse)
        if options.discord:
            table = DiscordSettings.model_validate(json.loads(options.discord))
            adapters["discord"] = FusedDiscord(table, store, fuse)
        gateway = Gateway(
            config,
            tools=world_tools(session),
            store=cast(Store, FailingStore(store, fuse, refused=options.refused, seed=options.seed)),
            backends={"world": WorldBackend(session, fuse)},
            adapters=adapters,
        )
        async with gateway:
            await gateway.serve(stop, lambda gateway: print(gateway.url, flush=True))
        await egress.close()


def arguments() -> argparse.ArgumentParser:
    """The options of the process."""
    parser = argparse.ArgumentParser(description="A gateway to be killed")
    parser.add_argument("--db", required=True)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--world", required=True)
    parser.add_argument("--secret", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--die-at", choices=("", *POINTS), default="")
    parser.add_argument("--hits", type=int, default=1)
    parser.add_argument("--slack", default="", help="the table [slack], as JSON")
    parser.add_argument("--discord", default="", help="the table [discord], as JSON")
    parser.add_argument("--refused", type=float, default=0.0)
    parser.add_argument("--defect", choices=[defect.value for defect in Defect], default="")
    return parser


if __name__ == "__main__":
    configure_logging("json", "info")
    asyncio.run(serve(arguments().parse_args()))
