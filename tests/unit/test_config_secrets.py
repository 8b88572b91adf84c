"""Secrets are given by reference, and shown to nobody."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import cast

import pytest
from pydantic import SecretStr

from assistant_gateway.config import Config, Reference, load_config
from assistant_gateway.errors import ConfigError
from fixtures.plugins import plugins

TOKEN = "[chat]\nbot_token = "


def load(directory: Path, text: str, environ: dict[str, str] | None = None) -> Config:
    path = directory / "config.toml"
    path.write_text(text)
    return load_config(path, environ or {}, plugins())


def token(config: Config) -> str:
    return cast(SecretStr, config.adapters["chat"]["bot_token"]).get_secret_value()


def secret_file(directory: Path, content: bytes, mode: int = 0o600) -> Path:
    file = directory / "token.txt"
    file.write_bytes(content)
    file.chmod(mode)
    return file


def test_a_secret_comes_from_a_variable(tmp_path: Path) -> None:
    """{ env = "T" } is replaced by T's value, and the configuration remembers where it came from."""
    config = load(tmp_path, TOKEN + '{ env = "T" }\n', {"T": "canary-1"})

    assert "canary-1" == token(config)
    assert {"chat.bot_token": Reference(kind="env", name="T")} == config.references


@pytest.mark.parametrize("content", [b"canary-1", b"canary-1\n", b"canary-1\r\n"])
def test_a_secret_comes_from_a_file_beside_the_configuration(tmp_path: Path, content: bytes) -> None:
    """The file's one trailing line break is no part of the secret."""
    secret_file(tmp_path, content)

    config = load(tmp_path, TOKEN + '{ file = "token.txt" }\n')

    assert "canary-1" == token(config)
    assert () == tuple(note for note in config.notes if "token.txt" in note)


def test_a_secret_that_everybody_can_read_is_noted(tmp_path: Path) -> None:
    """Mode 0644 is taken (as containers mount secrets so) and the operator is told chmod 600."""
    file = secret_file(tmp_path, b"canary-1", 0o644)

    config = load(tmp_path, TOKEN + '{ file = "token.txt" }\n')

    assert any(f"chmod 600 {file}" in note for note in config.notes)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('"xoxb-canary-1"', "a secret is never written here"),
        ("7", "a secret is never written here"),
        ('{ env = "T", file = "x" }', "a secret is never written here"),
        ('{ vault = "T" }', "a secret is never written here"),
        ('{ env = "T" }', "the environment variable T is not set"),
        ('{ file = "none" }', "none can't be read: No such file"),
        ('{ file = "." }', "can't be read: Is a directory"),
        ('{ file = "latin" }', "latin is no UTF-8 text"),
        ('{ file = "large" }', "large is larger than 65536 bytes"),
    ],
)
def test_a_secret_that_can_not_be_had_is_refused(tmp_path: Path, value: str, said: str) -> None:
    """Nine wrong references are refused with line 2, the key and what is missing; none shows the value."""
    (tmp_path / "latin").write_bytes(b"\xe9")
    (tmp_path / "large").write_bytes(b"x" * 70_000)

    with pytest.raises(ConfigError) as refused:
        load(tmp_path, TOKEN + value)

    assert f"{tmp_path}/config.toml:2: chat.bot_token: " in str(refused.value)
    assert said in str(refused.value)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "   ",
        "changeme",
        "CHANGE-ME",
        "secret",
        "your-token-here",
        "<token>",
        "sk-…",
        "xxx",
        "two words",
        "a\nb",
    ],
)
def test_a_secret_that_was_never_set_is_refused(tmp_path: Path, value: str) -> None:
    """Eleven empty, broken or example values are refused, from a reference and from the environment alike."""
    with pytest.raises(ConfigError, match="the environment variable T "):
        load(tmp_path, TOKEN + '{ env = "T" }\n', {"T": value})
    with pytest.raises(ConfigError, match=r"^WEBHOOK_SECRET: the secret "):
        load_config(None, {"WEBHOOK_SECRET": value}, plugins())


def test_a_configuration_shows_no_secret(tmp_path: Path) -> None:
    """Secrets of the file, of the environment and in the store's address are in no repr, str or copy."""
    environ = {"T": "canary-1", "OPENAI_API_KEY": "sk-canary-2", "WEBHOOK_SECRET": "whsec_canary3"}
    text = TOKEN + '{ env = "T" }\n[store]\nurl = "postgresql://user:canary-4@host/db"\n'

    config = load(tmp_path, text, environ)

    shown = [
        repr(config),
        str(config),
        repr(copy.deepcopy(config)),
        str(config.backends),
        str(config.adapters),
    ]
    assert [] == [text for text in shown if "canary" in text]
    assert {"canary-1", "sk-canary-2", "whsec_canary3", "canary-4"} == config.secret_values()
    assert "postgresql://user:***@host/db" == config.store.shown_url


def test_lists_of_secrets_are_resolved_one_by_one(tmp_path: Path) -> None:
    """Of two references in a list, the one that fails is named with its own line."""
    text = '[webhooks.a]\nsecrets = [\n  { env = "T" },\n  { env = "U" },\n]\n'

    with pytest.raises(ConfigError) as refused:
        load(tmp_path, text, {"T": "canary-1"})

    assert "config.toml:4: webhooks.a.secrets[1]: the environment variable U is not set" in str(refused.value)


def test_a_variable_that_the_file_replaces_is_not_looked_at(tmp_path: Path) -> None:
    """An empty WEBHOOK_SECRET is no mistake where the file names the secret of that source itself."""
    text = '[webhooks.default]\nsecret = { env = "T" }\n'

    config = load(tmp_path, text, {"T": "canary-1", "WEBHOOK_SECRET": ""})

    assert {"canary-1"} == config.secret_values()
