"""
The files of a message, fetched from Discord's own hosts and no other; no token is sent there.

Addresses of files are signed and end after a while, so they are fetched at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import aiohttp
import structlog

from assistant_gateway.platforms.files import NAME_LENGTH, FileCaps, FileHosts, LeftOut
from assistant_gateway.platforms.shapes import Json, number, text
from assistant_gateway.values import Attachment
from assistant_gateway_discord.web import Web

HOSTS = FileHosts("discord.com", frozenset({"cdn.discordapp.com", "media.discordapp.net"}))


class Downloads:
    """Fetches files; *max_size* is in bytes, *max_files* are those of one message."""

    def __init__(self, web: Web, *, max_files: int, max_size: int) -> None:
        self._web = web
        self._caps = FileCaps(max_files, max_size)
        self._log = structlog.get_logger()

    async def fetch(self, files: Sequence[Json]) -> tuple[tuple[Attachment, ...], tuple[str, ...]]:
        """The files that were taken, and a sentence for each one that was not."""
        taken, notes = await self._caps.take(files, lambda file: text(file.get("filename")), self._fetch)
        if notes:
            self._log.warning("discord.files_left_out", files=len(notes))
        return taken, notes

    async def _fetch(self, file: Json, name: str) -> Attachment:
        self._caps.check(number(file.get("size")))
        url = text(file.get("url"))
        if not HOSTS.may_be_asked(url, self._web.base_url):
            raise LeftOut("it does not lie at Discord")
        declared = text(file.get("content_type")) or "application/octet-stream"
        data = await self._caps.read(self._web.session.get(url, allow_redirects=False), _admit)
        return Attachment(name, declared[:NAME_LENGTH], data)


def _admit(answer: aiohttp.ClientResponse) -> None:
    if answer.status != 200:
        raise LeftOut("Discord does not give it to the bot")
