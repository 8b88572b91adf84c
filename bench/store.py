"""
How fast the SQLite store keeps its promises: accepted messages per second, whole lives per second.

    python bench/store.py [--seconds 3]

Every accept is on disk when it returns. The second half of each table adds 5 ms to each commit,
about what a network disk takes for an fsync; a disk of your own is measured as it is.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from assistant_gateway.adapter import Verdict
from assistant_gateway.store.sqlite import SqliteStore
from assistant_gateway.values import (
    Answer,
    Conversation,
    Inbound,
    Item,
    Lane,
    MessageState,
    Post,
    Routed,
    Run,
    RunStatus,
    User,
)


class SlowDisk(sqlite3.Connection):
    """A connection whose commits take 5 ms longer."""

    def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
        if sql == "COMMIT":
            time.sleep(0.005)
        return super().execute(sql, *parameters)  # type: ignore[arg-type]


def inbound(n: int, channel: int) -> tuple[Inbound, Routed]:
    where = Conversation("bench", "T1", f"C{channel}")
    said = Inbound(
        where,
        f"m{n}",
        User("U1", "Ann"),
        "How many people live in Rome?",
        keys=(f"event-{n}",),
        fingerprint="f",
    )
    return said, Routed(Lane("bench", "T1", f"C{channel}"), "default")


async def repeat(callers: int, seconds: float, once: Callable[[int], Awaitable[None]]) -> list[float]:
    """Call *once* from many callers; how long each call took, in seconds."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def caller(number: int) -> None:
        while (begun := time.perf_counter()) < end:
            await once(number)
            times.append(time.perf_counter() - begun)

    async with asyncio.TaskGroup() as tasks:
        for number in range(callers):
            tasks.create_task(caller(number))
    return times


async def accepts(store: SqliteStore, callers: int, seconds: float) -> list[float]:
    numbers = itertools.count()

    async def once(caller: int) -> None:
        n = next(numbers)
        receipt = await store.accept(*inbound(n, n % 500), cap=1_000_000)
        assert receipt.verdict is Verdict.ACCEPTED

    return await repeat(callers, seconds, once)


async def lives(store: SqliteStore, callers: int, seconds: float) -> list[float]:
    numbers = itertools.count()

    async def once(caller: int) -> None:
        n = next(numbers)
        await store.accept(*inbound(n, caller), cap=100)
        claim = await store.claim(f"worker-{caller}", 30.0)
        assert claim is not None
        run = Run(f"run_{claim.message.id}", claim.message.thread_id, "default")
        user = {"type": "message", "role": "user", "content": claim.message.inbound.text}
        run = await store.begin(claim, run, [Item(f"item_{n}_0", user)])
        await store.save_post(claim, Post(f"{run.id}.0", 0))
        await store.save_post(claim, Post(f"{run.id}.0", 0, id=f"p{n}", text="About"))
        said = {"type": "message", "role": "assistant", "content": "About 2.8 million."}
        answer = Answer("About 2.8 million.", RunStatus.COMPLETED)
        await store.conclude(claim, run, answer, [Item(f"item_{n}_1", said)], "[]")
        await store.finish(claim, MessageState.DELIVERED)

    return await repeat(callers, seconds, once)


async def main(seconds: float) -> None:
    print(f"{'what':8} {'disk':8} {'callers':>7} {'per second':>11} {'p50 ms':>7} {'p99 ms':>7}")
    kinds: list[tuple[str, type[sqlite3.Connection]]] = [("as is", sqlite3.Connection), ("+5 ms", SlowDisk)]
    for what, measure in (("accept", accepts), ("life", lives)):
        for disk, factory in kinds:
            for callers in (16, 64):
                with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
                    store = SqliteStore(Path(folder) / "bench.db", factory=factory)
                    await store.open()
                    times = await measure(store, callers, seconds)
                    await store.close()
                cuts = statistics.quantiles(times, n=100)
                rate = len(times) / seconds
                print(
                    f"{what:8} {disk:8} {callers:7} {rate:11,.0f} {cuts[49] * 1e3:7.1f} {cuts[98] * 1e3:7.1f}"
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3.0)
    asyncio.run(main(parser.parse_args().seconds))
