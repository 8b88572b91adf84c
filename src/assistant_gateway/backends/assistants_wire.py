"""
The remote side of the Assistants wire: threads, messages, runs and files, each a verb.

The SDK's own methods for them are marked as deprecated; its client makes the same requests, with
the header that the wire asks for. An id that comes from there is only used where it can stand in
an address.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from assistant_gateway.backends.connection import Connection, Refusal
from assistant_gateway.backends.containers import download
from assistant_gateway.errors import BackendRefused, BackendUnavailable
from assistant_gateway.values import JsonObject, JsonValue

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

BETA: Final[dict[str, str]] = {"OpenAI-Beta": "assistants=v2"}
NAME = "assistant-gateway"  # of the assistant that is made where none is configured
LIVE = frozenset({"queued", "in_progress", "requires_action", "cancelling"})  # a run that is not over
PATIENCE = 10.0  # seconds for a request that only tidies up

_Request: TypeAlias = "Callable[[AsyncOpenAI], Awaitable[object]]"
_Opening: TypeAlias = "Callable[[AsyncOpenAI], AbstractAsyncContextManager[_Streamed]]"

_ID = re.compile(r"[\w-][\w.:-]{0,255}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A run as it stands: its status, and the ids of the calls whose outputs it waits for."""

    status: str
    calls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Streamed:
    """An answer whose body is not read yet."""

    http_response: httpx2.Response

    @property
    def headers(self) -> httpx2.Headers:
        return self.http_response.headers


