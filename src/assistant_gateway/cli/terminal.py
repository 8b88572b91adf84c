"""
Text for a terminal, and the lines that a person types there.

A model, a tool or a stranger may put control sequences into their text; a terminal would obey
them. Only line breaks and tabs get through.
"""

from __future__ import annotations

import asyncio
import codecs
import os
import re
import threading
from collections.abc import Iterator

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_CHUNK = 65_536  # bytes read at once


def plain(text: str) -> str:
    """The text without anything that a terminal would obey."""
    return _CONTROL.sub("�", text)


class Lines:
    """
    The lines of a file descriptor, as they are typed.

    A thread of its own reads them: a terminal, a pipe and a file can all be waited for so. It
    reads past Python's buffered standard input, whose lock would otherwise be held at exit.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()
        threading.Thread(target=self._read, name="lines", daemon=True).start()

    async def next(self) -> str | None:
        """The next line without its end; None when there are no more."""
        line = await self._queue.get()
        if line is None:
            self._queue.put_nowait(None)
        return line

    def _read(self) -> None:
        try:
            for line in self._decoded():
                self._loop.call_soon_threadsafe(self._queue.put_nowait, line)
            self._loop.call_soon_threadsafe(self._queue.put_nowait, None)
        except RuntimeError:
            return  # the loop is closed: nobody listens any more

    def _decoded(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        rest = ""
        while chunk := os.read(self._descriptor, _CHUNK):
            *lines, rest = (rest + decoder.decode(chunk)).split("\n")
            yield from lines
        rest += decoder.decode(b"", final=True)
        if rest:
            yield rest
