"""
The settings: every table of the configuration file, its keys, units, defaults and bounds.

All of them are frozen, and none has unknown keys. A default is written here and nowhere
else; the description of a key is what people are shown when its value is refused.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    SecretStr,
    Tag,
    field_validator,
    model_validator,
)

from assistant_gateway.values import Busy, OnEdit

_PASSWORD = re.compile(r"://[^/@\s:]*:([^@\s]+)@")
_HOST = re.compile(r"[^\s/@*]+")


def _address(text: str) -> str:
    """A `HOST:PORT` to listen on; an IPv6 host stands in brackets, port 0 takes any free port."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or (":" in host and not (host.startswith("[") and host.endswith("]"))):
        raise ValueError('should be "HOST:PORT", such as "127.0.0.1:8080" or "[::1]:8080"')
    if not _HOST.fullmatch(host):
        raise ValueError("the host should be a name or an address, without scheme and path")
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError("the port should be between 0 and 65535")
    return text


def _store_url(url: str) -> str:
    """`sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://…`."""
    scheme, separator, rest = url.partition("://")
    if scheme == "sqlite":
        if not rest.startswith("/") or rest in ("/", "//", "/:memory:"):
            raise ValueError(
                'should be "sqlite:///file.db" (relative) or "sqlite:////path/file.db" (absolute)'
            )
    elif not separator or scheme not in ("postgresql", "postgres"):
        raise ValueError('should begin with "sqlite:///" or "postgresql://"')
    return url


def _network(text: str) -> str:
    """An address or a CIDR range."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f'"{text}" should be an address or a range such as "10.0.0.0/8"') from None
    return text


def _allowed_host(text: str) -> str:
    """A `name`, a `name:port` or a CIDR range."""
    if "://" in text:
        raise ValueError(f'"{text}" should be a host, "host:port" or a range, without a scheme')
    if "/" in text:
        return _network(text)
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    name, bracketed = (host if colon else text), text.startswith("[")
    if ":" in name and not bracketed:  # a bare IPv6 address has no port
        return _network(text)
    if colon and not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise ValueError(f'"{text}": the port should be between 1 and 65535')
    if not _HOST.fullmatch(name):
        raise ValueError(f'"{text}" should be a host name; patterns with * are not supported')
    return text


class Section(BaseModel):
    """A table of the configuration: frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class ServerSettings(Section):
    """The HTTP server."""

    listen: Annotated[str, AfterValidator(_address)] = Field(
        default="127.0.0.1:8080", description="HOST:PORT to listen on; port 0 takes any free port"
    )
    body_limit: int = Field(
        default=1 << 20, ge=1024, le=1 << 30, description="bytes; longer request bodies get 413"
    )
    request_seconds: float = Field(
        default=10.0, gt=0, le=600, description="seconds for headers and body to arrive; then 408"
    )
    max_connections: int = Field(
        default=2000, ge=1, le=100_000, description="open connections; above it new ones are closed"
    )
    max_unauthenticated: int = Field(
        default=64, ge=1, le=100_000, description="requests at once that have not proved who they are"
    )
    requests_per_second: float = Field(
        default=200.0, gt=0, le=1_000_000, description="requests a second from one address; above it 429"
    )
    trusted_proxies: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(
        default=(), description="addresses or ranges whose X-Forwarded-For is believed"
    )

    @property
    def host(self) -> str:
        """The host to bind, without brackets."""
        return self.listen.rpartition(":")[0].removeprefix("[").removesuffix("]")

    @property
    def port(self) -> int:
        """The port to bind; 0 means any free one."""
        return int(self.listen.rpartition(":")[2])


