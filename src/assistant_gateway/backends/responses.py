"""
The Responses API of OpenAI, Azure and every server that speaks the same wire.

Nothing is kept at the provider: each step sends the whole window. A response counts only when
its terminal event has arrived; every other end of the stream is an error.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from urllib.parse import urlsplit

import structlog

from assistant_gateway import items
from assistant_gateway.backend import BackendPlugin, Step
from assistant_gateway.backends.connection import Call, Connection, ProviderSettings, Refusal
from assistant_gateway.backends.containers import container_file
from assistant_gateway.backends.hosted import HOSTED_TOOLS, WORTH_A_LOOK, Harvest
from assistant_gateway.backends.ladder import Ladder
from assistant_gateway.backends.request import Leeway, Request, build
from assistant_gateway.errors import BackendRefused
from assistant_gateway.events import StepEvent
from assistant_gateway.values import JsonObject

DEFAULT_MODEL = "gpt-6.1-sol"


class ResponsesSettings(ProviderSettings):
    """A ``[backends.NAME]`` table of kind ``responses``."""


class ResponsesBackend:
    """A provider's ``/responses``."""

    def __init__(self, name: str, settings: ResponsesSettings) -> None:
        self.name = name
        self._settings = settings
        self._connection = Connection(
            settings, "/responses", lambda client: client.responses.with_streaming_response
        )
        self._log = structlog.get_logger().bind(backend=name)

    async def stream(self, step: Step) -> AsyncGenerator[StepEvent, None]:
        """Make one model call; see `Backend.stream`."""
        async with AsyncExitStack() as stack:
            ladder, chunks = await self._ask(step, stack)
            events = await stack.enter_async_context(aclosing(self._connection.read(chunks, ladder)))
            harvest = Harvest(step, self._container_file)
            async for event in events:
                if type(event) in WORTH_A_LOOK:
                    async for found in harvest.take(event):
                        yield found
                else:
                    yield event

    async def _container_file(self, container_id: str, file_id: str) -> bytes:
        return await container_file(await self._connection.open(), container_id, file_id)

    async def warm_up(self) -> None:
        """Load the SDK: half a second that the first message need not wait for."""
        await self._connection.open()

    async def check(self) -> str:
        """Ask the provider for its models; one line about what answered."""
        return await self._connection.check()

    async def close(self) -> None:
        """Let go of connections."""
        await self._connection.close()

    async def _ask(self, step: Step, stack: AsyncExitStack) -> tuple[Ladder, AsyncGenerator[bytes, None]]:
        """
        Send the step, and what reads its answer; *stack* closes it.

        Where the provider refuses something that a thread can do without, it is asked again without it.
        """
        model = step.model or DEFAULT_MODEL
        encrypted = self._speaks_encrypted_reasoning(step)
        leeway = Leeway(
            origin=self._connection.mark(self.name, model) if encrypted else "",
            encrypted=encrypted,
            cache_key=self._is_openai,
        )
        taken = [call.call_id for call in items.calls_of(step.items)]
        while True:
            request = await build(step, model, leeway)
            try:
                chunks = await self._connection.send(_call(request), stack)
            except Refusal as refusal:
                narrower = _narrower(leeway, refusal, request)
                if narrower is None:
                    raise refusal.error from refusal.__cause__
                self._log.warning("backend.narrowed", code=refusal.code, status=refusal.status)
                leeway = narrower
            else:
                return Ladder(f"{step.run_id}-{step.index}", origin=leeway.origin, taken=taken), chunks

    def _speaks_encrypted_reasoning(self, step: Step) -> bool:
        told = step.options.get("reasoning")
        return told if isinstance(told, bool) else self._is_openai

    @property
    def _is_openai(self) -> bool:
        host = urlsplit(self._settings.base_url).hostname or ""
        return host == "api.openai.com" or host.endswith((".openai.com", ".openai.azure.com"))


def _call(request: Request) -> Call:
    return lambda client: client.responses.with_streaming_response.create(
        stream=True, extra_body=request.body
    )


def _narrower(leeway: Leeway, refusal: Refusal, request: Request) -> Leeway | None:
    """What to try instead, where a provider refuses something that a thread can do without."""
    if refusal.status not in (400, 404, 415, 422) or not isinstance(refusal.error, BackendRefused):
        return None
    # "The encrypted content … could not be verified": the key now belongs to another organisation.
    if leeway.origin and (
        refusal.code == "invalid_encrypted_content" or "ncrypted content" in refusal.message
    ):
        return replace(leeway, origin="", encrypted=False)
    # "Encrypted content is not supported with this model", param "include".
    if leeway.encrypted and refusal.param.startswith("include"):
        return replace(leeway, origin="", encrypted=False)
    if request.kinds and refusal.code != "model_not_found" and refusal.status != 404:
        return replace(leeway, kinds=leeway.kinds - refusal.files_of(request.kinds))
    return None


def _from_environment(environ: Mapping[str, str]) -> JsonObject | None:
    """What the environment says of the provider; the address counts, too, where the file brings the key."""
    variables = {
        "api_key": "OPENAI_API_KEY",
        "base_url": "OPENAI_BASE_URL",
        "organization": "OPENAI_ORG_ID",
        "project": "OPENAI_PROJECT_ID",
    }
    return {key: environ[name] for key, name in variables.items() if environ.get(name)} or None


plugin = BackendPlugin(
    settings=ResponsesSettings,
    build=ResponsesBackend,
    default_model=DEFAULT_MODEL,
    hosted_tools=HOSTED_TOOLS,
    from_environment=_from_environment,
)
