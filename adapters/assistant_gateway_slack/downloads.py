"""
The files of a message: fetched with the bot's token, from Slack's file host and no other.

A file is left out, visibly, when it is too large, when it lies elsewhere, or when Slack shows its
sign-in page instead (a token without the scope gets a redirect and 200 HTML: reported
vercel/eve#1531). Nothing is ever unpacked or looked into.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

import aiohttp
import structlog

from assistant_gateway.errors import AdapterError
from assistant_gateway.platforms.shapes import Json, number, table, text
from assistant_gateway.values import Attachment
from assistant_gateway_slack.web import Web

HOSTS = frozenset({"files.slack.com", "slack-files.com"})
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
            name = label(text(file.get("name")) or text(file.get("title")) or "file")
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
            self._log.warning("slack.files_left_out", files=len(notes))
        return tuple(taken), tuple(notes)

    async def _fetch(self, file: Json, name: str) -> Attachment:
        if text(file.get("file_access")) == "check_file_info":
            # Files of another organisation come without their address: docs.slack.dev, "Slack Connect".
            file = await self._whole(file)
        if number(file.get("size")) > self._max_size:
            raise LeftOut(f"it is larger than {self._max_size / (1 << 20):g} MB")
        url = text(file.get("url_private_download")) or text(file.get("url_private"))
        if not may_be_asked(url, self._web.base_url):
            raise LeftOut("it does not lie at Slack")
        declared = text(file.get("mimetype")) or "application/octet-stream"
        return Attachment(name, declared[:NAME_LENGTH], await self._read(url, declared))

    async def _whole(self, file: Json) -> Json:
        try:
            return table((await self._web.read("files.info", file=text(file.get("id")))).get("file"))
        except AdapterError as error:
            raise LeftOut("Slack does not show it to the bot") from error

    async def _read(self, url: str, declared: str) -> bytes:
        try:
            async with self._web.session.get(url, headers=self._web.bearer, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise LeftOut("Slack does not give it to the bot; does it have the scope files:read?")
                if answer.content_type == "text/html" and "html" not in declared:
                    raise LeftOut("Slack asks to sign in for it; does the bot have the scope files:read?")
                data = bytearray()
                async for chunk in answer.content.iter_chunked(CHUNK):
                    data += chunk
                    if len(data) > self._max_size:
                        raise LeftOut(f"it is larger than {self._max_size / (1 << 20):g} MB")
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise LeftOut("it could not be fetched") from error
        if data[:64].lstrip().lower().startswith(b"<!doctype html") and "html" not in declared:
            raise LeftOut("Slack asks to sign in for it; does the bot have the scope files:read?")
        return bytes(data)


def may_be_asked(url: str, base_url: str) -> bool:
    """Whether *url* may be told the token: Slack's own file hosts, or the host of another API address."""
    try:
        given, api = urlsplit(url), urlsplit(base_url)
        if given.username is not None or given.password is not None:
            return False
        if api.hostname == "slack.com":
            return given.scheme == "https" and given.hostname in HOSTS and given.port in (None, 443)
        return _origin(given) == _origin(api)
    except ValueError:
        return False


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port


def label(name: str) -> str:
    """A file's name as a label: one line of at most 200 characters, without control or bidi characters."""
    return "".join(each for each in name if each.isprintable())[:NAME_LENGTH] or "file"
