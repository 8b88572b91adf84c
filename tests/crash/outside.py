"""
The gateway's way to the world: an adapter, a backend and two tools, each of them real.

The adapter can be made to break a promise, on purpose (`Defect`): each defect is one that a
careless adapter would have, and the checker must notice it.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Coroutine, Iterable
from dataclasses import dataclass
from enum import StrEnum

import aiohttp
from aiohttp import web

from assistant_gateway.adapter import Content, Intake, Limits, Verdict
from assistant_gateway.backend import Step
from assistant_gateway.errors import (
    BackendUnavailable,
    OutcomeUnknown,
    PostGone,
    StoreUnavailable,
    StreamCut,
    ToolError,
)
from assistant_gateway.events import (
    ItemDone,
    StepDone,
    StepEvent,
    TextCreated,
    TextDelta,
    TextDone,
    ToolCallCreated,
    ToolCallDelta,
)
from assistant_gateway.items import assistant_message, function_call
from assistant_gateway.tools import Tool, ToolContext, tool
from assistant_gateway.values import Conversation, FunctionCall, Inbound, ReplyTarget, Usage, User
from crash.fuse import Fuse

SKIPPED = 0.05  # of the final edits, by an adapter that skips them
DELAY = 0.05  # seconds between the acknowledgement and the work, in an adapter that acknowledges first


class Defect(StrEnum):
    """What is wrong with the adapter."""

    NONE = ""
    NEVER_FINDS = "never_finds"
    """A post whose outcome is unknown is not looked for: it is posted again."""

    ACKS_FIRST = "acks_first"
    """An event is acknowledged first and taken in later."""

    SKIPS_FINALS = "skips_finals"
    """Some final edits are never sent."""

    DROPS_RETRIES = "drops_retries"
    """An event counts as known before it was taken in: the retry of one that failed is dropped."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the platform answers: the posts that it made or found."""

    ids: tuple[str, ...] = ()


class WorldAdapter:
    """The world's chat platform."""

    name = "world"
    limits = Limits(text_length=200, edit_interval=0.05)

    def __init__(self, session: aiohttp.ClientSession, fuse: Fuse, defect: Defect, *, seed: int) -> None:
        self._session = session
        self._fuse = fuse
        self._defect = defect
        self._chance = random.Random(seed)
        self._known: set[str] = set()
        self._late: set[asyncio.Task[None]] = set()

    async def run(self, intake: Intake) -> None:
        await asyncio.Event().wait()

    def unready(self) -> str:
        return ""

    def routes(self, intake: Intake) -> Iterable[web.AbstractRouteDef]:
        async def take(request: web.Request) -> web.StreamResponse:
            return await self._take(intake, await request.json())

        return (web.post("/chat/events", take),)

    async def _take(self, intake: Intake, event: dict[str, str]) -> web.Response:
        inbound = Inbound(
            conversation=Conversation(self.name, "T1", event["conversation"]),
            message_id=event["id"],
            user=User("U1", "Ann"),
            text=event["text"],
            keys=(event["event_id"],),
        )
        if self._defect is Defect.DROPS_RETRIES:
            if event["event_id"] in self._known:
                return web.Response()
            self._known.add(event["event_id"])
        if self._defect is Defect.ACKS_FIRST:
            self._begin(self._take_later(intake, inbound))
            return web.Response()
        try:
            receipt = await intake.accept(inbound)
        except StoreUnavailable:
            return web.Response(status=503)
        taken = receipt.verdict in (Verdict.ACCEPTED, Verdict.DUPLICATE)
        return web.Response(status=200 if taken else 503)

    async def _take_later(self, intake: Intake, inbound: Inbound) -> None:
        await asyncio.sleep(DELAY)
        await intake.accept(inbound)

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, name="world:late")
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def post(self, target: ReplyTarget, key: str, content: Content) -> str:
        post = {
            "key": key,
            "conversation": target.conversation.channel,
            "answers": target.message_id,
            "text": content.text,
            "final": content.answer is not None,
        }
        posted = await self._call("POST", "/chat/posts", post)
        self._fuse.reach("posted_not_saved")
        return posted.ids[0]

    async def edit(self, target: ReplyTarget, post_id: str, content: Content) -> None:
        if self._defect is Defect.SKIPS_FINALS and content.final and self._chance.random() < SKIPPED:
            return
        edit = {"text": content.text, "final": content.answer is not None}
        await self._call("PATCH", f"/chat/posts/{post_id}", edit)

    async def delete(self, target: ReplyTarget, post_id: str) -> None:
        await self._call("DELETE", f"/chat/posts/{post_id}", {})

    async def find(self, target: ReplyTarget, key: str) -> str | None:
        if self._defect is Defect.NEVER_FINDS:
            return None
        found = await self._call("GET", f"/chat/posts?key={key}", None)
        return found.ids[0] if found.ids else None

    async def close(self) -> None:
        for task in self._late:
            task.cancel()

    async def _call(self, method: str, path: str, body: object) -> Answer:
        try:
            async with self._session.request(method, path, json=body) as response:
                if response.status == 404:
                    raise PostGone(await response.text())
                response.raise_for_status()
                return Answer(**await response.json())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise OutcomeUnknown(type(error).__name__) from error


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the model's stream: more text, a function call, or (empty) the end."""

    delta: str = ""
    call: str = ""
    name: str = ""
    number: int = 0


