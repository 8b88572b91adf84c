"""
The files of a message, fetched from Discord's own hosts and no other; no token is sent there.

Addresses of files are signed and end after a while, so they are fetched at once. A file that is too large
or can't be had is left out, visibly. Nothing is ever unpacked or looked into.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

import aiohttp
import structlog

from assistant_gateway.platforms.shapes import Json, number, text
from assistant_gateway.values import Attachment
from assistant_gateway_discord.web import Web

HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
SECONDS = 20.0  # for all files of one message
CHUNK = 64 * 1024  # bytes
NAME_LENGTH = 200  # characters


class LeftOut(Exception):
    """A file is not taken; the message says why, in words for people."""


class Downloads:
    """Fetches files; *max_size* is in bytes, *max_files* are those of one message."""

    def __init__(self, web: Web, *, max_files: int, max_size: int) -> None:
        self._web = web
        self._max_files = max_files
        self._max_size = max_size
        self._log = structlog.get_logger()

    async def fetch(self, files: Sequence[Json]) -> tuple[tuple[Attachment, ...], tuple[str, ...]]:
        """The files that were taken, and a sentence for each one that was not."""
        taken: list[Attachment] = []
        notes: list[str] = []
        deadline = asyncio.get_running_loop().time() + SECONDS
        for index, file in enumerate(files):
            name = label(text(file.get("filename")) or "file")
            try:
                if index >= self._max_files:
                    raise LeftOut(f"only {self._max_files} files of a message are read")
                async with asyncio.timeout_at(deadline):
                    taken.append(await self._fetch(file, name))
            except LeftOut as reason:
                notes.append(f"The file {name} was left out: {reason}.")
            except TimeoutError:
                notes.append(f"The file {name} was left out: it took too long to fetch.")
        if notes:
            self._log.warning("discord.files_left_out", files=len(notes))
        return tuple(taken), tuple(notes)

    async def _fetch(self, file: Json, name: str) -> Attachment:
        if number(file.get("size")) > self._max_size:
            raise LeftOut(f"it is larger than {self._max_size / (1 << 20):g} MB")
        url = text(file.get("url"))
        if not may_be_asked(url, self._web.base_url):
            raise LeftOut("it does not lie at Discord")
        declared = text(file.get("content_type")) or "application/octet-stream"
        return Attachment(name, declared[:NAME_LENGTH], await self._read(url))

    async def _read(self, url: str) -> bytes:
        data = bytearray()
        try:
            async with self._web.session.get(url, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise LeftOut("Discord does not give it to the bot")
                async for chunk in answer.content.iter_chunked(CHUNK):
                    data += chunk
                    if len(data) > self._max_size:
                        raise LeftOut(f"it is larger than {self._max_size / (1 << 20):g} MB")
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise LeftOut("it could not be fetched") from error
        return bytes(data)


def may_be_asked(url: str, base_url: str) -> bool:
    """Whether *url* is of Discord's own file hosts, or of the host of another API address."""
    try:
        given, api = urlsplit(url), urlsplit(base_url)
        if given.username is not None or given.password is not None:
            return False
        if api.hostname == "discord.com":
            return given.scheme == "https" and given.hostname in HOSTS and given.port in (None, 443)
        return _origin(given) == _origin(api)
    except ValueError:
        return False


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port


def label(name: str) -> str:
    """A file's name as a label: one line of at most 200 characters, without control or bidi characters."""
    return "".join(each for each in name if each.isprintable())[:NAME_LENGTH] or "file"