class StoreSettings(Section):
    """Where everything is kept."""

    url: Annotated[str, AfterValidator(_store_url)] = Field(
        default="sqlite:///assistant-gateway.db",
        description="sqlite:///relative.db, sqlite:////absolute.db or postgresql://…",
    )
    keys_days: float = Field(
        default=7.0,
        ge=1,
        le=365,
        description="days that dedupe keys are kept; platforms repeat a message for hours, "
        "and one whose key is forgotten is answered twice",
    )
    allow_network_filesystem: bool = Field(
        default=False, description="SQLite on NFS or SMB can lose what was committed; true takes that risk"
    )

    @property
    def password(self) -> str:
        """The password in the address; empty when there is none."""
        found = _PASSWORD.search(self.url)
        return found[1] if found else ""

    @property
    def shown_url(self) -> str:
        """The address without its password, for people."""
        return self.url.replace(f":{self.password}@", ":***@") if self.password else self.url

    def __repr_args__(self) -> Iterator[tuple[str | None, object]]:
        for name, value in super().__repr_args__():
            yield name, self.shown_url if name == "url" else value


class LogSettings(Section):
    """What is logged, and how."""

    format: Literal["console", "json"] = Field(
        default="console", description="for people, or one JSON object a line"
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="the least important events that are shown"
    )


class HostedTool(BaseModel):
    """A tool that the provider runs itself; all but its type is passed on as it is."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)
    __pydantic_extra__: dict[str, JsonValue]

    type: str = Field(min_length=1, description="code_interpreter, file_search, web_search …")

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: object) -> object:
        return {"type": value} if isinstance(value, str) else value


class AssistantSettings(Section):
    """A named assistant. Tokens are the provider's."""

    backend: str | tuple[str, ...] = Field(
        default="demo", description="a name under [backends], or a list of them: fallbacks in order"
    )
    model: str | tuple[str, ...] = Field(
        default="",
        description="the provider's model, or a list of them: one for each backend; "
        "empty leaves it to the backend",
    )
    instructions: str = Field(default="", description="the system text")
    tools: tuple[str, ...] = Field(default=("*",), description="names or patterns of the tools it may call")
    window_tokens: int = Field(
        default=32_000, ge=256, le=10_000_000, description="tokens of the thread that the model is shown"
    )
    max_input: int = Field(
        default=40_000,
        ge=100,
        le=1_000_000,
        description="characters of one message; what is beyond is cut, visibly",
    )
    summary: bool = Field(
        default=False,
        description="whether what no longer fits into the window is summarised, by a model call of its own",
    )
    max_output_tokens: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="tokens of one model call; none leaves it to the provider",
    )
    max_steps: int = Field(default=16, ge=1, le=256, description="model calls in one run")
    max_calls: int = Field(default=32, ge=1, le=1024, description="tool calls in one run")
    run_seconds: float = Field(
        default=600.0, gt=0, le=86_400, description="seconds that a run may take before it expires"
    )
    hosted_tools: tuple[HostedTool, ...] = Field(
        default=(),
        description="tools that the provider runs itself: names, or tables with type and parameters",
    )
    show_tools: bool = Field(
        default=False, description="a line below the finished answer with the tools that were used"
    )
    show_code: bool = Field(
        default=False, description="below the finished answer, the code that a code interpreter ran"
    )
    options: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="passed on to the provider as they are, such as reasoning or temperature",
    )

    @property
    def backends(self) -> tuple[str, ...]:
        """The backends to try, in order."""
        return (self.backend,) if isinstance(self.backend, str) else self.backend

    @property
    def models(self) -> dict[str, str]:
        """The model to ask each backend for."""
        names = (self.model,) * len(self.backends) if isinstance(self.model, str) else self.model
        return dict(zip(self.backends, names, strict=True))

    @model_validator(mode="after")
    def _a_model_for_each_backend(self) -> Self:
        if not isinstance(self.model, str) and len(self.model) != len(self.backends):
            raise ValueError(f"model names {len(self.model)} models for {len(self.backends)} backends")
        return self

    @field_validator("backend")
    @classmethod
    def _some_backend(cls, backend: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if not backend:
            raise ValueError("should name at least one backend")
        return backend


class RouteSettings(Section):
    """Which assistant answers where. A missing condition matches everything; the first match wins."""

    adapter: str | None = Field(default=None, description="slack, discord, webhook …")
    tenant: str | None = Field(
        default=None, description="Slack workspace, Discord guild or @me, webhook source"
    )
    channel: str | None = Field(default=None, description="id of a channel")
    users: tuple[str, ...] | None = Field(
        default=None, description="immutable ids of the people it is for; an empty list is for nobody"
    )
    assistant: str = Field(default="default", description="a name under [assistants]")
    thread: Literal["topic", "channel", "user"] = Field(
        default="topic", description="what shares one memory: a topic, a channel, or a person in a channel"
    )
    busy: Busy = Field(
        default=Busy.QUEUE,
        description="what a message does while another is answered: queue, merge or interrupt",
    )
    instructions: str = Field(default="", description="added to the assistant's instructions")
    tools: tuple[str, ...] | None = Field(
        default=None, description="patterns that narrow the assistant's tools; an empty list allows none"
    )
    on_edit: OnEdit = Field(
        default=OnEdit.IGNORE,
        description="what the edit of a question does while it is answered: ignore, rerun or stop",
    )


class RepliesSettings(Section):
    """What people can do about answers, in words and with buttons."""

    commands: bool = Field(
        default=True,
        description="a message that is only /reset, /stop, /retry, /undo, /usage or /help is a command",
    )
    controls: tuple[Literal["stop", "regenerate", "feedback"], ...] = Field(
        default=("stop", "regenerate", "feedback"),
        description="buttons below answers, on platforms that have them; an empty list shows none",
    )


class PriceSettings(Section):
    """What a model costs, in US dollars for a million tokens."""

    input: float = Field(default=0.0, ge=0, le=1_000_000, description="dollars for a million tokens of input")
    cached_input: float | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="dollars for a million tokens of input that the provider had in its cache; "
        "without it they cost what others do",
    )
    output: float = Field(
        default=0.0, ge=0, le=1_000_000, description="dollars for a million tokens of output"
    )


