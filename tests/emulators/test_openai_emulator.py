"""The emulator is as strict as the real one, and breaks streams as they break in the wild."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import aiohttp
import openai
import pytest

from emulators.openai import Call, OpenAIEmulator, Say, Script
from emulators.openai_rules import Refused, check_request

MODEL = "gpt-6.1-sol"
CALL = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "a", "output": "1"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAAB1"}
USER = {"role": "user", "content": "Hi"}


def asking(*told: object, **more: object) -> dict[str, object]:
    return {"model": MODEL, "input": list(told), "store": False, **more}


def function(parameters: object, **more: object) -> dict[str, object]:
    return {"type": "function", "name": "f", "parameters": parameters, "strict": True, **more}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"input": "Hi"}, "Missing required parameter: 'model'."),
        ({"model": MODEL}, "Missing required parameter: 'input'."),
        ({"model": "gpt-0", "input": "Hi"}, "The requested model 'gpt-0' does not exist."),
        (asking(USER, mystery=1), "Unknown parameter: 'mystery'."),
        (asking({**USER, "sender": "Ann"}), "Unknown parameter: 'input[0].sender'."),
        (asking(CALL), "No tool output found for function call a."),
        (asking(OUTPUT), "No tool call found for function call output with call_id a."),
        (asking(OUTPUT, CALL), "No tool call found for function call output with call_id a."),
        (asking(CALL, OUTPUT, CALL, OUTPUT), "Duplicate item found with call_id a."),
        (asking(THOUGHT, USER), "Items are not persisted when `store` is set to false"),
        (asking({**CALL, "id": "run-1"}, OUTPUT), "Expected an ID that begins with 'fc'"),
        (asking({**CALL, "call_id": "x" * 65}), "Expected a string with maximum length 64"),
        (asking({"role": "user", "content": [{"type": "output_text", "text": "x"}]}), "Supported values are"),
        (
            asking({"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}),
            "No such File object",
        ),
        (asking({"type": "mystery"}), "Invalid value: 'mystery'."),
        (asking(USER, max_output_tokens=5), "Expected a value >= 16, but got 5"),
        (
            asking(USER, tools=[function({"type": "object", "properties": {}})]),
            "'additionalProperties' is req",
        ),
        (
            asking(
                USER,
                tools=[
                    function(
                        {
                            "type": "object",
                            "properties": {"a": {"type": "string"}},
                            "required": [],
                            "additionalProperties": False,
                        }
                    )
                ],
            ),
            "Missing 'a'",
        ),
        (asking(USER, previous_response_id="resp_1"), "Previous response with id 'resp_1' not found."),
    ],
)
def test_what_openai_refuses_is_refused_in_its_words(body: object, text: str) -> None:
    """Each mistake with the text that a real answer has."""
    with pytest.raises(Refused) as raised:
        check_request(body, models=[MODEL])

    assert text in raised.value.message


async def test_the_official_sdk_reads_streams_and_answers() -> None:
    """The SDK's own models take every event, streaming and not; a wrong key is its AuthenticationError."""
    async with OpenAIEmulator() as server:
        client = openai.AsyncOpenAI(base_url=server.base_url, api_key="test-key", max_retries=0)
        server.script(Say("Hello."), Call("f", {"a": 1}))
        events = [e async for e in await client.responses.create(model=MODEL, input="Hi", stream=True)]
        whole = await client.responses.create(model=MODEL, input="Hi")
        models = [model.id async for model in client.models.list()]
        stranger = client.with_options(api_key="wrong")
        with pytest.raises(openai.AuthenticationError):
            await stranger.responses.create(model=MODEL, input="Hi")
        await client.close()

    assert "response.created" == events[0].type
    assert "response.completed" == events[-1].type
    assert list(range(len(events))) == [event.sequence_number for event in events]
    assert "You said: Hi" == whole.output_text
    assert [MODEL, "gpt-6-luna"] == models


async def test_it_can_cut_characters_and_leave_rungs_out() -> None:
    """Writes of 3 bytes; without `output_item.added` there is none in the stream."""
    async with OpenAIEmulator() as server, aiohttp.ClientSession() as session:
        server.scripts.append(Script([Say("Ü😀")], frozenset({"response.output_item.added"}), split=3))
        answer = await session.post(
            f"{server.base_url}/responses",
            json={"model": MODEL, "input": "Hi", "stream": True},
            headers={"Authorization": "Bearer test-key"},
        )
        text = await answer.text()

    assert "Ü😀" in text
    assert "output_item.added" not in text


async def test_it_runs_alone_and_calls_a_function_when_told() -> None:
    """`python -m emulators.openai` prints its address, and ``call NAME`` is a function call."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "emulators.openai",
        "--port",
        "0",
        cwd=Path(__file__).parents[1],
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            address = (await process.stdout.readline()).split()[0].decode()
            async with aiohttp.ClientSession() as session:
                answer = await session.post(
                    f"{address}/responses",
                    json={
                        "model": MODEL,
                        "input": 'Please call f {"a": 1}',
                        "tools": [{"type": "function", "name": "f", "parameters": {}}],
                    },
                    headers={"Authorization": "Bearer test-key"},
                )
                told = json.loads(await answer.text())
    finally:
        process.terminate()
        await process.wait()

    assert [("f", '{"a": 1}')] == [(item["name"], item["arguments"]) for item in told["output"]]
