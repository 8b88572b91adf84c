"""
What a message is about: the messages that it replies to or forwards, as quotations before its words.

A reply chain is followed upwards until a message that the assistant knows already. The files of other
people's messages in it come along: "what is this?" below a picture asks about the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from assistant_gateway.adapter import Intake
from assistant_gateway.errors import AdapterError, RateLimited
from assistant_gateway.platforms.files import label
from assistant_gateway.platforms.shapes import Json, table, tables, text
from assistant_gateway_discord import routes
from assistant_gateway_discord.identity import Identity
from assistant_gateway_discord.said import ADAPTER, FORWARD, Said, forwarded_in, is_voice, name_of
from assistant_gateway_discord.shapes import snowflake
from assistant_gateway_discord.web import Web
from assistant_gateway_discord.words import quotation, readable_content

LONGEST_CHAIN = 4  # messages


@dataclass(frozen=True, slots=True)
class About:
    """What a message is about: *quotations* stand before its words, *files* come after its own."""

    quotations: tuple[str, ...] = ()
    files: tuple[Json, ...] = ()


class Context:
    """Finds what a message is about."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._log = structlog.get_logger()

    async def of(self, said: Said, me: Identity, intake: Intake, *, newest_of_us: str) -> About:
        """
        The quotations, in the order in which the messages were written, and the files.

        Args:
            newest_of_us: The bot's last message in the channel: a reply to it needs no quotation.
        """
        names = dict(said.names)
        quoted: list[str] = []
        files: list[Json] = []
        for message in await self._chain(said, me, intake, newest_of_us):
            author = "You" if me.posted(message) else name_of(table(message.get("author")), {})
            shared = [] if me.posted(message) or is_voice(message) else files_in(message)
            named = [f"[{label(text(file.get('filename')))}]" for file in shared]
            quoted.append(quotation(author, "\n".join([readable_content(message), *named]), names=names))
            files += shared
        for forwarded in said.forwarded:
            quoted.append(
                quotation("Somebody", readable_content(forwarded), names=names, what="wrote (forwarded)")
            )
        return About(tuple(each for each in quoted if each), tuple(files))

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


def files_in(message: Json) -> list[Json]:
    """The files of a message that somebody else wrote, and of what that forwards."""
    return [file for each in (message, *forwarded_in(message)) for file in tables(each.get("attachments"))]
