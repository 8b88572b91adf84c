"""Conversations over the webhook of a real process: policies, stop, reset, callbacks, a full disk."""

from __future__ import annotations

import asyncio
import contextlib
import json
from io import RawIOBase
from pathlib import Path

import aiohttp
import pytest

from e2e.served import ask, serve, signed, state

SLOW = """
[backends.demo]
kind = "demo"
words_per_second = 20

[[routes]]
adapter = "webhook"
channel = "merging"
busy = "merge"

[[routes]]
adapter = "webhook"
channel = "interrupting"
busy = "interrupt"

[worker]
max_waiting = 5
"""
BIG = "x" * 20_000
LONG = "Write a very long text with code and a table."


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A directory whose gateway speaks slowly, so that messages arrive while it does."""
    (tmp_path / "config.toml").write_text(SLOW)
    return tmp_path


async def test_waiting_messages_join_one_run(slow: Path) -> None:
    """busy = merge: three messages that arrive during an answer share the next one, and one run."""
    async with serve(slow) as served:
        await ask(served.url, LONG, conversation="merging", id="m0", wait=0)
        await until(served.url, "m0", "answering")
        for number in (1, 2, 3):
            await ask(served.url, f"Hello {number}", conversation="merging", id=f"m{number}", wait=0)
        await stop(served.url, "merging")
        answers = [await ask(served.url, f"Hello {n}", conversation="merging", id=f"m{n}") for n in (1, 2, 3)]
        first = await state(served.url, "m0")

    runs = {json.dumps(told["run"]) for _, told in answers}
    assert [200] * 3 == [status for status, _ in answers]
    assert 1 == len(runs)
    assert "cancelled" == first["state"]


async def test_a_newer_message_interrupts(slow: Path) -> None:
    """busy = interrupt: the long answer is cancelled, what it said is kept, the newer message answered."""
    async with serve(slow) as served:
        await ask(served.url, LONG, conversation="interrupting", id="m0", wait=0)
        await until_said(served.url, "m0")
        status, told = await ask(served.url, "What did I say first?", conversation="interrupting", id="m1")
        first = await state(served.url, "m0")

    assert 200 == status
    assert LONG in str(told["text"])
    assert "cancelled" == first["state"]
    assert len(str(first["text"])) > 0


async def test_over_the_cap_the_sender_sees_it(slow: Path) -> None:
    """max_waiting = 5: the sixth unfinished message of a conversation gets 429 and is not kept."""
    async with serve(slow) as served:
        for number in range(5):
            await ask(served.url, LONG, id=f"m{number}", wait=0)
        status, problem = await ask(served.url, LONG, id="m5", wait=0)
        other, _ = await ask(served.url, "Hello", conversation="another", id="m6")
        kept = await state(served.url, "m5")

    assert 429 == status
    assert 429 == problem["status"]
    assert 200 == other
    assert 404 == kept["status"]


async def test_reset_begins_a_new_thread(slow: Path) -> None:
    """After reset the assistant knows nothing of what was said before; the items are the new thread's."""
    async with serve(slow) as served:
        _, before = await ask(served.url, "My name is Ann.", id="m0")
        status = await post(served.url, "/webhooks/default/conversations/c1/reset")
        empty = await get(served.url, "/webhooks/default/conversations/c1/items")
        _, after = await ask(served.url, "What did I say first?", id="m1")
        items = await get(served.url, "/webhooks/default/conversations/c1/items")

    assert 200 == status
    assert before["thread"] != after["thread"]
    assert "Ann" not in str(after["text"])
    assert "Ann" not in json.dumps(empty)
    assert "What did I say first?" in json.dumps(items)


async def test_a_full_disk_is_503_and_nothing_accepted_is_lost(tmp_path: Path) -> None:
    """On a full disk messages get 503, never 200; with space again all that were accepted are answered."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = await run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk))
    if mounted != 0:
        pytest.skip("a small disk can't be mounted here (needs root)")
    try:
        ballast = disk / "ballast"
        async with serve(disk, "--store", f"sqlite:///{disk}/gateway.db") as served:
            await ask(served.url, "Hello", id="before")
            accepted: list[tuple[int, int]] = []
            refused: list[tuple[int, int]] = []
            with ballast.open("wb", buffering=0) as file:
                fill(file)
            for number in range(40):
                status, _ = await ask(
                    served.url, "x" * 20_000, conversation=f"f{number}", id=f"f{number}", wait=0
                )
                (accepted if status in (200, 202) else refused).append((number, status))
            ready, _ = await get_status(served.url, "/readyz")
            ballast.unlink()
            async with asyncio.timeout(20):
                while (await get_status(served.url, "/readyz"))[0] != 200:  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.05)
            states = [
                (await ask(served.url, BIG, conversation=f"f{number}", id=f"f{number}"))[0]
                for number, _ in accepted
            ]
            again, _ = await ask(served.url, "Hello", id="after")
    finally:
        await run("umount", "-l", str(disk))

    assert refused
    assert {503} == {status for _, status in refused}
    assert 503 == ready
    assert all(status == 200 for status in states)
    assert 200 == again


async def stop(url: str, conversation: str) -> None:
    assert 200 == await post(url, f"/webhooks/default/conversations/{conversation}/stop")


async def post(url: str, path: str) -> int:
    async with aiohttp.ClientSession() as session, session.post(url + path, headers=signed(b"")) as answer:
        return answer.status


async def get(url: str, path: str) -> object:
    return (await get_status(url, path))[1]


async def get_status(url: str, path: str) -> tuple[int, object]:
    async with aiohttp.ClientSession() as session, session.get(url + path, headers=signed(b"")) as answer:
        return answer.status, await answer.json(content_type=None)


async def until(url: str, id: str, wanted: str) -> None:
    async with asyncio.timeout(10):
        while (await state(url, id)).get("state") != wanted:  # noqa: ASYNC110 - another process has it
            await asyncio.sleep(0.01)


async def until_said(url: str, id: str) -> None:
    """Return when some text of the answer has been streamed."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(10):
        address = f"{url}/webhooks/default/messages/{id}/events"
        async with session.get(address, headers=signed(b"")) as answer:
            async for line in answer.content:
                if line.startswith(b"event: text.delta"):
                    return


async def run(*command: str) -> int:
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    return await process.wait()


def fill(file: RawIOBase) -> None:
    """Write until the disk is full."""
    with contextlib.suppress(OSError):
        while file.write(b"\0" * 4096):
            pass
