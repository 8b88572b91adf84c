"""The doctor says what is broken, and what to do."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from assistant_gateway.adapter import Adapter, Finding
from assistant_gateway.backend import Backend, Step
from assistant_gateway.cli import main
from assistant_gateway.config import Config, EgressSettings, ServerSettings, StoreSettings
from assistant_gateway.doctor import Doctor
from assistant_gateway.errors import AdapterError, BackendRefused
from assistant_gateway.events import StepEvent
from assistant_gateway.store.sqlite import SqliteStore
from assistant_gateway.testing.adapter import FakeAdapter


class Asked:
    """A backend that is only asked whether it would serve us."""

    def __init__(self, answer: str | Exception) -> None:
        self.name = "main"
        self._answer = answer

    async def check(self) -> str:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def stream(self, step: Step) -> AsyncIterator[StepEvent]:
        raise AssertionError("the doctor answers nobody")

    async def close(self) -> None:
        """Nothing is held."""


class SelfChecking(FakeAdapter):
    def __init__(self, answer: Sequence[Finding] | Exception) -> None:
        super().__init__()
        self._answer = answer

    async def check(self) -> Sequence[Finding]:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.fixture
def taken() -> Iterator[str]:
    """An address that another program listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def configured(directory: Path, listen: str = "127.0.0.1:0", **sections: object) -> Config:
    url = f"sqlite:///{directory / 'gateway.db'}"
    return Config.model_validate(
        {"server": ServerSettings(listen=listen), "store": StoreSettings(url=url), **sections}
    )


async def findings(
    config: Config,
    backends: Mapping[str, Backend] | None = None,
    adapters: Mapping[str, Adapter] | None = None,
) -> dict[str, tuple[str, str]]:
    store = SqliteStore(config.store.url.removeprefix("sqlite:///"), visitor=True)
    async with asyncio.timeout(60):
        found = [finding async for finding in Doctor(config, store, backends or {}, adapters or {}).examine()]
    return {finding.about: (finding.state, finding.text) for finding in found}


async def test_a_fresh_installation_is_fine(tmp_path: Path) -> None:
    """A free address, a directory, no store yet, a backend that answers: all ok, nothing was made."""
    found = await findings(configured(tmp_path), {"main": Asked("serves us")}, {"fake": FakeAdapter()})

    assert {"ok"} == {state for state, _ in found.values()}
    assert ("ok", "serves us") == found["backend main"]
    assert not os.listdir(tmp_path)


async def test_what_is_broken_is_told_each_by_itself(tmp_path: Path, taken: str) -> None:
    """A taken address, a refused key and a refused token are three broken findings with their reasons."""
    backends = {"main": Asked(BackendRefused("the key is refused; set OPENAI_API_KEY"))}
    adapters = {"chat": SelfChecking(AdapterError("invalid_auth"))}

    found = await findings(configured(tmp_path, taken), backends, adapters)

    broken = {about: text for about, (state, text) in found.items() if state == "broken"}
    assert {"listen", "backend main", "adapter chat"} == set(broken)
    assert taken in broken["listen"]
    assert "set OPENAI_API_KEY" in broken["backend main"]


async def test_a_directory_that_is_not_there_is_broken(tmp_path: Path) -> None:
    """A store in a missing directory is told with the directory's name."""
    found = await findings(configured(tmp_path / "missing"))

    state, text = found["directory"]
    assert "broken" == state
    assert str(tmp_path / "missing") in text


async def test_a_store_beside_a_running_gateway_is_looked_at(tmp_path: Path) -> None:
    """While another process would have the store open, the doctor counts what is in it."""
    store = SqliteStore(tmp_path / "gateway.db")
    await store.open()
    try:
        found = await findings(configured(tmp_path))
    finally:
        await store.close()

    assert ("ok", "opens; 0 messages unfinished, 0 deliveries pending") == found["store"]


async def test_a_file_that_is_no_store_is_broken(tmp_path: Path) -> None:
    """Another program's file is not taken for a store."""
    (tmp_path / "gateway.db").write_text("not a database, but long enough to be looked at " * 50)

    found = await findings(configured(tmp_path))

    assert "broken" == found["store"][0]


async def test_what_should_be_known_is_a_note(tmp_path: Path) -> None:
    """Allowed private hosts, the configuration's notes and an adapter's own findings are told."""
    config = configured(tmp_path, egress=EgressSettings(allow=("10.0.0.0/8",)), notes=("the demo answers",))
    adapter = SelfChecking([Finding("note", "scopes", "files:read is missing")])

    found = await findings(config, {}, {"chat": adapter})

    assert ("note", "the demo answers") == found["configuration"]
    assert ("note", "files:read is missing") == found["scopes"]
    assert "10.0.0.0/8" in found["egress"][1]


def test_the_command_ends_with_one_where_something_is_broken(
    tmp_path: Path, taken: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`doctor` marks what is fine with ✓ and what is broken with ✗; a wrong configuration is broken, too."""
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "config.toml"

    config.write_text('[server]\nlisten = "127.0.0.1:0"\n')
    fine, said_fine = main(["doctor"]), capsys.readouterr().out
    config.write_text(f'[server]\nlisten = "{taken}"\n')
    broken, said_broken = main(["doctor"]), capsys.readouterr().out
    config.write_text("[servr]\n")
    wrong, said_wrong = main(["doctor"]), capsys.readouterr().out

    assert (0, 1, 1) == (fine, broken, wrong)
    assert "✗" not in said_fine
    assert f"✗ listen: {taken} can't be listened on" in said_broken
    assert 'did you mean "server"?' in said_wrong
