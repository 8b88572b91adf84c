"""
A question that nobody wrote as a message: by the slash command, or about somebody's message.

The others shall see what is answered, so the bot first says who asks what, as a quotation that can do
nothing; the answer follows in its thread. The question is on disk before Slack is told that it was
taken. What can't be accepted is taken back, and its person told why.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import structlog

from assistant_gateway.adapter import Intake, Verdict
from assistant_gateway.errors import AdapterError, Forbidden, NotAllowed, StoreUnavailable
from assistant_gateway.platforms.shapes import Json, text
from assistant_gateway.values import Command, Conversation, Inbound, JsonObject, User
from assistant_gateway_slack.asides import ahead, refusal
from assistant_gateway_slack.markup import FLAGS, summary
from assistant_gateway_slack.said import ADAPTER
from assistant_gateway_slack.sessions import titled
from assistant_gateway_slack.turns import Turns
from assistant_gateway_slack.web import Web

PATIENCE = 1.5  # seconds for a call, of the 3 in which Slack wants its answer
SHOWN = 2_000  # characters of a question that are shown
NOT_HERE = "I am not in this conversation. Invite me, or write me a direct message."
NOT_TAKEN = "Slack did not take your question in time. Please ask again."
NOT_KEPT = "Your question could not be kept. Please ask again in a moment."


@dataclass(frozen=True, slots=True)
class Question:
    """
    What somebody wants to know.

    Attributes:
        where: The place; with a topic, the thread that it is asked in.
        begins: Where there is no topic: whether the quotation is the root of a thread of its own.
        id: The same for each repetition.
        words: What was asked.
        about: A quotation of the message that it is about.
        team: The person's own workspace.
    """

    where: Conversation
    begins: bool
    id: str
    user: User
    words: str
    about: str = ""
    team: str = ""


class Asking:
    """Asks in somebody's name, in one workspace."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._turns: Turns[str] = Turns()
        self._late: set[asyncio.Task[None]] = set()  # quotations that come too late
        self._log = structlog.get_logger()

    async def ask(self, question: Question, intake: Intake) -> str:
        """Take a question in; what to tell its person alone, empty where the answer says it all."""
        async with self._turns.of(question.id):
            if await intake.message(ADAPTER, question.where.tenant, question.id) is not None:
                return ""
            try:
                # Who may not ask is told before anybody sees something: help does nothing else.
                await intake.command(_help(question))
                ts = await self._show(question)
            except NotAllowed as error:
                return str(error)
            except StoreUnavailable:
                return NOT_KEPT
            except Forbidden:
                return NOT_HERE
            except (AdapterError, TimeoutError) as error:
                self._log.warning("slack.question_not_shown", error=str(error) or "timeout")
                return NOT_TAKEN
            return await self._accept(question, ts, intake)

    async def _accept(self, question: Question, ts: str, intake: Intake) -> str:
        where = question.where
        if not where.topic and question.begins:
            where = replace(where, topic=ts)
        title: JsonObject = {} if question.where.topic else {"title": titled(question.words)}
        inbound = Inbound(
            conversation=where,
            message_id=question.id,
            user=question.user,
            text=f"{question.about}\n\n{question.words}" if question.about else question.words,
            reply_to={"ts": ts, "team": question.team, **title},
        )
        try:
            receipt = await intake.accept(inbound)
        except StoreUnavailable as error:
            self._log.warning("slack.question_not_kept", reason=str(error))
            await self._take_back(where, ts)
            return NOT_KEPT
        if receipt.verdict in (Verdict.ACCEPTED, Verdict.DUPLICATE):
            return "".join(ahead(receipt.ahead))
        await self._take_back(where, ts)
        return refusal(receipt)

    async def _show(self, question: Question) -> str:
        """
        Say who asks what; the post's ``ts``.

        Raises:
            Forbidden: The bot may not speak there.
            AdapterError: Slack did not take it.
            TimeoutError: Slack is too slow.
        """
        name = question.user.name or "Somebody"
        asks = f"{name} asks about this:" if question.about else f"{name} asks:"
        words = question.words if len(question.words) <= SHOWN else f"{question.words[:SHOWN]} […]"
        thread: JsonObject = {"thread_ts": question.where.topic} if question.where.topic else {}
        body: JsonObject = {
            "channel": question.where.channel,
            "text": summary(f"{asks} {words}"),
            "blocks": [_quotation(asks, words)],
            **thread,
            **FLAGS,
        }
        posting = asyncio.create_task(
            self._web.write("chat.postMessage", body, once=True), name="slack:quotation"
        )
        try:
            await asyncio.wait([posting], timeout=PATIENCE)
        finally:
            if not posting.done():
                late = asyncio.create_task(self._take_back_late(question.where, posting), name="slack:late")
                self._late.add(late)
                late.add_done_callback(self._late.discard)
        if not posting.done():
            raise TimeoutError
        return text(posting.result().get("ts"))

    async def _take_back_late(self, where: Conversation, posting: asyncio.Task[Json]) -> None:
        """Its person was told to ask again: a quotation that Slack has posted all the same goes."""
        try:
            ts = text((await posting).get("ts"))
        except AdapterError as error:
            self._log.debug("slack.question_lost", error=str(error))
        else:
            await self._take_back(where, ts)

    async def _take_back(self, where: Conversation, ts: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._web.write("chat.delete", {"channel": where.channel, "ts": ts})
        except (AdapterError, TimeoutError) as error:
            self._log.warning("slack.question_stays", error=str(error) or "timeout")


def _help(question: Question) -> Inbound:
    return Inbound(question.where, question.id, question.user, "", command=Command.HELP)


def _quotation(asks: str, words: str) -> JsonObject:
    """Rich text has no markup that could come alive: docs.slack.dev, "Rich text block", 2026-08-20."""
    return {
        "type": "rich_text",
        "elements": [
            {"type": "rich_text_section", "elements": [{"type": "text", "text": asks}]},
            {"type": "rich_text_quote", "elements": [{"type": "text", "text": words}]},
        ],
    }
