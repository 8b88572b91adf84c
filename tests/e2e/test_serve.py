"""The product as its users run it: a real process, a real socket, a real file."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from e2e.served import SECRET, ask, clean_environment, serve, signed, state

TUTOR = "I need to solve the equation `3x + 11 = 14`. Can you help me?"


async def test_the_math_tutor_answers_with_a_real_function_call(tmp_path: Path) -> None:
    """With no account and no key, 3x + 11 = 14 is solved by a Python function in one request: x = 1."""
    async with serve(tmp_path) as served:
        status, told = await ask(served.url, TUTOR, id="q1")

    assert status == 200
    assert told["id"] == "q1"
    assert told["conversation"] == "c1"
    assert told["error"] is None
    assert "x = 1" in str(told["text"])


async def test_events_stream_with_growing_ids_and_end_once(tmp_path: Path) -> None:
    """The stream has the function call, its deltas joined are the text, and it ends once."""
    body = json.dumps({"conversation": "c1", "user": {"id": "u1"}, "text": TUTOR}).encode()
    headers = {**signed(body, id="q1"), "accept": "text/event-stream"}

    async with serve(tmp_path) as served, aiohttp.ClientSession() as session:
        async with session.post(f"{served.url}/webhooks/default", data=body, headers=headers) as answer:
            events = parse(await answer.text())
        again = {**signed(b""), "last-event-id": str(events[3][0])}
        address = f"{served.url}/webhooks/default/messages/q1/events"
        async with session.get(address, headers=again) as answer:
            resumed = parse(await answer.text())

    names = [name for _, name, _ in events]
    ids = [id for id, _, _ in events]
    said = "".join(str(data["delta"]) for _, name, data in events if name == "text.delta")
    assert names[:2] == ["message.accepted", "run.created"]
    assert {"tool_call.created", "run.requires_action", "tool_call.done"} <= set(names)
    assert names[-2:] == ["run.completed", "message.answered"]
    assert ids == sorted(set(ids))
    assert said == events[-1][2]["text"]
    assert resumed[-1] == events[-1]
    assert resumed[0][0] > events[3][0]


async def test_a_second_delivery_is_the_same_answer(tmp_path: Path) -> None:
    """The same id twice runs once; with another body it is refused with 409."""
    async with serve(tmp_path) as served:
        first = await ask(served.url, "What's the weather in Paris?", id="q1")
        second = await ask(served.url, "What's the weather in Paris?", id="q1")
        other, problem = await ask(served.url, "What's the weather in Rome?", id="q1")

    assert first == second
    assert other == 409
    assert problem["status"] == 409


async def test_a_kill_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    """Killed with -9 while it speaks, the next process answers in a second attempt of the same run."""
    async with serve(tmp_path) as served:
        status, _ = await ask(served.url, "Write a very long text with code and a table.", id="q1", wait=0)
        await until_state(served.url, "q1", "answering")
        served.kill()
        await served.process.wait()
    async with serve(tmp_path) as served:
        again, _ = await ask(served.url, "Write a very long text with code and a table.", id="q1", wait=0)
        stopped = await ask(served.url, "Hello", conversation="another", id="q2")
        async with aiohttp.ClientSession() as session:
            address = f"{served.url}/webhooks/default/messages/q1/events"
            async with session.get(address, headers=signed(b"")) as answer:
                async for line in answer.content:
                    if line.startswith(b"event: run.restarted"):
                        break
                else:
                    pytest.fail("the stream ended without run.restarted")

    assert status == 202
    assert again in (200, 202)
    assert stopped[0] == 200


async def test_sigterm_lets_a_running_answer_end(tmp_path: Path) -> None:
    """After SIGTERM the waiting caller still gets its whole answer, and the process exits with 0."""
    async with serve(tmp_path) as served:
        asking = asyncio.create_task(ask(served.url, TUTOR, id="q1"))
        await until_state(served.url, "q1", "answering", "requires_action", "answered")
        served.terminate()
        status, told = await asking
        code = await served.process.wait()

    assert status == 200
    assert "x = 1" in str(told["text"])
    assert code == 0


async def test_a_second_process_refuses_the_same_file(tmp_path: Path) -> None:
    """Two gateways on one SQLite file: the second one exits with a message that names the file."""
    async with serve(tmp_path):
        second = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "assistant_gateway", "serve", "--listen", "127.0.0.1:0",
            cwd=tmp_path, env=clean_environment(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        _, errors = await second.communicate()

    assert second.returncode in (1, 2)
    assert b"assistant-gateway.db" in errors
    assert b"Traceback" not in errors


async def test_an_unreachable_provider_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    """Nobody listens at the provider's address: 200 with a failed run, a code and a short id, also later."""
    environ = {"OPENAI_API_KEY": "sk-unused", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}

    async with serve(tmp_path, environ=environ) as served:
        status, told = await ask(served.url, "Hello", id="q1")
        later = await state(served.url, "q1")

    error = told["error"]
    assert status == 200
    assert isinstance(error, dict)
    assert error["code"] == "provider_unavailable"
    assert re.fullmatch(r"e-[0-9a-f]{8}", str(error["id"]))
    assert "sk-unused" not in json.dumps(told)
    assert later["state"] == "failed"
    assert later["error"] == error


