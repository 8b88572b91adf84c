"""`doctor`: check the installation and say what to mend."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from contextlib import AsyncExitStack

from assistant_gateway.adapter import AdapterServices, Finding
from assistant_gateway.cli.start import base_directory, configured
from assistant_gateway.cli.terminal import plain
from assistant_gateway.config import Config
from assistant_gateway.doctor import Doctor
from assistant_gateway.errors import ConfigError
from assistant_gateway.gateway import Gateway, build_adapters
from assistant_gateway.http.egress import GuardedEgress
from assistant_gateway.plugins import Plugins
from assistant_gateway.store.connect import open_store

MARKS = {"ok": "✓", "note": "!", "broken": "✗"}


def doctor(arguments: argparse.Namespace) -> int:
    plugins = Plugins.discover()
    try:
        config = configured(arguments, plugins, level="error")
        gateway = Gateway(config, base=base_directory(arguments), plugins=plugins)
    except ConfigError as error:
        _print(Finding("broken", "configuration", str(error)))
        return 1
    _print(
        Finding("ok", "configuration", f"{len(config.assistants)} assistants, {len(config.routes)} routes")
    )
    _print(Finding("ok", "tools", ", ".join(gateway.toolbox.names()) or "none"))
    return 1 if asyncio.run(_examine(config, gateway, plugins)) else 0


async def _examine(config: Config, gateway: Gateway, plugins: Plugins) -> int:
    """How many things are broken."""
    broken = 0
    async with AsyncExitStack() as stack:
        for backend in gateway.backends.values():
            stack.push_async_callback(backend.close)
        egress = GuardedEgress(config.egress.allow)
        stack.push_async_callback(egress.close)
        # An adapter may make a secret where it finds none; looking at an installation must not.
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        adapters = build_adapters(config, plugins, AdapterServices(egress, state_dir=directory))
        for adapter in adapters.values():
            stack.push_async_callback(adapter.close)
        store = open_store(
            config.store.url, allow_network_filesystem=config.store.allow_network_filesystem, visitor=True
        )
        async for finding in Doctor(config, store, gateway.backends, adapters).examine():
            _print(finding)
            broken += finding.state == "broken"
    return broken


def _print(finding: Finding) -> None:
    print(plain(f"{MARKS[finding.state]} {finding.about}: {finding.text}"))
    sys.stdout.flush()
