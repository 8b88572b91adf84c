"""What workspaces that install the app need of the configuration: client, keys, and the doctor's word."""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from assistant_gateway.config import load_config
from assistant_gateway.errors import ConfigError
from assistant_gateway_slack.adapter import SlackAdapter, keys
from assistant_gateway_slack.installations import SCOPE, Installations
from assistant_gateway_slack.keys import FILE, kept_key
from assistant_gateway_slack.settings import SlackSettings
from assistant_gateway_slack.vault import Unsealable, Vault
from emulators.eventually import eventually
from emulators.slack import Fault
from fixtures.slack_shop import invite, open_shop, place, services, settings_for, slack_of, target

ID, SECRET, APP = "SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET", "SLACK_APP_TOKEN"
ENVIRON = {ID: "100.200", SECRET: "0123456789abcdef", APP: "xapp-1-2-abc"}
FIRST = base64.b64encode(bytes(range(32))).decode()
SECOND = base64.urlsafe_b64encode(bytes(range(100, 132))).decode()


def test_the_environment_alone_lets_workspaces_install() -> None:
    """Client id, client secret and an app token are enough; no secret shows itself."""
    settings = SlackSettings.model_validate(load_config(None, ENVIRON).adapters["slack"])

    assert ("100.200", None) == (settings.client_id, settings.bot_token)
    assert ENVIRON[SECRET] not in repr(settings)


@pytest.mark.parametrize(
    ("missing", "named"), [(SECRET, SECRET), (ID, ID), (APP, APP)], ids=["secret", "id", "way in"]
)
def test_half_a_client_names_the_other_half(missing: str, named: str) -> None:
    """Each of the three without the others ends the start."""
    with pytest.raises(ConfigError, match=named):
        load_config(None, {name: value for name, value in ENVIRON.items() if name != missing})


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('encryption_key = { env = "SHORT" }', "32 random bytes"),
        ('encryption_key = { env = "ZEROS" }', "32 random bytes"),
        ('old_encryption_keys = [{ env = "SHORT" }]', "32 random bytes"),
        ('public_url = "bot.example"', "https://bot.example.com"),
        ('public_url = "ftp://bot.example"', "https://bot.example.com"),
        ('authorize_url = "/authorize"', "https://slack.com/oauth/v2/authorize"),
        ('client_secret = "written here"', "never written here"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, line: str, words: str) -> None:
    """Weak keys, addresses that are none, a secret in the file."""
    path = tmp_path / "config.toml"
    path.write_text(f"[slack]\n{line}\n")
    weak = {"SHORT": "c2hvcnQ=", "ZEROS": base64.b64encode(bytes(32)).decode()}

    with pytest.raises(ConfigError) as caught:
        load_config(path, ENVIRON | weak)

    assert f"{path}:2" in str(caught.value)
    assert words in str(caught.value)


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    """The second start finds the first one's key; where none may be made, none is."""
    before = kept_key(str(tmp_path), make=False)
    made, found = kept_key(str(tmp_path), make=True), kept_key(str(tmp_path), make=True)

    assert before is None
    assert made == found
    assert 0o600 == (tmp_path / FILE).stat().st_mode & 0o777
    assert [FILE] == os.listdir(tmp_path)


def test_a_spoilt_key_file_ends_the_start(tmp_path: Path) -> None:
    """It is never replaced: that would cost every installation."""
    (tmp_path / FILE).write_text("oops")

    with pytest.raises(ConfigError, match="32 bytes") as caught:
        kept_key(str(tmp_path), make=True)

    assert str(tmp_path / FILE) in str(caught.value)
    assert "oops" == (tmp_path / FILE).read_text()


def test_without_a_file_store_a_key_is_needed(tmp_path: Path) -> None:
    """There is no place for one; one that is configured seals, the old ones and the file's open."""
    settings = SlackSettings.model_validate(
        {"client_id": "1.2", "client_secret": SecretStr("s"), "app_token": SecretStr("xapp-1")}
    )
    with pytest.raises(ConfigError, match="SLACK_ENCRYPTION_KEY"):
        keys(settings, "")
    made = keys(settings, str(tmp_path))
    given = settings.model_copy(
        update={"encryption_key": SecretStr(FIRST), "old_encryption_keys": (SecretStr(SECOND),)}
    )

    assert [bytes(range(32)), bytes(range(100, 132)), *made] == keys(given, str(tmp_path))


def test_what_is_sealed_opens_with_its_key_for_its_purpose_alone() -> None:
    """Another key, another purpose, a changed letter and 601 s are refused; an old key still opens."""
    old, new = bytes(range(32)), bytes(range(100, 132))
    now = [1000.0]
    sealed = Vault([old], clock=lambda: now[0]).seal("state", {"nonce": "n"})
    both, other = Vault([new, old], clock=lambda: now[0]), Vault([new], clock=lambda: now[0])

    assert {"nonce": "n"} == both.open("state", sealed, lifetime=600)
    assert both.is_old(sealed)
    assert not both.is_old(both.seal("state", {}))
    flipped = sealed[:40] + ("A" if sealed[40] != "A" else "B") + sealed[41:]
    for vault, purpose, text in (
        (other, "state", sealed),
        (both, "installation of T1", sealed),
        (both, "state", flipped),
        (both, "state", ""),
        (both, "state", "é"),
        (both, "state", "x" * 10_000),
    ):
        with pytest.raises(Unsealable):
            vault.open(purpose, text)
    now[0] += 601
    with pytest.raises(Unsealable):
        both.open("state", sealed, lifetime=600)


