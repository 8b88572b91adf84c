"""`serve` and `chat` as people start them: real processes, real signals, real shells."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

COMMAND = [sys.executable, "-m", "assistant_gateway"]
PATIENCE = 60.0  # seconds; what is waited for takes less than one


def environment(**more: str) -> dict[str, str]:
    ours = ("OPENAI_", "SLACK_", "DISCORD_", "WEBHOOK_", "ASSISTANT_GATEWAY_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | more


async def started(directory: Path, *argv: str, **environ: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *COMMAND, *argv, cwd=directory, env=environment(**environ), stdin=PIPE, stdout=PIPE, stderr=PIPE
    )


async def ended(process: Process, text: str = "") -> tuple[int, str, str]:
    """The code, and what was printed on standard output and standard error."""
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate(text.encode())
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def serving(directory: Path, *argv: str, **environ: str) -> AsyncIterator[tuple[Process, str]]:
    """A gateway on any free port, and all of its banner."""
    process = await started(directory, "serve", "--listen", "127.0.0.1:0", *argv, **environ)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            banner = (await process.stdout.readuntil(b"Ctrl-C stops.\n")).decode()
        yield process, banner
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def paced(directory: Path, words: float, more: str = "") -> None:
    """Let the demo speak so many words a second; 0 is without any pause."""
    (directory / "config.toml").write_text(
        f'[backends.demo]\nkind = "demo"\nwords_per_second = {words}\n{more}'
    )


def url(banner: str) -> str:
    found = re.search(r"is ready on (http://\S+)", banner)
    assert found is not None
    return found[1]


async def shell(script: str, **environ: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", script, env=environment(**environ), stdout=PIPE, stderr=DEVNULL
    )
    async with asyncio.timeout(PATIENCE):
        out, _ = await process.communicate()
    return out.decode()


def answer(stream: str) -> str:
    """The text of the answer at the end of an event stream."""
    (data,) = re.findall(r"event: message\.answered\ndata: (.*)", stream)
    return str(json.loads(data)["text"])


async def test_serve_is_ready_and_ends_as_asked(tmp_path: Path) -> None:
    """The banner's address answers /readyz with 200; SIGTERM ends with 0."""
    async with serving(tmp_path) as (process, banner):
        async with aiohttp.ClientSession() as session, session.get(f"{url(banner)}/readyz") as ready:
            status = ready.status
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            code = await process.wait()

    assert (200, 0) == (status, code)
    assert "demo backend" in banner


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="needs curl and openssl")
@pytest.mark.parametrize("source", ["made", "environment", "token"])
async def test_the_printed_lines_work_as_printed(tmp_path: Path, source: str) -> None:
    """Pasted into a shell they are signed (or carry the token) and bring an answer, quotes and all."""
    environ = {
        "made": {},
        "environment": {"WEBHOOK_SECRET": "whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2E"},
        "token": {"T": "canary-1"},
    }
    paced(tmp_path, 0, '[webhooks.default]\ntoken = { env = "T" }\n' if source == "token" else "")

    async with serving(tmp_path, **environ[source]) as (_, banner):
        script = banner[banner.index("ask() {") : banner.index("\n}\n") + 3]
        stream = await shell(f"""{script}ask 'What is "2 \\ 1" in $HOME?'""", **environ[source])

    assert "" != answer(stream)
    assert "canary" not in banner


async def test_a_second_gateway_on_the_store_is_refused(tmp_path: Path) -> None:
    """A second serve and a chat on the same file end with 2; the chat is told how to get its own."""
    async with serving(tmp_path):
        second = await ended(await started(tmp_path, "serve", "--listen", "127.0.0.1:0"))
        chat = await ended(await started(tmp_path, "chat"))

    assert (2, "") == second[:2]
    assert (2, "") == chat[:2]
    assert "--store sqlite:///chat.db" in chat[2]


async def test_an_address_that_is_taken_is_refused(tmp_path: Path) -> None:
    """The second gateway on a port ends with 2 and names it."""
    async with serving(tmp_path) as (_, banner):
        address = url(banner).removeprefix("http://")
        code, _, said = await ended(
            await started(tmp_path, "serve", "--listen", address, "--store", "sqlite:///other.db")
        )

    assert 2 == code
    assert address in said


