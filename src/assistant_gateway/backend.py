"""
The contract of a model provider: a window of the thread in, a stream of events out.

A backend owns nothing. The thread lives in the gateway's store; whatever a backend
wants kept comes back to it as an opaque `Step.state`, a cache and never the truth.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel

from assistant_gateway.errors import FileRefused
from assistant_gateway.events import StepEvent
from assistant_gateway.values import FileRef, JsonObject, ToolSpec

LoadFile = Callable[[str], Awaitable[bytes]]
"""Give the bytes of a stored file by its id; `LookupError` when it is gone."""

SaveFile = Callable[[str, str, bytes], Awaitable[FileRef]]
"""Keep a file that the model made: name, content type as the provider tells it, bytes; or `FileRefused`."""

ReadDocument = Callable[[str, bytes], Awaitable[str]]
"""The text of a stored document, by its id and its bytes; `FileRefused` where there is none to be had."""

MADE_FILE_SIZE = 20_000_000  # bytes of one file that a model made; a larger one need not be fetched


async def keep_nothing(name: str, content_type: str, data: bytes) -> FileRef:
    """Refuse each file: for steps outside a run."""
    raise FileRefused("no files are kept here")


async def read_nothing(id: str, data: bytes) -> str:
    """Read no document: for steps outside a run."""
    raise FileRefused("no documents are read here")


@dataclass(frozen=True, slots=True)
class Step:
    """
    One model call.

    Attributes:
        run_id: The run it belongs to.
        thread_id: The thread it answers.
        index: Number of the step in the run, from 0.
        model: The model's name; empty leaves the choice to the backend.
        instructions: System text: assistant's, route's and run's, already joined.
        items: The window, oldest first; every call is followed by its output.
        tools: What the model may call.
        hosted_tools: Tools that the provider runs itself, each with its ``type`` and parameters.
        max_output_tokens: Cap for this step; None leaves it to the provider.
        options: Provider options from the assistant's configuration, passed on as they are.
        state: What this backend asked to keep for the thread.
        load_file: Gives the bytes of the files that items name.
        save_file: Keeps the files that the model makes; tell each with a `FileDone`.
        read_document: Gives the text of a PDF or Word document, for providers that don't take the file.
    """

    run_id: str
    thread_id: str
    index: int
    model: str
    instructions: str
    items: Sequence[JsonObject]
    load_file: LoadFile
    tools: Sequence[ToolSpec] = ()
    max_output_tokens: int | None = None
    options: JsonObject = field(default_factory=dict)
    state: JsonObject = field(default_factory=dict)
    hosted_tools: Sequence[JsonObject] = ()
    save_file: SaveFile = keep_nothing
    read_document: ReadDocument = read_nothing


class Backend(Protocol):
    """A model provider."""

    name: str

    def stream(self, step: Step) -> AsyncIterator[StepEvent]:
        """
        Make one model call. Yields events and, last, exactly one `StepDone`.

        Every function call arrives as `ToolCallCreated`, its arguments as `ToolCallDelta`,
        and its complete item as `ItemDone`; so does every message. The iterator is closed
        (`aclose`) when the run is cancelled, and then lets go of its connection.

        Raises:
            BackendUnavailable: May be tried again after ``retry_after`` seconds.
            BackendRefused: A person must mend key, model or request.
            ContextOverflow: The window must be smaller.
            StreamCut: The stream ended early.
        """

    async def check(self) -> str:
        """
        Ask the provider whether it would serve us; one line for people about what answered.

        Raises:
            BackendError: It would not; the message says what to do.
        """

    async def close(self) -> None:
        """Let go of connections."""


@runtime_checkable
class WarmsUp(Protocol):
    """A backend whose first call would have to wait for something that can be had before."""

    async def warm_up(self) -> None:
        """Have it ready. Called once, when the gateway serves; must not raise for a provider that is away."""


Settings = TypeVar("Settings", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class BackendPlugin(Generic[Settings]):
    """
    What an entry point of the group ``assistant_gateway.backends`` names; its name is the ``kind``.

    Attributes:
        settings: Schema of a ``[backends.NAME]`` table without ``kind``; unknown keys are refused.
        build: The backend for a configured name and its checked settings.
        default_model: What an assistant without ``model`` uses.
        from_environment: The ``[backends.main]`` table as the environment gives it; None when it gives none.
        tools: Modules with tools that come with it, registered while an assistant uses it.
        hosted_tools: The tools that the provider runs itself, and the parameters that each must be given.
    """

    settings: type[Settings]
    build: Callable[[str, Settings], Backend]
    default_model: str = ""
    tools: tuple[str, ...] = ()
    hosted_tools: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    from_environment: Callable[[Mapping[str, str]], JsonObject | None] = field(default=lambda environ: None)
