"""
An OpenAI that runs here: `POST /v1/responses` and `GET /v1/models`, as strict as the real one.

It says what a script tells it to, can break a stream in every way that was seen, and keeps the
requests. Alone it echoes, and calls a function when it is told ``call NAME {"a": 1}``:

    PYTHONPATH=tests python -m emulators.openai --port 8081
    OPENAI_BASE_URL=http://127.0.0.1:8081/v1 OPENAI_API_KEY=test-key assistant-gateway serve

Events as in "Streaming events", OpenAI's API reference, 2026-11.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self, TypeAlias

from aiohttp import web

from emulators.alone import run_alone
from emulators.openai_hosted import (
    HostedAct,
    MakeImage,
    RunCode,
    SearchFiles,
    SearchWeb,
    hosted_item,
)
from emulators.openai_rules import BLOB, Refused, check_request
from emulators.server import Server
from emulators.shapes import Given, Json, encoded


@dataclass(frozen=True)
class Say:
    """A message; *pieces* instead of words where a test wants its own deltas."""

    text: str
    pieces: Sequence[str] | None = None
    annotations: Sequence[Given] = ()


@dataclass(frozen=True)
class Refuse:
    """A refusal of the model."""

    text: str


@dataclass(frozen=True)
class Call:
    """A function call."""

    name: str
    arguments: str | Mapping[str, object] = "{}"
    call_id: str = ""


@dataclass(frozen=True)
class Think:
    """A reasoning item with a summary; encrypted where the request asks for it."""

    summary: str = ""


@dataclass(frozen=True)
class Hosted:
    """A hosted tool's item, and the events between its beginning and its end."""

    item: Given
    events: Sequence[Given] = ()


@dataclass(frozen=True)
class Incomplete:
    """The response ends incomplete."""

    reason: str = "max_output_tokens"


@dataclass(frozen=True)
class Failed:
    """The response fails."""

    code: str
    message: str = "It failed."


@dataclass(frozen=True)
class ErrorEvent:
    """A bare `error` event, or one whose error is nested."""

    code: str
    message: str = "It failed."
    nested: bool = False


@dataclass(frozen=True)
class Raw:
    """Bytes as they are."""

    data: bytes


@dataclass(frozen=True)
class Event:
    """One event as it is."""

    data: Given


@dataclass(frozen=True)
class Wait:
    """Nothing is sent until the test sets the event."""

    until: asyncio.Event


@dataclass(frozen=True)
class Silence:
    """Nothing is sent any more; the connection stays."""


@dataclass(frozen=True)
class Eof:
    """The stream ends cleanly, without an outcome."""


@dataclass(frozen=True)
class Abort:
    """The connection is torn down."""


@dataclass(frozen=True)
class Http:
    """An answer without a stream."""

    status: int
    body: str | Given = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    def response(self) -> web.Response:
        """The answer itself."""
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return web.Response(
            status=self.status, text=text, headers=self.headers, content_type=self.content_type
        )


Act: TypeAlias = (
    Say
    | HostedAct
    | Refuse
    | Call
    | Think
    | Hosted
    | Incomplete
    | Failed
    | ErrorEvent
    | Raw
    | Event
    | Wait
    | Silence
    | Eof
    | Abort
)


@dataclass(frozen=True)
class Script:
    """
    What happens in one response.

    Attributes:
        acts: In order; without an outcome among them the response is completed.
        leave_out: Event types that are not sent, as by servers that know less of the ladder.
        leave_out_keys: Keys that events lack.
        split: Bytes of each write; 0 writes each event whole.
        pace: Seconds before each event.
        usage: Told at the end.
    """

    acts: Sequence[Act] = ()
    leave_out: frozenset[str] = frozenset()
    leave_out_keys: frozenset[str] = frozenset()
    split: int = 0
    pace: float = 0.0
    usage: Given | None = None


Answer: TypeAlias = Script | Http | Sequence[Act]


@dataclass(frozen=True)
class Received:
    """A request that was taken."""

    body: Json
    headers: Mapping[str, str]
    connection: object


class Streamed(Protocol):
    """An answer while it is made."""

    def events(self) -> AsyncIterator[bytes | None]:
        """The stream; None tears the connection down."""


