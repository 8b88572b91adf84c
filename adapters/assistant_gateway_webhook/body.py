"""
One message as a source sends it: strict JSON, a strict schema, and words for what is wrong.

Nothing is guessed: unknown and duplicate members, NaN, other encodings than UTF-8 are refused.
Characters that no store can keep (U+0000, lone surrogates) become U+FFFD.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from hashlib import sha256
from typing import Annotated, NoReturn

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from assistant_gateway.values import Attachment, Conversation, Inbound, User

ADAPTER = "webhook"
TEXT = 40_000  # characters of a message
ANONYMOUS = "anonymous"  # the user's id where the source names nobody
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Label = Annotated[str, StringConstraints(max_length=200)]


class Malformed(Exception):
    """The body is no message; the text says why."""


class TooMuch(Exception):
    """The message is too long; the text says what and how much."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Sender(_Model):
    """Who speaks, as the source knows them."""

    id: Id = Field(description="Immutable id of the person")
    name: Label | None = Field(default=None, description="A label for people and the model")


class FileBody(_Model):
    """A file that comes with the message."""

    name: Label = Field(description="A label; nothing is ever stored under it")
    content_type: str = Field(
        default="application/octet-stream", max_length=200, pattern=r"^[!-.0-~]+/[!-.0-~]+(\s*;[ -~]*)?$"
    )
    data: str = Field(description="Base64")


class MessageBody(_Model):
    """One message in."""

    conversation: Id = Field(description="The source's name for the conversation")
    user: Sender | None = Field(default=None, description="Who speaks; nobody in particular without it")
    text: str | None = Field(default=None, description=f"At most {TEXT} characters")
    attachments: list[FileBody] | None = Field(default=None, max_length=16)
    instructions: str | None = Field(default=None, max_length=TEXT, description="Additional, for this run")
    metadata: (
        dict[
            Annotated[str, StringConstraints(max_length=64)],
            Annotated[str, StringConstraints(max_length=512)],
        ]
        | None
    ) = Field(default=None, max_length=16, description="Kept beside the message")
    callback_url: str | None = Field(
        default=None, max_length=2048, description="Where the answer is sent, signed; the request gets 202"
    )


def read_body(raw: bytes) -> MessageBody:
    """
    The message in a request body.

    Raises:
        Malformed: It is none.
        TooMuch: Its text is too long.
    """
    try:
        found = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_no_number,
            parse_float=_finite,
        )
        body = MessageBody.model_validate(found)
    except RecursionError:
        raise Malformed("The body is nested too deeply.") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(step)[:100] for step in first["loc"])
        what = "unknown member" if first["type"] == "extra_forbidden" else first["msg"]
        raise Malformed(f"{where}: {what}" if where else what) from None
    except ValueError as error:
        raise Malformed(f"The body is no JSON in UTF-8: {_reason(error)}.") from None
    text = body.text or ""
    if len(text) > TEXT:
        raise TooMuch(f"text: has {len(text)} characters, {TEXT} are allowed")
    if not text.strip() and not body.attachments:
        raise Malformed("text: is empty, and there are no attachments")
    return body


def inbound(body: MessageBody, source: str, message_id: str, raw: bytes) -> Inbound:
    """
    The message as the gateway takes it in.

    Raises:
        Malformed: An attachment is no base64.
    """
    user = User(body.user.id, label(body.user.name or "")) if body.user else User(ANONYMOUS)
    return Inbound(
        conversation=Conversation(ADAPTER, source, body.conversation),
        message_id=message_id,
        user=user,
        text=body.text or "",
        attachments=tuple(_attachment(number, file) for number, file in enumerate(body.attachments or ())),
        fingerprint=sha256(raw).hexdigest(),
        instructions=body.instructions or "",
        metadata=body.metadata or {},
        reply_to={"callback_url": body.callback_url} if body.callback_url else {},
    )


def label(text: str) -> str:
    """*text* without control characters and those that turn the direction of writing."""
    return _UNSEEN.sub("", text)


def storable(text: str) -> str:
    """*text* with U+FFFD for what no store can keep."""
    return _UNSTORABLE.sub("\ufffd", text)


def _attachment(number: int, file: FileBody) -> Attachment:
    try:
        data = base64.b64decode(file.data, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed(f"attachments.{number}.data: is no base64") from None
    return Attachment(label(file.name), file.content_type, data)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = {storable(key): storable(value) if isinstance(value, str) else value for key, value in pairs}
    if len(found) < len(pairs):
        raise ValueError("a member is there twice")
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _reason(error: ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is no UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    return "a number has too many digits" if "digits" in str(error) else str(error)
