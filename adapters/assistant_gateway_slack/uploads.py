"""
Files of an answer, put below it: announced, uploaded and shared in its thread.

`files.getUploadURLExternal`, a POST of the bytes, `files.completeUploadExternal`: docs.slack.dev,
2026-08-20. A file that is there already, from an attempt that was cut off, is not sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import aiohttp
import structlog

from assistant_gateway.adapter import Intake
from assistant_gateway.errors import AdapterError, RateLimited
from assistant_gateway.platforms.files import label
from assistant_gateway.platforms.shapes import Json, tables, text
from assistant_gateway.values import Conversation, FileRef, JsonValue
from assistant_gateway_slack.history import History
from assistant_gateway_slack.web import Web

TRIES = 3
LONGEST_PAUSE = 30.0  # seconds, where Slack limits our rate


class Uploads:
    """Puts files below an answer."""

    def __init__(self, web: Web, history: History) -> None:
        self._web = web
        self._history = history
        self._sent: set[tuple[str, str]] = set()
        self._log = structlog.get_logger()

    async def put(
        self, intake: Intake, where: Conversation, post_id: str, files: Sequence[FileRef]
    ) -> tuple[str, ...]:
        """Put *files* below a post; the names of those that Slack did not take."""
        missing = [file for file in files if (post_id, file.id) not in self._sent]
        if not missing:
            return ()
        there = await self._names_below(where, post_id)
        failed = []
        for file in missing:
            try:
                if label(file.name) not in there:
                    await self._put(intake, where, file)
                self._remember(post_id, file)
            except (AdapterError, LookupError, aiohttp.ClientError, OSError) as error:
                self._log.warning(
                    "slack.upload_failed", file=file.id, error=str(error) or type(error).__name__
                )
                failed.append(label(file.name))
        return tuple(failed)

    async def _put(self, intake: Intake, where: Conversation, file: FileRef) -> None:
        data = await intake.file(file)
        name = label(file.name)
        place = await _patiently(
            lambda: self._web.read("files.getUploadURLExternal", filename=name, length=len(data))
        )
        async with self._web.session.post(text(place.get("upload_url")), data=data) as answer:
            answer.raise_for_status()
        shared: dict[str, JsonValue] = {"files": [{"id": text(place.get("file_id")), "title": name}]}
        shared["channel_id"] = where.channel
        if where.topic:
            shared["thread_ts"] = where.topic
        await _patiently(lambda: self._web.write("files.completeUploadExternal", shared))

    async def _names_below(self, where: Conversation, post_id: str) -> set[str]:
        try:
            me = await self._web.identity()
            messages = [each async for each in self._history.since(where, post_id) if me.posted(each)]
        except AdapterError:
            return set()
        return {text(file.get("title")) for each in messages for file in tables(each.get("files"))}

    def _remember(self, post_id: str, file: FileRef) -> None:
        if len(self._sent) > 10_000:
            self._sent.clear()
        self._sent.add((post_id, file.id))


async def _patiently(call: Callable[[], Awaitable[Json]]) -> Json:
    """What *call* brings; a rate limit is waited for, twice."""
    for _ in range(TRIES - 1):
        try:
            return await call()
        except RateLimited as error:
            await asyncio.sleep(min(error.retry_after, LONGEST_PAUSE))
    return await call()