class OpenAIEmulator:
    """
    The server; use it as an async context.

    Attributes:
        scripts: What is said next, one for each request.
        respond: Makes the script where none is queued.
        requests: What was asked and taken, oldest first.
        refused: The refusals, oldest first.
        gone: Set when a client has gone in the middle of a response.
        container_files: What code has made, by the container's id and the file's.
        fetched: Which of them were asked for, oldest first.
    """

    def __init__(
        self,
        *,
        api_key: str = "test-key",
        models: Sequence[str] = ("gpt-6.1-sol", "gpt-6-luna"),
        reasons: bool = True,
        blobs: bool = True,
        context_tokens: int = 1_000_000,
        has_models: bool = True,
        pace: float = 0.0,
    ) -> None:
        self.api_key = api_key
        self.models = tuple(models)
        self.reasons = reasons
        self.blobs = blobs
        self.context_tokens = context_tokens
        self.has_models = has_models
        self.pace = pace
        self.scripts: deque[Answer] = deque()
        self.respond: Callable[[Json], Answer] = self.echo
        self.requests: list[Received] = []
        self.refused: list[Refused] = []
        self.gone = asyncio.Event()
        self.container_files: dict[tuple[str, str], bytes | Http] = {}
        self.fetched: list[tuple[str, str]] = []
        self.base_url = ""
        self._numbers = iter(range(1, 1 << 62))
        self._server = Server()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> Self:
        app = web.Application(client_max_size=100_000_000)
        app.router.add_post("/v1/responses", self._create)
        app.router.add_get("/v1/models", self._list_models)
        self.add_routes(app)
        app.router.add_get("/v1/containers/{container}/files/{file}/content", self._fetch)
        host, port = await self._server.start(app, host, port)
        self.base_url = f"http://{host}:{port}/v1"
        return self

    def add_routes(self, app: web.Application) -> None:
        """For an emulator that serves more."""

    async def stop(self) -> None:
        await self._server.stop()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    def script(self, *acts: Act) -> None:
        """Queue what the next response says."""
        self.scripts.append(Script(acts))

    def echo(self, body: Json) -> Answer:
        """What is said when nobody has told otherwise."""
        told = body["input"]
        last = told[-1] if isinstance(told, list) else {"role": "user", "content": told}
        if last.get("type") == "function_call_output":
            return [Say(f"The function answered: {last['output']}")]
        content = last.get("content", "")
        parts = content if isinstance(content, list) else [{"text": content}]
        text = " ".join(str(part.get("text", "")) for part in parts)
        tools = [tool["name"] for tool in body.get("tools", []) if "name" in tool]  # type: ignore[attr-defined]
        return Script([echo_of(text, tools)], pace=self.pace)

    async def _list_models(self, request: web.Request) -> web.Response:
        if not self.has_models:
            return web.Response(status=404, text="not found")
        try:
            self._check_key(request)
        except Refused as refused:
            return web.json_response(refused.body(), status=refused.status)
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "openai"} for name in self.models]
        return web.json_response({"object": "list", "data": models})

    async def _fetch(self, request: web.Request) -> web.Response:
        try:
            self._check_key(request)
        except Refused as refused:
            return web.json_response(refused.body(), status=refused.status)
        asked = (request.match_info["container"], request.match_info["file"])
        self.fetched.append(asked)
        found = self.container_files.get(asked)
        if isinstance(found, Http):
            return found.response()
        if found is None:
            gone = Refused(f"Container with id '{asked[0]}' not found.", status=404)
            return web.json_response(gone.body(), status=404)
        return web.Response(body=found, content_type="application/octet-stream")

    async def _create(self, request: web.Request) -> web.StreamResponse:
        try:
            self._check_key(request)
            body = check_request(
                await self._body(request),
                models=self.models,
                reasons=self.reasons,
                blobs=self.blobs,
                context_tokens=self.context_tokens,
            )
        except Refused as refused:
            self.refused.append(refused)
            return web.json_response(refused.body(), status=refused.status)
        self.requests.append(Received(body, dict(request.headers), request.transport))
        answer = self.scripts.popleft() if self.scripts else self.respond(body)
        if isinstance(answer, Http):
            return answer.response()
        script = answer if isinstance(answer, Script) else Script(answer)
        response = _Response(body, script, self._numbers)
        if not body.get("stream"):
            async for _ in response.events():
                pass
            return web.json_response(response.told)
        return await self._stream(request, script, response)

    async def _stream(self, request: web.Request, script: Script, response: Streamed) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await stream.prepare(request)
        try:
            async for data in response.events():
                if data is None:
                    assert request.transport is not None
                    request.transport.abort()
                    return stream
                if script.pace:
                    await asyncio.sleep(script.pace)
                for start in range(0, len(data), script.split or len(data) or 1):
                    await stream.write(data[start : start + (script.split or len(data))])
                    if script.split:
                        await asyncio.sleep(0)
        except (asyncio.CancelledError, ConnectionError):
            self.gone.set()
            raise
        await stream.write_eof()
        return stream

    async def _body(self, request: web.Request) -> object:
        """What was sent; None where it is no JSON."""
        try:
            return json.loads(await request.read())
        except ValueError:
            return None

    def _check_key(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not given:
            raise Refused("You didn't provide an API key.", status=401)
        if given != self.api_key:
            raise Refused(f"Incorrect API key provided: {given}.", None, "invalid_api_key", 401)


def echo_of(text: str, tools: Collection[str]) -> Say | Call:
    """What is said to *text*; a call, where it asks for one of *tools*."""
    match = re.search(r"\bcall ([\w-]+)\s*(\{.*\})?", text, re.DOTALL)
    if match and match[1] in tools:
        return Call(match[1], match[2] or "{}")
    return Say(f"You said: {text}")


class _Response:
    """One response while it is made: its events as bytes, and what it is in the end."""

    def __init__(self, body: Json, script: Script, numbers: Iterable[int]) -> None:
        self._script = script
        self._numbers = iter(numbers)
        self._sequence = 0
        self._include = frozenset(body.get("include") or ())  # type: ignore[call-overload]
        self._encrypts = "reasoning.encrypted_content" in self._include
        self._output: list[Given] = []
        self.told: Json = {
            "id": self._id("resp"),
            "object": "response",
            "status": "in_progress",
            "model": body["model"],
            "output": self._output,
            "error": None,
            "incomplete_details": None,
            "usage": None,
        }

    async def events(self) -> AsyncIterator[bytes | None]:
        """The stream; None tears the connection down."""
        for kind in ("response.created", "response.in_progress"):
            for data in self._event({"type": kind, "response": self.told}):
                yield data
        for act in self._script.acts:
            if isinstance(act, Abort):
                yield None
                return
            if isinstance(act, Eof):
                return
            if isinstance(act, Silence):
                await asyncio.Event().wait()
            elif isinstance(act, Wait):
                await act.until.wait()
            elif isinstance(act, Raw):
                yield act.data
            else:
                for event in self._play(act):
                    for data in self._event(event):
                        yield data
                if isinstance(act, Incomplete | Failed | ErrorEvent):
                    return
        for event in self._end("completed"):
            for data in self._event(event):
                yield data

    def _play(self, act: Act) -> Iterable[Given]:
        match act:
            case Say(text=text, pieces=pieces, annotations=annotations):
                words = pieces if pieces is not None else re.findall(r"\s*\S+|\s+\Z", text)
                part: Json = {
                    "type": "output_text",
                    "text": text,
                    "annotations": list(annotations),
                    "logprobs": [],
                }
                return self._message("output_text", "text", words, part)
            case Refuse(text=text):
                refusal: Json = {"type": "refusal", "refusal": text}
                return self._message("refusal", "refusal", re.findall(r"\s*\S+", text), refusal)
            case Call():
                return self._call(act)
            case Think(summary=summary):
                return self._think(summary)
            case Hosted(item=item, events=events):
                return self._item({**item, "status": "in_progress"}, {"status": "completed", **item}, events)
            case RunCode() | SearchFiles() | SearchWeb() | MakeImage():
                return self._item(*hosted_item(act, self._id, self._include))
            case Incomplete(reason=reason):
                self.told["incomplete_details"] = {"reason": reason}
                return self._end("incomplete")
            case Failed(code=code, message=message):
                self.told["error"] = {"code": code, "message": message}
                return self._end("failed")
            case ErrorEvent(code=code, message=message, nested=nested):
                error: Json = {"code": code, "message": message, "param": None}
                if nested:
                    return [{"type": "error", "error": {"type": code, **error}}]
                return [{"type": "error", **error}]
            case Event(data=data):
                return [data]
            case _:
                raise AssertionError(act)

    def _message(self, kind: str, key: str, pieces: Iterable[str], part: Given) -> Iterable[Given]:
        base: Json = {"id": self._id("msg"), "type": "message", "role": "assistant"}
        at: Json = {"item_id": base["id"], "content_index": 0}
        empty = {**part, key: "", **({"annotations": []} if kind == "output_text" else {})}
        annotations = part.get("annotations", [])
        assert isinstance(annotations, list)
        between: list[Json] = [
            {"type": "response.content_part.added", **at, "part": empty},
            *({"type": f"response.{kind}.delta", **at, "delta": piece} for piece in pieces),
            *(
                {
                    "type": "response.output_text.annotation.added",
                    **at,
                    "annotation_index": n,
                    "annotation": a,
                }
                for n, a in enumerate(annotations)
            ),
            {"type": f"response.{kind}.done", **at, key: part[key]},
            {"type": "response.content_part.done", **at, "part": part},
        ]
        return self._item(
            {**base, "status": "in_progress", "content": []},
            {**base, "status": "completed", "content": [part]},
            between,
        )

    def _call(self, act: Call) -> Iterable[Given]:
        text = act.arguments if isinstance(act.arguments, str) else json.dumps(act.arguments)
        base: Json = {
            "id": self._id("fc"),
            "type": "function_call",
            "call_id": act.call_id or self._id("call"),
            "name": act.name,
        }
        deltas: list[Json] = [
            {"type": "response.function_call_arguments.delta", "item_id": base["id"], "delta": piece}
            for piece in re.findall(r".{1,6}", text, re.DOTALL)
        ]
        done: Json = {
            "type": "response.function_call_arguments.done",
            "item_id": base["id"],
            "arguments": text,
        }
        return self._item(
            {**base, "arguments": "", "status": "in_progress"},
            {**base, "arguments": text, "status": "completed"},
            [*deltas, done],
        )

    def _think(self, summary: str) -> Iterable[Given]:
        id = self._id("rs")
        at: Json = {"item_id": id, "summary_index": 0}
        item: Json = {"id": id, "type": "reasoning", "summary": []}
        end: Json = {**item, "summary": [{"type": "summary_text", "text": summary}] if summary else []}
        if self._encrypts:
            end["encrypted_content"] = f"{BLOB}{next(self._numbers)}"
        between: list[Json] = [
            {"type": "response.reasoning_summary_text.delta", **at, "delta": word}
            for word in re.findall(r"\s*\S+", summary)
        ]
        return self._item(item, end, between)

    def _item(self, begin: Given, end: Given, between: Iterable[Given]) -> Iterable[Given]:
        index = len(self._output)
        self._output.append(end)
        yield {"type": "response.output_item.added", "output_index": index, "item": begin}
        for event in between:
            yield {"output_index": index, **event}
        yield {"type": "response.output_item.done", "output_index": index, "item": end}

    def _end(self, status: str) -> Iterable[Given]:
        self.told["status"] = status
        if status != "failed":
            self.told["usage"] = self._script.usage or {
                "input_tokens": 120,
                "input_tokens_details": {"cached_tokens": 64},
                "output_tokens": 30,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": 150,
            }
        return [{"type": f"response.{status}", "response": self.told}]

    def _event(self, event: Given) -> Iterable[bytes]:
        if event.get("type") in self._script.leave_out:
            return
        told = {key: value for key, value in event.items() if key not in self._script.leave_out_keys}
        told["sequence_number"] = self._sequence
        self._sequence += 1
        yield b"event: %b\ndata: %b\n\n" % (str(event.get("type")).encode(), encoded(told))

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers):032x}"


def options(description: str, port: int) -> argparse.ArgumentParser:
    """The options that every emulator of a model provider has on the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=port, help="0 takes a free one")
    parser.add_argument("--api-key", default="test-key")
    parser.add_argument("--pace", type=float, default=0.03, help="seconds before each event")
    return parser


def address(emulator: OpenAIEmulator) -> Iterable[str]:
    """Where it is, and with which key it is asked."""
    yield f"{emulator.base_url}  (API key: {emulator.api_key})"


def main() -> None:
    given = options("Emulate OpenAI's Responses API.", 8081).parse_args()
    run_alone(OpenAIEmulator(api_key=given.api_key, pace=given.pace), given.host, given.port, address)


if __name__ == "__main__":
    main()
