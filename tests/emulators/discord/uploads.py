"""
What a request carries: JSON, or multipart with `payload_json` and `files[n]`.

developers/reference.mdx, "Uploading Files" (2026-08-06).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from emulators.discord import sizes
from emulators.discord.refusal import Refusal
from emulators.shapes import Json

FIELD = re.compile(r"files?\[(\d+)\]|file")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came along."""

    filename: str
    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Body:
    """The JSON of a request and its files by number."""

    json: object = field(default_factory=dict)
    files: Mapping[int, Upload] = field(default_factory=dict)


async def body_of(request: web.Request) -> Body:
    """
    What *request* says.

    Raises:
        Refusal: 50109: no JSON; 40005: too large; 30015: more than 10 files.
    """
    if not request.can_read_body:
        return Body()
    if request.content_type != "multipart/form-data":
        raw = await request.read()
        _check_size(len(raw))
        if request.content_type != "application/json":
            # developers/reference.mdx, "Content Type": anything else is refused.
            raise Refusal(50035, message="Invalid Form Body", errors=CONTENT_TYPE)
        return Body(_parsed(raw))
    files: dict[int, Upload] = {}
    told: object = {}
    size = 0
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            content = value.file.read()
            size += len(content)
            files[_number(name)] = Upload(value.filename, content, value.content_type)
        elif name == "payload_json":
            # With its own content type, as in the documentation's example, aiohttp leaves it as bytes.
            told = _parsed(value.encode() if isinstance(value, str) else bytes(value))
    _check_size(size)
    if len(files) > sizes.FILES:
        raise Refusal(30015)
    if any(len(each.content) > sizes.FILE for each in files.values()):
        raise Refusal(40005)
    return Body(told, files)


CONTENT_TYPE: Json = {
    "_errors": [
        {
            "code": "CONTENT_TYPE_INVALID",
            "message": 'Expected "Content-Type" header to be one of '
            "{'application/json', 'multipart/form-data'}.",
        }
    ]
}


def _parsed(raw: bytes) -> object:
    try:
        told: object = json.loads(raw)
    except (ValueError, RecursionError):
        raise Refusal(50109) from None
    return told


def _check_size(size: int) -> None:
    if size > sizes.REQUEST:
        raise Refusal(40005)


def _number(name: str) -> int:
    found = FIELD.fullmatch(name)
    if found is None:
        raise Refusal(50035, message="Invalid Form Body", errors={name: {"_errors": []}})
    return int(found[1] or 0)