def _kind_of_price(value: object) -> str:
    """Whether a table under ``[prices]`` is a model's price, or a backend's models with theirs."""
    tables = isinstance(value, Mapping) and any(isinstance(each, Mapping) for each in value.values())
    return "models" if tables else "price"


ModelPrices = Annotated[
    Annotated[PriceSettings, Tag("price")] | Annotated[dict[str, PriceSettings], Tag("models")],
    Discriminator(_kind_of_price),
]


class BudgetSettings(Section):
    """
    How much may be used in a period. A missing condition matches everything; all that match count.

    What is counted is what the conditions name: the use of one assistant, of some people, or all.
    """

    per: Literal["user", "tenant"] = Field(
        default="user", description="whether each person has the budget, or all of a tenant share it"
    )
    period: Literal["day", "month"] = Field(default="day", description="day or month, in UTC")
    unit: Literal["usd", "tokens"] = Field(
        default="usd", description="usd counts what models with a price cost; tokens counts input and output"
    )
    soft: float | None = Field(
        default=None, gt=0, le=1e12, description="above it people are told, once in a period"
    )
    hard: float | None = Field(
        default=None, gt=0, le=1e12, description="from it on nobody is answered until the next period"
    )
    adapter: str | None = Field(default=None, description="slack, discord, webhook …")
    tenant: str | None = Field(
        default=None, description="Slack workspace, Discord guild or @me, webhook source"
    )
    users: tuple[str, ...] | None = Field(
        default=None, description="immutable ids of the people whose use it counts and limits"
    )
    assistant: str | None = Field(
        default=None, description="a name under [assistants] whose use it counts and limits"
    )

    @model_validator(mode="after")
    def _some_limit(self) -> Self:
        if self.soft is None and self.hard is None:
            raise ValueError("should have soft, hard or both")
        if self.soft is not None and self.hard is not None and self.soft > self.hard:
            raise ValueError("soft should not be above hard")
        return self


class LimitSettings(Section):
    """What one person may ask of the gateway."""

    messages_per_minute: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="messages of one person in any minute; 0 sets no limit. /stop and /help always pass",
    )