class Wire:
    """
    One server of the wire.

    Every verb raises `Refusal` where the server says no and `BackendUnavailable` where it does not answer.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # Assistants

    async def find_assistant(self, model: str) -> str:
        """The assistant that an earlier process made here; a new one where there is none."""
        try:
            listed = await self._get("/assistants", limit=100, order="desc")
        except Refusal as refusal:
            if refusal.status not in (404, 405, 501):
                raise
            listed = {}  # a server that can't list them
        data = listed.get("data")
        for told in data if isinstance(data, list) else ():
            if isinstance(told, dict) and told.get("name") == NAME and an_id(told.get("id")):
                return an_id(told["id"])
        return await self.make_assistant(model)

    async def make_assistant(self, model: str) -> str:
        """A new assistant without instructions and tools: each run brings its own."""
        return _id_of(await self._post("/assistants", {"model": model, "name": NAME}))

    async def has_assistant(self, id: str) -> bool:
        """Whether there is an assistant with this id."""
        try:
            await self._get(f"/assistants/{id}")
        except Refusal as refusal:
            if refusal.status == 404:
                return False
            raise
        return True

    # Threads and messages

    async def make_thread(self, messages: Sequence[JsonObject], resources: JsonObject) -> str:
        """A new thread that holds *messages*, with what its hosted tools need; its id."""
        body: dict[str, JsonValue] = {"messages": messages}
        if resources:
            body["tool_resources"] = resources
        return _id_of(await self._post("/threads", body))

    async def add_message(self, thread: str, message: JsonObject) -> str:
        """Add one message to a thread; its id."""
        return _id_of(await self._post(f"/threads/{thread}/messages", message))

    async def newest_message(self, thread: str) -> str:
        """The id of a thread's newest message; empty where it has none."""
        listed = await self._get(f"/threads/{thread}/messages", limit=1, order="desc")
        data = listed.get("data")
        first = data[0] if isinstance(data, list) and data else None
        return an_id(first.get("id")) if isinstance(first, dict) else ""

    async def remove_thread(self, thread: str) -> None:
        """Have a thread forgotten."""
        await self._delete(f"/threads/{thread}")

    # Runs

    async def start_run(
        self, thread: str, body: JsonObject, stack: AsyncExitStack
    ) -> AsyncGenerator[bytes, None]:
        """Begin a run; its events as bytes. *stack* closes them."""
        return await self._connection.send(_streaming(f"/threads/{thread}/runs", body), stack)

    async def submit(
        self, thread: str, run: str, outputs: Sequence[JsonObject], stack: AsyncExitStack
    ) -> AsyncGenerator[bytes, None]:
        """Give a run the outputs it waits for; the events that follow. *stack* closes them."""
        path = f"/threads/{thread}/runs/{run}/submit_tool_outputs"
        return await self._connection.send(_streaming(path, {"tool_outputs": outputs}), stack)

    async def look_at_run(self, thread: str, run: str) -> Waiting:
        """How a run stands."""
        told = await self._get(f"/threads/{thread}/runs/{run}")
        return Waiting(
            str(told.get("status") or ""),
            tuple(an_id(call.get("id"), any_shape=True) for call in calls_waited_for(told)),
        )

    async def live_run(self, thread: str) -> str:
        """The id of the run that keeps a thread busy; empty where there is none."""
        data = (await self._get(f"/threads/{thread}/runs", limit=1, order="desc")).get("data")
        first = data[0] if isinstance(data, list) and data else None
        if not isinstance(first, dict) or first.get("status") not in LIVE:
            return ""
        return an_id(first.get("id"))

    async def cancel(self, thread: str, run: str) -> None:
        """Ask a run to end."""
        await self._post(f"/threads/{thread}/runs/{run}/cancel", {})

    # Files

    async def upload_picture(self, name: str, data: bytes, content_type: str) -> str:
        """Give the server a picture that messages may show; its id."""
        file = await self._connection.ask(
            lambda client: client.files.create(file=(name, data, content_type), purpose="vision")
        )
        return _id_of({"id": file.id})

    async def name_of_file(self, id: str) -> str:
        """What a file is called; empty where it has no name."""
        name = (await self._get(f"/files/{id}")).get("filename")
        return name if isinstance(name, str) else ""

    async def content_of_file(self, id: str) -> bytes:
        """The bytes of a file; `BackendRefused` where it can't be had."""
        client = await self._connection.open()
        return await download(client.files.with_streaming_response.content(id))

    async def remove_file(self, id: str) -> None:
        """Have a file forgotten."""
        await self._delete(f"/files/{id}")

    # Requests

    async def _get(self, path: str, **query: int | str) -> JsonObject:
        return await self._whole(
            lambda client: client.get(path, cast_to=object, options={"headers": BETA, "params": query})
        )

    async def _post(self, path: str, body: JsonObject) -> JsonObject:
        return await self._whole(
            lambda client: client.post(path, cast_to=object, body=body, options={"headers": BETA})
        )

    async def _delete(self, path: str) -> None:
        async with asyncio.timeout(PATIENCE):
            await self._connection.ask(
                lambda client: client.delete(path, cast_to=object, options={"headers": BETA})
            )

    async def _whole(self, request: _Request) -> JsonObject:
        try:
            told = await self._connection.ask(request)
        except ValueError as error:  # JSON that is none
            raise BackendUnavailable("the provider's answer is not JSON") from error
        if not isinstance(told, dict):
            raise BackendRefused("what answers does not speak the Assistants API: check base_url")
        return told


def an_id(value: object, *, any_shape: bool = False) -> str:
    """*value* where it is an id, else nothing; of *any_shape* where it is not put into an address."""
    if not isinstance(value, str):
        return ""
    return value if any_shape or _ID.fullmatch(value) else ""


def calls_waited_for(run: Mapping[str, JsonValue]) -> list[JsonObject]:
    """The function calls whose outputs a run waits for."""
    action = run.get("required_action")
    wanted = action.get("submit_tool_outputs") if isinstance(action, dict) else None
    calls = wanted.get("tool_calls") if isinstance(wanted, dict) else None
    return [call for call in (calls if isinstance(calls, list) else ()) if isinstance(call, dict)]


def _id_of(told: Mapping[str, object]) -> str:
    id = an_id(told.get("id"))
    if not id:
        raise BackendRefused("the provider made something without an id: check base_url")
    return id


def _streaming(path: str, body: JsonObject) -> _Opening:
    @asynccontextmanager
    async def opened(client: AsyncOpenAI) -> AsyncGenerator[_Streamed, None]:
        import openai

        stream = await client.post(
            path,
            cast_to=object,
            body={**body, "stream": True},
            options={"headers": BETA},
            stream=True,
            stream_cls=openai.AsyncStream[object],
        )
        async with stream:
            yield _Streamed(stream.response)

    return opened
