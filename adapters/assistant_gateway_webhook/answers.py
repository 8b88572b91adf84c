"""What a source is told about its message: where it stands, and the answer."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, TypeAlias
from urllib.parse import quote

import structlog

from assistant_gateway.adapter import Intake
from assistant_gateway.values import (
    Answer,
    FileRef,
    JsonObject,
    JsonValue,
    Message,
    MessageState,
    Run,
    RunFailure,
    RunStatus,
)

State: TypeAlias = Literal["accepted", "answering", "requires_action", "answered", "failed", "cancelled"]

STATES: tuple[State, ...] = ("accepted", "answering", "requires_action", "answered", "failed", "cancelled")
INLINE = 4 << 20  # bytes of all files of an answer that are sent along with it
_BY_STATUS: Mapping[RunStatus, State] = {
    RunStatus.COMPLETED: "answered",
    RunStatus.INCOMPLETE: "answered",
    RunStatus.CANCELLED: "cancelled",
}
_BY_STATE: Mapping[MessageState, State] = {
    MessageState.READY: "accepted",
    MessageState.CANCELLED: "cancelled",
    MessageState.FAILED_VISIBLE: "failed",
    MessageState.DEAD_LETTER: "failed",
    MessageState.DELIVERED: "answered",
}


def state_of(message: Message) -> State:
    """Where a message stands, in the words of the webhook; a merged one stands where its answer does."""
    if message.answer is not None:
        return _BY_STATUS.get(message.answer.status, "failed")
    if message.state in _BY_STATE:
        return _BY_STATE[message.state]
    if message.run is not None and message.run.status is RunStatus.REQUIRES_ACTION:
        return "requires_action"
    return "answering"


def has_ended(message: Message) -> bool:
    """Whether nothing about the message changes any more."""
    return state_of(message) in ("answered", "failed", "cancelled")


def brief(message: Message) -> dict[str, JsonValue]:
    """The body of a ``202``."""
    return {
        "id": message.inbound.message_id,
        "state": state_of(message),
        "conversation": message.inbound.conversation.channel,
    }


async def full(message: Message, intake: Intake) -> dict[str, JsonValue]:
    """The body of a ``200``."""
    answer = message.answer
    return {
        "id": message.inbound.message_id,
        "conversation": message.inbound.conversation.channel,
        "thread": message.thread_id,
        "run": _run(message.run, answer) if message.run is not None else None,
        "text": answer.text if answer is not None else "",
        "files": await _files(answer.files if answer is not None else (), intake),
        "error": _error(message),
        **_citations(answer),
        **({"notices": answer.notices} if answer is not None and answer.notices else {}),
    }


async def callback(message: Message, intake: Intake, now: float) -> bytes:
    """The body of the callback that brings the answer, *now* in epoch seconds."""
    answered = state_of(message) == "answered"
    return as_json(
        {
            "type": "message.answered" if answered else "message.failed",
            "timestamp": datetime.fromtimestamp(now, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "data": await full(message, intake),
        }
    )


def location(message: Message) -> str:
    """The path under which the message is found."""
    source = message.inbound.conversation.tenant
    return f"/webhooks/{quote(source, safe='')}/messages/{quote(message.inbound.message_id, safe='')}"


def as_json(body: JsonObject) -> bytes:
    # A model may say half a surrogate pair, which UTF-8 can't.
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _citations(answer: Answer | None) -> dict[str, JsonValue]:
    """The sources, where the answer names some: people see them below the text, programs beside it."""
    if answer is None or not answer.citations:
        return {}
    return {"citations": [{"title": each.title, "url": each.url or None} for each in answer.citations]}


def _run(run: Run, answer: Answer | None) -> JsonObject:
    usage = answer.usage if answer is not None else run.usage
    return {
        "id": run.id,
        "status": (answer.status if answer is not None else run.status).value,
        "usage": {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cached_tokens": usage.cached_tokens,
            "total_tokens": usage.total_tokens,
        },
    }


def _error(message: Message) -> JsonObject | None:
    error: RunFailure | None = None
    if message.answer is not None:
        error = message.answer.error
    elif message.run is not None:
        error = message.run.error
    if error is None and state_of(message) == "failed":
        error = RunFailure("not_answered", "The message could not be answered.", f"message {message.id}")
    return {"code": error.code, "message": error.message, "id": error.id} if error is not None else None


async def _files(files: tuple[FileRef, ...], intake: Intake) -> list[JsonValue]:
    """Each file, with its bytes as long as there is room for them."""
    room = INLINE
    described: list[JsonValue] = []
    for file in files:
        data = None
        if file.size <= room:
            room -= file.size
            data = await _bytes(file, intake)
        described.append(
            {
                "id": file.id,
                "name": file.name,
                "content_type": file.content_type,
                "size": file.size,
                "data": data,
            }
        )
    return described


async def _bytes(file: FileRef, intake: Intake) -> str | None:
    try:
        return base64.b64encode(await intake.file(file)).decode()
    except LookupError:
        structlog.get_logger().warning("webhook.file_gone", file=file.id)
        return None
