"""What a configuration becomes, and what is said about a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant_gateway.config import AssistantSettings, Config, PriceSettings, load_config
from assistant_gateway.errors import ConfigError
from fixtures.plugins import BROKEN, plugins


def load(directory: Path, text: str = "", environ: dict[str, str] | None = None, **options: str) -> Config:
    path = directory / "config.toml"
    path.write_text(text)
    given = {f"--{name.replace('_', '-')}": value for name, value in options.items()}
    return load_config(path, environ or {}, plugins(), options=given)


def refusal(directory: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    """The lines that are said, without the file's directory."""
    with pytest.raises(ConfigError) as refused:
        load(directory, text, environ)
    return str(refused.value).replace(f"{directory}/", "").splitlines()


# What comes from where


def test_nothing_at_all_is_a_configuration() -> None:
    """Without file and environment the demo backend answers on 127.0.0.1:8080, and a note says so."""
    config = load_config(None, {}, plugins())

    assert "demo" == config.assistants["default"].backend
    assert ("127.0.0.1", 8080) == (config.server.host, config.server.port)
    assert "sqlite:///assistant-gateway.db" == config.store.url
    assert "OPENAI_API_KEY" in config.notes[0]
    assert {"webhooks": {"default": {}}} == config.adapters


def test_a_key_in_the_environment_brings_the_responses_backend() -> None:
    """OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL make the default assistant's backend `main`."""
    environ = {"OPENAI_API_KEY": "sk-canary-1", "OPENAI_BASE_URL": "http://host/v1", "OPENAI_MODEL": "m"}

    config = load_config(None, environ, plugins())

    main = config.backends["main"]
    assert ("responses", "http://host/v1") == (main["kind"], main["base_url"])
    assert ("main", "m") == (config.assistants["default"].backend, config.assistants["default"].model)
    assert () == config.notes


def test_the_environment_names_the_address_of_a_backend_whose_key_the_file_brings(tmp_path: Path) -> None:
    """OPENAI_BASE_URL counts without OPENAI_API_KEY, too: a key from the file never goes to another host."""
    text = '[backends.main]\nkind = "responses"\napi_key = { env = "KEY" }\n'
    environ = {"KEY": "sk-canary-1", "OPENAI_BASE_URL": "http://host/v1"}

    main = load(tmp_path, text, environ).backends["main"]
    named = load(tmp_path, text + 'base_url = "http://named/v1"\n', environ).backends["main"]

    assert ("http://host/v1", "http://named/v1") == (main["base_url"], named["base_url"])


def test_an_empty_key_counts_as_none() -> None:
    """OPENAI_API_KEY="" is the same as no key: the demo answers."""
    config = load_config(None, {"OPENAI_API_KEY": "", "OPENAI_MODEL": ""}, plugins())

    assert "demo" == config.assistants["default"].backend


def test_the_file_overrides_only_the_keys_it_names(tmp_path: Path) -> None:
    """A timeout in [backends.main] and instructions in [assistants.default] keep the environment's rest."""
    environ = {"OPENAI_API_KEY": "sk-canary-1", "OPENAI_BASE_URL": "http://host/v1", "OPENAI_MODEL": "m"}
    text = '[backends.main]\ntimeout = 5\n[assistants.default]\ninstructions = "Be brief."\n'

    config = load(tmp_path, text, environ)

    main = config.backends["main"]
    assert ("responses", "http://host/v1", 5) == (main["kind"], main["base_url"], main["timeout"])
    assert (
        AssistantSettings(backend="main", model="m", instructions="Be brief.") == config.assistants["default"]
    )


def test_a_backend_of_another_kind_gets_nothing_of_the_environments_key(tmp_path: Path) -> None:
    """[backends.main] kind = "demo" is not confused by OPENAI_API_KEY, whose keys it does not know."""
    config = load(tmp_path, '[backends.main]\nkind = "demo"\n', {"OPENAI_API_KEY": "sk-canary-1"})

    assert {"kind": "demo"} == config.backends["main"]


