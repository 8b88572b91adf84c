"""
Tools that OpenAI runs itself, as they look in a response.

Items and events as in "Streaming events" and "Using tools", OpenAI's API reference, 2026-11; what a call
found or printed is only told where the request asks for it with ``include``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from emulators.shapes import Given, Json


@dataclass(frozen=True)
class RunCode:
    """A code interpreter call: what it ran, printed and drew."""

    code: str
    logs: str = ""
    pictures: Sequence[bytes] = ()
    container: str = "cntr_1"
    status: str = "completed"


@dataclass(frozen=True)
class SearchFiles:
    """A file search call, with the texts that it found by their files' names."""

    query: str
    found: Mapping[str, str]


@dataclass(frozen=True)
class SearchWeb:
    """A web search call."""

    query: str


@dataclass(frozen=True)
class MakeImage:
    """An image generation call."""

    picture: bytes
    prompt: str = "A picture"


HostedAct: TypeAlias = RunCode | SearchFiles | SearchWeb | MakeImage


def file_of_container(name: str, *, file: str = "cfile_1", container: str = "cntr_1") -> Given:
    """The annotation of a file that code has made."""
    return {
        "type": "container_file_citation",
        "container_id": container,
        "file_id": file,
        "filename": name,
        "start_index": 0,
        "end_index": 0,
    }


def page(url: str, title: str) -> Given:
    """The annotation of a page that was found."""
    return {"type": "url_citation", "url": url, "title": title, "start_index": 0, "end_index": 0}


def hosted_item(
    act: HostedAct, new_id: Callable[[str], str], include: Collection[str]
) -> tuple[Given, Given, Sequence[Given]]:
    """The call's item at its beginning and at its end, and the events between them."""
    match act:
        case RunCode():
            return _run_code(act, new_id("ci"), tells="code_interpreter_call.outputs" in include)
        case SearchFiles(query=query, found=found):
            base: Json = {"id": new_id("fs"), "type": "file_search_call", "queries": [query]}
            results = [
                {"file_id": f"file-{name}", "filename": name, "score": 0.9, "text": text, "attributes": {}}
                for name, text in found.items()
            ]
            tells = "file_search_call.results" in include
            return _searched(base, {"results": results if tells else None})
        case SearchWeb(query=query):
            base = {"id": new_id("ws"), "type": "web_search_call"}
            return _searched(base, {"action": {"type": "search", "query": query}})
        case MakeImage(picture=picture, prompt=prompt):
            base = {"id": new_id("ig"), "type": "image_generation_call"}
            end: Json = {
                **base,
                "status": "completed",
                "result": base64.b64encode(picture).decode(),
                "revised_prompt": prompt,
                "output_format": "png",
            }
            phases = ("in_progress", "generating", "completed")
            return {**base, "status": "in_progress", "result": None}, end, _phases(base, phases)


def _run_code(act: RunCode, id: str, *, tells: bool) -> tuple[Given, Given, Sequence[Given]]:
    base: Json = {"id": id, "type": "code_interpreter_call", "container_id": act.container}
    outputs: list[Json] = [{"type": "logs", "logs": act.logs}] if act.logs else []
    outputs += [
        {"type": "image", "url": f"data:image/png;base64,{base64.b64encode(picture).decode()}"}
        for picture in act.pictures
    ]
    begin: Json = {**base, "status": "in_progress", "code": "", "outputs": None}
    end: Json = {**base, "status": act.status, "code": act.code, "outputs": outputs if tells else None}
    kind = "response.code_interpreter_call"
    events: list[Json] = [{"type": f"{kind}.in_progress", "item_id": id}]
    events += [
        {"type": f"{kind}_code.delta", "item_id": id, "delta": piece}
        for piece in re.findall(r".{1,7}", act.code, re.DOTALL)
    ]
    events += [
        {"type": f"{kind}_code.done", "item_id": id, "code": act.code},
        {"type": f"{kind}.interpreting", "item_id": id},
        {"type": f"{kind}.completed", "item_id": id},
    ]
    return begin, end, events


def _searched(base: Json, found: Given) -> tuple[Given, Given, Sequence[Given]]:
    events = _phases(base, ("in_progress", "searching", "completed"))
    return {**base, "status": "in_progress"}, {**base, "status": "completed", **found}, events


def _phases(base: Json, phases: Sequence[str]) -> Sequence[Given]:
    return [{"type": f"response.{base['type']}.{phase}", "item_id": base["id"]} for phase in phases]
