"""Python code talks on threads of its own: how it waits, and what reaches it when the gateway closes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from assistant_gateway.config import load_config
from assistant_gateway.errors import StoreUnavailable
from assistant_gateway.gateway import Gateway
from assistant_gateway.handler import RunHandler
from assistant_gateway.testing.backend import Gate, ScriptedBackend, begins, says
from assistant_gateway.values import Run
from fixtures.house import PATIENCE, reaches


def embedded(path: Path, backend: ScriptedBackend, *, drain_seconds: float = 10.0) -> Gateway:
    """A gateway without platforms whose only model is *backend*."""
    file = path / "config.toml"
    file.write_text(f"[worker]\ndrain_seconds = {drain_seconds}\n")
    config = load_config(file, {"ASSISTANT_GATEWAY_STORE": f"sqlite:///{path}/gateway.db"})
    return Gateway(config, backends={"demo": backend}, adapters={})


class Hung(RunHandler):
    """Does not come back from the end of a run."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()

    async def on_run_done(self, run: Run, text: str) -> None:
        self.reached.set()
        await asyncio.Event().wait()


async def test_who_follows_a_run_waits_no_longer_than_asked(tmp_path: Path) -> None:
    """With a handler and a timeout of 0.05 s, a run that hangs is a TimeoutError and not a longer wait."""
    gate = Gate()
    async with (
        asyncio.timeout(PATIENCE),
        embedded(tmp_path, ScriptedBackend([[*begins("Hel"), gate]])) as gateway,
    ):
        thread = await gateway.threads.open("t")

        with pytest.raises(TimeoutError, match=r"not answered after 0\.05 s"):
            await gateway.threads.run(thread, text="Hi", handler=RunHandler(), timeout=0.05)

        gate.opened.set()


@pytest.mark.parametrize("handler", [None, RunHandler()])
async def test_nobody_waits_for_a_gateway_that_has_closed(tmp_path: Path, handler: RunHandler | None) -> None:
    """A run that hangs while the gateway closes is a StoreUnavailable for who would wait an hour for it."""
    gate = Gate()
    gateway = embedded(tmp_path, ScriptedBackend([[*begins("Hel"), gate]]), drain_seconds=0.0)
    async with gateway:
        thread = await gateway.threads.open("t")
        waiting = asyncio.create_task(gateway.threads.run(thread, text="Hi", handler=handler))
        await reaches(gate.reached)

    async with asyncio.timeout(PATIENCE):
        with pytest.raises(StoreUnavailable):
            await waiting


async def test_nobody_waits_for_a_handler_that_a_drain_cut_off(tmp_path: Path) -> None:
    """The handler hangs in on_run_done while the gateway closes: the answer that is on disk is returned."""
    hung = Hung()
    gateway = embedded(tmp_path, ScriptedBackend([says("Hello.")]), drain_seconds=0.0)
    async with gateway:
        thread = await gateway.threads.open("t")
        waiting = asyncio.create_task(gateway.threads.run(thread, text="Hi", handler=hung))
        await reaches(hung.reached)

    async with asyncio.timeout(PATIENCE):
        answer = await waiting

    assert "Hello." == answer.text


async def test_what_the_callers_block_raises_goes_on_as_it_is(tmp_path: Path) -> None:
    """A ValueError inside `async with gateway` is a ValueError outside, in no exception group."""
    error = ValueError("mine")

    with pytest.raises(ValueError, match="mine") as raised:
        async with embedded(tmp_path, ScriptedBackend([])):
            raise error

    assert error is raised.value
