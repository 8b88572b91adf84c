"""`threads`: look at what was said, also while a gateway is running on the same store."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from assistant_gateway import items
from assistant_gateway.cli.start import configured
from assistant_gateway.cli.terminal import plain
from assistant_gateway.cli.transfer import export_threads, import_threads
from assistant_gateway.config import Config
from assistant_gateway.errors import GatewayError
from assistant_gateway.store import Store
from assistant_gateway.store.connect import open_store
from assistant_gateway.values import Feedback, Item, JsonObject, Lane, Rating, Thread


def threads(arguments: argparse.Namespace) -> int:
    return asyncio.run(_threads(arguments, configured(arguments)))


@asynccontextmanager
async def visited(config: Config) -> AsyncIterator[Store]:
    """The configured store, beside whoever works on it."""
    store = open_store(
        config.store.url, allow_network_filesystem=config.store.allow_network_filesystem, visitor=True
    )
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def _threads(arguments: argparse.Namespace, config: Config) -> int:
    async with visited(config) as store:
        match arguments.action:
            case "list":
                for thread in await store.threads(limit=arguments.limit, adapter=arguments.adapter):
                    print(_line(thread))
            case "show":
                thread = await _found(store, arguments.id)
                print(_line(thread), end="\n\n")
                for item, words in await _rated(store, thread, arguments.limit):
                    print(_told(item))
                    for word in words:
                        print(plain(f"{rated(word)}\n"))
            case "reset":
                print((await store.reset((await _found(store, arguments.id)).lane)).id)
            case "export":
                chosen = await _found(store, arguments.id) if arguments.id else None
                await export_threads(store, chosen, arguments.output)
            case _:
                await import_threads(store, arguments)
    return 0


async def _found(store: Store, id: str) -> Thread:
    thread = await store.thread(id)
    if thread is None:
        raise GatewayError(f"there is no thread {id}; see: assistant-gateway threads list")
    return thread


async def _rated(store: Store, thread: Thread, limit: int) -> list[tuple[Item, list[Feedback]]]:
    """The newest items of a thread, forgotten ones too; with the last of a run, what people thought of it."""
    found = await store.items(thread.id, limit=limit, forgotten=True)
    words = await store.thread_feedback(thread.id)
    last = {item.run_id: item.seq for item in found}
    return [
        (item, [word for word in words if word.run_id == item.run_id and last[item.run_id] == item.seq])
        for item in found
    ]


def rated(word: Feedback) -> str:
    """What a person thought of an answer, in a line."""
    mark = "👍" if word.rating is Rating.GOOD else "👎"
    return f"{mark} {_time(word.at)} {word.user.name or word.user.id}  {word.comment}".rstrip()


def _line(thread: Thread) -> str:
    state = "current" if thread.is_current else "closed"
    return plain(
        f"{thread.id}  {_time(thread.created_at)}  {state:<7}  {thread.items:>5} items  {_place(thread.lane)}"
    )


def _place(lane: Lane) -> str:
    words = (lane.adapter, lane.tenant, lane.channel, lane.topic, lane.member)
    return " / ".join(word for word in words if word)


def _told(item: Item) -> str:
    body = item.body
    kind = items.kind(body)
    text = items.text_of(body) or _summary(body)
    state = " (forgotten)" if item.forgotten else ""
    return plain(f"[{item.seq}] {_time(item.created_at)} {items.role(body) or kind}{state}\n{text}\n")


def _summary(body: JsonObject) -> str:
    if items.kind(body) == "function_call":
        return f"{body.get('name')}({body.get('arguments')})"
    return str(body.get("output", "")) if "output" in body else json.dumps(body, ensure_ascii=False)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