class ToolSettings(Section):
    """Python modules or files with ``@tool`` functions, and limits that hold for all of them."""

    modules: tuple[str, ...] = Field(
        default=(), description="modules (my.tools) or files (tools.py, relative to the configuration file)"
    )
    timeout: float = Field(default=60.0, gt=0, le=3600, description="seconds for one call")
    max_output: int = Field(
        default=65_536, ge=256, le=10_485_760, description="characters of one result that the model is given"
    )
    max_parallel: int = Field(default=8, ge=1, le=64, description="calls of one run at the same time")


class EgressSettings(Section):
    """Hosts that callbacks may reach although they are private, loopback or plain http."""

    allow: tuple[Annotated[str, AfterValidator(_allowed_host)], ...] = Field(
        default=(), description="name, name:port or CIDR range"
    )


class WorkerSettings(Section):
    """How messages are worked off."""

    max_waiting: int = Field(
        default=100,
        ge=1,
        le=100_000,
        description="unfinished messages of one lane; above it people see 'busy'",
    )
    max_runs: int = Field(default=200, ge=1, le=10_000, description="runs at the same time in this process")
    tries: int = Field(default=3, ge=1, le=20, description="tries of one message before its failure is shown")
    crashes: int = Field(
        default=25, ge=1, le=1000, description="process deaths over one message before it is set aside"
    )
    lease_seconds: float = Field(
        default=30.0,
        ge=3,
        le=600,
        description="seconds after which another process takes over from a dead one; "
        "renewed three times in that span, so that it must outlast its own heartbeat",
    )
    drain_seconds: float = Field(
        default=25.0, ge=0, le=600, description="seconds that running answers get when the process is stopped"
    )


class Reference(Section):
    """Where a secret was found: an environment variable, or a file by its path."""

    kind: Literal["env", "file"]
    name: str


class Config(Section):
    """
    Everything, checked.

    Attributes:
        backends: The ``[backends.NAME]`` tables, ``kind`` included; secrets are `SecretStr`.
        adapters: The tables of the enabled adapters by their section; secrets are `SecretStr`.
        references: Where the secrets of the file came from, by their key (``webhooks.default.secret``).
        notes: What the operator should be told at the start, in one line each.
    """

    server: ServerSettings = ServerSettings()
    store: StoreSettings = StoreSettings()
    log: LogSettings = LogSettings()
    tools: ToolSettings = ToolSettings()
    egress: EgressSettings = EgressSettings()
    worker: WorkerSettings = WorkerSettings()
    replies: RepliesSettings = RepliesSettings()
    backends: dict[str, dict[str, object]] = Field(default_factory=dict, repr=False, validate_default=True)
    assistants: dict[str, AssistantSettings] = Field(default_factory=dict, validate_default=True)
    prices: dict[str, ModelPrices] = Field(default_factory=dict)
    budgets: tuple[BudgetSettings, ...] = ()
    limits: LimitSettings = LimitSettings()
    routes: tuple[RouteSettings, ...] = ()
    adapters: dict[str, dict[str, object]] = Field(default_factory=dict, repr=False)
    references: dict[str, Reference] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @field_validator("backends", mode="after")
    @classmethod
    def _demo_is_always_there(cls, backends: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
        return {"demo": {"kind": "demo"}, **backends}

    @field_validator("assistants", mode="after")
    @classmethod
    def _default_is_always_there(
        cls, assistants: dict[str, AssistantSettings]
    ) -> dict[str, AssistantSettings]:
        return {"default": AssistantSettings(), **assistants}

    def secret_values(self) -> frozenset[str]:
        """Every secret that the configuration holds, for the log's redaction."""
        found = {self.store.password} if self.store.password else set()
        pending: list[object] = [self.backends, self.adapters]
        while pending:
            value = pending.pop()
            if isinstance(value, SecretStr):
                found.add(value.get_secret_value())
            elif isinstance(value, Mapping):
                pending.extend(value.values())
            elif isinstance(value, list | tuple):
                pending.extend(value)
        return frozenset(found)
