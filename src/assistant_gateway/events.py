"""
What happens during a run, as a union of small frozen values.

A backend yields step events and ends with exactly one `StepDone`. The runner adds
the run's own events around them. Text belongs to a part of an item; parts are told
apart by ``(item_id, part)``, which is unique in the run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from assistant_gateway.values import FileRef, FunctionCall, JsonObject, Run, Usage


@dataclass(frozen=True, slots=True)
class TextCreated:
    """A part of text begins; it is empty."""

    item_id: str
    part: int = 0


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More text for a part."""

    item_id: str
    delta: str
    part: int = 0


@dataclass(frozen=True, slots=True)
class TextDone:
    """A part of text is complete."""

    item_id: str
    text: str
    part: int = 0


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of the model's reasoning summary; shown only where a handler asks for it."""

    item_id: str
    delta: str


@dataclass(frozen=True, slots=True)
class ToolCallCreated:
    """
    The model begins a tool call; its arguments are still to come.

    Attributes:
        kind: ``function`` for our own tools, else the provider's tool type.
    """

    call_id: str
    name: str
    kind: str = "function"


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """More of a call's arguments (or of the code that a hosted tool runs)."""

    call_id: str
    delta: str


@dataclass(frozen=True, slots=True)
class ToolCallProgress:
    """How far a running call is, in words for people."""

    call_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDone:
    """
    A call is over.

    Attributes:
        arguments: The complete arguments, as JSON text.
        output: What the model is given.
        ok: False when the tool failed, was refused, or may have run without our knowing the result.
    """

    call_id: str
    name: str
    kind: str = "function"
    arguments: str = ""
    output: str = ""
    ok: bool = True


@dataclass(frozen=True, slots=True)
class FileDone:
    """The assistant made a file."""

    file: FileRef


@dataclass(frozen=True, slots=True)
class AnnotationAdded:
    """A citation in the text, in the provider's own shape."""

    item_id: str
    annotation: JsonObject
    part: int = 0


@dataclass(frozen=True, slots=True)
class ItemDone:
    """A complete item of the step, in Open Responses shape: what goes onto the thread."""

    body: JsonObject


@dataclass(frozen=True, slots=True)
class StepCreated:
    """A model call begins; ``index`` counts from 0 within the run."""

    index: int


@dataclass(frozen=True, slots=True)
class StepDone:
    """
    The step's outcome is known; the last event of a backend's stream.

    Attributes:
        usage: What the step has used, or (where a provider tells it only once) the whole run.
        sums_up: Whether it is that of several steps.
        reason: Why it is incomplete (``max_output_tokens``, ``content_filter`` …).
        state: What the backend wants kept for the thread's next step; None keeps what there is.
    """

    status: Literal["completed", "incomplete"] = "completed"
    usage: Usage | None = None
    reason: str = ""
    state: JsonObject | None = None
    sums_up: bool = False


@dataclass(frozen=True, slots=True)
class RunCreated:
    """The run begins."""

    run: Run


@dataclass(frozen=True, slots=True)
class RunRestarted:
    """An earlier attempt was cut off: its deltas are void, the run speaks from the beginning."""

    run: Run


@dataclass(frozen=True, slots=True)
class RunRequiresAction:
    """The model asked for these functions; the toolbox calls them now."""

    run: Run
    calls: tuple[FunctionCall, ...]


@dataclass(frozen=True, slots=True)
class RunDone:
    """The run has ended; ``text`` is all that was said. Always the last event."""

    run: Run
    text: str = ""
    files: tuple[FileRef, ...] = field(default=())


StepEvent: TypeAlias = (
    TextCreated
    | TextDelta
    | TextDone
    | ReasoningDelta
    | ToolCallCreated
    | ToolCallDelta
    | ToolCallDone
    | FileDone
    | AnnotationAdded
    | ItemDone
    | StepDone
)

RunEvent: TypeAlias = (
    StepEvent | ToolCallProgress | StepCreated | RunCreated | RunRestarted | RunRequiresAction | RunDone
)
