"""
The way to one model provider: its address, its key, its connections, and how they break.

Requests, keys and refusals go through OpenAI's SDK, which never repeats one by itself; the stream is
read from its raw bytes. Every end of a stream that is not the provider's own is an error of ours.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar, cast
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from assistant_gateway.backends.faults import error_object, from_error, quote, retry_after
from assistant_gateway.backends.sse import EventReader, decode
from assistant_gateway.config import Section
from assistant_gateway.errors import BackendError, BackendRefused, BackendUnavailable, StreamCut
from assistant_gateway.events import StepEvent
from assistant_gateway.values import JsonObject

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

LINGER = 0.1  # seconds to wait for the stream's own end, so that its connection can be used again
PATIENCE = 2.0  # seconds to wait for the rest of an answer whose outcome is known, mostly its usage
COMPLAINT = 4_000  # characters of a refusal that are looked at
DONE = b"[DONE]"

_T = TypeVar("_T")


class ProviderSettings(Section):
    """What every ``[backends.NAME]`` table over OpenAI's wires has. Times in seconds."""

    base_url: str = "https://api.openai.com/v1"
    api_key: SecretStr = SecretStr("")
    api_version: str = ""
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


class Reading(Protocol):
    """
    What makes our events of a provider's.

    Attributes:
        begun: Something of the answer has arrived.
        settled: The outcome is known; what may follow is not worth a long wait.
        done: Nothing that follows matters.
    """

    @property
    def begun(self) -> bool: ...
    @property
    def settled(self) -> bool: ...
    @property
    def done(self) -> bool: ...

    def feed(self, event: JsonObject) -> Iterable[StepEvent]:
        """Our events for one of the provider's, to be iterated to the end."""

    def end(self, *, declared: bool) -> Iterable[StepEvent]:
        """
        The events of the end: the stream is over, which the provider has *declared* or not.

        Raises:
            StreamCut: The outcome is not known.
        """


class _Streamed(Protocol):
    """An SDK answer whose body is not read yet."""

    @property
    def headers(self) -> httpx2.Headers: ...
    @property
    def http_response(self) -> httpx2.Response: ...


Call: TypeAlias = "Callable[[AsyncOpenAI], AbstractAsyncContextManager[_Streamed]]"
"""Begins a streamed request with the SDK's client."""


class Refusal(Exception):
    """
    An HTTP error, not yet final: the request may do with less.

    Attributes:
        complaint: All that the provider said of it, in whatever shape, at most `COMPLAINT` characters.
    """

    def __init__(self, error: BackendError, status: int, told: JsonObject) -> None:
        super().__init__(str(error))
        self.error = error
        self.status = status
        self.code = str(told.get("code") or "")
        self.param = str(told.get("param") or "")
        self.message = str(told.get("message") or "")
        self.complaint = str(told)[:COMPLAINT]

    @classmethod
    def of(cls, error: object) -> Refusal:
        """The refusal in an SDK error with a status."""
        import openai

        assert isinstance(error, openai.APIStatusError)
        told: JsonObject = error_object(error.body)
        status = error.status_code
        wait = retry_after(error.response.headers)
        return cls(from_error(told, status=status, retry_after=wait), status, told)

    def files_of(self, sent: frozenset[str]) -> frozenset[str]:
        """Of the kinds of files that were *sent* those that it is about, as far as it can be told."""
        is_about_pictures = "image" in f"{self.code} {self.param} {self.message}".lower()
        # Else documents first: far more models see pictures than read every kind of document.
        return sent & {"input_image" if is_about_pictures else "input_file"} or sent


