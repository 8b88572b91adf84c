"""
Put the configuration together: defaults, then the environment, then the file, then the command line.

Later sources win key by key; a list is one value and is replaced whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ValidationError

from assistant_gateway.config.document import Document, KeyPath, dotted, read_document
from assistant_gateway.config.problems import Problems, suggestion
from assistant_gateway.config.schema import shapes
from assistant_gateway.config.secrets import Reading
from assistant_gateway.config.settings import AssistantSettings, Config, HostedTool
from assistant_gateway.errors import ConfigError
from assistant_gateway.plugins import Plugins

Table = dict[str, object]

_CORE = frozenset(Config.model_fields) - {"adapters", "notes", "references"}
_LISTS = {
    "ASSISTANT_GATEWAY_TOOLS": ("tools", "modules"),
    "ASSISTANT_GATEWAY_EGRESS_ALLOW": ("egress", "allow"),
}
_TEXTS = {"ASSISTANT_GATEWAY_STORE": ("store", "url"), "ASSISTANT_GATEWAY_LISTEN": ("server", "listen")}
_OPTIONS = {
    "--store": ("store", "url"),
    "--listen": ("server", "listen"),
    "--log-format": ("log", "format"),
    "--log-level": ("log", "level"),
}


def load_config(
    path: Path | None,
    environ: Mapping[str, str],
    plugins: Plugins | None = None,
    *,
    options: Mapping[str, str] | None = None,
) -> Config:
    """
    Read, merge and check the whole configuration.

    *options* are command-line options by their name (``--listen``); they win over everything.

    Raises:
        ConfigError: Something is wrong; every problem has a line with its place, key and remedy.
    """
    document = read_document(path) if path else None
    return _Loading(document, environ, plugins or Plugins.discover()).load(options or {})


class _Variable(str):
    """A value of the environment that knows its variable, wherever a plugin puts it."""

    name: str

    def __new__(cls, value: str, name: str) -> Self:
        self = super().__new__(cls, value)
        self.name = name
        return self


class _Loading:
    """One configuration on its way: what is merged so far, and what is wrong with it."""

    def __init__(self, document: Document | None, environ: Mapping[str, str], plugins: Plugins) -> None:
        directory = document.path.parent if document else Path()
        self._file = dict(document.table) if document else {}
        self._directory = directory
        self._environ = environ
        self._variables = {name: _Variable(value, name) for name, value in environ.items()}
        self._plugins = plugins
        self._problems = Problems(document)
        self._from_file = Reading(self._problems, environ, directory)
        self._from_environment = Reading(self._problems, environ, directory, literal=True)

    def load(self, options: Mapping[str, str]) -> Config:
        self._refuse_unknown_tables()
        table = self._core()
        self._add_environment(table)
        self._add_options(table, options)
        if isinstance(named := table.get("assistants", {}), Mapping):
            table["assistants"] = self._assistants(named)
        table["backends"] = self._backends(_table(table.get("assistants")))
        table["adapters"] = self._adapters()
        try:
            config = Config.model_validate(table)
        except ValidationError as error:
            self._problems.add_invalid((), error, table, shapes(Config))
            self._problems.raise_if_any()
            raise  # unreachable: a refused table has at least one problem
        self._refuse_dangling_names(config)
        self._problems.raise_if_any()
        notes = (*self._from_file.notes, *_notes(config), *self._unserved())
        modules = dict.fromkeys((*config.tools.modules, *self._tools_of_backends(config)))
        return config.model_copy(
            update={
                "notes": notes,
                "references": self._from_file.references,
                "tools": config.tools.model_copy(update={"modules": tuple(modules)}),
            }
        )

    def _unserved(self) -> list[str]:
        """What the environment asks for and nothing installed can serve."""
        if self._given("DISCORD_BOT_TOKEN") and "discord" not in self._plugins.adapters:
            return ["DISCORD_BOT_TOKEN is set, but no Discord adapter is installed: Discord is not served"]
        return []

    def _tools_of_backends(self, config: Config) -> list[str]:
        """The modules that come with the backends in use: the demo shows what function calls are."""
        used = {name for assistant in config.assistants.values() for name in assistant.backends}
        kinds = sorted({str(config.backends[name]["kind"]) for name in used})
        return [module for kind in kinds for module in self._plugins.backend(kind).tools]

    def _given(self, variable: str) -> str:
        """A variable of the environment; one that is empty counts as not set."""
        return self._environ.get(variable, "").strip()

    def _refuse_unknown_tables(self) -> None:
        sections = {plugin.section for plugin in self._plugins.adapters.values()}
        for key in set(self._file) - _CORE - sections:
            if fault := self._plugins.adapter_faults.get(key):
                self._problems.add((key,), fault.reason)
            else:
                self._problems.add((key,), f"unknown key; {suggestion(key, _CORE | sections)}")
        for name, fault in self._plugins.adapter_faults.items():
            wanted = [f"{name.upper()}_{suffix}" for suffix in ("BOT_TOKEN", "TOKEN", "SECRET")]
            for variable in filter(self._given, wanted):
                self._problems.origins.setdefault((name,), variable)
                self._problems.add((name,), fault.reason)

    def _core(self) -> Table:
        """The file's own tables, without those of adapters and of backends (their plugins know them)."""
        core = {key: value for key, value in self._file.items() if key in _CORE - {"backends"}}
        return self._from_file.table(core, shapes(Config), ())

    def _add_environment(self, table: Table) -> None:
        for variable, (section, key) in _TEXTS.items():
            if (value := self._given(variable)) and key not in _table(self._file.get(section)):
                self._put(table, (section, key), value, variable)
        for variable, (section, key) in _LISTS.items():
            words = [word.strip() for word in self._given(variable).split(",") if word.strip()]
            if words and key not in _table(table.get(section)):
                for index in range(len(words)):
                    self._problems.origins[section, key, index] = variable
                found = [str(Path(word).absolute()) if _is_file(word) else word for word in words]
                table[section] = {**_table(table.get(section)), key: found}
        self._refuse_missing_files(_table(table.get("tools")).get("modules"))

    def _refuse_missing_files(self, modules: object) -> None:
        for index, name in enumerate(modules if isinstance(modules, list) else ()):
            if isinstance(name, str) and _is_file(name) and not (self._directory / name).is_file():
                self._problems.add(("tools", "modules", index), f"there is no file {name}")

    def _add_options(self, table: Table, options: Mapping[str, str]) -> None:
        for option, value in options.items():
            self._put(table, _OPTIONS[option], value, option)

    def _put(self, table: Table, path: tuple[str, str], value: str, origin: str) -> None:
        section, key = path
        if isinstance(table.get(section, {}), Mapping):
            table[section] = {**_table(table.get(section)), key: value}
            self._problems.origins[path] = origin

    def _assistants(self, named: Mapping[str, object]) -> Table:
        """Every assistant with its backend, and with the environment's model where it names none."""
        backend = "main" if self._has_main else AssistantSettings().backend
        assistants: Table = {}
        for name, table in {"default": {}, **named}.items():
            if isinstance(table, Mapping):
                table = {"backend": backend, **table}
                if table["backend"] == "main" and (model := self._given("OPENAI_MODEL")):
                    table = {"model": model, **table}
            assistants[name] = table
        return assistants

    @property
    def _has_main(self) -> bool:
        return bool(self._given("OPENAI_API_KEY")) or "main" in _table(self._file.get("backends"))

    def _backends(self, assistants: Table) -> Table:
        named = self._file.get("backends", {})
        if not isinstance(named, Mapping):
            self._problems.add(("backends",), "should be a table: [backends.NAME]")
            return {}
        used = {name for table in assistants.values() for name in _names(_table(table).get("backend"))}
        if "main" in used and self._given("OPENAI_API_KEY"):
            named = {"main": {}, **named}
        return {name: self._backend(name, table) for name, table in named.items()}

    def _backend(self, name: str, named: object) -> Table:
        path: KeyPath = ("backends", name)
        if not isinstance(named, Mapping):
            self._problems.add(path, f"should be a table: [backends.{name}]")
            return {}
        has_key = name == "main" and bool(self._given("OPENAI_API_KEY"))
        kind = named.get("kind", "responses" if has_key else None)
        if kind not in self._plugins.kinds:
            text = f'there is no backend kind "{kind}"' if kind else "is missing"
            self._problems.add((*path, "kind"), f"{text}; {suggestion(str(kind or ''), self._plugins.kinds)}")
            return {"kind": str(kind)}
        try:
            plugin = self._plugins.backend(str(kind))
        except ConfigError as error:
            self._problems.add((*path, "kind"), str(error))
            return {"kind": kind}
        # The environment speaks of one provider: the backend `main`.
        given = plugin.from_environment(self._variables) if name == "main" else None
        settings = {key: value for key, value in named.items() if key != "kind"}
        return {"kind": kind, **self._plugin_table(path, plugin.settings, given or {}, settings)}

    def _adapters(self) -> Table:
        adapters: Table = {}
        for plugin in self._plugins.adapters.values():
            path: KeyPath = (plugin.section,)
            try:
                given = plugin.from_environment(self._variables)
            except ConfigError as error:
                self._problems.add(path, str(error))
                continue
            named = self._file.get(plugin.section)
            if given is None and named is None:
                continue
            if not isinstance(named, Mapping | None):
                self._problems.add(path, f"should be a table: [{plugin.section}]")
                continue
            adapters[plugin.section] = self._plugin_table(path, plugin.settings, given or {}, named or {})
        return adapters

    def _plugin_table(
        self,
        path: KeyPath,
        settings: type[BaseModel],
        given: Mapping[str, object],
        named: Mapping[str, object],
    ) -> Table:
        """What the environment gives a plugin, under what the file names, both checked."""
        known, given = shapes(settings), _unnamed(given, named)
        low = self._from_environment.table(self._placed(given, path), known, path)
        table = _merged(low, self._from_file.table(named, known, path))
        try:
            settings.model_validate(table)
        except ValidationError as error:
            self._problems.add_invalid(path, error, table, known)
        return table

    def _placed(self, given: Mapping[str, object], path: KeyPath) -> Table:
        """The environment's table in plain values; whose variable each is, is noted."""
        placed: Table = {}
        for key, value in given.items():
            inner = (*path, key)
            if isinstance(value, Mapping):
                placed[key] = self._placed(value, inner)
            elif isinstance(value, _Variable):
                placed[key], self._problems.origins[inner] = str(value), value.name
            else:
                placed[key], self._problems.origins[inner] = value, f"environment: {dotted(inner)}"
        return placed

    def _refuse_dangling_names(self, config: Config) -> None:
        for name, assistant in config.assistants.items():
            for backend in assistant.backends:
                if backend not in config.backends:
                    text = f'there is no backend "{backend}"; {suggestion(backend, config.backends)}'
                    self._problems.add(("assistants", name, "backend"), text)
            for index, tool in enumerate(assistant.hosted_tools):
                if why := self._hosted_fault(config, assistant, tool):
                    self._problems.add(("assistants", name, "hosted_tools", index), why)
        for name, price in config.prices.items():
            if isinstance(price, Mapping) and name not in config.backends:
                text = f'there is no backend "{name}"; {suggestion(name, config.backends)}'
                self._problems.add(("prices", name), text)
        for index, budget in enumerate(config.budgets):
            if budget.assistant is not None and budget.assistant not in config.assistants:
                hint = suggestion(budget.assistant, config.assistants)
                text = f'there is no assistant "{budget.assistant}"; {hint}'
                self._problems.add(("budgets", index, "assistant"), text)
            if budget.unit == "usd" and not config.prices:
                self._problems.add(("budgets", index, "unit"), "counts dollars, but [prices] names no model")
        for index, route in enumerate(config.routes):
            if route.assistant not in config.assistants:
                hint = suggestion(route.assistant, config.assistants)
                text = f'there is no assistant "{route.assistant}"; {hint}'
                self._problems.add(("routes", index, "assistant"), text)

    def _hosted_fault(self, config: Config, assistant: AssistantSettings, tool: HostedTool) -> str:
        """Why one of the assistant's backends can't run *tool* itself; empty when all can."""
        for backend in assistant.backends:
            kind = str(config.backends.get(backend, {}).get("kind"))
            if kind not in self._plugins.kinds:
                continue  # told already
            known = self._plugins.backend(kind).hosted_tools
            if not known:
                return f'the backend "{backend}" of kind "{kind}" runs no tools itself'
            if tool.type not in known:
                return f'there is no hosted tool "{tool.type}"; {suggestion(tool.type, known)}'
            missing = [key for key in known[tool.type] if not (tool.model_extra or {}).get(key)]
            if missing:
                return f'"{tool.type}" needs {", ".join(missing)}'
        return ""


