"""Entry points: found, loaded when needed, and blamed by name."""

from __future__ import annotations

from importlib.metadata import Distribution, EntryPoint
from pathlib import Path

import pytest

from assistant_gateway.adapter import AdapterPlugin
from assistant_gateway.errors import ConfigError
from assistant_gateway.plugins import ADAPTERS, BACKENDS, Plugins
from fixtures.plugins import BROKEN, CHAT, WEBHOOK, demo, plugins, webhook


def installed(directory: Path, name: str, extra: str, code: str) -> EntryPoint:
    """The entry point *extra* of a distribution that is not imported yet."""
    (directory / f"{name}.py").write_text(code)
    metadata = directory / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nProvides-Extra: {extra}\n"
    )
    (metadata / "entry_points.txt").write_text(f"[{ADAPTERS}]\n{extra} = {name}:plugin\n")
    (point,) = Distribution.at(metadata).entry_points
    return point


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_adapters_are_found_by_their_names() -> None:
    """Two entry points give two adapters, and no fault."""
    found = plugins()

    assert {"webhook": webhook, "chat": found.adapters["chat"]} == dict(found.adapters)
    assert {} == dict(found.adapter_faults)


def test_a_backend_is_loaded_only_when_its_kind_is_asked_for() -> None:
    """Listing the kinds imports nothing: one that can't be imported is only noticed when it is used."""
    broken = EntryPoint("broken", "fixtures.no_such_module:plugin", BACKENDS)

    found = plugins(broken)

    assert ("broken", "demo", "responses") == found.kinds
    assert found.backend("demo") is demo
    with pytest.raises(ConfigError, match=r"broken.*can't be loaded: ModuleNotFoundError"):
        found.backend("broken")


def test_a_kind_that_nobody_has_is_refused_with_those_that_are_there() -> None:
    """kind "gpt" names the two that are installed."""
    with pytest.raises(ConfigError, match=r'there is no "gpt".*demo, responses'):
        plugins().backend("gpt")


def test_an_adapter_that_can_not_be_imported_harms_no_other() -> None:
    """One broken entry point of three is told as a fault; two adapters are there."""
    found = plugins(BROKEN)

    assert ["chat", "webhook"] == sorted(found.adapters)
    assert "fixtures.no_such_module" in found.adapter_faults["slack"].reason


def test_a_missing_extra_is_told_with_the_command_that_mends_it(packages: Path) -> None:
    """A package whose SDK is missing names itself and its extra: pip install 'chatty[talk]'."""
    point = installed(packages, "chatty", "talk", "import no_such_sdk\n")

    fault = Plugins([point]).adapter_faults["talk"]

    assert (
        "\"talk\" of chatty can't be loaded: ModuleNotFoundError: No module named 'no_such_sdk'; "
        "pip install 'chatty[talk]'" == fault.reason
    )


@pytest.mark.parametrize("code", ["raise RuntimeError('first\\nsecond')\n", "plugin = 1 /\n", "other = 1\n"])
def test_whatever_a_package_does_at_import_is_a_fault_in_one_line(packages: Path, code: str) -> None:
    """An exception, a syntax error and a missing name are told with the distribution, without a traceback."""
    point = installed(packages, f"pack{abs(hash(code)) % 1000}", "talk", code)

    reason = Plugins([point]).adapter_faults["talk"].reason

    assert reason.startswith(f'"talk" of {point.module} can\'t be loaded: ')
    assert "\n" not in reason


def test_an_entry_point_that_names_something_else_is_a_fault() -> None:
    """A group of adapters takes an AdapterPlugin, not a backend's plugin and not a function."""
    found = Plugins([EntryPoint("talk", "fixtures.plugins:demo", ADAPTERS)])

    assert "which is a BackendPlugin and no AdapterPlugin" in found.adapter_faults["talk"].reason


def test_a_name_that_two_packages_claim_is_used_from_neither() -> None:
    """A stranger's package can't take the place of `webhook`: both are named, one must go."""
    stranger = EntryPoint("webhook", "fixtures.plugins:chat", ADAPTERS)

    found = Plugins([WEBHOOK, CHAT, stranger])

    assert ["chat"] == list(found.adapters)
    assert "is claimed by" in found.adapter_faults["webhook"].reason


def test_the_installed_gateway_finds_its_own_parts() -> None:
    """The webhook adapter and the demo and responses backends are found as a stranger's would be."""
    found = Plugins.discover()

    assert isinstance(found.adapters["webhook"], AdapterPlugin)
    assert {"demo", "responses"} <= set(found.kinds)
