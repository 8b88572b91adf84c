"""`deliveries`: callbacks that did not arrive, and how to send one again."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import replace

from assistant_gateway.adapter import Delivery, DeliveryState
from assistant_gateway.cli.start import configured
from assistant_gateway.cli.terminal import plain
from assistant_gateway.cli.threads import visited
from assistant_gateway.config import Config
from assistant_gateway.errors import GatewayError
from assistant_gateway.store import Store

SEARCHED = 100_000  # the newest deliveries, among which one is looked for by its id


def deliveries(arguments: argparse.Namespace) -> int:
    return asyncio.run(_deliveries(arguments, configured(arguments)))


async def _deliveries(arguments: argparse.Namespace, config: Config) -> int:
    async with visited(config) as store:
        if arguments.action == "list":
            state = DeliveryState(arguments.state) if arguments.state else None
            for delivery in await store.deliveries(state=state, limit=arguments.limit):
                print(_line(delivery))
            return 0
        return await _retry(store, arguments.id)


async def _retry(store: Store, id: str) -> int:
    found = [delivery for delivery in await store.deliveries(limit=SEARCHED) if delivery.id == id]
    if not found:
        raise GatewayError(f"there is no delivery {id}; see: assistant-gateway deliveries list")
    (delivery,) = found
    if delivery.state is DeliveryState.DELIVERED:
        raise GatewayError(f"{id} was delivered already")
    # An endpoint that was given up gets another chance, too; else nothing would be sent to it.
    await store.set_endpoint_fault(delivery.source, delivery.url, None)
    await store.record(replace(delivery, state=DeliveryState.PENDING, attempts=0, next_at=0.0, error=""))
    print(f"{id} is sent again as soon as the gateway runs")
    return 0


def _line(delivery: Delivery) -> str:
    words = (delivery.id, f"{delivery.state.value:<9}", f"{delivery.attempts} tries", delivery.source)
    return plain("  ".join((*words, f"→ {delivery.url}", delivery.error)).rstrip())