class Connection:
    """
    One provider's SDK client, opened when it is first needed.

    Args:
        path: Where steps are sent, below the base address; for messages to people.
        load: Has the SDK load the part that *path* needs.
    """

    def __init__(self, settings: ProviderSettings, path: str, load: Callable[[AsyncOpenAI], object]) -> None:
        self._settings = settings
        self._path = path
        self._load = load
        self._client: AsyncOpenAI | None = None
        self._connecting = asyncio.Lock()

    async def open(self) -> AsyncOpenAI:
        """The client. Loading the SDK takes half a second: it stands in the way of nobody's words."""
        async with self._connecting:
            if self._client is None:
                self._client = await asyncio.to_thread(self._make)
            return self._client

    def mark(self, name: str, model: str) -> str:
        """The mark of items that only this account's *model* can read, as backend *name* keeps them."""
        settings = self._settings
        maker = (settings.base_url, self._path, settings.organization, settings.project, model)
        return f"{name}/{hashlib.sha256(chr(10).join(maker).encode()).hexdigest()[:12]}"

    async def close(self) -> None:
        """Let go of connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def send(self, call: Call, stack: AsyncExitStack) -> AsyncGenerator[bytes, None]:
        """
        Make one streamed request; its bytes as they come. *stack* closes it.

        Raises:
            Refusal: The provider refuses it.
            BackendUnavailable: It can't be reached.
            BackendRefused: What answers is no event stream.
        """
        import openai

        client = await self.open()
        try:
            response = await stack.enter_async_context(call(client))
        except openai.APIStatusError as error:
            raise Refusal.of(error) from error
        except openai.APIConnectionError as error:
            raise self._unreachable(error) from error
        self._refuse_other_content(response.headers)
        # The bytes as they come: each layer above them costs time at every word.
        told = response.http_response
        source = told.aiter_bytes() if "content-encoding" in told.headers else aiter(told.stream)  # type: ignore[arg-type]
        chunks = cast(AsyncGenerator[bytes, None], source)
        await stack.enter_async_context(aclosing(chunks))
        return chunks

    async def ask(self, request: Callable[[AsyncOpenAI], Awaitable[_T]]) -> _T:
        """
        Make one request that is answered whole.

        Raises:
            Refusal: The provider refuses it.
            BackendUnavailable: It can't be reached, or broke off.
        """
        import httpx2
        import openai

        client = await self.open()
        try:
            return await request(client)
        except openai.APIStatusError as error:
            raise Refusal.of(error) from error
        except openai.APIConnectionError as error:
            raise self._unreachable(error) from error
        except (httpx2.HTTPError, OSError) as error:
            raise BackendUnavailable("the connection to the provider broke") from error

    async def read(
        self, chunks: AsyncGenerator[bytes, None], reading: Reading
    ) -> AsyncGenerator[StepEvent, None]:
        """
        Our events, to the end of the answer.

        Raises:
            BackendError: The provider failed, fell silent or broke off.
        """
        reader = EventReader()
        now = asyncio.get_running_loop().time
        with self._telling_what_broke(reading):
            signs, heard = 0, now()
            async for chunk in chunks:
                for event in _events(chunk, reader, reading):
                    yield event
                if reading.settled:
                    break
                if reader.signs != signs:
                    signs, heard = reader.signs, now()
                elif now() - heard > self._settings.timeout:
                    raise StreamCut(self._silent())
        until = now() + PATIENCE
        while reading.settled and not reading.done and (chunk := await _more(chunks, until - now())):
            for event in _events(chunk, reader, reading):
                until = now() + PATIENCE
                yield event
        for event in reading.end(declared=False):
            yield event
        # A connection whose stream was read to its end is used again.
        until = now() + LINGER
        while await _more(chunks, until - now()):
            pass

    async def check(self) -> str:
        """Ask the provider for its models; one line about what answered. Raises as `Backend.check`."""
        host = urlsplit(self._settings.base_url).netloc
        try:
            answer = await self.ask(lambda client: client.models.with_raw_response.list())
            told = answer.http_response.json()
        except Refusal as refusal:
            if refusal.status == 404:
                return f"{host} answers; it has no list of models"
            raise refusal.error from refusal
        except ValueError as error:
            raise BackendRefused(f"{host} answers, but not as a model provider: check base_url") from error
        models = told.get("data") if isinstance(told, dict) else None
        if not isinstance(models, list):
            raise BackendRefused(f"{host} answers, but not as a model provider: check base_url")
        return f"{host} answers and serves {len(models)} model{'' if len(models) == 1 else 's'}"

    def _make(self) -> AsyncOpenAI:
        openai = importlib.import_module("openai")
        settings = self._settings
        timeout = openai.Timeout(settings.timeout, connect=settings.connect_timeout)
        # The SDK takes the key of the environment where it is given none: it belongs to OpenAI alone.
        key = settings.api_key.get_secret_value() or "none"
        make = openai.AsyncOpenAI
        if settings.api_version:
            # Azure's dated API: another header for the key, and the model is a part of the address.
            make = partial(openai.AsyncAzureOpenAI, api_version=settings.api_version)
        client: AsyncOpenAI = make(
            api_key=key,
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
        self._load(client)  # another 0.1 s of modules
        return client

    @contextmanager
    def _telling_what_broke(self, reading: Reading) -> Iterator[None]:
        import httpx2

        try:
            yield
        except (httpx2.HTTPError, OSError) as error:
            silent = isinstance(error, httpx2.ReadTimeout)
            why = self._silent() if silent else "the connection to the provider broke"
            if reading.begun:
                raise StreamCut(f"{why}, in the middle of its answer") from error
            raise BackendUnavailable(why) from error

    def _refuse_other_content(self, headers: Mapping[str, str]) -> None:
        kind = headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "text/event-stream":
            raise BackendRefused(
                f"the provider answered with {quote(kind) or 'no content type'} instead of an event stream: "
                f"check base_url, and that the server can stream {self._path}"
            )

    def _silent(self) -> str:
        return f"the provider was silent for {self._settings.timeout:g} s"

    def _unreachable(self, error: Exception) -> BackendError:
        host = urlsplit(self._settings.base_url).netloc
        if type(error.__cause__).__name__ == "ReadTimeout":
            return BackendUnavailable(f"{host} did not answer within {self._settings.timeout:g} s")
        cause = quote(str(error.__cause__ or "")) or type(error).__name__
        return BackendUnavailable(f"{host} can't be reached: {cause}")


def _events(chunk: bytes, reader: EventReader, reading: Reading) -> Iterator[StepEvent]:
    for data in reader.feed(chunk):
        yield from reading.end(declared=True) if data == DONE else reading.feed(decode(data))
        if reading.done:
            return


async def _more(chunks: AsyncGenerator[bytes, None], seconds: float) -> bytes:
    """What follows a known outcome; empty where nothing does, or not soon, or the connection breaks."""
    import httpx2

    try:
        async with asyncio.timeout(seconds):
            return await anext(chunks, b"")
    except (TimeoutError, httpx2.HTTPError, OSError):
        return b""
