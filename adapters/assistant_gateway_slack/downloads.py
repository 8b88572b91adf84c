"""
The files of a message: fetched with the bot's token, from Slack's file host and no other.

A file is left out, visibly, when it is too large, when it lies elsewhere, or when Slack shows its
sign-in page instead (a token without the scope gets a redirect and 200 HTML: reported
vercel/eve#1531).
"""

from __future__ import annotations

from collections.abc import Sequence

import aiohttp
import structlog

from assistant_gateway.errors import AdapterError
from assistant_gateway.platforms.files import NAME_LENGTH, FileCaps, FileHosts, LeftOut
from assistant_gateway.platforms.shapes import Json, number, table, text
from assistant_gateway.values import Attachment
from assistant_gateway_slack.web import Web

HOSTS = FileHosts("slack.com", frozenset({"files.slack.com", "slack-files.com"}))
SIGN_IN = "Slack asks to sign in for it, so the bot may lack the scope files:read"


class Downloads:
    """Fetches files; *max_size* is in bytes, *max_files* are those of one message."""

    def __init__(self, web: Web, *, max_files: int, max_size: int) -> None:
        self._web = web
        self._caps = FileCaps(max_files, max_size)
        self._log = structlog.get_logger()

    async def fetch(self, files: Sequence[Json]) -> tuple[tuple[Attachment, ...], tuple[str, ...]]:
        """The files that were taken, and a sentence for each one that was not."""
        taken, notes = await self._caps.take(files, _name, self._fetch)
        if notes:
            self._log.warning("slack.files_left_out", files=len(notes))
        return taken, notes

    async def _fetch(self, file: Json, name: str) -> Attachment:
        if text(file.get("file_access")) == "check_file_info":
            # Files of another organisation come without their address: docs.slack.dev, "Slack Connect".
            file = await self._whole(file)
        self._caps.check(number(file.get("size")))
        url = text(file.get("url_private_download")) or text(file.get("url_private"))
        if not HOSTS.may_be_asked(url, self._web.base_url):
            raise LeftOut("it does not lie at Slack")
        declared = text(file.get("mimetype")) or "application/octet-stream"
        return Attachment(name, declared[:NAME_LENGTH], await self._read(url, declared))

    async def _whole(self, file: Json) -> Json:
        try:
            return table((await self._web.read("files.info", file=text(file.get("id")))).get("file"))
        except AdapterError as error:
            raise LeftOut("Slack does not show it to the bot") from error

    async def _read(self, url: str, declared: str) -> bytes:
        def admit(answer: aiohttp.ClientResponse) -> None:
            if answer.status != 200:
                raise LeftOut("Slack does not give it to the bot, which may lack the scope files:read")
            if answer.content_type == "text/html" and "html" not in declared:
                raise LeftOut(SIGN_IN)

        asked = self._web.session.get(url, headers=self._web.bearer, allow_redirects=False)
        data = await self._caps.read(asked, admit)
        if data[:64].lstrip().lower().startswith(b"<!doctype html") and "html" not in declared:
            raise LeftOut(SIGN_IN)
        return data


def _name(file: Json) -> str:
    return text(file.get("name")) or text(file.get("title"))
