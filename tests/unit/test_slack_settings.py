"""The table [slack], the environment, the doctor's findings and the manifest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from assistant_gateway.cli import main
from assistant_gateway.config import load_config
from assistant_gateway.errors import ConfigError
from assistant_gateway_slack.adapter import SlackAdapter
from assistant_gateway_slack.dialogs import ASK
from assistant_gateway_slack.manifest import events, manifest, scopes
from assistant_gateway_slack.said import EVENT_TYPE
from assistant_gateway_slack.settings import SlackFeatures, SlackSettings
from emulators.slack import EVENTS as ALL_EVENTS
from emulators.slack import SCOPES as ALL_SCOPES
from emulators.slack import Fault, SlackEmulator
from fixtures.slack import settings_for

BOT, APP, SECRET = "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"
TOKENS = {BOT: "xoxb-1-2-abc", APP: "xapp-1-2-abc", SECRET: "0123456789abcdef"}


def environment(*names: str) -> dict[str, str]:
    return {name: TOKENS[name] for name in names}


@pytest.mark.parametrize("names", [(BOT, APP), (BOT, SECRET), (BOT, APP, SECRET)])
def test_the_environment_alone_is_enough(names: tuple[str, ...]) -> None:
    """A bot token with an app token, with a signing secret, or with both makes a Slack adapter."""
    config = load_config(None, environment(*names))

    settings = SlackSettings.model_validate(config.adapters["slack"])

    given = {BOT: settings.bot_token, APP: settings.app_token, SECRET: settings.signing_secret}
    assert set(names) == {name for name, value in given.items() if value is not None}
    assert "abc" not in repr(settings)


def test_without_any_of_them_there_is_no_slack() -> None:
    """An empty environment configures nothing of Slack."""
    assert "slack" not in load_config(None, {}).adapters


@pytest.mark.parametrize(
    ("names", "missing"),
    [((BOT,), [APP, SECRET]), ((APP,), [BOT]), ((SECRET,), [BOT]), ((APP, SECRET), [BOT])],
)
def test_half_a_configuration_names_what_is_missing(names: tuple[str, ...], missing: list[str]) -> None:
    """One half without the other ends the start, with the other half's variable in the message."""
    with pytest.raises(ConfigError) as caught:
        load_config(None, environment(*names))

    assert all(name in str(caught.value) for name in missing)
    assert not any(name in str(caught.value) for name in names)