async def test_a_row_that_was_moved_to_another_workspace_does_not_open(tmp_path: Path) -> None:
    """Who can write the store can't give one workspace the token of another."""
    async with slack_of() as slack, open_shop(slack, tmp_path) as it:
        await it.install(slack.team)
        row = await it.store.note(SCOPE, slack.team)
        assert row is not None
        await it.store.save_note(SCOPE, "T0OTHER", row)
        key = kept_key(str(tmp_path), make=False)
        assert key is not None

        with pytest.raises(Unsealable):
            await Installations(it.store, Vault([key])).of("T0OTHER")


async def test_a_key_is_replaced_without_a_new_installation(tmp_path: Path) -> None:
    """With the old key named, what it sealed is sealed anew at the start; then it can go."""
    async with slack_of() as slack:
        team, person, channel = place(slack, "Acme2")
        async with open_shop(slack, tmp_path, encryption_key=SecretStr(FIRST)) as it:
            await it.install(team)
            await invite(slack, team, channel)
            first = await it.store.note(SCOPE, team)
        new, old = SecretStr(SECOND), [SecretStr(FIRST)]
        async with open_shop(slack, tmp_path, encryption_key=new, old_encryption_keys=old) as it:
            second = await it.store.note(SCOPE, team)
        async with open_shop(slack, tmp_path, encryption_key=SecretStr(SECOND)) as it:
            await it.ask(team, channel, person)

            assert first != second
            assert not (tmp_path / FILE).exists()


async def test_with_another_key_nothing_is_lost_and_everybody_is_told(tmp_path: Path) -> None:
    """Not ready, with the reason; events are not acknowledged, posts are tried again later, rows stay."""
    async with slack_of() as slack:
        team, person, channel = place(slack, "Acme2")
        async with open_shop(slack, tmp_path, encryption_key=SecretStr(FIRST)) as it:
            await it.install(team)
            await invite(slack, team, channel)
            root = await it.ask(team, channel, person)
        async with open_shop(slack, tmp_path, encryption_key=SecretStr(FIRST)) as it:
            settings = settings_for(slack, encryption_key=SecretStr(SECOND))
            async with services(it.store, tmp_path) as given:
                other = SlackAdapter(settings, given)
                looking = asyncio.create_task(other.run(it.intake))
                await eventually(lambda: "can't be opened" in other.unready())
                with pytest.raises(Exception, match="can't be read") as refused:
                    await other.find(target(team, root), "run.0")
                with pytest.raises(Exception, match="can't be read"):
                    await other.take(
                        {"type": "event_callback", "team_id": team, "event": {"type": "message"}}
                    )
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)
                await other.close()

                assert "1 installations can't be opened" in other.unready()
                assert "AdapterError" == type(refused.value).__name__
                assert {team} == set(await it.store.notes(SCOPE))


def test_without_what_seals_the_plugin_says_what_to_install() -> None:
    """The settings are read without cryptography; only building the adapter needs it."""
    program = """
import sys
sys.modules["cryptography"] = None
from assistant_gateway_slack import plugin
from assistant_gateway.errors import ConfigError
settings = plugin.settings.model_validate({"bot_token": "xoxb-1", "app_token": "xapp-1"})
try:
    plugin.build(settings, None)
except ConfigError as error:
    print(error)
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "pip install 'assistant-gateway[slack]'" in done.stdout


async def test_the_doctor_asks_slack_about_the_client(tmp_path: Path) -> None:
    """Good, wrong id, wrong secret, no answer: each told, with its remedy; nobody is installed."""
    async with slack_of() as slack:
        wrong = {"client_id": "9.9"}, {"client_secret": SecretStr("no")}
        told = []
        for more in ({"teams": ["T1"], "encryption_key": SecretStr(FIRST)}, *wrong):
            adapter = SlackAdapter(settings_for(slack, **more))
            told.append({(each.state, each.about): each.text for each in await adapter.check()})
            await adapter.close()
        slack.fault(Fault("http", "oauth.v2.access"))
        adapter = SlackAdapter(settings_for(slack, public_url=""))
        told.append({(each.state, each.about): each.text for each in await adapter.check()})
        await adapter.close()

    good, no_id, no_secret, away = told
    assert {"ok"} == {state for state, _ in good}
    assert "https://bot.example/slack/install" in good["ok", "slack installation"]
    assert "https://bot.example/slack/oauth_redirect" in good["ok", "slack installation"]
    assert "copy client_id anew" in no_id["broken", "slack client"]
    assert "copy client_secret anew" in no_secret["broken", "slack client"]
    assert "could not be asked" in away["note", "slack client"]
    assert [] == slack.calls("auth.test")
    assert [] == os.listdir(tmp_path)
