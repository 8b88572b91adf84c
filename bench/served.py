"""
A gateway under measurement, in a process of its own.

    python bench/served.py --db FILE --backend echo|hung|clocked [--fsync MS]

It is the real gateway with the webhook adapter; only the model is replaced, and the disk is
made slower by so many milliseconds for every transaction. It prints its URL when it is ready.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sqlite3
import time
from collections.abc import AsyncIterator

from assistant_gateway import items
from assistant_gateway.backend import Step
from assistant_gateway.config import load_config
from assistant_gateway.events import ItemDone, StepDone, StepEvent, TextCreated, TextDelta, TextDone
from assistant_gateway.gateway import Gateway
from assistant_gateway.logs import configure_logging
from assistant_gateway.store.sqlite import SqliteStore
from assistant_gateway.values import Usage

SECRET = "whsec_YmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gh"


class Echo:
    """Says a short sentence at once (echo), how old the question is (clocked), or nothing (hung)."""

    def __init__(self, name: str, mode: str) -> None:
        self.name = name
        self._mode = mode

    async def stream(self, step: Step) -> AsyncIterator[StepEvent]:
        called = time.monotonic()
        if self._mode == "hung":
            await asyncio.Event().wait()
        said = items.text_of(step.items[-1])
        words = "This is a short answer." if self._mode == "echo" else str(called - float(said))
        yield TextCreated("a")
        for word in words.split(" "):
            yield TextDelta("a", f"{word} ")
        yield TextDone("a", f"{words} ")
        yield ItemDone(items.assistant_message(f"{words} "))
        yield StepDone(usage=Usage(20, 5))

    async def check(self) -> str:
        return "answers"

    async def close(self) -> None:
        """Nothing is held."""


async def serve(db: str, mode: str, fsync: float) -> None:
    class SlowDisk(sqlite3.Connection):
        """Commits take longer, as on a network disk; a commit of nothing has no fsync."""

        synced = 0

        def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
            if sql == "COMMIT" and self.total_changes != self.synced:
                self.synced = self.total_changes
                time.sleep(fsync)
            return super().execute(sql, *parameters)  # type: ignore[arg-type]

    environ = {
        "ASSISTANT_GATEWAY_STORE": f"sqlite:///{db}",  # the webhook's files go beside it
        "ASSISTANT_GATEWAY_LISTEN": "127.0.0.1:0",
        "WEBHOOK_SECRET": SECRET,
    }
    config = load_config(None, environ)
    limits = {"max_runs": 1 if mode == "hung" else 200, "max_waiting": 100_000, "drain_seconds": 0.0}
    config = config.model_copy(
        update={
            "worker": config.worker.model_copy(update=limits),
            "server": config.server.model_copy(update={"requests_per_second": 1e9}),
        }
    )
    configure_logging("json", "error", [])
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    store = SqliteStore(db, factory=SlowDisk if fsync else sqlite3.Connection)
    async with Gateway(config, store=store, backends={"demo": Echo("demo", mode)}) as gateway:
        await gateway.serve(stop, lambda ready: print(ready.url, flush=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--db", required=True)
    parser.add_argument("--backend", choices=("echo", "hung", "clocked"), default="echo")
    parser.add_argument("--fsync", type=float, default=0.0, help="milliseconds added to each transaction")
    given = parser.parse_args()
    asyncio.run(serve(given.db, given.backend, given.fsync / 1000))