async def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    """While a run of minutes is drained, a second SIGINT ends the process with 1."""
    slow = '[worker]\ndrain_seconds = 600\n[webhooks.default]\ntoken = { env = "T" }\n'
    paced(tmp_path, 0.01, slow)
    async with serving(tmp_path, T="canary-1") as (process, banner):
        headers = {"Authorization": "Bearer canary-1", "Accept": "text/event-stream"}
        body = {"conversation": "c", "user": {"id": "u"}, "text": "Tell me something long."}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{url(banner)}/webhooks/default", json=body, headers=headers) as stream,
            asyncio.timeout(PATIENCE),
        ):
            await stream.content.readuntil(b"run.created")
            process.send_signal(signal.SIGINT)
            await stderr_says(process, b"gateway.draining")
            process.send_signal(signal.SIGINT)
            code = await process.wait()

    assert 1 == code


async def stderr_says(process: Process, word: bytes) -> None:
    assert process.stderr is not None
    while word not in await process.stderr.readline():
        assert not process.stderr.at_eof()


async def test_chat_answers_every_line_that_is_piped_in(tmp_path: Path) -> None:
    """Two questions, a command and an unknown command bring two answers; the thread is remembered."""
    paced(tmp_path, 0)
    process = await started(tmp_path, "chat", "--conversation", "piped")

    code, said, errors = await ended(process, "Hello!\n\n/stop\n/fly\nWhat can you do?\n")

    thread = await ended(await started(tmp_path, "threads", "list", "--adapter", "python"))
    assert (0, "") == (code, errors)
    assert "nothing is being answered" in said
    assert "there is no /fly" in said
    assert "python / piped" in thread[1]
    assert "4 items" in thread[1]


async def test_chat_begins_a_new_thread_on_reset(tmp_path: Path) -> None:
    """After /reset there are two threads, of which one is current."""
    paced(tmp_path, 0)
    code, _, _ = await ended(
        await started(tmp_path, "chat"), "Hello!\n/reset\nHello again!\n/quit\nnever read\n"
    )

    _, listed, _ = await ended(await started(tmp_path, "threads", "list"))
    assert 0 == code
    assert (1, 1) == (listed.count(" current "), listed.count(" closed "))


async def test_chat_refuses_an_assistant_that_is_not_there(tmp_path: Path) -> None:
    """--assistant defualt ends with 2 and asks whether default was meant."""
    code, _, said = await ended(await started(tmp_path, "chat", "--assistant", "defualt"))

    assert 2 == code
    assert 'did you mean "default"?' in said


class Terminal:
    """A pseudo-terminal with a program on it."""

    def __init__(self, process: Process, descriptor: int) -> None:
        self.process = process
        self._descriptor = descriptor
        self._seen = ""

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    async def shows(self, text: str) -> None:
        """Wait for *text*, behind what was waited for before."""
        async with asyncio.timeout(PATIENCE):
            while text not in self._seen:
                self._seen += (await asyncio.to_thread(os.read, self._descriptor, 4096)).decode()
        self._seen = self._seen.partition(text)[2]


@asynccontextmanager
async def at_terminal(directory: Path, argv: Sequence[str]) -> AsyncIterator[Terminal]:
    outer, inner = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *argv,
        cwd=directory,
        env=environment(),
        stdin=inner,
        stdout=inner,
        stderr=inner,
    )
    os.close(inner)
    try:
        yield Terminal(process, outer)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        os.close(outer)


async def test_ctrl_c_stops_the_answer_and_a_second_one_leaves(tmp_path: Path) -> None:
    """In a slow answer Ctrl-C says (stopped) and prompts again; at the prompt it leaves with 0."""
    paced(tmp_path, 2)

    async with at_terminal(tmp_path, ["chat"]) as terminal:
        await terminal.shows("> ")
        terminal.type("Tell me something long.\n")
        await terminal.shows("Tell me something long.")
        await terminal.shows(" ")
        terminal.process.send_signal(signal.SIGINT)
        await terminal.shows("(stopped)")
        await terminal.shows("> ")
        terminal.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(PATIENCE):
            code = await terminal.process.wait()

    assert 0 == code


async def test_stop_may_be_typed_while_an_answer_runs(tmp_path: Path) -> None:
    """/stop ends the answer at once, what was typed behind it is answered next, Ctrl-D leaves with 0."""
    paced(tmp_path, 2)

    async with at_terminal(tmp_path, ["chat"]) as terminal:
        await terminal.shows("> ")
        terminal.type("Tell me something long.\n")
        await terminal.shows("Tell me something long.")
        await terminal.shows(" ")
        terminal.type("/stop\n")
        await terminal.shows("(stopped)")
        await terminal.shows("> ")
        terminal.type("\x04")
        async with asyncio.timeout(PATIENCE):
            code = await terminal.process.wait()

    assert 0 == code
