"""
The text of documents that people send, for models that can't be given the documents themselves.

A document is somebody else's bytes, and reading one can take any time and memory: it is read by a
process of its own, with limits, and the text is kept so that it is read only once.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import sys
import zipfile
from typing import Literal, TypeAlias

from assistant_gateway.adapter import Notes
from assistant_gateway.errors import FileRefused

Kind: TypeAlias = Literal["pdf", "docx"]

SECONDS = 30.0  # that reading one document may take
AT_ONCE = 2  # documents that are read at the same time
LONGEST = 200_000  # characters of one document's text; what is beyond is left out, visibly
_SCOPE = "document"


class Documents:
    """
    Reads documents.

    Args:
        notes: Where texts are kept, by the file's id.
    """

    def __init__(self, notes: Notes, *, seconds: float = SECONDS, at_once: int = AT_ONCE) -> None:
        self._notes = notes
        self._seconds = seconds
        self._room = asyncio.Semaphore(at_once)

    async def text(self, file_id: str, data: bytes) -> str:
        """
        The text of a stored file with these bytes.

        Raises:
            FileRefused: It is no document that can be read, or has no text.
        """
        kept = await self._notes.note(_SCOPE, file_id)
        if kept is None:
            found = kind(data)
            if found is None:
                raise FileRefused("it is neither PDF nor DOCX")
            async with self._room:
                kept = await self._read(found, data)
            if "passing" not in kept:
                await self._notes.save_note(_SCOPE, file_id, kept)
        if "text" not in kept:
            raise FileRefused(str(kept["unreadable"]))
        return str(kept["text"])

    async def _read(self, what: Kind, data: bytes) -> dict[str, str]:
        reader = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", "assistant_gateway.documents.reader", what),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ},
        )
        try:
            async with asyncio.timeout(self._seconds):
                told, _ = await reader.communicate(data)
        except TimeoutError:
            return {"unreadable": f"reading it took longer than {self._seconds:g} s", "passing": "yes"}
        finally:
            with contextlib.suppress(ProcessLookupError):
                reader.kill()
            await reader.wait()
        text = told.decode("utf-8", "replace").strip()
        match reader.returncode:
            case 0 if text:
                return {"text": text}
            case 0:
                return {"unreadable": "it has no text; it may be a scan"}
            case 3:
                return {"unreadable": "it is protected by a password"}
            case 4:
                missing = f"the library that reads {what.upper()} files is not installed"
                return {"unreadable": missing, "passing": "yes"}
            case _:
                return {"unreadable": "it is damaged, or too large to be read"}


def kind(data: bytes) -> Kind | None:
    """What a document is by its bytes; None when it is none that can be read."""
    # "%PDF-" may stand anywhere in the first 1,024 bytes: ISO 32000-1, implementation note 13.
    if b"%PDF-" in data[:1024]:
        return "pdf"
    if data.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                return "docx" if "word/document.xml" in archive.namelist() else None
        except (zipfile.BadZipFile, ValueError, OSError):
            return None
    return None


__all__ = ["LONGEST", "Documents", "Kind", "kind"]
