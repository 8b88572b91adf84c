"""A provider that takes no documents is given their text."""

from __future__ import annotations

import json
from dataclasses import replace

from assistant_gateway.backends.files import Inliner
from assistant_gateway.errors import FileRefused
from assistant_gateway.testing.backend import a_step
from assistant_gateway.values import JsonObject

PDF = b"%PDF-1.4 and so on"
PART: JsonObject = {
    "type": "input_file",
    "file_id": "f1",
    "filename": "prices.pdf",
    "content_type": "application/pdf",
}


async def read(id: str, data: bytes) -> str:
    """A reader that reads f1 alone."""
    if (id, data) != ("f1", PDF):
        raise FileRefused("it is protected by a password")
    return "tea 2"


async def test_a_document_becomes_its_text_where_files_are_not_taken() -> None:
    """The model sees the name, the type and the text in a fence, and no file is in the request."""
    files = Inliner(replace(a_step(files={"f1": PDF}), read_document=read), kinds=frozenset())

    part = await files.inline(PART)

    assert {"type": "input_text", "text": "File “prices.pdf” (application/pdf):\n```\ntea 2\n```"} == part
    assert set() == files.used


async def test_a_document_goes_as_it_is_where_files_are_taken() -> None:
    """A provider that reads documents itself gets the bytes, base64."""
    files = Inliner(replace(a_step(files={"f1": PDF}), read_document=read))

    part = await files.inline(PART)

    assert part["type"] == "input_file"
    assert {"input_file"} == files.used


async def test_a_document_that_can_not_be_read_is_told_why() -> None:
    """A locked one, one of another kind, and one outside of a run: each with its reason in the text."""
    step = replace(a_step(files={"f1": PDF, "f2": PDF, "f3": b"\x7fELF"}), read_document=read)
    files, outside = Inliner(step, kinds=frozenset()), Inliner(a_step(files={"f1": PDF}), kinds=frozenset())

    parts = [
        await files.inline({**PART, "file_id": "f2"}),
        await files.inline({**PART, "file_id": "f3"}),
        await outside.inline(PART),
    ]

    assert [
        "it is protected by a password",
        "the provider takes no files like this one",
        "no documents are read here",
    ] == [json.dumps(part).rpartition("shown: ")[2].partition(".]")[0] for part in parts]
