"""
Look at everything an installation needs, and say what is broken and what to do about it.

Nothing is changed and nobody is answered: providers and platforms are only asked whether they
would serve us, and the store is opened beside a gateway that may be running.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp

from assistant_gateway.adapter import Adapter, ChecksItself, Finding
from assistant_gateway.backend import Backend
from assistant_gateway.config import Config
from assistant_gateway.errors import GatewayError, StoreError
from assistant_gateway.store import Store

PATIENCE = 20.0  # seconds for one provider or platform to answer
NEAR, FAR = 2.0, 5.0  # seconds for a program on this machine, and for a provider, to answer a bare request
SKEW = 60.0  # seconds that clocks may differ; from 300 on signatures are refused


class Doctor:
    """
    Examines one installation.

    Args:
        store: As a visitor, so that a running gateway is not disturbed.
        backends: Those that assistants name.
    """

    def __init__(
        self, config: Config, store: Store, backends: Mapping[str, Backend], adapters: Mapping[str, Adapter]
    ) -> None:
        self._config = config
        self._store = store
        self._backends = backends
        self._adapters = adapters

    async def examine(self) -> AsyncIterator[Finding]:
        """Everything, in the order in which one would mend it."""
        for note in self._config.notes:
            yield Finding("note", "configuration", note)
        yield await self._listening()
        yield self._directory()
        yield await self._examine_store()
        for name, backend in self._backends.items():
            yield await _examine_backend(name, backend)
            if (skew := await self._skew(name)) is not None:
                yield _clock(skew, f"the clock of {name}")
        for name, adapter in self._adapters.items():
            for finding in await _examine_adapter(name, adapter):
                yield finding
        if self._config.egress.allow:
            allowed = ", ".join(self._config.egress.allow)
            yield Finding("note", "egress", f"callbacks may reach {allowed}, whatever these resolve to")

    @property
    def _file(self) -> Path | None:
        """The store's file; None where the store is none."""
        url = self._config.store.url
        return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None

    def _directory(self) -> Finding:
        """Whether the store's directory can be written, and whether its clock is ours."""
        path = self._file
        if path is None:
            return Finding("ok", "directory", "the store is no file")
        try:
            with tempfile.TemporaryFile(dir=path.parent) as file:
                skew = time.time() - os.fstat(file.fileno()).st_mtime
        except OSError as error:
            return Finding(
                "broken",
                "directory",
                f"{path.parent} can't be written: {error.strerror or error}; make it ours",
            )
        if abs(skew) > SKEW:
            return _clock(skew, "the file system's")
        return Finding("ok", "directory", f"{path.parent.absolute()} can be written")

    async def _examine_store(self) -> Finding:
        path = self._file
        if path is not None and not await asyncio.to_thread(path.exists):
            return Finding("ok", "store", f"{path} does not exist yet and is made at the first start")
        try:
            await self._store.open()
        except StoreError as error:
            return Finding("broken", "store", str(error))
        try:
            counts = await self._store.counts()
        except StoreError as error:
            return Finding("broken", "store", str(error))
        finally:
            await self._store.close()
        unfinished = sum(count for state, count in counts.messages.items() if not state.is_final)
        text = f"opens; {unfinished} messages unfinished, {counts.deliveries_pending} deliveries pending"
        if counts.deliveries_dead:
            return Finding("note", "store", f"{text}, {counts.deliveries_dead} dead: see deliveries list")
        return Finding("ok", "store", text)

    async def _listening(self) -> Finding:
        """Whether the address can be listened on; one that a gateway already serves is fine."""
        server = self._config.server
        try:
            listener = await asyncio.start_server(lambda reader, writer: None, server.host, server.port)
        except OSError as error:
            if await _alive(f"http://{server.listen}/healthz"):
                return Finding("note", "listen", f"a gateway answers on {server.listen} already")
            reason = error.strerror or str(error)
            text = f"{server.listen} can't be listened on: {reason}; choose another server.listen"
            return Finding("broken", "listen", text)
        listener.close()
        await listener.wait_closed()
        return Finding("ok", "listen", f"{server.listen} is free")

    async def _skew(self, name: str) -> float | None:
        """Seconds that our clock is ahead of a provider's; None when it doesn't say."""
        address = self._config.backends.get(name, {}).get("base_url")
        if not isinstance(address, str):
            return None
        try:
            async with _session(FAR) as session, session.head(address, allow_redirects=False) as answer:
                return time.time() - parsedate_to_datetime(answer.headers["Date"]).timestamp()
        except (aiohttp.ClientError, TimeoutError, KeyError, ValueError):
            return None  # that it can't be reached is told by its own check


async def _examine_backend(name: str, backend: Backend) -> Finding:
    try:
        async with asyncio.timeout(PATIENCE):
            return Finding("ok", f"backend {name}", await backend.check())
    except GatewayError as error:
        return Finding("broken", f"backend {name}", str(error))
    except TimeoutError:
        return Finding("broken", f"backend {name}", f"no answer within {PATIENCE:g} s; is the address right?")


async def _examine_adapter(name: str, adapter: Adapter) -> list[Finding]:
    if not isinstance(adapter, ChecksItself):
        return [Finding("ok", f"adapter {name}", "is configured")]
    try:
        async with asyncio.timeout(PATIENCE):
            return list(await adapter.check())
    except GatewayError as error:
        return [Finding("broken", f"adapter {name}", str(error))]
    except TimeoutError:
        return [Finding("broken", f"adapter {name}", f"no answer within {PATIENCE:g} s")]


def _clock(skew: float, whose: str) -> Finding:
    if abs(skew) <= SKEW:
        return Finding("ok", "clock", f"agrees with {whose} within {SKEW:g} s")
    side = "ahead of" if skew > 0 else "behind"
    text = f"is {abs(skew):.0f} s {side} {whose}; set it (NTP), or signatures will be refused"
    return Finding("broken", "clock", text)


async def _alive(url: str) -> bool:
    try:
        async with _session(NEAR) as session, session.get(url) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


def _session(seconds: float) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=seconds))


__all__ = ["ChecksItself", "Doctor", "Finding"]