def test_every_assistant_uses_the_main_backend_unless_it_names_one(tmp_path: Path) -> None:
    """Of three assistants the one that names `demo` has it; the others have `main`."""
    text = '[backends.main]\nkind = "responses"\n[assistants.math]\n[assistants.toy]\nbackend = "demo"\n'

    config = load(tmp_path, text)

    backends = {name: assistant.backend for name, assistant in config.assistants.items()}
    assert {"default": "main", "math": "main", "toy": "demo"} == backends


def test_options_win_over_the_file_and_the_file_over_the_environment(tmp_path: Path) -> None:
    """--listen beats the file's address, the file's store beats ASSISTANT_GATEWAY_STORE."""
    environ = {"ASSISTANT_GATEWAY_STORE": "sqlite:///env.db", "ASSISTANT_GATEWAY_LISTEN": "127.0.0.1:1"}
    text = '[store]\nurl = "sqlite:///file.db"\n[server]\nlisten = "127.0.0.1:2"\n'

    config = load(tmp_path, text, environ, listen="127.0.0.1:0", log_format="json")

    assert ("sqlite:///file.db", 0, "json") == (config.store.url, config.server.port, config.log.format)


def test_a_list_of_the_file_replaces_that_of_the_environment(tmp_path: Path) -> None:
    """Where the file names hosts, they are all; where it does not, the environment's are."""
    environ = {"ASSISTANT_GATEWAY_EGRESS_ALLOW": "localhost:9000, ::1/128,"}

    named = load(tmp_path, '[egress]\nallow = ["10.0.0.0/8", "internal.example"]\n', environ)
    unnamed = load(tmp_path, "[egress]\n", environ)

    assert ("10.0.0.0/8", "internal.example") == named.egress.allow
    assert ("localhost:9000", "::1/128") == unnamed.egress.allow


def test_tool_files_are_relative_to_what_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file's stays as written, for it is found beside the file; the environment's becomes absolute."""
    (tmp_path / "here").mkdir()
    (tmp_path / "mine.py").touch()
    (tmp_path / "here" / "yours.py").touch()
    monkeypatch.chdir(tmp_path / "here")
    environ = {"ASSISTANT_GATEWAY_TOOLS": "yours.py,bots.tools"}

    from_file = load(tmp_path, '[tools]\nmodules = ["mine.py"]\n', environ)
    from_environment = load(tmp_path, "", environ)

    assert ("mine.py",) == from_file.tools.modules
    assert (str(tmp_path / "here" / "yours.py"), "bots.tools") == from_environment.tools.modules


def test_an_address_for_everybody_is_allowed_and_noted(tmp_path: Path) -> None:
    """Webhooks are signed, so 0.0.0.0 is no error; the operator is told."""
    config = load(tmp_path, '[server]\nlisten = "0.0.0.0:80"\n')

    assert any("0.0.0.0:80" in note for note in config.notes)


# What is wrong


def test_everything_wrong_is_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Ten mistakes give ten lines, each with file, line, key and a remedy."""
    text = """\
servr = 1
[server]
listn = "127.0.0.1:1"
max_connections = 0
[store]
keys_days = 0.5
[webhooks.default]
toke = "x"
secret = "whsec_canary"
[backends.main]
kind = "respnses"
[[routes]]
adapter = "slack"
[[routes]]
channl = "C1"
busy = "drop"
users = "U1"
"""

    lines = refusal(tmp_path, text)

    assert [
        'config.toml:1: servr: unknown key; did you mean "server"?',
        'config.toml:3: server.listn: unknown key; did you mean "listen"?',
        "config.toml:4: server.max_connections: should be greater than or equal to 1, not 0 "
        "(open connections; above it new ones are closed)",
        "config.toml:6: store.keys_days: should be greater than or equal to 1, not 0.5 "
        "(days that dedupe keys are kept; platforms repeat a message for hours, and one whose key is "
        "forgotten is answered twice)",
        'config.toml:8: webhooks.default.toke: unknown key; did you mean "token"?',
        "config.toml:9: webhooks.default.secret: a secret is never written here; "
        'refer to it: { env = "NAME" } or { file = "path" }',
        'config.toml:11: backends.main.kind: there is no backend kind "respnses"; did you mean "responses"?',
        'config.toml:15: routes[1].channl: unknown key; did you mean "channel"?',
        "config.toml:16: routes[1].busy: should be 'queue', 'merge' or 'interrupt', not 'drop' "
        "(what a message does while another is answered: queue, merge or interrupt)",
        "config.toml:17: routes[1].users: should be a list "
        "(immutable ids of the people it is for; an empty list is for nobody)",
    ] == lines


