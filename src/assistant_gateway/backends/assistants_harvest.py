"""
What a remote run names and makes: names of the files that it cites, bytes of those that it made.

Only files that the provider says its own run has made are fetched; of a file that is cited, only
the name is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import structlog

from assistant_gateway import items
from assistant_gateway.backend import Step
from assistant_gateway.backends.assistants_ladder import RunLadder
from assistant_gateway.backends.assistants_wire import Wire, an_id
from assistant_gateway.backends.connection import Refusal
from assistant_gateway.errors import BackendError, FileRefused
from assistant_gateway.events import AnnotationAdded, FileDone, ItemDone, StepDone, StepEvent
from assistant_gateway.values import FileRef, JsonObject, JsonValue

WORTH_A_LOOK = frozenset({AnnotationAdded, ItemDone, StepDone})
"""The events that `RunHarvest.take` wants to see."""

PATIENCE = 5.0  # seconds for the name of one file


class RunHarvest:
    """The files of one stream."""

    def __init__(self, step: Step, wire: Wire, ladder: RunLadder) -> None:
        self._step = step
        self._wire = wire
        self._ladder = ladder
        self._names: dict[str, str] = {}
        self._fetched: set[str] = set()
        self._log = structlog.get_logger()

    async def take(self, event: StepEvent) -> AsyncIterator[StepEvent]:
        """*event* with the names of what it cites, and before it the files that were made."""
        for id, name in self._ladder.take_files():
            if id not in self._fetched:
                self._fetched.add(id)
                if file := await self._fetch(id, name):
                    yield FileDone(file)
        if type(event) is AnnotationAdded:
            event = replace(event, annotation=await self._named(event.annotation))
        elif type(event) is ItemDone and items.role(event.body) == "assistant":
            event = ItemDone(await self._with_names(event.body))
        yield event

    async def _with_names(self, body: JsonObject) -> JsonObject:
        content = body["content"]
        named: list[JsonValue] = []
        for part in content if isinstance(content, list) else ():
            told = part.get("annotations") if isinstance(part, dict) else None
            if isinstance(part, dict) and isinstance(told, list) and told:
                cited = [await self._named(each) for each in told if isinstance(each, dict)]
                named.append({**part, "annotations": cited})
            else:
                named.append(part)
        return {**body, "content": named}

    async def _named(self, annotation: JsonObject) -> JsonObject:
        id = an_id(annotation.get("file_id"))
        if annotation.get("type") != "file_citation" or not id or annotation.get("filename"):
            return annotation
        if id not in self._names:
            self._names[id] = await self._ask_for_name(id)
        return {**annotation, "filename": self._names[id]} if self._names[id] else annotation

    async def _ask_for_name(self, id: str) -> str:
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._wire.name_of_file(id)
        except (Refusal, BackendError, TimeoutError) as error:
            self._log.warning("file.not_named", reason=str(error))
            return ""

    async def _fetch(self, id: str, name: str) -> FileRef | None:
        try:
            data = await self._wire.content_of_file(id)
        except BackendError as error:
            self._log.warning("file.not_fetched", reason=str(error))
            return None
        try:
            return await self._step.save_file(name, "", data)
        except FileRefused as error:
            self._log.warning("file.refused", reason=str(error))
            return None
