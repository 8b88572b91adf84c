"""
Chat Completions: what nearly every server of models speaks.

Nothing is kept at the provider: each step sends the whole window. How servers differ is told by
their dialect; what one refuses that it could do without is left out from then on.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace

import structlog
from pydantic import field_validator

from assistant_gateway import items
from assistant_gateway.backend import BackendPlugin, Step
from assistant_gateway.backends.chat_answer import Answer
from assistant_gateway.backends.chat_request import Manner, build
from assistant_gateway.backends.connection import Call, Connection, ProviderSettings, Refusal
from assistant_gateway.backends.dialects import DIALECTS, Dialect, dialect_for, learned
from assistant_gateway.backends.request import Request
from assistant_gateway.errors import BackendRefused
from assistant_gateway.events import StepEvent

AUTO = "auto"
MOST_LESSONS = 6  # corrections of one request; each one costs a try


class ChatSettings(ProviderSettings):
    """A ``[backends.NAME]`` table of kind ``chat``."""

    dialect: str = AUTO

    @field_validator("dialect")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in (AUTO, *DIALECTS):
            raise ValueError(f"dialect must be {AUTO} or one of {', '.join(DIALECTS)}")
        return value


class ChatBackend:
    """A provider's ``/chat/completions``."""

    def __init__(self, name: str, settings: ChatSettings) -> None:
        self.name = name
        self._connection = Connection(
            settings, "/chat/completions", lambda client: client.chat.completions.with_streaming_response
        )
        told = settings.dialect
        self._dialect = dialect_for(settings.base_url) if told == AUTO else DIALECTS[told]
        self._learned: dict[str, Dialect] = {}  # by model
        self._log = structlog.get_logger().bind(backend=name)

    async def stream(self, step: Step) -> AsyncGenerator[StepEvent, None]:
        """Make one model call; see `Backend.stream`."""
        if not step.model:
            raise BackendRefused(
                f"the backend {self.name!r} has no model of its own: name one for the assistant"
            )
        async with AsyncExitStack() as stack:
            answer, chunks = await self._ask(step, stack)
            events = await stack.enter_async_context(aclosing(self._connection.read(chunks, answer)))
            async for event in events:
                yield event

    async def warm_up(self) -> None:
        """Load the SDK: half a second that the first message need not wait for."""
        await self._connection.open()

    async def check(self) -> str:
        """Ask the provider for its models; one line about what answered."""
        return await self._connection.check()

    async def close(self) -> None:
        """Let go of connections."""
        await self._connection.close()

    async def _ask(self, step: Step, stack: AsyncExitStack) -> tuple[Answer, AsyncGenerator[bytes, None]]:
        """
        Send the step, and what reads its answer; *stack* closes it.

        Where the provider refuses something that a thread can do without, it is asked again without it.
        """
        origin = self._connection.mark(self.name, step.model)
        manner = Manner(self._learned.get(step.model, self._dialect), origin)
        tried = [manner]
        while True:
            request = await build(step, step.model, manner)
            try:
                chunks = await self._connection.send(_call(request), stack)
            except Refusal as refusal:
                other = _corrected(manner, refusal, request)
                if other is None or other in tried or len(tried) > MOST_LESSONS:
                    raise refusal.error from refusal.__cause__
                self._log.warning("backend.narrowed", code=refusal.code, status=refusal.status)
                manner = other
                tried.append(manner)
            else:
                self._learned[step.model] = manner.dialect
                return self._answer(step, manner), chunks

    def _answer(self, step: Step, manner: Manner) -> Answer:
        return Answer(
            f"{step.run_id}-{step.index}",
            thoughts=manner.dialect.thoughts,
            origin=manner.origin,
            keeps_thoughts=bool(manner.dialect.reasoning_key),
            taken=[call.call_id for call in items.calls_of(step.items)],
            tools=[tool.name for tool in step.tools],
        )


def _call(request: Request) -> Call:
    # The body overwrites the SDK's own fields; Azure's client puts the model into the address.
    return lambda client: client.chat.completions.with_streaming_response.create(
        messages=[], model=str(request.body["model"]), stream=True, extra_body=request.body
    )


def _corrected(manner: Manner, refusal: Refusal, request: Request) -> Manner | None:
    """How to ask instead, where a provider refuses something that a thread can do without."""
    # llama.cpp answers 500 to what a model's template can't take.
    if refusal.status not in (400, 404, 415, 422, 500) or refusal.code == "model_not_found":
        return None
    if refusal.status != 500 and not isinstance(refusal.error, BackendRefused):
        return None
    dialect = learned(manner.dialect, refusal.complaint)
    if dialect is not None:
        return replace(manner, dialect=dialect)
    if request.kinds and refusal.status in (400, 415, 422):
        return replace(manner, kinds=manner.kinds - refusal.files_of(request.kinds))
    return None


plugin = BackendPlugin(settings=ChatSettings, build=ChatBackend)