@pytest.mark.parametrize(
    ("section", "setting"),
    [
        ("server", 'listen = "127.0.0.1:-1"'),
        ("server", 'listen = "127.0.0.1:65536"'),
        ("server", 'listen = "127.0.0.1:٣"'),
        ("server", 'listen = ":8080"'),
        ("server", 'listen = "8080"'),
        ("server", 'listen = "::1:8080"'),
        ("server", 'listen = "http://127.0.0.1:80"'),
        ("server", "request_seconds = 0"),
        ("server", "request_seconds = -1"),
        ("server", "request_seconds = 1e12"),
        ("server", "request_seconds = nan"),
        ("server", "request_seconds = inf"),
        ("server", "body_limit = 1.5"),
        ("server", 'trusted_proxies = ["everybody"]'),
        ("worker", "lease_seconds = 1"),
        ("worker", "max_runs = true"),
        ("worker", "tries = 0"),
        ("store", "keys_days = 0.04"),
        ("store", 'url = "mysql://host/db"'),
        ("store", 'url = "sqlite:///"'),
        ("store", 'url = "sqlite:///:memory:"'),
        ("egress", 'allow = ["http://host"]'),
        ("egress", 'allow = ["*.example.com"]'),
        ("egress", 'allow = ["10.0.0.0/99"]'),
        ("egress", 'allow = ["host:0"]'),
        ("assistants.default", "backend = []"),
        ("assistants.default", "run_seconds = 0"),
        ("assistants.default", "model = 5"),
        ("log", "level = 10"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_place(tmp_path: Path, section: str, setting: str) -> None:
    """Each of 29 impossible values is refused on line 2, with its key."""
    key = setting.partition(" ")[0]

    lines = refusal(tmp_path, f"[{section}]\n{setting}\n")

    assert 1 == len(lines)
    assert lines[0].startswith(f"config.toml:2: {section}.{key}")


@pytest.mark.parametrize("address", ["[::1]:0", "localhost:65535", "0.0.0.0:80", "gateway.internal:8080"])
def test_an_address_to_listen_on_may_have_any_form(tmp_path: Path, address: str) -> None:
    """IPv6 in brackets, names, port 0 for any free one."""
    assert address == load(tmp_path, f'[server]\nlisten = "{address}"\n').server.listen


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    """What the environment brings is blamed on its variable, not on the file."""
    environ = {
        "ASSISTANT_GATEWAY_LISTEN": "nowhere",
        "ASSISTANT_GATEWAY_EGRESS_ALLOW": "fine.example,http://x",
        "ASSISTANT_GATEWAY_TOOLS": "none.py",
        "WEBHOOK_SECRET": "changeme",
    }

    lines = refusal(tmp_path, "", environ)

    assert {
        "ASSISTANT_GATEWAY_LISTEN",
        "ASSISTANT_GATEWAY_EGRESS_ALLOW",
        "ASSISTANT_GATEWAY_TOOLS",
        "WEBHOOK_SECRET",
    } == {line.partition(":")[0] for line in lines}


def test_names_that_lead_nowhere_are_refused_where_they_stand(tmp_path: Path) -> None:
    """A route to an unknown assistant and an assistant on an unknown backend name line and remedy."""
    text = """\
[assistants.math]
backend = ["demo", "man"]
[backends.main]
kind = "demo"
[[routes]]
assistant = "mth"
"""

    lines = refusal(tmp_path, text)

    assert [
        'config.toml:2: assistants.math.backend: there is no backend "man"; did you mean "main"?',
        'config.toml:6: routes[0].assistant: there is no assistant "mth"; did you mean "math"?',
    ] == lines


def test_a_missing_setting_is_told_at_its_table(tmp_path: Path) -> None:
    """[chat] without its bot token is refused on the table's line."""
    assert ["config.toml:2: chat.bot_token: is missing"] == refusal(tmp_path, "\n[chat]\n")


def test_a_table_where_a_value_belongs_is_refused(tmp_path: Path) -> None:
    """backends = 1, [backends] main = 1 and webhooks = 1 say that a table is wanted."""
    for text in (
        "backends = 1\n",
        "[backends]\nmain = 1\n",
        "chat = 1\n",
        "assistants = 1\n",
        "routes = 1\n",
    ):
        (line,) = refusal(tmp_path, text)
        assert "should be a" in line


def test_a_broken_package_matters_only_to_who_uses_it(tmp_path: Path) -> None:
    """With an adapter that can't be imported the gateway starts; its table or its token is an error."""
    path = tmp_path / "config.toml"
    path.write_text("[slack]\n")

    untouched = load_config(None, {}, plugins(BROKEN))
    with pytest.raises(ConfigError, match=r'config\.toml:1: slack: "slack" .* can\'t be loaded'):
        load_config(path, {}, plugins(BROKEN))
    with pytest.raises(ConfigError, match=r'SLACK_BOT_TOKEN: "slack" .* can\'t be loaded'):
        load_config(None, {"SLACK_BOT_TOKEN": "x"}, plugins(BROKEN))

    assert "slack" not in untouched.adapters


def test_a_platform_that_nothing_installed_serves_is_noted(tmp_path: Path) -> None:
    """A token for Discord without its adapter starts nothing, and the operator is told."""
    config = load(tmp_path, "", {"DISCORD_BOT_TOKEN": "unused"})

    assert any("DISCORD_BOT_TOKEN" in note for note in config.notes)


# Prices, budgets, limits

PRICED = '[prices."gpt-6.2-sol"]\ninput = 2\ncached_input = 0.2\noutput = 10.0\n'


def test_a_price_is_a_models_or_a_backends(tmp_path: Path) -> None:
    """One price of a model everywhere, and another one at one backend; 2 is as good as 2.0."""
    text = f'{PRICED}\n[backends.azure]\nkind = "demo"\n[prices.azure."gpt-6.2-sol"]\noutput = 12.0\n'

    prices = load(tmp_path, text).prices

    everywhere, azure = prices["gpt-6.2-sol"], prices["azure"]
    assert isinstance(everywhere, PriceSettings)
    assert isinstance(azure, dict)
    assert (2.0, 0.2, 10.0) == (everywhere.input, everywhere.cached_input, everywhere.output)
    assert (0.0, None, 12.0) == (
        azure["gpt-6.2-sol"].input,
        azure["gpt-6.2-sol"].cached_input,
        azure["gpt-6.2-sol"].output,
    )


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "[prices.m]\ninput = -1\n",
            [
                "config.toml:2: prices.m.input: should be greater than or equal to 0, not -1 "
                "(dollars for a million tokens of input)"
            ],
        ),
        ("[prices.m]\nprice = 1\n", ["config.toml:2: prices.m.price: unknown key"]),
        (
            '[prices.demo.m]\noutput = "dear"\n',
            [
                "config.toml:2: prices.demo.m.output: should be a number "
                "(dollars for a million tokens of output)"
            ],
        ),
        (
            "[prices.azure.m]\noutput = 1\n",
            ['config.toml:1: prices.azure: there is no backend "azure"; known: demo'],
        ),
        ('[[budgets]]\nper = "user"\n', ["config.toml:1: budgets[0]: should have soft, hard or both"]),
        (
            '[[budgets]]\nunit = "tokens"\nsoft = 2\nhard = 1\n',
            ["config.toml:1: budgets[0]: soft should not be above hard"],
        ),
        (
            '[[budgets]]\nunit = "tokens"\nhard = 1\nassistant = "salse"\n[assistants.sales]\n',
            ['config.toml:4: budgets[0].assistant: there is no assistant "salse"; did you mean "sales"?'],
        ),
        (
            "[[budgets]]\nhard = 1\n",
            ["config.toml:1: budgets[0].unit: counts dollars, but [prices] names no model"],
        ),
    ],
)
def test_a_wrong_price_or_budget_is_told_with_its_line(tmp_path: Path, text: str, lines: list[str]) -> None:
    """Each mistake has one line, with its key and what was expected."""
    assert lines == refusal(tmp_path, text)
