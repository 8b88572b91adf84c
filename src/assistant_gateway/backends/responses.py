"""
The Responses API of OpenAI, Azure and every server that speaks the same wire.

Nothing is kept at the provider: each step sends the whole window. A response counts only when
its terminal event has arrived; every other end of the stream is an error. Requests, keys and
refusals go through OpenAI's SDK, the stream itself is read from its raw bytes.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, aclosing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import structlog
from pydantic import Field, SecretStr, field_validator

from assistant_gateway import items
from assistant_gateway.backend import BackendPlugin, Step
from assistant_gateway.backends.faults import error_object, from_error, quote, retry_after
from assistant_gateway.backends.ladder import Ladder
from assistant_gateway.backends.request import Leeway, Request, build
from assistant_gateway.backends.sse import EventReader, decode
from assistant_gateway.config import Section
from assistant_gateway.errors import BackendError, BackendRefused, BackendUnavailable, StreamCut
from assistant_gateway.events import StepEvent
from assistant_gateway.values import JsonObject

if TYPE_CHECKING:
    from openai import AsyncOpenAI

DEFAULT_MODEL = "gpt-6.1-sol"
LINGER = 0.1  # seconds to wait for the stream's own end, so that its connection can be used again


class ResponsesSettings(Section):
    """A ``[backends.NAME]`` table of kind ``responses``. Times in seconds."""

    base_url: str = "https://api.openai.com/v1"
    api_key: SecretStr = SecretStr("")
    organization: str = ""
    project: str = ""
    timeout: float = Field(default=60.0, gt=0, le=3600)
    connect_timeout: float = Field(default=5.0, gt=0, le=60)
    default_headers: dict[str, SecretStr] = Field(default_factory=dict)

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("base_url must be an http or https address, mostly one that ends with /v1")
        return value.rstrip("/")


class ResponsesBackend:
    """A provider's ``/responses``."""

    def __init__(self, name: str, settings: ResponsesSettings) -> None:
        self.name = name
        self._settings = settings
        self._client: AsyncOpenAI | None = None
        self._connecting = asyncio.Lock()
        self._log = structlog.get_logger().bind(backend=name)

    async def stream(self, step: Step) -> AsyncGenerator[StepEvent, None]:
        """Make one model call; see `Backend.stream`."""
        reader = EventReader()
        async with AsyncExitStack() as connection:
            ladder, chunks = await self._ask(step, connection)
            with self._telling_what_broke(ladder):
                now = asyncio.get_running_loop().time
                signs, heard = 0, now()
                async for chunk in chunks:
                    for data in reader.feed(chunk):
                        if data == b"[DONE]":
                            break
                        for event in ladder.feed(decode(data)):
                            yield event
                        if ladder.done:
                            await _linger(chunks)
                            return
                    if reader.signs != signs:
                        signs, heard = reader.signs, now()
                    elif now() - heard > self._settings.timeout:
                        raise StreamCut(self._silent())
        raise StreamCut("the provider ended the stream in the middle of its answer")

    async def warm_up(self) -> None:
        """Load the SDK: half a second that the first message need not wait for."""
        client = await self._connect()
        # The SDK loads this part when it is first looked at.
        await asyncio.to_thread(lambda: client.responses)

    async def check(self) -> str:
        """Ask the provider for its models; one line about what answered."""
        import openai

        client = await self._connect()
        host = urlsplit(self._settings.base_url).netloc
        try:
            answer = await client.models.with_raw_response.list()
            told = answer.http_response.json()
        except openai.NotFoundError:
            return f"{host} answers; it has no list of models"
        except openai.APIStatusError as error:
            raise _Refusal.of(error).error from error
        except openai.APIConnectionError as error:
            raise self._unreachable(error) from error
        except ValueError as error:
            raise BackendRefused(f"{host} answers, but not as a model provider: check base_url") from error
        models = told.get("data") if isinstance(told, dict) else None
        if not isinstance(models, list):
            raise BackendRefused(f"{host} answers, but not as a model provider: check base_url")
        return f"{host} answers and serves {len(models)} model{'' if len(models) == 1 else 's'}"

    async def close(self) -> None:
        """Let go of connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _connect(self) -> AsyncOpenAI:
        # Importing the SDK takes half a second: it must not stand in the way of anybody's words.
        async with self._connecting:
            if self._client is None:
                self._client = await asyncio.to_thread(self._open)
            return self._client

    def _open(self) -> AsyncOpenAI:
        openai = importlib.import_module("openai")
        settings = self._settings
        timeout = openai.Timeout(settings.timeout, connect=settings.connect_timeout)
        client: AsyncOpenAI = openai.AsyncOpenAI(
            # The SDK takes the key of the environment where it is given none: it belongs to OpenAI alone.
            api_key=settings.api_key.get_secret_value() or "none",
            base_url=settings.base_url,
            http_client=openai.DefaultAioHttpClient(timeout=timeout),
            timeout=timeout,
            max_retries=0,
            default_headers={
                "Accept-Encoding": "identity",
                **{name: value.get_secret_value() for name, value in settings.default_headers.items()},
            },
        )
        client.organization = settings.organization or None
        client.project = settings.project or None
        assert client.responses.with_streaming_response  # loads another 0.1 s of modules
        return client

    async def _ask(
        self, step: Step, connection: AsyncExitStack
    ) -> tuple[Ladder, AsyncGenerator[bytes, None]]:
        """
        Send the step, and what reads its answer; *connection* closes it.

        Where the provider refuses something that a thread can do without, it is asked again without it.
        """
        model = step.model or DEFAULT_MODEL
        encrypted = self._speaks_encrypted_reasoning(step)
        leeway = Leeway(origin=self._origin(model) if encrypted else "", encrypted=encrypted)
        taken = [call.call_id for call in items.calls_of(step.items)]
        client = await self._connect()
        while True:
            request = await build(step, model, leeway)
            try:
                chunks = await self._send(client, request, connection)
            except _Refusal as refusal:
                narrower = _narrower(leeway, refusal, request)
                if narrower is None:
                    raise refusal.error from refusal.__cause__
                self._log.warning("backend.narrowed", code=refusal.code, status=refusal.status)
                leeway = narrower
            else:
                return Ladder(f"{step.run_id}-{step.index}", origin=leeway.origin, taken=taken), chunks

    async def _send(
        self, client: AsyncOpenAI, request: Request, connection: AsyncExitStack
    ) -> AsyncGenerator[bytes, None]:
        import openai

        try:
            response = await connection.enter_async_context(
                client.responses.with_streaming_response.create(stream=True, extra_body=request.body)
            )
        except openai.APIStatusError as error:
            raise _Refusal.of(error) from error
        except openai.APIConnectionError as error:
            raise self._unreachable(error) from error
        self._refuse_other_content(response.headers)
        # The bytes as they come: each layer above them costs time at every word.
        told = response.http_response
        source = told.aiter_bytes() if "content-encoding" in told.headers else aiter(told.stream)  # type: ignore[arg-type]
        chunks = cast(AsyncGenerator[bytes, None], source)
        await connection.enter_async_context(aclosing(chunks))
        return chunks

    @contextmanager
    def _telling_what_broke(self, ladder: Ladder) -> Iterator[None]:
        import httpx2

        try:
            yield
        except httpx2.ReadTimeout as error:
            raise self._broken(ladder, self._silent()) from error
        except (httpx2.HTTPError, OSError) as error:
            raise self._broken(ladder, "the connection to the provider broke") from error

    def _refuse_other_content(self, headers: Mapping[str, str]) -> None:
        kind = headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "text/event-stream":
            raise BackendRefused(
                f"the provider answered with {quote(kind) or 'no content type'} instead of an event stream: "
                "check base_url, and that the server can stream /responses"
            )

    def _silent(self) -> str:
        return f"the provider was silent for {self._settings.timeout:g} s"

    def _unreachable(self, error: Exception) -> BackendError:
        host = urlsplit(self._settings.base_url).netloc
        if type(error.__cause__).__name__ == "ReadTimeout":
            return BackendUnavailable(f"{host} did not answer within {self._settings.timeout:g} s")
        cause = quote(str(error.__cause__ or "")) or type(error).__name__
        return BackendUnavailable(f"{host} can't be reached: {cause}")

    def _broken(self, ladder: Ladder, why: str) -> BackendError:
        return StreamCut(f"{why}, in the middle of its answer") if ladder.begun else BackendUnavailable(why)

    def _speaks_encrypted_reasoning(self, step: Step) -> bool:
        told = step.options.get("reasoning")
        if isinstance(told, bool):
            return told
        host = urlsplit(self._settings.base_url).hostname or ""
        return host == "api.openai.com" or host.endswith((".openai.com", ".openai.azure.com"))

    def _origin(self, model: str) -> str:
        # What is encrypted is bound to the organisation and the model that made it.
        settings = self._settings
        maker = "\n".join((settings.base_url, settings.organization, settings.project, model))
        return f"{self.name}/{hashlib.sha256(maker.encode()).hexdigest()[:12]}"


class _Refusal(Exception):
    """An HTTP error, not yet final: the request may do with less."""

    def __init__(self, error: BackendError, status: int, code: str, param: str, message: str) -> None:
        super().__init__(str(error))
        self.error = error
        self.status = status
        self.code = code
        self.param = param
        self.message = message

    @classmethod
    def of(cls, error: object) -> _Refusal:
        """The refusal in an SDK error with a status."""
        import openai

        assert isinstance(error, openai.APIStatusError)
        told: JsonObject = error_object(error.body)
        status = error.status_code
        wait = retry_after(error.response.headers)
        return cls(
            from_error(told, status=status, retry_after=wait),
            status,
            str(told.get("code") or ""),
            str(told.get("param") or ""),
            str(told.get("message") or ""),
        )


def _narrower(leeway: Leeway, refusal: _Refusal, request: Request) -> Leeway | None:
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
        # Documents first: far more models see pictures than read every kind of document.
        refused = "input_image" if _is_about_pictures(refusal) else "input_file"
        return replace(leeway, kinds=leeway.kinds - (request.kinds & {refused} or request.kinds))
    return None


def _is_about_pictures(refusal: _Refusal) -> bool:
    return "image" in f"{refusal.code} {refusal.param} {refusal.message}".lower()


async def _linger(chunks: AsyncIterator[bytes]) -> None:
    """Read what is left of a finished stream; a connection that is read to its end is used again."""
    import httpx2

    try:
        async with asyncio.timeout(LINGER):
            async for _ in chunks:
                pass
    except (TimeoutError, httpx2.HTTPError, OSError):
        return  # the answer is complete; only the connection is lost


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
    from_environment=_from_environment,
)
