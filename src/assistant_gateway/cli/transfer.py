"""`threads export` and `threads import`: threads out of one gateway and into another."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from pydantic import BaseModel, ConfigDict, ValidationError

from assistant_gateway.assistants_export import NoExport, Place, threads
from assistant_gateway.errors import GatewayError
from assistant_gateway.store import Store
from assistant_gateway.transfer import Carried, Unfit, carried, lines_of, take_in
from assistant_gateway.values import Thread

PAGE = 100  # threads read at once


class _PlaceLine(BaseModel):
    """A line of the file ``--places``."""

    model_config = ConfigDict(extra="forbid")

    thread: str
    adapter: str
    tenant: str
    channel: str
    topic: str = ""


async def export_threads(store: Store, chosen: Thread | None, output: str | None) -> None:
    """Write one thread, or all of them, the oldest of each page last."""
    with ExitStack() as stack:
        out = stack.enter_context(_private(Path(output))) if output else sys.stdout
        async for thread in _chosen(store, chosen):
            async for line in lines_of(store, thread):
                out.write(line)


async def import_threads(store: Store, arguments: argparse.Namespace) -> None:
    """
    Take a file in, and say what became of each thread.

    Raises:
        GatewayError: A line is not understood; the threads before it are kept.
    """
    path = Path(arguments.file)
    told: Carried | None = None
    try:
        for told in _told(path, arguments):
            taken = await take_in(store, told, replace=arguments.replace)
            what = f"{len(told.items)} items" if taken else "is here already"
            print(f"{told.thread.id}  {what}")
    except (Unfit, NoExport) as error:
        raise GatewayError(f"{path}: {error}") from error
    except UnicodeDecodeError as error:
        raise GatewayError(f"{path}: this is no UTF-8") from error
    if told is None:
        raise GatewayError(f"{path}: there is no thread in it")


def _told(path: Path, arguments: argparse.Namespace) -> Iterator[Carried]:
    with path.open(encoding="utf-8") as file:
        if arguments.format == "lines":
            yield from carried(file)
            return
        text = file.read()
    places = _places(Path(arguments.places)) if arguments.places else {}
    yield from threads(text, places=places, files=Path(arguments.files) if arguments.files else None)


def _places(path: Path) -> Mapping[str, Place]:
    found = {}
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if text.strip():
            try:
                line = _PlaceLine.model_validate_json(text)
            except ValidationError as error:
                first = error.errors(include_input=False)[0]
                raise GatewayError(f"{path}: line {number}: {first['msg']}") from error
            found[line.thread] = Place(line.adapter, line.tenant, line.channel, line.topic)
    return found


async def _chosen(store: Store, chosen: Thread | None) -> AsyncIterator[Thread]:
    if chosen is not None:
        yield chosen
        return
    before: Thread | None = None
    while page := await store.threads(limit=PAGE, before=before):
        for thread in page:
            yield thread
        before = page[-1]


def _private(path: Path) -> TextIO:
    # What people said is for nobody else on this machine.
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8")
