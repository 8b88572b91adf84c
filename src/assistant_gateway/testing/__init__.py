"""
Fakes for the gateway's seams, and the suites that tell whether your own part keeps its contract.

The contracts' suites need pytest and pytest-asyncio; the fakes don't.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assistant_gateway.testing.adapter import AdapterContract, FakeAdapter, StreamContract
    from assistant_gateway.testing.backend import BackendContract, ScriptedBackend
    from assistant_gateway.testing.clock import run_virtual
    from assistant_gateway.testing.intake import FakeIntake
    from assistant_gateway.testing.store import StoreContract

__all__ = [
    "AdapterContract",
    "BackendContract",
    "FakeAdapter",
    "FakeIntake",
    "ScriptedBackend",
    "StoreContract",
    "StreamContract",
    "run_virtual",
]

_HOMES = {
    "AdapterContract": "adapter",
    "BackendContract": "backend",
    "FakeAdapter": "adapter",
    "FakeIntake": "intake",
    "ScriptedBackend": "backend",
    "StoreContract": "store",
    "StreamContract": "adapter",
    "run_virtual": "clock",
}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        # Loaded when asked for: a fake must not need pytest, as the store's suite does.
        if name in _HOMES:
            return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
