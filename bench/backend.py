"""
What one word of a model's answer costs in CPU time, beside what it costs to read the same bytes at all.

    python bench/backend.py [--streams 20] [--deltas 200]

A server in another process streams to N clients at once, 50 words per second each, every word its
own packet: what a gateway sees. Readers in turn: aiohttp and json alone (the floor), our
backend over each of its three wires, the SDK's own typed streams over aiohttp, and over its default
transport. CPU time is that of the reading process; the ratio to the floor is taken within one round.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
import openai
from aiohttp import web
from openai.types.chat import ChatCompletionMessageParam
from pydantic import SecretStr

from assistant_gateway.backends.assistants import AssistantsBackend, AssistantsSettings
from assistant_gateway.backends.chat import ChatBackend, ChatSettings
from assistant_gateway.backends.responses import ResponsesBackend, ResponsesSettings
from assistant_gateway.events import TextDelta
from assistant_gateway.testing.backend import a_step

WORD = " word"
Reader = Callable[[str], Awaitable[int]]


async def serve(deltas: int, pace: float) -> None:
    """Stream *deltas* words as OpenAI does, one every *pace* seconds; 0 as fast as they are read."""

    async def respond(request: web.Request) -> web.StreamResponse:
        await request.read()
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await stream.prepare(request)
        item = {"id": "msg_0", "type": "message", "role": "assistant", "status": "completed"}
        part = {"type": "output_text", "text": WORD * deltas, "annotations": []}
        at = {"item_id": "msg_0", "output_index": 0, "content_index": 0}
        done = {**item, "content": [part]}
        response = {"id": "resp_0", "object": "response", "status": "completed", "output": [done]}
        usage = {"input_tokens": 1, "output_tokens": deltas, "total_tokens": deltas + 1}
        begin = {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}}
        await stream.write(event(0, begin))
        for number in range(1, deltas + 1):
            if pace:
                await asyncio.sleep(pace)
            delta = {"type": "response.output_text.delta", **at, "delta": WORD, "logprobs": []}
            await stream.write(event(number, {**delta, "obfuscation": "x" * 11}))
        end = {"type": "response.output_item.done", "output_index": 0, "item": done}
        await stream.write(event(deltas + 1, end))
        final = {"type": "response.completed", "response": {**response, "usage": usage}}
        await stream.write(event(deltas + 2, final))
        await stream.write_eof()
        return stream

    async def complete(request: web.Request) -> web.StreamResponse:
        await request.read()
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await stream.prepare(request)
        await stream.write(chunk({"role": "assistant", "content": ""}))
        for _ in range(deltas):
            if pace:
                await asyncio.sleep(pace)
            await stream.write(chunk({"content": WORD}))
        await stream.write(chunk({}, "stop"))
        await stream.write(b"data: [DONE]\n\n")
        await stream.write_eof()
        return stream

    async def assistants(request: web.Request) -> web.StreamResponse:
        return web.json_response({"data": [{"id": "asst_0", "name": "assistant-gateway"}]})

    async def thread(request: web.Request) -> web.StreamResponse:
        return web.json_response({"id": "thread_0", "object": "thread"})

    async def run(request: web.Request) -> web.StreamResponse:
        await request.read()
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await stream.prepare(request)
        about = {"id": "run_0", "object": "thread.run", "thread_id": "thread_0", "assistant_id": "asst_0"}
        message = {"id": "msg_0", "object": "thread.message", "role": "assistant", "run_id": "run_0"}
        text = {"type": "text", "text": {"value": WORD * deltas, "annotations": []}}
        await stream.write(named("thread.run.created", {**about, "status": "queued"}))
        await stream.write(
            named("thread.message.created", {**message, "status": "in_progress", "content": []})
        )
        for _ in range(deltas):
            if pace:
                await asyncio.sleep(pace)
            piece = {"index": 0, "type": "text", "text": {"value": WORD}}
            told = {"id": "msg_0", "object": "thread.message.delta", "delta": {"content": [piece]}}
            await stream.write(named("thread.message.delta", told))
        done = {**message, "status": "completed", "content": [text]}
        await stream.write(named("thread.message.completed", done))
        await stream.write(named("thread.run.completed", {**about, "status": "completed", "usage": None}))
        await stream.write(b"event: done\ndata: [DONE]\n\n")
        await stream.write_eof()
        return stream

    app = web.Application()
    app.router.add_post("/v1/responses", respond)
    app.router.add_post("/v1/chat/completions", complete)
    app.router.add_get("/v1/assistants", assistants)
    app.router.add_post("/v1/threads", thread)
    app.router.add_delete("/v1/threads/{thread}", thread)
    app.router.add_post("/v1/threads/{thread}/runs", run)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)
    await asyncio.Event().wait()


def event(number: int, body: Mapping[str, object]) -> bytes:
    return f"event: {body['type']}\ndata: {json.dumps({**body, 'sequence_number': number})}\n\n".encode()


def named(name: str, body: Mapping[str, object]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(body)}\n\n".encode()


def chunk(delta: Mapping[str, object], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    envelope = {"id": "chatcmpl-" + "x" * 29, "object": "chat.completion.chunk", "created": 1_795_000_000}
    about = {"model": "m", "service_tier": "default", "system_fingerprint": None, "obfuscation": "x" * 11}
    return f"data: {json.dumps({**envelope, **about, 'choices': [choice], 'usage': None})}\n\n".encode()


async def floor(session: aiohttp.ClientSession, url: str) -> int:
    """Nothing but the bytes, cut at line ends, and `json.loads`."""
    seen = 0
    async with session.post(f"{url}/responses", json={"model": "m", "input": "Hi", "stream": True}) as answer:
        pending = b""
        async for chunk in answer.content.iter_any():
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                if line.startswith(b"data: "):
                    body = json.loads(line[6:])
                    if body["type"] == "response.output_text.delta":
                        seen += 1
    return seen


async def ours(backend: ResponsesBackend | ChatBackend | AssistantsBackend) -> int:
    return len([e async for e in backend.stream(a_step("Hi", model="m")) if isinstance(e, TextDelta)])


async def sdk(client: openai.AsyncOpenAI) -> int:
    stream = await client.responses.create(model="m", input="Hi", stream=True)
    return len([e async for e in stream if e.type == "response.output_text.delta"])


async def sdk_chat(client: openai.AsyncOpenAI) -> int:
    asked: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hi"}]
    stream = await client.chat.completions.create(model="m", messages=asked, stream=True)
    return len([e async for e in stream if e.choices and e.choices[0].delta.content])


async def sdk_assistants(client: openai.AsyncOpenAI) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        stream = await client.beta.threads.runs.create("thread_0", assistant_id="asst_0", stream=True)
    return len([e async for e in stream if e.event == "thread.message.delta"])


async def cost(read: Callable[[], Awaitable[int]], streams: int, deltas: int) -> float:
    """CPU microseconds per delta of *streams* at once."""
    await read()
    gc.collect()
    begin = time.process_time()
    seen = await asyncio.gather(*(read() for _ in range(streams)))
    used = time.process_time() - begin
    assert [deltas] * streams == list(seen)
    return used / (streams * deltas) * 1e6


async def measure(url: str, streams: int, deltas: int, rounds: int) -> None:
    backend = ResponsesBackend("bench", ResponsesSettings(base_url=url, api_key=SecretStr("x")))
    chat = ChatBackend("bench", ChatSettings(base_url=url, api_key=SecretStr("x"), dialect="vllm"))
    assistants = AssistantsBackend("bench", AssistantsSettings(base_url=url, api_key=SecretStr("x")))
    over_aiohttp = openai.AsyncOpenAI(
        base_url=url, api_key="x", max_retries=0, http_client=openai.DefaultAioHttpClient()
    )
    plain = openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=0)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        readers: dict[str, Callable[[], Awaitable[int]]] = {
            "aiohttp and json": lambda: floor(session, url),
            "our backend": lambda: ours(backend),
            "our backend, chat": lambda: ours(chat),
            "our backend, assistants": lambda: ours(assistants),
            "SDK over aiohttp": lambda: sdk(over_aiohttp),
            "SDK, chat": lambda: sdk_chat(over_aiohttp),
            "SDK, assistants": lambda: sdk_assistants(over_aiohttp),
            "SDK": lambda: sdk(plain),
        }
        costs: dict[str, list[float]] = {name: [] for name in readers}
        for _ in range(rounds):
            for name, read in readers.items():
                costs[name].append(await cost(read, streams, deltas))
        for name, measured in costs.items():
            ratio = statistics.median(a / b for a, b in zip(measured, costs["aiohttp and json"], strict=True))
            print(f"  {name:<24} {statistics.median(measured):7.1f} µs per word   {ratio:4.1f} × the floor")
    await backend.close()
    await chat.close()
    await assistants.close()
    await over_aiohttp.close()
    await plain.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--deltas", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        asyncio.run(serve(given.deltas, given.serve))
        return
    for title, pace, deltas in (
        ("paced, 50 words/s each", 0.02, given.deltas),
        ("bulk", 0, given.deltas * 10),
    ):
        command = [sys.executable, __file__, "--serve", str(pace), "--deltas", str(deltas)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            streams = given.streams if pace else 4
            print(f"{title}: {streams} streams of {deltas} words")
            asyncio.run(measure(url, streams, deltas, given.rounds))
            server.terminate()


if __name__ == "__main__":
    main()
