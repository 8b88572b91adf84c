"""
What a message is about: the messages that it replies to or forwards, as quotations before its words.

A reply chain is followed upwards until a message that the assistant knows already.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from assistant_gateway.adapter import Intake
from assistant_gateway.errors import AdapterError, RateLimited
from assistant_gateway.platforms.shapes import Json, table, tables
from assistant_gateway_discord import routes
from assistant_gateway_discord.identity import Identity
from assistant_gateway_discord.said import ADAPTER, FORWARD, Said, name_of
from assistant_gateway_discord.shapes import snowflake
from assistant_gateway_discord.web import Web
from assistant_gateway_discord.words import quotation, readable_content

LONGEST_CHAIN = 4  # messages


class Context:
    """Finds what a message is about."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._log = structlog.get_logger()

    async def of(self, said: Said, me: Identity, intake: Intake, *, newest_of_us: str) -> list[str]:
        """
        The quotations, in the order in which the messages were written.

        Args:
            newest_of_us: The bot's last message in the channel: a reply to it needs no quotation.
        """
        names = dict(said.names)
        quoted: list[str] = []
        for message in await self._chain(said, me, intake, newest_of_us):
            author = "You" if me.posted(message) else name_of(table(message.get("author")), {})
            quoted.append(quotation(author, readable_content(message), names=names))
        for forwarded in said.forwarded:
            quoted.append(
                quotation("Somebody", readable_content(forwarded), names=names, what="wrote (forwarded)")
            )
        return [each for each in quoted if each]

    async def _chain(self, said: Said, me: Identity, intake: Intake, newest_of_us: str) -> Sequence[Json]:
        chain: list[Json] = []
        above, message = said.reference, said.replies_to
        while above and above != newest_of_us and len(chain) < LONGEST_CHAIN:
            if await intake.message(ADAPTER, said.tenant, above) is not None:
                break
            if not message:
                message = await self._read(said.channel, above)
            if not message:
                break
            chain.insert(0, message)
            if me.posted(message):
                break  # what was said before it, the assistant has been told
            reference = table(message.get("message_reference"))
            above = "" if reference.get("type") == FORWARD else snowflake(reference.get("message_id"))
            message = table(message.get("referenced_message"))
        return chain

    async def _read(self, channel: str, id: str) -> Json:
        try:
            return await self._web.get(routes.message(channel, id))
        except RateLimited:
            raise
        except AdapterError as error:
            self._log.info("discord.reply_unread", error=str(error))
            return {}


def files_of(said: Said) -> tuple[Json, ...]:
    """The files of a message and of what it forwards."""
    forwarded = (file for message in said.forwarded for file in tables(message.get("attachments")))
    return (*said.files, *forwarded)
