"""
Tools that a provider runs itself, and the files that come of them.

A picture comes inside its call's item and is kept as a file of ours in its place: threads stay small. A
file in a container can only be had for some minutes, so it is fetched before the step is over, and only
from containers in which this thread's own code ran: whatever else an answer cites is never fetched.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

import structlog

from assistant_gateway import items
from assistant_gateway.backend import MADE_FILE_SIZE, Step
from assistant_gateway.errors import BackendError, FileRefused
from assistant_gateway.events import AnnotationAdded, FileDone, ItemDone, StepDone, StepEvent
from assistant_gateway.values import FileRef, JsonObject, JsonValue

HOSTED_TOOLS: Mapping[str, tuple[str, ...]] = {
    "code_interpreter": (),
    "file_search": ("vector_store_ids",),
    "image_generation": (),
    "web_search": (),
}
"""What the Responses API runs, and what each must be given: "Using tools", OpenAI's guides, 2026-11."""

DEFAULTS: Mapping[str, JsonObject] = {"code_interpreter": {"container": {"type": "auto"}}}
INCLUDES = {"code_interpreter": "code_interpreter_call.outputs"}
"""What is only told when it is asked for: `ResponseIncludable`, openai 3.54.0."""

WORTH_A_LOOK = frozenset({AnnotationAdded, ItemDone, StepDone})
"""The events that `Harvest.take` wants to see."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_DATA_URL = re.compile(r"data:image/[\w.+-]+;base64,")

Fetch = Callable[[str, str], Awaitable[bytes]]
"""The bytes of a file, by its container's id and its own; a `BackendError` when it can't be had."""


def tools_for(step: Step) -> list[JsonValue]:
    """The step's hosted tools, as they are asked for."""
    return [{**DEFAULTS.get(str(tool["type"]), {}), **tool} for tool in step.hosted_tools]


def includes_for(tools: Sequence[JsonValue]) -> list[JsonValue]:
    """What to ask for beside the answer, so that *tools* tell what they did."""
    kinds = [tool.get("type") for tool in tools if isinstance(tool, Mapping)]
    return [wanted for kind, wanted in INCLUDES.items() if kind in kinds]


class Harvest:
    """The files of one step."""

    def __init__(self, step: Step, fetch: Fetch) -> None:
        self._step = step
        self._fetch = fetch
        self._containers = {_container(body) for body in step.items}
        self._cited: dict[tuple[str, str], str] = {}
        self._log = structlog.get_logger()

    async def take(self, event: StepEvent) -> AsyncIterator[StepEvent]:
        """*event*, and around it the files that come of it."""
        if type(event) is AnnotationAdded:
            self._note(event.annotation)
        elif type(event) is ItemDone:
            body = event.body
            self._containers.add(_container(body))
            body, pictures = _without_pictures(body)
            kept = [file for data in pictures if (file := await self._save("", data))]
            for file in kept:
                yield FileDone(file)
            if body is not event.body:
                event = ItemDone({**body, "file_ids": [file.id for file in kept]})
        elif type(event) is StepDone:
            for (container, id), name in self._cited.items():
                if container in self._containers and (file := await self._fetched(container, id, name)):
                    yield FileDone(file)
        yield event

    def _note(self, annotation: JsonObject) -> None:
        if annotation.get("type") == "container_file_citation":
            container, id, name = (_text(annotation, key) for key in ("container_id", "file_id", "filename"))
            if _ID.fullmatch(container) and _ID.fullmatch(id):
                self._cited.setdefault((container, id), name)

    async def _fetched(self, container: str, id: str, name: str) -> FileRef | None:
        try:
            data = await self._fetch(container, id)
        except BackendError as error:
            self._log.warning("file.not_fetched", reason=str(error))
            return None
        return await self._save(name, data)

    async def _save(self, name: str, data: bytes) -> FileRef | None:
        try:
            return await self._step.save_file(name, "", data)
        except FileRefused as error:
            self._log.warning("file.refused", reason=str(error))
            return None


def _container(body: JsonObject) -> str:
    """The container in which a call's code ran; empty for any other item."""
    return _text(body, "container_id") if items.kind(body) == "code_interpreter_call" else ""


def _text(body: JsonObject, key: str) -> str:
    value = body.get(key)
    return value if isinstance(value, str) else ""


def _without_pictures(body: JsonObject) -> tuple[JsonObject, list[bytes]]:
    """A hosted call's item without the pictures in it, and their bytes."""
    kind, result, outputs = items.kind(body), body.get("result"), body.get("outputs")
    if kind == "image_generation_call" and isinstance(result, str) and result:
        return {**body, "result": None}, _bytes(result)
    if kind != "code_interpreter_call" or not isinstance(outputs, list):
        return body, []
    kept: list[JsonValue] = []
    pictures: list[bytes] = []
    found = None
    for output in outputs:
        url = output.get("url") if isinstance(output, dict) else None
        if isinstance(output, dict) and isinstance(url, str) and (match := _DATA_URL.match(url)):
            found = match
            pictures += _bytes(url[match.end() :])
            kept.append({**output, "url": None})
        else:
            kept.append(output)
    return ({**body, "outputs": kept}, pictures) if found else (body, [])


def _bytes(text: str) -> list[bytes]:
    """The picture in a base64 text; none where it is too large or no base64."""
    if len(text) > MADE_FILE_SIZE * 4 // 3 + 4:
        return []
    try:
        return [base64.b64decode(text, validate=True)]
    except (ValueError, binascii.Error):
        return []
