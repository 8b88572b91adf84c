"""
The files of a message, fetched from the platform's own hosts and no other.

A file that is too large or can't be had is left out, visibly. Nothing is ever unpacked or looked into.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

import aiohttp

from assistant_gateway.values import Attachment

CHUNK = 64 * 1024  # bytes
NAME_LENGTH = 200  # characters

File = TypeVar("File")


class LeftOut(Exception):
    """A file is not taken; the message says why, in words for people."""


@dataclass(frozen=True, slots=True)
class FileCaps:
    """
    How much of a message's files is fetched.

    Attributes:
        max_files: Of one message.
        max_size: Of one file, in bytes.
        seconds: For all files of one message.
    """

    max_files: int
    max_size: int
    seconds: float = 20.0

    async def take(
        self,
        files: Sequence[File],
        name: Callable[[File], str],
        fetch: Callable[[File, str], Awaitable[Attachment]],
    ) -> tuple[tuple[Attachment, ...], tuple[str, ...]]:
        """
        The files that were taken, and a sentence for each one that was not.

        *name* tells what a file calls itself; *fetch* is given the file and its label.
        """
        taken: list[Attachment] = []
        notes: list[str] = []
        deadline = asyncio.get_running_loop().time() + self.seconds
        for index, file in enumerate(files):
            named = label(name(file))
            try:
                if index >= self.max_files:
                    raise LeftOut(f"only {self.max_files} files of a message are read")
                async with asyncio.timeout_at(deadline):
                    taken.append(await fetch(file, named))
            except LeftOut as reason:
                notes.append(f"The file {named} was left out: {reason}.")
            except TimeoutError:
                notes.append(f"The file {named} was left out: it took too long to fetch.")
        return tuple(taken), tuple(notes)

    def check(self, size: int) -> None:
        """
        Refuse a file of more than the size.

        Raises:
            LeftOut: It is too large.
        """
        if size > self.max_size:
            raise LeftOut(f"it is larger than {self.max_size / (1 << 20):.3g} MB")

    async def read(
        self,
        asked: AbstractAsyncContextManager[aiohttp.ClientResponse],
        admit: Callable[[aiohttp.ClientResponse], None],
    ) -> bytes:
        """
        The bytes that come as an answer; *admit* looks at its head first.

        Raises:
            LeftOut: *admit* says so, it is too large, or the host can't be reached.
            TimeoutError: Its time was over.
        """
        data = bytearray()
        try:
            async with asked as answer:
                admit(answer)
                async for chunk in answer.content.iter_chunked(CHUNK):
                    data += chunk
                    self.check(len(data))
        except TimeoutError:
            raise
        except (aiohttp.ClientError, OSError) as error:
            raise LeftOut("it could not be fetched") from error
        return bytes(data)


@dataclass(frozen=True, slots=True)
class FileHosts:
    """
    Where a platform's files lie.

    Attributes:
        api: The host of the platform's own API.
        files: The hosts of its files.
    """

    api: str
    files: Collection[str]

    def may_be_asked(self, url: str, base_url: str) -> bool:
        """
        Whether *url* lies there, over TLS and without a login.

        Where the API's *base_url* is not the platform's own, as in tests, the files lie at that one.
        """
        try:
            given, base = urlsplit(url), urlsplit(base_url)
            if given.username is not None or given.password is not None:
                return False
            if base.hostname == self.api:
                return given.scheme == "https" and given.hostname in self.files and given.port in (None, 443)
            return _origin(given) == _origin(base)
        except ValueError:
            return False


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port


def label(name: str) -> str:
    """A file's name as a label: one line of at most 200 characters, without control or bidi characters."""
    return "".join(each for each in name if each.isprintable())[:NAME_LENGTH] or "file"
