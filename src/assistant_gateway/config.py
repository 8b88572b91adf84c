"""
The configuration: one TOML file over the environment, checked and frozen.

A value in the file wins over the environment only where the file names it. Every wrong key
or value is refused with its file, line and key. Secrets are given by reference and never
appear in the file, a log line or a `repr`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from assistant_gateway.values import Busy


class Section(BaseModel):
    """A table of the configuration: frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class ServerSettings(Section):
    """The HTTP server. Times in seconds, sizes in bytes."""

    listen: str = "127.0.0.1:8080"
    body_limit: int = Field(default=1 << 20, ge=1024, le=1 << 30)
    request_seconds: float = Field(default=10.0, gt=0, le=600)
    max_connections: int = Field(default=2000, ge=1)
    max_unauthenticated: int = Field(default=64, ge=1)
    requests_per_second: float = Field(default=200.0, gt=0)
    trusted_proxies: tuple[str, ...] = ()


class StoreSettings(Section):
    """Where everything is kept."""

    url: str = "sqlite:///assistant-gateway.db"
    keys_days: float = Field(default=7.0, ge=1, le=365)
    allow_network_filesystem: bool = False


class LogSettings(Section):
    """What is logged, and how."""

    format: Literal["console", "json"] = "console"
    level: Literal["debug", "info", "warning", "error"] = "info"


class AssistantSettings(Section):
    """A named assistant. Tokens are the provider's."""

    backend: str | tuple[str, ...] = "demo"
    model: str = ""
    instructions: str = ""
    tools: tuple[str, ...] = ("*",)
    window_tokens: int = Field(default=32_000, ge=256, le=10_000_000)
    max_output_tokens: int | None = Field(default=None, ge=1)
    max_steps: int = Field(default=16, ge=1, le=256)
    max_calls: int = Field(default=32, ge=1, le=1024)
    run_seconds: float = Field(default=600.0, gt=0, le=86_400)
    options: dict[str, object] = Field(default_factory=dict)


class RouteSettings(Section):
    """Which assistant answers where. A missing condition matches everything; the first match wins."""

    adapter: str | None = None
    tenant: str | None = None
    channel: str | None = None
    users: tuple[str, ...] | None = None
    assistant: str = "default"
    thread: Literal["topic", "channel", "user"] = "topic"
    busy: Busy = Busy.QUEUE
    instructions: str = ""
    tools: tuple[str, ...] | None = None


class ToolSettings(Section):
    """Python modules or files with ``@tool`` functions, and limits that hold for all of them."""

    modules: tuple[str, ...] = ()
    timeout: float = Field(default=60.0, gt=0, le=3600)
    max_output: int = Field(default=65_536, ge=256, le=10_485_760)
    max_parallel: int = Field(default=8, ge=1, le=64)


class EgressSettings(Section):
    """Hosts that callbacks may reach although they are private, loopback or plain http."""

    allow: tuple[str, ...] = ()


class WorkerSettings(Section):
    """How messages are worked off. Times in seconds."""

    max_waiting: int = Field(default=100, ge=1, le=100_000)
    max_runs: int = Field(default=200, ge=1, le=10_000)
    tries: int = Field(default=3, ge=1, le=20)
    crashes: int = Field(default=25, ge=1, le=1000)
    lease_seconds: float = Field(default=30.0, ge=3, le=600)
    drain_seconds: float = Field(default=25.0, ge=0, le=600)


class Config(Section):
    """Everything, checked."""

    server: ServerSettings = ServerSettings()
    store: StoreSettings = StoreSettings()
    log: LogSettings = LogSettings()
    tools: ToolSettings = ToolSettings()
    egress: EgressSettings = EgressSettings()
    worker: WorkerSettings = WorkerSettings()
    backends: dict[str, dict[str, object]] = Field(default_factory=dict)
    assistants: dict[str, AssistantSettings] = Field(default_factory=dict)
    routes: tuple[RouteSettings, ...] = ()
    adapters: dict[str, dict[str, object]] = Field(default_factory=dict)
