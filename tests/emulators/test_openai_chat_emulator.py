"""The server of Chat Completions refuses what the real ones do, and the official SDK reads what it says."""

from __future__ import annotations

import openai
import pytest

from emulators.openai import Call, Say
from emulators.openai_chat import ChatEmulator
from emulators.openai_chat_rules import RULES, check_chat
from emulators.openai_rules import Refused

USER = {"role": "user", "content": "Hi"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ASKING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
OUTPUT = {"role": "tool", "tool_call_id": "call_1", "content": "1"}
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}


def asking(*told: object, **more: object) -> dict[str, object]:
    return {"model": "m", "messages": list(told), "stream": True, **more}


def function(**more: object) -> dict[str, object]:
    return {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, **more}}


@pytest.mark.parametrize(
    ("dialect", "body", "text"),
    [
        ("openai", asking(), "you must provide a messages parameter"),
        ("openai", asking(USER, mystery=1), "Unrecognized request argument supplied: mystery"),
        ("openai", asking(USER, max_tokens=5), "Use 'max_completion_tokens' instead"),
        ("openai", asking(USER, stream=False, stream_options={}, tools=[]), "is too short - 'tools'"),
        ("openai", asking(USER, ASKING), "did not have response messages: call_1"),
        ("openai", asking(USER, ASKING, USER), "did not have response messages: call_1"),
        ("openai", asking(USER, OUTPUT), "must be a response to a preceeding message with 'tool_calls'"),
        ("openai", asking(USER, ASKING, OUTPUT, OUTPUT), "must be a response to a preceeding message"),
        ("openai", asking({**USER, "sender": "Ann"}), "Unknown parameter: 'messages[0].sender'."),
        ("openai", asking({"role": "user", "content": [PICTURE]}), "does not represent a valid image"),
        ("openai", asking({"role": "assistant", "content": None}), "expected a string, got null"),
        ("openai", asking(USER, tools=[function(strict=True)]), "'additionalProperties' is required"),
        ("azure", asking({"role": "developer", "content": "x"}, USER), "does not support 'developer'"),
        ("ollama", asking({"role": "user", "content": [{"type": "file"}]}), "Invalid value: 'file'."),
        ("vllm", asking(USER, {**ASKING, "tool_calls": [{**CALL, "extra_content": {}}]}), "extra_content"),
        ("gemini", asking(USER, tools=[function(strict=False)]), 'Unknown name "strict"'),
        ("gemini", asking(USER, ASKING, OUTPUT), "missing a thought_signature"),
        ("deepseek", asking({"role": "user", "content": [PICTURE]}), "Invalid value: 'image_url'."),
        (
            "deepseek",
            asking(USER, ASKING, OUTPUT),
            "reasoning_content in the thinking mode must be passed back",
        ),
        ("mistral", asking(USER, stream_options={}), "Extra inputs are not permitted"),
        ("mistral", asking(USER, ASKING, OUTPUT), "with a length of 9"),
        ("mistral", asking(USER, USER), "Unexpected role 'user' after role 'user'"),
        ("mistral", asking(USER, {"role": "assistant", "content": "x"}), "Expected last role User or Tool"),
    ],
)
def test_what_a_provider_refuses_is_refused_in_its_words(dialect: str, body: object, text: str) -> None:
    """Each mistake with the text that a real answer has."""
    with pytest.raises(Refused) as raised:
        check_chat(body, RULES[dialect], models=None)

    assert text in raised.value.message


async def test_the_official_sdk_reads_its_streams() -> None:
    """The SDK's models take every chunk, usage in the last one; a wrong key is its AuthenticationError."""
    async with ChatEmulator() as server:
        client = openai.AsyncOpenAI(base_url=server.base_url, api_key="test-key", max_retries=0)
        server.script(Say("Hello."), Call("f", {"a": 1}))
        stream = await client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "Hi"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
        stranger = client.with_options(api_key="wrong")
        with pytest.raises(openai.AuthenticationError):
            await stranger.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
        await client.close()

    usage = chunks[-1].usage
    assert usage is not None
    assert 150 == usage.total_tokens
    told = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert "Hello." == "".join(choice.delta.content or "" for choice in told)
    arguments = [call.function for choice in told for call in choice.delta.tool_calls or () if call.function]
    assert '{"a": 1}' == "".join(function.arguments or "" for function in arguments)
    assert "tool_calls" == told[-1].finish_reason


async def test_it_speaks_as_it_is_told() -> None:
    """Gemini's manner: no index, the finish "stop", and usage in each chunk."""
    async with ChatEmulator("gemini") as server:
        client = openai.AsyncOpenAI(base_url=server.base_url, api_key="test-key", max_retries=0)
        server.script(Call("f", {"a": 1}))
        stream = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        chunks = [chunk async for chunk in stream]
        await client.close()

    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
    assert [(None, "f")] == [(getattr(call, "index", None), call.id) for call in calls]
    assert "stop" == chunks[-1].choices[0].finish_reason
    assert all(chunk.usage for chunk in chunks)
