"""
What an answer costs in a thread of 10, 100, 1,000 and 10,000 messages: time and CPU of the gateway.

    python bench/threads.py [--rounds 30] [--messages 10000]

The threads are made of real questions and answers, so that every table is as long as it would be. Then
the threads are asked in turn, a few questions each, so that whatever the machine does meanwhile is done
to all of them. The window is filled from the tenth message on; the model says its 400 characters at once.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from assistant_gateway import items
from assistant_gateway.backend import Step
from assistant_gateway.config import Config, load_config
from assistant_gateway.events import ItemDone, StepDone, StepEvent, TextCreated, TextDelta, TextDone
from assistant_gateway.gateway import Gateway
from assistant_gateway.logs import configure_logging
from assistant_gateway.values import Thread, Usage

WORDS = "All that is said here has four hundred characters. " * 8
WINDOW = 1_000  # tokens: about 4,000 characters, 8 such messages
ASKED = 5  # questions in a row


class Wordy:
    """Says the same at once, and counts a token for four characters."""

    name = "demo"

    def __init__(self) -> None:
        self.shown = 0  # items of the last window

    async def stream(self, step: Step) -> AsyncIterator[StepEvent]:
        self.shown = len(step.items)
        yield TextCreated("a")
        yield TextDelta("a", WORDS)
        yield TextDone("a", WORDS)
        yield ItemDone(items.assistant_message(WORDS))
        yield StepDone(usage=Usage(sum(len(items.text_of(body)) for body in step.items) // 4, 100))

    async def check(self) -> str:
        return "answers"

    async def close(self) -> None:
        """Nothing is held."""


def configured(directory: str) -> Config:
    config = load_config(None, {"ASSISTANT_GATEWAY_STORE": f"sqlite:///{directory}/bench.db"})
    assistant = config.assistants["default"].model_copy(update={"window_tokens": WINDOW, "tools": ()})
    return config.model_copy(update={"assistants": {"default": assistant}})


async def asked(gateway: Gateway, thread: Thread, questions: int) -> tuple[float, float]:
    """Ask so many questions in a row: seconds and CPU seconds of one."""
    began, used = time.perf_counter(), time.process_time()
    for _ in range(questions):
        await gateway.threads.run(thread, text=WORDS)
    return (time.perf_counter() - began) / questions, (time.process_time() - used) / questions


async def main(rounds: int, most: int) -> None:
    lengths = [length for length in (10, 100, 1_000, 10_000) if length <= most]
    model = Wordy()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory:
        async with Gateway(configured(directory), backends={"demo": model}, adapters={}) as gateway:
            threads = {length: await gateway.threads.open(f"of {length}") for length in lengths}
            for length, thread in threads.items():
                await asked(gateway, thread, length // 2)
            took: dict[int, list[tuple[float, float]]] = {length: [] for length in lengths}
            shown = {}
            gc.collect()
            for _ in range(rounds):
                # A thread of ten grows as it is asked; it begins anew each time, unmeasured.
                threads[10] = await gateway.threads.reset(threads[10])
                await asked(gateway, threads[10], 5)
                for length, thread in threads.items():
                    took[length].append(await asked(gateway, thread, ASKED))
                    shown[length] = model.shown
    print(f"{'messages':>8} {'in window':>9} {'ms':>6} {'CPU ms':>6} {'time':>6} {'CPU':>6}   (to the first)")
    first = [statistics.median(each) for each in zip(*took[lengths[0]], strict=True)]
    for length in lengths:
        seconds, cpu = (statistics.median(each) for each in zip(*took[length], strict=True))
        print(
            f"{length:8,} {shown[length]:9} {seconds * 1e3:6.2f} {cpu * 1e3:6.2f} "
            f"{seconds / first[0]:6.2f} {cpu / first[1]:6.2f}"
        )
    print("(aim: 1.2 at most, whatever the length)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--messages", type=int, default=10_000, help="of the longest thread")
    given = parser.parse_args()
    configure_logging("json", "error", [])
    asyncio.run(main(given.rounds, given.messages))
