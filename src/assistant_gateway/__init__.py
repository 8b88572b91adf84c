"""
An AI assistant in Slack, Discord and a signed webhook: durable, streaming, with Python tools.

    from assistant_gateway import Gateway, RunHandler, ToolContext, tool
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assistant_gateway.errors import ToolError
    from assistant_gateway.gateway import Gateway
    from assistant_gateway.handler import RunHandler
    from assistant_gateway.tools import ToolContext, tool

__all__ = ["Gateway", "RunHandler", "ToolContext", "ToolError", "__version__", "tool"]

__version__ = "0.1.0"

_HOMES = {
    "Gateway": "assistant_gateway.gateway",
    "RunHandler": "assistant_gateway.handler",
    "ToolContext": "assistant_gateway.tools",
    "ToolError": "assistant_gateway.errors",
    "tool": "assistant_gateway.tools",
}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        # Loaded when asked for: an adapter that needs `values` must not pay for the whole gateway.
        if name in _HOMES:
            return getattr(import_module(_HOMES[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