async def test_the_printed_curl_line_works(tmp_path: Path) -> None:
    """What `serve` prints can be pasted into a shell as it stands and brings an answer."""
    async with serve(tmp_path) as served:
        await asyncio.wait_for(printed(served.output, "Ctrl-C"), 10)
        script = pasted("".join(served.output))
        shell = await asyncio.create_subprocess_exec(
            "bash", "-c", script, cwd=tmp_path, env={**clean_environment(), "WEBHOOK_SECRET": SECRET},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        said, errors = await shell.communicate()

    assert shell.returncode == 0, errors
    assert b"x = 1" in said


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ('[assistants.default]\nmodell = "x"\n', "config.toml:2"),
        ('[assistants.default]\nbackend = "nowhere"\n', "config.toml:2"),
        ("[store]\nurl = 7\n", "config.toml:2"),
        ("[server\n", "config.toml:1"),
        ('[webhooks.default]\nsecret = { env = "NOT_SET" }\n', "NOT_SET"),
        ('[tools]\nmodules = ["missing_tools.py"]\n', "missing_tools.py"),
    ],
)
async def test_a_wrong_configuration_is_refused_with_its_place(
    tmp_path: Path, config: str, told: str
) -> None:
    """Exit code 2 and a message that names file, line or variable; never a traceback."""
    (tmp_path / "config.toml").write_text(config)

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "assistant_gateway", "serve", "--listen", "127.0.0.1:0",
        cwd=tmp_path, env=clean_environment(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    _, errors = await asyncio.wait_for(process.communicate(), 30)

    assert process.returncode == 2
    assert told in errors.decode()
    assert b"Traceback" not in errors


async def test_an_endpoint_of_ones_own_tools(tmp_path: Path) -> None:
    """A module named beside the configuration is loaded: `tools call` runs its function."""
    (tmp_path / "mine.py").write_text(
        "from assistant_gateway import tool\n\n\n"
        '@tool\ndef double(number: int) -> int:\n    """Double a number."""\n    return 2 * number\n'
    )
    (tmp_path / "config.toml").write_text('[tools]\nmodules = ["mine.py"]\n')

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "assistant_gateway", "tools", "call", "double", '{"number": 21}',
        cwd=tmp_path, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    said, errors = await process.communicate()

    assert process.returncode == 0, errors
    assert said.strip().endswith(b"42")


def parse(stream: str) -> list[tuple[int, str, dict[str, object]]]:
    """The events of a stream: id, name, data."""
    found = []
    for block in stream.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


async def until_state(url: str, id: str, *states: str) -> None:
    """Return when the message is in one of *states*; ten seconds at the most."""
    async with asyncio.timeout(10):
        while (await state(url, id)).get("state") not in states:  # noqa: ASYNC110 - another process has it
            await asyncio.sleep(0.01)


async def printed(output: list[str], word: str) -> None:
    while not any(word in line for line in output):  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.01)


def pasted(output: str) -> str:
    """What a person pastes: the printed shell function, and the first of the questions below it."""
    function = output[output.index("ask() {") : output.index("\n}\n") + 3]
    question = next(line.strip() for line in output.splitlines() if line.startswith("  ask "))
    return f"{function}\n{question}\n"