def test_the_file_completes_the_environment(tmp_path: Path) -> None:
    """A bot token of the environment and a secret that the file refers to are a whole."""
    path = tmp_path / "config.toml"
    path.write_text('[slack]\nsigning_secret = { env = "MINE" }\nchannels = ["C1"]\n')

    config = load_config(path, {BOT: TOKENS[BOT], "MINE": TOKENS[SECRET]})

    assert config.adapters["slack"]["channels"] == ["C1"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('bot_token = { env = "SLACK_APP_TOKEN" }', "app-level token"),
        ('app_token = { env = "SLACK_BOT_TOKEN" }', "begins with xapp-"),
        ('base_url = "slack.com"', "https://slack.com/api/"),
        ("connections = 11", "less than or equal to 10"),
        ('answer = "sometimes"', "mention"),
        ('chanels = ["C1"]', 'did you mean "channels"?'),
        ('bot_token = "xoxb-1"', "never written here"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, line: str, words: str) -> None:
    """Swapped tokens, wrong numbers, unknown words: file, line and what to do."""
    path = tmp_path / "config.toml"
    path.write_text(f"[slack]\n{line}\n")

    with pytest.raises(ConfigError) as caught:
        load_config(path, TOKENS)

    assert f"{path}:2" in str(caught.value)
    assert words in str(caught.value)


def test_without_the_sdk_the_plugin_says_what_to_install() -> None:
    """The plugin is imported without slack_bolt and slack_sdk; only building the adapter needs them."""
    program = """
import sys
sys.modules["slack_bolt"] = sys.modules["slack_sdk"] = None
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


async def test_the_doctor_finds_a_good_installation_good() -> None:
    """Token, scopes and Socket Mode are looked at; nothing is posted."""
    async with SlackEmulator() as slack:
        adapter = SlackAdapter(settings_for(slack))

        found = await adapter.check()
        await adapter.close()

        assert {"ok"} == {each.state for each in found}
        assert {"slack", "slack scopes", "slack sockets"} == {each.about for each in found}
        assert "Acme" in found[0].text
        assert {"auth.test", "apps.connections.open"} == {call.method for call in slack.calls()}


async def test_the_doctor_says_what_is_broken_and_how_to_mend_it() -> None:
    """A wrong token, a missing scope, Socket Mode turned off: each with its remedy."""
    async with SlackEmulator() as slack:
        slack.bot.scopes = ALL_SCOPES - {"chat:write", "files:read"}
        slack.fault(Fault("error", "apps.connections.open", error="not_allowed_token_type"))
        adapter = SlackAdapter(settings_for(slack))
        found = await adapter.check()
        slack.fault(Fault("error", "auth.test", error="invalid_auth"))
        (refused,) = await adapter.check()
        await adapter.close()

    broken = {each.text for each in found if each.state == "broken"}
    assert any("chat:write is missing" in text for text in broken)
    assert any("connections:write" in text for text in broken)
    assert ["files:read"] == [each.text.split(" ")[0] for each in found if each.state == "note"]
    assert "broken" == refused.state
    assert "the bot token is wrong" in refused.text


def test_the_manifest_asks_for_what_is_used() -> None:
    """Every scope and event, and the metadata whose payload must come back; for HTTP the address, too."""
    features = SlackFeatures()
    socket, http = manifest(features, name="Ann's bot"), manifest(features, url="https://bot.example/")

    told, asked = json.loads(json.dumps(socket)), json.loads(json.dumps(http))
    subscriptions = told["settings"]["event_subscriptions"]
    assert sorted(scopes(features)) == told["oauth_config"]["scopes"]["bot"]
    assert events(features) == subscriptions["bot_events"]
    assert [EVENT_TYPE] == [each["event_type"] for each in subscriptions["metadata_subscriptions"]]
    assert told["settings"]["socket_mode_enabled"]
    assert not asked["settings"]["socket_mode_enabled"]
    address = "https://bot.example/slack/events"
    assert address == asked["settings"]["event_subscriptions"]["request_url"]
    assert address == asked["settings"]["interactivity"]["request_url"]
    assert address == asked["features"]["slash_commands"][0]["url"]
    assert "url" not in told["features"]["slash_commands"][0]
    assert [ASK] == [each["callback_id"] for each in told["features"]["shortcuts"]]
    assert set(told["oauth_config"]["scopes"]["bot"]) <= ALL_SCOPES
    assert set(subscriptions["bot_events"]) <= ALL_EVENTS


@pytest.mark.parametrize(
    ("view", "more_scopes", "more_events", "key"),
    [
        ("none", set(), set(), ""),
        (
            "agent",
            {"assistant:write"},
            {"agent_session_stopped", "app_context_changed", "app_home_opened"},
            "agent_view",
        ),
        (
            "assistant",
            {"assistant:write"},
            {"assistant_thread_started", "assistant_thread_context_changed"},
            "assistant_view",
        ),
    ],
)
def test_each_view_asks_for_its_own(
    view: str, more_scopes: set[str], more_events: set[str], key: str
) -> None:
    """A view brings its events, its scope and its block with the prompts; without one there is none."""
    plain = SlackFeatures()
    features = SlackFeatures.model_validate({"view": view, "prompts": ["What can you do?"], "command": ""})

    told = json.loads(json.dumps(manifest(features)))

    assert more_scopes == set(scopes(features)) - set(scopes(plain))
    assert more_events == set(events(features)) - set(events(plain))
    assert "slash_commands" not in told["features"]
    assert {key} - {""} == {"agent_view", "assistant_view"} & set(told["features"])
    if key:
        assert [{"title": "What can you do?", "message": "What can you do?"}] == (
            told["features"][key]["suggested_prompts"]
        )


def test_the_command_prints_the_manifest(capsys: pytest.CaptureFixture[str]) -> None:
    """`slack manifest` prints JSON alone on standard output and ends with 0; a bad address is wrong usage."""
    code = main(["slack", "manifest", "--name", "Bot"])
    with pytest.raises(SystemExit) as end:
        main(["slack", "manifest", "--url", "http://bot.example"])

    assert 0 == code
    assert "Bot" == json.loads(capsys.readouterr().out)["display_information"]["name"]
    assert 2 == end.value.code


@pytest.mark.parametrize("name", ["", " ", "x" * 36])
def test_a_name_that_slack_would_refuse_is_wrong_usage(name: str) -> None:
    """No name, a blank, and 36 characters: nobody finds that out by pasting the manifest."""
    with pytest.raises(SystemExit) as end:
        main(["slack", "manifest", "--name", name])

    assert 2 == end.value.code


def test_the_manifest_follows_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without any token the file's view, command and public address are in it; what is wrong has its line."""
    path = tmp_path / "config.toml"
    path.write_text(
        '[slack]\nbot_token = { env = "NONE" }\nview = "agent"\ncommand = "/ask"\n'
        'public_url = "https://bot.example/"\n'
    )

    good = main(["slack", "manifest", "--config", str(path)])
    told = json.loads(capsys.readouterr().out)
    path.write_text('[slack]\n\ncommand = "ask me"\n')
    bad = main(["slack", "manifest", "--config", str(path)])

    assert (0, 2) == (good, bad)
    assert "/ask" == told["features"]["slash_commands"][0]["command"]
    assert "agent_view" in told["features"]
    assert ["https://bot.example/slack/oauth_redirect"] == told["oauth_config"]["redirect_urls"]
    assert f"{path}:3: slack.command" in capsys.readouterr().err
