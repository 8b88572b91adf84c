"""
The whole gateway: put together from a configuration, started, served and drained.

Embedded, it answers what Python code asks; `serve` adds the platforms and the HTTP server.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType

import structlog

from assistant_gateway import __version__
from assistant_gateway.adapter import Adapter, AdapterServices, AddsRoutes, Control, Describes
from assistant_gateway.backend import Backend, WarmsUp
from assistant_gateway.budgets import Budgets
from assistant_gateway.config import Config, load_config
from assistant_gateway.errors import StoreError
from assistant_gateway.handler import RunHandler
from assistant_gateway.http.egress import GuardedEgress
from assistant_gateway.http.server import HttpServer
from assistant_gateway.inbox import Inbox
from assistant_gateway.journal import Journals
from assistant_gateway.listeners import Listeners
from assistant_gateway.plugins import Plugins
from assistant_gateway.prices import Prices
from assistant_gateway.rates import Rates
from assistant_gateway.routing import Router
from assistant_gateway.runner import Runner
from assistant_gateway.store import Store
from assistant_gateway.store.connect import open_store
from assistant_gateway.summary import Summaries
from assistant_gateway.telemetry import Telemetry
from assistant_gateway.threads import PYTHON, Threads
from assistant_gateway.tools import Tool, Toolbox, load_tools
from assistant_gateway.window import Windows
from assistant_gateway.worker import Worker

SWEEP = 3600.0  # seconds between two rounds of housekeeping


class Gateway:
    """
    An assistant gateway. Use it as an async context manager.

    Args:
        config: Checked settings, from `load_config`.
        tools: Further tools, beside those that the configuration names.
        handlers: Follow every run.
        base: Directory that the configuration's relative paths start from.
        store, backends, adapters: Instead of those that the configuration names, by name.
    """

    def __init__(
        self,
        config: Config,
        *,
        tools: Sequence[Tool[..., object]] = (),
        handlers: Sequence[RunHandler] = (),
        base: Path = Path(),
        plugins: Plugins | None = None,
        store: Store | None = None,
        backends: Mapping[str, Backend] | None = None,
        adapters: Mapping[str, Adapter] | None = None,
    ) -> None:
        plugins = plugins or Plugins.discover()
        self.config = config
        self.telemetry = Telemetry()
        self.store = store or open_store(
            config.store.url, allow_network_filesystem=config.store.allow_network_filesystem
        )
        self.toolbox = Toolbox(
            [*load_tools(config.tools.modules, base=base), *tools],
            timeout=config.tools.timeout,
            max_output=config.tools.max_output,
            max_parallel=config.tools.max_parallel,
        )
        self.backends = dict(backends) if backends is not None else _backends(config, plugins)
        self.router = Router(config)
        self._given_adapters = adapters
        self._plugins = plugins
        self._journals = Journals()
        self._listeners = Listeners()
        self._handlers = tuple(handlers)
        self._log = structlog.get_logger()
        self._running = AsyncExitStack()
        self.adapters: dict[str, Adapter] = {}
        self.url = ""

    @classmethod
    def from_config(cls, path: str | os.PathLike[str], **parts: object) -> Gateway:
        """A gateway for a TOML file (and the environment below it)."""
        file = Path(path)
        return cls(load_config(file, os.environ), base=file.parent, **parts)  # type: ignore[arg-type]

    async def __aenter__(self) -> Gateway:
        async with AsyncExitStack() as starting:
            starting.push_async_callback(self._close_backends)
            starting.push_async_callback(self.toolbox.close)
            await self.store.open()
            starting.push_async_callback(self.store.close)
            egress = GuardedEgress(self.config.egress.allow)
            starting.push_async_callback(egress.close)
            self.adapters = self._build_adapters(egress)
            for adapter in self.adapters.values():
                starting.push_async_callback(adapter.close)
            self._put_together()
            group = await starting.enter_async_context(asyncio.TaskGroup())
            self._working = group.create_task(self.worker.run(), name="worker")
            self._side_tasks = [
                group.create_task(self._keep_house(), name="housekeeping"),
                group.create_task(self.summaries.run(), name="summaries"),
                group.create_task(self.telemetry.watch_loop(), name="loop-lag"),
            ]
            starting.push_async_callback(self._drain)
            self._running = starting.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._running.__aexit__(kind, error, trace)
        except BaseExceptionGroup as faults:
            # The task group wraps what the caller's own block raised; it goes on as it was raised.
            if faults.exceptions != (error,):
                raise

    async def serve(self, stop: asyncio.Event, on_ready: Callable[[Gateway], None] | None = None) -> None:
        """
        Serve the platforms and HTTP until *stop* is set; then take nothing more in and drain.

        Args:
            on_ready: Called once, when the first message may come.

        Raises:
            ConfigError: The address to listen on is taken or not ours.
        """
        server = HttpServer(
            self.config.server,
            version=__version__,
            routes=[route for adapter in self._with_routes() for route in adapter.routes(self.inbox)],
            described=[each.openapi() for each in self.adapters.values() if isinstance(each, Describes)],
            ready=self.unready,
            metrics=self._metrics,
        )
        await server.start()
        self.url = server.url
        try:
            async with asyncio.TaskGroup() as group:
                running = [
                    group.create_task(adapter.run(self.inbox), name=f"adapter:{name}")
                    for name, adapter in self.adapters.items()
                ]
                self._log.info("gateway.ready", url=self.url, adapters=sorted(self.adapters))
                running += [
                    group.create_task(backend.warm_up(), name=f"warm:{name}")
                    for name, backend in self.backends.items()
                    if isinstance(backend, WarmsUp)
                ]
                if on_ready is not None:
                    on_ready(self)
                await stop.wait()
                self._log.info("gateway.draining", runs=self.worker.live)
                server.drain()
                await self._drain()
                for task in running:
                    task.cancel()
        finally:
            await server.stop()
        self._log.info("gateway.stopped")

    async def unready(self) -> list[str]:
        """Why the gateway is not ready, a reason each; empty when it is."""
        reasons = ["draining"] if self.inbox.draining else []
        reasons += [f"{name}: {why}" for name, adapter in self.adapters.items() if (why := adapter.unready())]
        try:
            await self.store.ping()
        except StoreError as error:
            reasons.append(f"store: {error}")
        self.telemetry.store_wrote(not any(reason.startswith("store:") for reason in reasons))
        return reasons

    def _with_routes(self) -> list[AddsRoutes]:
        return [adapter for adapter in self.adapters.values() if isinstance(adapter, AddsRoutes)]

    def _put_together(self) -> None:
        settings = self.config.worker
        budgets = Budgets(self.store, self.config.budgets)
        windows = Windows(self.store)
        prices = Prices(self.config.prices, _default_models(self.config, self._plugins))
        runner = Runner(
            self.store,
            self.backends,
            self.config.assistants,
            self.toolbox,
            windows,
            prices,
            budgets,
            self.telemetry,
            tries=settings.tries,
        )
        self.summaries = Summaries(
            self.store, windows, self.backends, self.config.assistants, prices, self.telemetry
        )
        self.worker = Worker(
            self.store,
            runner,
            {**self.adapters, PYTHON: None},
            self._journals,
            self._listeners,
            self.summaries,
            settings,
            self.telemetry,
            owner=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
            handlers=self._handlers,
            controls=tuple(map(Control, self.config.replies.controls)),
        )
        self.inbox = Inbox(
            self.store,
            self.router,
            self._journals,
            self.telemetry,
            cap=settings.max_waiting,
            wake=self.worker.wake,
            stop=self.worker.stop,
            budgets=budgets,
            rates=Rates(self.config.limits.messages_per_minute),
            longest={name: each.max_input for name, each in self.config.assistants.items()},
            commands=self.config.replies.commands,
        )
        self.threads = Threads(self.store, self.inbox, self._listeners)

    def _build_adapters(self, egress: GuardedEgress) -> dict[str, Adapter]:
        if self._given_adapters is not None:
            return dict(self._given_adapters)
        services = AdapterServices(
            egress=egress,
            state_dir=_state_dir(self.config.store.url),
            own_hosts=_own_hosts(self.config.server.listen),
            notes=self.store,
        )
        return build_adapters(self.config, self._plugins, services)

    async def _drain(self) -> None:
        self.inbox.drain()
        for task in self._side_tasks:
            task.cancel()
        self.worker.drain()
        await asyncio.wait([self._working])
        self._journals.abandon()
        self._listeners.abandon()

    async def _close_backends(self) -> None:
        for backend in self.backends.values():
            await backend.close()

    async def _keep_house(self) -> None:
        while True:
            try:
                forgotten = await self.store.sweep(keys_older_than=self.config.store.keys_days * 86_400)
                self._log.debug("store.swept", keys=forgotten)
            except StoreError as error:
                self._log.error("store.sweep_failed", reason=str(error))
            await asyncio.sleep(SWEEP)

    async def _metrics(self) -> bytes:
        try:
            self.telemetry.store_counts(await self.store.counts())
        except StoreError as error:
            self._log.error("store.counts_failed", reason=str(error))
        self.telemetry.live_runs(self.worker.live)
        return self.telemetry.render()


def build_adapters(config: Config, plugins: Plugins, services: AdapterServices) -> dict[str, Adapter]:
    """The adapters that the configuration enables, by their names."""
    built = {}
    for plugin in plugins.adapters.values():
        if plugin.section in config.adapters:
            settings = plugin.settings.model_validate(config.adapters[plugin.section])
            adapter = plugin.build(settings, services)
            if adapter is not None:
                built[adapter.name] = adapter
    return built


def _backends(config: Config, plugins: Plugins) -> dict[str, Backend]:
    """The backends that an assistant names; the others cost nothing."""
    used = {name for assistant in config.assistants.values() for name in assistant.backends}
    built = {}
    for name in sorted(used):
        table = dict(config.backends[name])
        plugin = plugins.backend(str(table.pop("kind")))
        built[name] = plugin.build(name, plugin.settings.model_validate(table))
    return built


def _default_models(config: Config, plugins: Plugins) -> dict[str, str]:
    """The models that backends take where an assistant names none, by the backends' names."""
    used = {name for assistant in config.assistants.values() for name in assistant.backends}
    return {name: plugins.backend(str(config.backends[name]["kind"])).default_model for name in used}


def _state_dir(url: str) -> str:
    """The directory of a file store, for small secrets beside it; empty where there is none."""
    path = url.removeprefix("sqlite:///")
    return str(Path(path).parent) if path != url else ""


def _own_hosts(listen: str) -> frozenset[str]:
    host, _, port = listen.rpartition(":")
    names = {host.strip("[]"), "localhost", "127.0.0.1", "::1", socket.gethostname()}
    return frozenset(f"{name}:{port}" for name in names)
