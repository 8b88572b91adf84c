"""The sources in the configuration: which secrets are taken, which refused, and which made."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from assistant_gateway.adapter import AdapterServices
from assistant_gateway.errors import ConfigError
from assistant_gateway.http.egress import GuardedEgress
from assistant_gateway_webhook import WebhookAdapter, plugin
from assistant_gateway_webhook.keys import EXAMPLE, kept_secret, key_of
from assistant_gateway_webhook.settings import WebhookSettings, sources
from emulators.sender import SECRET

BAD_SECRETS = [
    "",
    "whsec_",
    "changeme",
    "whsec_changeme",
    "CHANGEME",
    " ",
    SECRET + "\n",
    " " + SECRET,
    "whsec_***",
    "whsec_" + base64.b64encode(b"too short").decode(),
    EXAMPLE,
]


def services(state_dir: Path | str = "") -> AdapterServices:
    return AdapterServices(GuardedEgress(), state_dir=str(state_dir))


@pytest.mark.parametrize("secret", BAD_SECRETS)
def test_a_secret_that_is_none_is_refused(secret: str) -> None:
    """H81: empty, placeholders, white space, too short and the documented example do not start."""
    with pytest.raises(ValidationError) as caught:
        WebhookSettings.model_validate({"default": {"secret": secret}})

    assert ("default", "secret") == caught.value.errors()[0]["loc"]
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("token", ["", "short", "changeme", "has a space in it", "line\nbreak", "pässwörd"])
def test_a_token_that_is_none_is_refused(token: str) -> None:
    """H81: a token has at least 8 visible ASCII characters and is no placeholder."""
    with pytest.raises(ValidationError):
        WebhookSettings.model_validate({"default": {"token": token}})


@pytest.mark.parametrize("table", [{"a/b": {}}, {"": {}}, {"..": {}}, {"default": {"colour": "red"}}])
def test_an_odd_source_is_refused(table: dict[str, object]) -> None:
    """A source's name is part of its address; a key that nobody knows is refused."""
    with pytest.raises(ValidationError):
        WebhookSettings.model_validate(table)


def test_padding_and_prefix_may_be_left_away() -> None:
    """The reference package takes secrets without `whsec_` and without `=`; so do we."""
    bare = SECRET.removeprefix("whsec_")

    assert key_of(SECRET) == key_of(bare) == key_of(bare.rstrip("="))


def test_the_environment_gives_the_default_source() -> None:
    """WEBHOOK_SECRET is the secret of `default`; without it there is a source that needs one made."""
    assert {"default": {"secret": SECRET}} == plugin.from_environment({"WEBHOOK_SECRET": SECRET})
    assert {"default": {}} == plugin.from_environment({})


def test_a_secret_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    """The first start makes a secret with mode 0600 and tells where, never what; the second finds it."""
    with capture_logs() as lines:
        first = kept_secret(str(tmp_path), "default")
        second = kept_secret(str(tmp_path), "default")

    (file,) = tmp_path.iterdir()
    assert first == second == file.read_text().strip()
    assert first.startswith("whsec_")
    assert 32 == len(key_of(first))
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)
    assert ["webhook.secret_made"] == [line["event"] for line in lines]
    assert str(file) == lines[0]["file"]
    assert first not in str(lines)


def test_a_broken_secret_file_is_told(tmp_path: Path) -> None:
    """A file without a secret, and a directory that does not exist, are ConfigErrors that name the file."""
    (tmp_path / "webhook-default.secret").write_text("\n")

    with pytest.raises(ConfigError, match=r"webhook-default\.secret"):
        kept_secret(str(tmp_path), "default")
    with pytest.raises(ConfigError, match="No such file"):
        kept_secret(str(tmp_path / "missing"), "default")


def test_without_a_place_for_a_secret_only_the_default_source_is_left_out() -> None:
    """Nobody asked for `default`: it is off. A source that somebody named is refused."""
    with capture_logs() as lines:
        adapter = plugin.build(WebhookSettings.model_validate({"default": {}}), services())

    assert adapter is None
    assert ["webhook.source_off"] == [line["event"] for line in lines]
    with pytest.raises(ConfigError, match=r"webhooks\.crm"):
        plugin.build(WebhookSettings.model_validate({"crm": {}}), services())


def test_an_adapter_is_built_for_the_sources(tmp_path: Path) -> None:
    """A made secret, a given one and a token make three sources; no secret shows itself."""
    settings = WebhookSettings.model_validate(
        {"default": {}, "crm": {"secret": SECRET}, "ci": {"token": "a-token-of-the-tests"}}
    )

    built = sources(settings, services(tmp_path))

    assert isinstance(plugin.build(settings, services(tmp_path)), WebhookAdapter)
    assert ["default", "crm", "ci"] == [source.name for source in built]
    assert [1, 1, 0] == [len(source.keys) for source in built]
    assert (b"a-token-of-the-tests",) == built[2].signing_keys
    assert "a-token-of-the-tests" not in repr(built) + repr(settings)
    assert str(key_of(SECRET)) not in repr(built)
