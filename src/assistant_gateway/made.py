"""
The files that an assistant makes in a run: how many, how large, and what they really are.

A provider's word about a file is a label that anybody may have chosen. Its type is what its bytes
say; what a browser could run is kept as plain text.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable

from assistant_gateway.backend import MADE_FILE_SIZE
from assistant_gateway.backends.characters import label
from assistant_gateway.errors import FileRefused
from assistant_gateway.values import FileRef

MOST = 10  # files of one run
SIZE = 50_000_000  # bytes of all of them
NAME_LENGTH = 120  # characters

BINARY = "application/octet-stream"
_MAGIC = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png", ".png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg", ".jpg"),
    (re.compile(rb"GIF8[79]a"), "image/gif", ".gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp", ".webp"),
    (re.compile(rb"%PDF-"), "application/pdf", ".pdf"),
)
_ZIP = b"PK\x03\x04"
_ZIPPED = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_TEXTS = {
    "csv": "text/csv",
    "json": "application/json",
    "md": "text/markdown",
    "tsv": "text/tab-separated-values",
}


class MadeFiles:
    """
    Keeps the files of one run, within its bounds.

    Args:
        keep: Stores a file's bytes.
    """

    def __init__(self, keep: Callable[[FileRef, bytes], Awaitable[None]]) -> None:
        self._keep = keep
        self._count = 0
        self._size = 0

    async def save(self, name: str, content_type: str, data: bytes) -> FileRef:
        """
        Keep a file; *content_type* counts for nothing, since its bytes tell better.

        Raises:
            FileRefused: It is empty, too large, or one too many.
        """
        if not data:
            raise FileRefused("the file is empty")
        if len(data) > MADE_FILE_SIZE or self._size + len(data) > SIZE:
            raise FileRefused(f"the file of {len(data)} bytes is too large")
        if self._count >= MOST:
            raise FileRefused(f"a run may make {MOST} files")
        self._count += 1
        self._size += len(data)
        name = label(re.split(r"[/\\]", name)[-1], NAME_LENGTH)
        kind, suffix = sniffed(name, data)
        file = FileRef(f"file_{secrets.token_hex(12)}", name or f"file{suffix}", kind, len(data))
        await self._keep(file, data)
        return file

    def count(self, file: FileRef) -> None:
        """Take note of a file that an earlier attempt of the run has kept."""
        self._count += 1
        self._size += file.size


def sniffed(name: str, data: bytes) -> tuple[str, str]:
    """The type of a file by its bytes, and the suffix that goes with it; *name* only refines it."""
    for magic, kind, suffix in _MAGIC:
        if magic.match(data):
            return kind, suffix
    ending = name.rpartition(".")[2].lower()
    if data.startswith(_ZIP):
        return _ZIPPED.get(ending, "application/zip"), ".zip"
    if _is_text(data):
        return _TEXTS.get(ending, "text/plain"), ".txt"
    return BINARY, ".bin"


def _is_text(data: bytes) -> bool:
    if b"\0" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