class WorldBackend:
    """The world's model."""

    name = "world"

    def __init__(self, session: aiohttp.ClientSession, fuse: Fuse) -> None:
        self._session = session
        self._fuse = fuse

    async def stream(self, step: Step) -> AsyncIterator[StepEvent]:
        item_id = f"item_{step.run_id}_{step.index}"
        said: list[str] = []
        done = False
        async for line in self._lines(step):
            if line.delta:
                if not said:
                    yield TextCreated(item_id)
                said.append(line.delta)
                yield TextDelta(item_id, line.delta)
                self._fuse.reach("mid_stream")
            elif line.call:
                call = FunctionCall(line.call, line.name, json.dumps({"number": line.number}))
                if said:
                    yield TextDone(item_id, "".join(said))
                    yield ItemDone(assistant_message("".join(said)))
                    said = []
                yield ToolCallCreated(call.call_id, call.name)
                yield ToolCallDelta(call.call_id, call.arguments)
                yield ItemDone(function_call(call))
            else:
                done = True
        if not done:
            raise StreamCut("The model has stopped in the middle of a sentence.")
        if said:
            yield TextDone(item_id, "".join(said))
            yield ItemDone(assistant_message("".join(said)))
        yield StepDone(usage=Usage(10, len(said)))

    async def _lines(self, step: Step) -> AsyncIterator[Line]:
        try:
            async with self._session.post(
                "/model", json={"items": list(step.items), "run": step.run_id}
            ) as response:
                response.raise_for_status()
                async for line in response.content:
                    yield Line(**json.loads(line))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise BackendUnavailable(type(error).__name__) from error

    async def check(self) -> str:
        return "the world's model"

    async def close(self) -> None:
        """The session belongs to somebody else."""


def world_tools(session: aiohttp.ClientSession) -> tuple[Tool[..., object], ...]:
    """Two functions with effects: `book` has a key and may be repeated, `notify` may not."""

    @tool(idempotent=True)
    async def book(number: int, context: ToolContext) -> str:
        """Book the table with a number."""
        headers = {"Idempotency-Key": context.idempotency_key}
        for _ in range(5):
            try:
                async with session.post("/effects/keyed", json={"number": number}, headers=headers) as answer:
                    return await answer.text()
            except aiohttp.ClientError:
                continue
        raise ToolError("The outcome is unknown: the service has dropped five connections.")

    @tool
    async def notify(number: int) -> str:
        """Notify the guest with a number."""
        try:
            async with session.post("/effects/counted", json={"number": number}) as answer:
                return await answer.text()
        except aiohttp.ClientError as error:
            raise ToolError("The outcome is unknown: the service has dropped the connection.") from error

    return book, notify