def _notes(config: Config) -> list[str]:
    notes = []
    kinds = {config.backends[name].get("kind") for name in config.assistants["default"].backends}
    if kinds == {"demo"}:
        notes.append(
            "the demo backend answers, no model does: set OPENAI_API_KEY, or configure [backends.main]"
        )
    if config.server.host in ("0.0.0.0", "::"):
        notes.append(f"{config.server.listen} listens on every network; put a TLS proxy before it")
    return notes


def _table(value: object) -> Table:
    return dict(value) if isinstance(value, Mapping) else {}


def _names(value: object) -> list[str]:
    return [str(name) for name in value] if isinstance(value, list | tuple) else [str(value)]


def _is_file(name: str) -> bool:
    return name.endswith(".py")


def _unnamed(given: Mapping[str, object], named: Mapping[str, object]) -> Table:
    """What of the environment's table counts: the keys that the file does not name."""
    found: Table = {}
    for key, value in given.items():
        above = named.get(key, {})
        if isinstance(value, Mapping) and isinstance(above, Mapping):
            found[key] = _unnamed(value, above)
        elif key not in named:
            found[key] = value
    return found


def _merged(low: Table, high: Table) -> Table:
    """*high* over *low*, table by table."""
    merged = {**low, **high}
    for key in low.keys() & high.keys():
        below, above = low[key], high[key]
        if isinstance(below, dict) and isinstance(above, dict):
            merged[key] = _merged(below, above)
    return merged
