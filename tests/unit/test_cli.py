"""The command line: what it prints, and the code it ends with."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from assistant_gateway.adapter import Delivery, DeliveryState
from assistant_gateway.cli import main
from assistant_gateway.cli.banner import banner
from assistant_gateway.config import load_config
from assistant_gateway.items import assistant_message, function_call, user_message
from assistant_gateway.store.sqlite import SqliteStore
from assistant_gateway.values import (
    Answer,
    Conversation,
    FunctionCall,
    Inbound,
    Item,
    Lane,
    MessageState,
    Rating,
    Routed,
    Run,
    RunStatus,
    User,
)
from fixtures.plugins import plugins

TOOLS = Path(__file__).parent.parent / "fixtures" / "cli_tools.py"


pytestmark = pytest.mark.usefixtures("alone")


def code_of(*argv: str) -> int:
    try:
        return main(argv)
    except SystemExit as end:
        return int(str(end.code))


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("fly",),
        ("serve", "--no-such-option"),
        ("serve", "--log-format", "xml"),
        ("threads",),
        ("threads", "show"),
        ("threads", "list", "--limit", "0"),
        ("tools", "call"),
        ("deliveries", "list", "--state", "lost"),
        ("usage", "--by", "hour"),
        ("usage", "--since", "yesterday"),
        ("config",),
    ],
)
def test_wrong_usage_ends_with_two(argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Twelve wrong command lines end with 2 and say what is expected, on standard error."""
    assert 2 == code_of(*argv)
    assert "usage: assistant-gateway" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["serve", "chat", "config show", "tools list", "threads list", "deliveries list"]
)
def test_a_wrong_configuration_ends_with_two(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command refuses ./config.toml in one line with file, line and key, without a traceback."""
    Path("config.toml").write_text("[server]\nlistn = 1\n")

    code = code_of(*command.split())

    expected = 'assistant-gateway: config.toml:2: server.listn: unknown key; did you mean "listen"?\n'
    assert (2, expected) == (code, capsys.readouterr().err)


def test_a_configuration_that_is_named_must_exist(capsys: pytest.CaptureFixture[str]) -> None:
    """--config none.toml ends with 2; without --config a missing ./config.toml is fine."""
    assert 2 == code_of("config", "show", "--config", "none.toml")
    assert "none.toml: can't be read" in capsys.readouterr().err
    assert 0 == code_of("config", "show")


def test_an_option_is_checked_like_a_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """serve --listen 127.0.0.1:65536 and chat --store nowhere name the option that is wrong."""
    assert 2 == code_of("serve", "--listen", "127.0.0.1:65536")
    assert 2 == code_of("chat", "--store", "nowhere")

    said = capsys.readouterr().err.splitlines()
    assert ["--listen", "--store"] == [line.split(": ")[1] for line in said]


def test_the_shown_configuration_has_no_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`config show` prints JSON with every setting; a secret is replaced, its variable is named."""
    monkeypatch.setenv("KEY", "sk-canary1234567")
    monkeypatch.setenv("WEBHOOK_SECRET", "whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5")
    monkeypatch.setenv("ASSISTANT_GATEWAY_STORE", "postgresql://user:canary@host/db")
    Path("config.toml").write_text('[backends.main]\nkind = "responses"\napi_key = { env = "KEY" }\n')

    assert 0 == code_of("config", "show", "--config", "config.toml")

    shown = capsys.readouterr().out
    settings = json.loads(shown)
    assert "[redacted]" == settings["backends"]["main"]["api_key"]
    assert {"kind": "env", "name": "KEY"} == settings["references"]["backends.main.api_key"]
    assert "canary" not in shown
    assert "Y2FuYXJ5" not in shown


def test_tools_are_listed_and_called(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`tools call add` prints 5; a tool that refuses and wrong arguments print an error and end with 1."""
    monkeypatch.setenv("ASSISTANT_GATEWAY_TOOLS", str(TOOLS))

    codes = [
        code_of("tools", "list"),
        code_of("tools", "call", "add", '{"first": 2, "second": 3}'),
        code_of("tools", "call", "refuse", '{"reason": "not today"}'),
        code_of("tools", "call", "add", '{"first": "two"}'),
    ]

    printed = capsys.readouterr().out
    assert [0, 0, 1, 1] == codes
    assert "Add two numbers." in printed
    assert "\n5\n" in printed
    assert "not today" in printed
    assert "invalid_arguments" in printed


def test_an_unknown_tool_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`tools call ad` ends with 2 and asks whether add was meant."""
    monkeypatch.setenv("ASSISTANT_GATEWAY_TOOLS", str(TOOLS))

    assert 2 == code_of("tools", "call", "ad", "{}")
    assert 'did you mean "add"?' in capsys.readouterr().err


async def filled(path: Path) -> str:
    """A store with one thread of three items and two deliveries; the thread's id."""
    store = SqliteStore(path)
    await store.open()
    thread = await store.open_thread(Lane("webhook", "default", "room", "", ""))
    call = FunctionCall("call_1", "add", '{"first": 1, "second": 2}')
    bodies = [user_message("Hello\x1b[31m"), function_call(call), assistant_message("Hi there.")]
    await store.add_items(thread.id, [Item(f"item_{number}", body) for number, body in enumerate(bodies)])
    for id in ("evt_1", "evt_2"):
        await store.enqueue(Delivery(id, "default", "https://host/callback", b"{}"))
    dead = Delivery("evt_1", "default", "https://host/callback", b"{}", 9, 0.0, DeliveryState.DEAD, "410")
    await store.record(dead)
    await store.close()
    return thread.id


@pytest.fixture
async def thread(tmp_path: Path) -> str:
    return await filled(tmp_path / "assistant-gateway.db")


def test_threads_are_listed_shown_and_reset(thread: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The list names the place, `show` three items without control characters, `reset` a new id."""
    codes = [code_of("threads", "list"), code_of("threads", "show", thread)]
    shown = capsys.readouterr().out
    codes.append(code_of("threads", "reset", thread))
    fresh = capsys.readouterr().out.strip()
    codes.append(code_of("threads", "list"))

    assert [0, 0, 0, 0] == codes
    assert "webhook / default / room" in shown
    assert "\x1b" not in shown
    assert shown.index("Hello") < shown.index('add({"first": 1, "second": 2})') < shown.index("Hi there.")
    assert fresh != thread
    assert fresh in capsys.readouterr().out


def test_a_thread_is_exported_whole(thread: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The export has the place and all items, a line each; a file of it has mode 0600."""
    assert 0 == code_of("threads", "export", thread)
    assert 0 == code_of("threads", "export", thread, "--output", "thread.json")

    printed = capsys.readouterr().out
    first, *others = map(json.loads, printed.splitlines())
    assert (thread, "room") == (first["id"], first["channel"])
    assert ["message", "function_call", "message"] == [line["body"]["type"] for line in others]
    assert printed == (tmp_path / "thread.json").read_text()
    assert 0o600 == (tmp_path / "thread.json").stat().st_mode & 0o777


def test_all_threads_go_to_another_store(
    thread: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `threads export` wrote is imported by a new store, once; a wrong line ends with 1 and is named."""
    code_of("threads", "export", "--output", "all.jsonl")
    (tmp_path / "wrong.jsonl").write_text("{}\n")
    (tmp_path / "empty.jsonl").touch()
    other = ("--store", f"sqlite:///{tmp_path / 'other.db'}")
    asyncio.run(filled(tmp_path / "other.db"))

    codes = [
        code_of("threads", "import", name, "--replace", *other)
        for name in ("all.jsonl", "all.jsonl", "wrong.jsonl", "empty.jsonl")
    ]
    told = capsys.readouterr()
    code_of("threads", "export", thread, *other)

    assert [0, 0, 1, 1] == codes
    assert "empty.jsonl: there is no thread in it" in told.err
    assert [f"{thread}  3 items", f"{thread}  is here already"] == [
        line for line in told.out.splitlines() if line.startswith(thread)
    ]
    assert "wrong.jsonl: line 1: " in told.err
    assert capsys.readouterr().out in (tmp_path / "all.jsonl").read_text()


async def rated(path: Path) -> str:
    """A store with two answers: the first rated by two people, the second taken back; the thread's id."""
    store = SqliteStore(path)
    await store.open()
    place = Conversation("webhook", "default", "room")
    for number in range(2):
        inbound = Inbound(place, f"m{number}", User("U1", "Ann"), "Hi")
        await store.accept(inbound, Routed(Lane("webhook", "default", "room"), "default"), cap=10)
        claim = await store.claim("w", 30)
        assert claim is not None
        run = Run(f"run_{number}", claim.message.thread_id, "default")
        await store.begin(claim, run, [Item(f"in_{number}", user_message(f"Question {number}"))])
        said = Item(f"out_{number}", assistant_message(f"Answer {number}"))
        await store.conclude(claim, run, Answer("", RunStatus.COMPLETED), [said], "")
        await store.finish(claim, MessageState.DELIVERED)
    await store.rate(place, User("U1", "Ann"), "run_0", Rating.GOOD, None)
    await store.rate(place, User("U2"), "run_0", Rating.BAD, "Wrong\x1b[2J year")
    await store.undo(Lane("webhook", "default", "room"))
    await store.close()
    return run.thread_id


def test_operators_read_feedback_and_what_was_taken_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`threads show` has 2 thumbs behind the first answer, 2 forgotten items; `feedback list` filters."""
    thread = asyncio.run(rated(tmp_path / "assistant-gateway.db"))

    assert 0 == code_of("threads", "show", thread)
    shown = capsys.readouterr().out
    assert 0 == code_of("feedback", "list", "--rating", "bad", "--limit", "5")
    (listed,) = capsys.readouterr().out.splitlines()

    places = [shown.index(word) for word in ("Answer 0", "👍", "👎", "Question 1", "Answer 1")]
    assert sorted(places) == places
    assert 2 == shown.count("(forgotten)")
    assert f"{thread}  run_0  👎" in listed
    assert "U2" in listed
    assert "\x1b" not in shown + listed


def test_an_unknown_thread_ends_with_one(thread: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`threads show nobody` fails, with advice."""
    assert 1 == code_of("threads", "show", "nobody")
    assert "there is no thread nobody" in capsys.readouterr().err


def test_a_dead_delivery_is_tried_again(thread: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`deliveries retry` makes evt_1 pending with no tries; an unknown one ends with 1."""
    code_of("deliveries", "list", "--state", "dead")
    dead = capsys.readouterr().out
    codes = [code_of("deliveries", "retry", "evt_1"), code_of("deliveries", "retry", "evt_3")]
    capsys.readouterr()
    code_of("deliveries", "list", "--state", "pending")
    pending = capsys.readouterr().out

    assert [0, 1] == codes
    assert "evt_1  dead       9 tries  default  → https://host/callback  410\n" == dead
    assert {"evt_1", "evt_2"} == {line.split()[0] for line in pending.splitlines()}


@pytest.mark.parametrize(
    ("text", "environ", "read"),
    [
        ("", {"WEBHOOK_SECRET": "whsec_Y2FuYXJ5"}, 'secret="$WEBHOOK_SECRET"'),
        ('[webhooks.default]\nsecret = { env = "S" }\n', {"S": "whsec_Y2FuYXJ5"}, 'secret="$S"'),
        ('[webhooks.default]\nsecret = { file = "a b" }\n', {}, "/a b')\""),
        ('[webhooks.default]\ntoken = { env = "S" }\n', {"S": "Y2FuYXJ5"}, 'token="$S"'),
        ("", {}, "/webhook-default.secret"),
    ],
)
def test_the_banner_reads_the_secret_and_does_not_print_it(
    tmp_path: Path, text: str, environ: dict[str, str], read: str
) -> None:
    """However the source gets its secret, the printed lines read it there and show nothing of it."""
    for name in ("a b", "webhook-default.secret"):
        (tmp_path / name).write_text("whsec_Y2FuYXJ5\n")
    (tmp_path / "config.toml").write_text(text)
    config = load_config(Path("config.toml"), environ, plugins())

    printed = banner(config, "http://127.0.0.1:8080", environ)

    assert read in printed
    assert "http://127.0.0.1:8080/webhooks/default" in printed
    assert "I need to solve the equation 3x + 11 = 14" in printed
    assert "Y2FuYXJ5" not in printed


def test_python_dash_m_is_the_same(tmp_path: Path) -> None:
    """`python -m assistant_gateway --version` prints the version; a wrong command ends with 2."""
    command = [sys.executable, "-m", "assistant_gateway"]

    version = subprocess.run([*command, "--version"], capture_output=True, text=True, cwd=tmp_path)
    wrong = subprocess.run([*command, "fly"], capture_output=True, text=True, cwd=tmp_path)

    assert (0, True) == (version.returncode, version.stdout.startswith("assistant-gateway 0."))
    assert 2 == wrong.returncode


def test_looking_at_the_version_imports_little() -> None:
    """The command line itself imports neither aiohttp nor a provider's or platform's SDK."""
    heavy = ("aiohttp", "openai", "slack_bolt", "discord", "pydantic")
    code = f"import sys, assistant_gateway.cli; print([name for name in {heavy} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "[]\n" == done.stdout
