"""
The Assistants API itself, for servers of one's own that still speak it: threads, messages, runs.

OpenAI has switched its own off. The remote thread is a cache of ours: each step tells it what it
does not know yet, and where it is not as it was left, a new one is told everything.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace

import structlog
from pydantic import field_validator

from assistant_gateway.backend import BackendPlugin, Step
from assistant_gateway.backends.assistants_assistant import Assistant
from assistant_gateway.backends.assistants_harvest import WORTH_A_LOOK, RunHarvest
from assistant_gateway.backends.assistants_litter import Litter
from assistant_gateway.backends.assistants_request import HOSTED_TOOLS
from assistant_gateway.backends.assistants_visit import Visit
from assistant_gateway.backends.assistants_wire import Wire, an_id
from assistant_gateway.backends.connection import Connection, ProviderSettings, Refusal
from assistant_gateway.errors import BackendError, BackendRefused
from assistant_gateway.events import ItemDone, StepDone, StepEvent
from assistant_gateway.values import JsonObject


class AssistantsSettings(ProviderSettings):
    """A ``[backends.NAME]`` table of kind ``assistants``."""

    assistant_id: str = ""

    @field_validator("assistant_id")
    @classmethod
    def _is_id(cls, value: str) -> str:
        if value and not an_id(value):
            raise ValueError("assistant_id must be an id such as asst_abc123")
        return value


class AssistantsBackend:
    """A provider's ``/threads``."""

    def __init__(self, name: str, settings: AssistantsSettings) -> None:
        self.name = name
        self._settings = settings
        self._connection = Connection(settings, "/threads", lambda client: client.files)
        self._wire = Wire(self._connection)
        self._litter = Litter(self._wire)
        self._assistant = Assistant(self._wire, settings.assistant_id)
        self._log = structlog.get_logger().bind(backend=name)

    async def stream(self, step: Step) -> AsyncGenerator[StepEvent, None]:
        """Make one model call; see `Backend.stream`."""
        if not step.model and not self._settings.assistant_id:
            raise BackendRefused(
                f"the backend {self.name!r} has no model of its own: name one for the assistant, or set "
                "assistant_id"
            )
        pictures = True
        while True:
            visit = Visit(step, self._wire, self._assistant, self._litter, pictures=pictures)
            try:
                async with aclosing(self._answer(step, visit)) as events:
                    async for event in events:
                        yield event
                return
            except BackendError as error:
                if not visit.may_do_without_pictures(error):
                    raise
                self._log.warning("backend.narrowed", code=error.code)
                pictures = False
            finally:
                visit.leave()

    async def warm_up(self) -> None:
        """Load the SDK: half a second that the first message need not wait for."""
        await self._connection.open()

    async def check(self) -> str:
        """Ask the provider for its models, and for the configured assistant; one line about what answered."""
        told = await self._connection.check()
        try:
            await self._assistant.check()
        except Refusal as refusal:
            raise refusal.error from refusal.__cause__
        return told

    async def close(self) -> None:
        """Let go of connections, after a moment for what is being tidied up."""
        await self._litter.close()
        await self._connection.close()

    async def _answer(self, step: Step, visit: Visit) -> AsyncGenerator[StepEvent, None]:
        async with AsyncExitStack() as stack:
            ladder, chunks = await visit.begin(stack)
            events = await stack.enter_async_context(aclosing(self._connection.read(chunks, ladder)))
            harvest = RunHarvest(step, self._wire, ladder)
            bodies: list[JsonObject] = []
            async for event in events:
                if type(event) not in WORTH_A_LOOK:
                    yield event
                    continue
                async for found in harvest.take(event):
                    if type(found) is ItemDone:
                        bodies.append(found.body)
                    if type(found) is StepDone:
                        yield replace(found, state=visit.state(bodies), sums_up=visit.went_on)
                    else:
                        yield found


plugin = BackendPlugin(settings=AssistantsSettings, build=AssistantsBackend, hosted_tools=HOSTED_TOOLS)
