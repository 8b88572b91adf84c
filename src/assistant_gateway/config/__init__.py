"""
The configuration: one TOML file over the environment, checked and frozen.

A value in the file wins over the environment only where the file names it. Every wrong key
or value is refused with its file, line and key. Secrets are given by reference and never
appear in the file, a log line or a `repr`.
"""

from __future__ import annotations

from assistant_gateway.config.load import load_config
from assistant_gateway.config.settings import (
    AssistantSettings,
    BudgetSettings,
    Config,
    EgressSettings,
    LimitSettings,
    LogSettings,
    PriceSettings,
    Reference,
    RepliesSettings,
    RouteSettings,
    Section,
    ServerSettings,
    StoreSettings,
    ToolSettings,
    WorkerSettings,
)

__all__ = [
    "AssistantSettings",
    "BudgetSettings",
    "Config",
    "EgressSettings",
    "LimitSettings",
    "LogSettings",
    "PriceSettings",
    "Reference",
    "RepliesSettings",
    "RouteSettings",
    "Section",
    "ServerSettings",
    "StoreSettings",
    "ToolSettings",
    "WorkerSettings",
    "load_config",
]
