"""config.example.toml: complete, and true about every default."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

import pytest
from pydantic import BaseModel, RootModel

from assistant_gateway.config import Config, PriceSettings, load_config
from assistant_gateway.config.schema import members, shapes
from assistant_gateway.plugins import ADAPTERS, BACKENDS, Plugins

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "config.example.toml"
REFERENCE = ROOT / "docs" / "reference" / "configuration.md"
SETTING = re.compile(r"^#(?=[a-z_\[])", re.MULTILINE)
ENVIRON = {
    "OPENAI_API_KEY": "sk-canary1234567",
    "PROXY_KEY": "canary-1234",
    "LOCAL_API_KEY": "canary-1234",
    "WEBHOOK_SECRET": "whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2E",
    "OLD_WEBHOOK_SECRET": "whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2I",
    "WEBHOOK_TOKEN": "canary-1234",
    "DISCORD_BOT_TOKEN": "canary-1234",
    "SLACK_BOT_TOKEN": "xoxb-canary-1234",
    "SLACK_APP_TOKEN": "xapp-canary-1234",
    "SLACK_SIGNING_SECRET": "canary-1234",
    "SLACK_CLIENT_SECRET": "canary-1234",
    "SLACK_ENCRYPTION_KEY": "Y2FuYXJ5IDEyMzQgY2FuYXJ5IGFiY2QgY2FuYXJ5IDU=",
    "OLD_SLACK_ENCRYPTION_KEY": "Y2FuYXJ5IDEyMzQgY2FuYXJ5IGFiY2QgY2FuYXJ5IDY=",
}
# Where no default can be written down: none at all, or a secret's reference. The example shows a value.
ILLUSTRATED = {"api_key", "default_headers", "max_output_tokens", "adapter", "tenant", "channel", "users"}
ILLUSTRATED |= {"secret", "secrets", "token"} | {"bot_token", "app_token", "signing_secret", "channels"}
ILLUSTRATED |= {"client_id", "old_encryption_keys"}


def uncommented() -> str:
    return SETTING.sub("", EXAMPLE.read_text())


def own_plugins() -> Plugins:
    """Those that this project ships; what else is installed is documented elsewhere."""
    own = metadata.distribution("assistant-gateway").entry_points
    return Plugins(point for point in own if point.group in (ADAPTERS, BACKENDS))


def documented() -> Iterator[tuple[str, type[BaseModel], Mapping[str, object]]]:
    """Every table: its name, its model, and what the uncommented example has in it."""
    example = tomllib.loads(uncommented())
    for name in ("server", "store", "log", "worker", "replies", "egress", "limits", "tools"):
        yield name, model_of(members(shapes(Config), name)), example[name]
    yield (
        "assistants",
        model_of(members(members(shapes(Config), "assistants"), "x")),
        example["assistants"]["default"],
    )
    for name in ("budgets", "routes"):
        yield name, model_of(members(members(shapes(Config), name), 0)), example[name][0]
    yield "prices", PriceSettings, *example["prices"].values()
    plugins = own_plugins()
    backends = {table["kind"]: table for table in example["backends"].values()}
    for kind in plugins.kinds:
        table = {key: value for key, value in backends[kind].items() if key != "kind"}
        yield f"backends of kind {kind}", plugins.backend(kind).settings, table
    for plugin in plugins.adapters.values():
        table = example[plugin.section]
        if issubclass(plugin.settings, RootModel):
            yield plugin.section, model_of(members(shapes(plugin.settings), "default")), table["default"]
        else:
            yield plugin.section, plugin.settings, table


def model_of(candidates: tuple[object, ...]) -> type[BaseModel]:
    (model,) = candidates
    assert isinstance(model, type)
    assert issubclass(model, BaseModel)
    return model


TABLES = list(documented())


def test_the_example_as_it_stands_changes_nothing() -> None:
    """With every setting commented out, the configuration is that of no file at all."""
    assert load_config(None, {}) == load_config(EXAMPLE, {})


def test_the_example_with_everything_uncommented_is_valid(tmp_path: Path) -> None:
    """All settings together, references included, are taken."""
    path = tmp_path / "config.toml"
    path.write_text(uncommented())

    config = load_config(path, ENVIRON)

    assert {"main", "local", "legacy", "demo"} == set(config.backends)
    assert 1 == len(config.routes)


@pytest.mark.parametrize(("name", "model", "table"), TABLES, ids=[name for name, _, _ in TABLES])
def test_every_setting_is_in_the_example_with_its_default(
    name: str, model: type[BaseModel], table: Mapping[str, object]
) -> None:
    """Each table of the example has exactly the settings of the code, and what it shows are the defaults."""
    settings = model.model_fields

    defaults = {key: field.get_default(call_default_factory=True) for key, field in settings.items()}
    shown = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}

    assert set(settings) == set(table)
    assert {
        key: value for key, value in defaults.items() if key not in ILLUSTRATED and value is not None
    } == {key: value for key, value in shown.items() if key not in ILLUSTRATED and defaults[key] is not None}


@pytest.mark.parametrize(("name", "model", "table"), TABLES, ids=[name for name, _, _ in TABLES])
def test_every_setting_is_in_the_reference_with_its_default(
    name: str, model: type[BaseModel], table: Mapping[str, object]
) -> None:
    """The section of docs/reference/configuration.md has a row for each setting, and its default."""
    rows = sections()[name]

    defaults = {
        key: field.get_default(call_default_factory=True) for key, field in model.model_fields.items()
    }

    assert set(defaults) == set(rows)
    assert {key: value for key, value in defaults.items() if rows[key] != "–"} == {
        key: meant(text) for key, text in rows.items() if text != "–"
    }


def sections() -> dict[str, dict[str, str]]:
    """The rows of the reference by table: each setting's default, as it is written there."""
    _, *parts = re.split(r"^## ", REFERENCE.read_text(), flags=re.MULTILINE)
    found = {}
    for part in parts:
        heading = part.partition("\n")[0].replace("`", "").replace("[backends.NAME] of", "backends of")
        name = heading.strip("[]").removesuffix(".NAME")
        found[name] = dict(re.findall(r"^\| `(\w+)` \| `?(.+?)`? \|", part, re.MULTILINE))
    return found


def meant(text: str) -> object:
    """What a default in the reference means."""
    read = tomllib.loads(f"value = {text}")["value"]
    return tuple(read) if isinstance(read, list) else read
