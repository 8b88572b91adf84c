"""
The counter: what people ask for with commands, buttons and forms.

A question is accepted like a message, under the interaction's id, before Discord is told that it is
answered. What comes with an interaction may be forged by a modified client, a button's run id above all:
the intake checks whose it is.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import replace

import structlog

from assistant_gateway.adapter import Intake, Notes, Receipt, Verdict
from assistant_gateway.errors import StoreError, StoreUnavailable
from assistant_gateway.platforms.shapes import Json, table, tables, text
from assistant_gateway.values import Command, Conversation, Inbound, JsonObject, Rating
from assistant_gateway_discord import targets
from assistant_gateway_discord.allowed import Allowed
from assistant_gateway_discord.answers import NOT_NOW, PATIENCE, Answers
from assistant_gateway_discord.asides import NO_VOICE
from assistant_gateway_discord.buttons import Press, Pressed, custom_id, filled_in, form
from assistant_gateway_discord.buttons import read as read_button
from assistant_gateway_discord.commands import ASK, ASK_ABOUT
from assistant_gateway_discord.context import files_in
from assistant_gateway_discord.cursors import Cursors
from assistant_gateway_discord.downloads import Downloads
from assistant_gateway_discord.drafts import private
from assistant_gateway_discord.interactions import COMMAND, COMPONENT, FORM, Interaction
from assistant_gateway_discord.said import is_voice, name_of
from assistant_gateway_discord.settings import DiscordSettings
from assistant_gateway_discord.shapes import born, snowflake
from assistant_gateway_discord.web import Web
from assistant_gateway_discord.words import quotation, readable_content

SCOPE = "discord:asked about"
KEPT = 1_000  # interactions that are known when they come again
FORM_LIFE = 3600.0  # seconds that a message is kept for the form that asks about it
RATINGS = {Press.GOOD: Rating.GOOD, Press.BAD: Rating.BAD}
THANKS = "Thank you."
TOO_OLD = "This form is too old. Please choose the message again."
NOT_HERE = "You may not ask here."


class Counter:
    """Serves interactions; *notes* keep messages that are asked about until the form is sent."""

    def __init__(
        self, settings: DiscordSettings, web: Web, downloads: Downloads, cursors: Cursors, notes: Notes | None
    ) -> None:
        self._settings = settings
        self._allowed = Allowed(settings)
        self._answers = Answers(web)
        self._downloads = downloads
        self._cursors = cursors
        self._notes = notes
        self._served: OrderedDict[str, None] = OrderedDict()
        self._log = structlog.get_logger()

    async def serve(self, asked: Interaction, intake: Intake) -> None:
        """Do what an interaction asks for, once, and tell Discord in time."""
        if asked.id in self._served:
            self._log.info("discord.interaction_repeated")
            return
        self._served[asked.id] = None
        while len(self._served) > KEPT:
            self._served.popitem(last=False)
        if not (self._allowed.place(asked.place) and self._allowed.person(asked.user.id, asked.user.roles)):
            await self._answers.privately(asked, _saying(NOT_HERE))
        elif asked.kind == COMMAND:
            await self._serve_command(asked, intake)
        elif asked.kind == COMPONENT:
            if (pressed := read_button(asked.custom_id)) is not None:
                await self._serve_button(asked, pressed, intake)
        elif asked.kind == FORM and (pressed := read_button(asked.custom_id)) is not None:
            await self._serve_form(asked, pressed, intake)

    async def sweep(self) -> None:
        """Forget messages whose form was never sent."""
        if self._notes is None:
            return
        try:
            for key in await self._notes.notes(SCOPE):
                if not snowflake(key) or time.time() - born(key) > FORM_LIFE:
                    await self._notes.forget_note(SCOPE, key)
        except StoreError as error:
            self._log.warning("discord.sweep_failed", reason=str(error))

    # Commands

    async def _serve_command(self, asked: Interaction, intake: Intake) -> None:
        name = asked.command
        if name == ASK:
            file = asked.resolved("attachments", asked.option("file"))
            await self._ask(asked, intake, asked.option("question"), [file] if file else [])
        elif name == ASK_ABOUT:
            await self._ask_what(asked)
        elif name in {command.value for command in Command}:
            await self._answers.privately(asked, self._command(asked, intake, Command(name)))

    async def _command(
        self,
        asked: Interaction,
        intake: Intake,
        command: Command,
        *,
        run_id: str = "",
        kept: JsonObject | None = None,
    ) -> str:
        inbound = Inbound(
            conversation=self._conversation(asked),
            message_id=asked.id,
            user=asked.user,
            text=f"/{command.value}",
            reply_to=kept or {},
            command=command,
        )
        return await intake.command(inbound, run_id=run_id)

    async def _ask(
        self, asked: Interaction, intake: Intake, words: str, files: list[Json], about: str = ""
    ) -> None:
        """Accept a question; the announcement waits for it, but not longer than Discord would."""
        accepting = asyncio.create_task(self._accept(asked, intake, words, files, about))
        done, _ = await asyncio.wait({accepting}, timeout=PATIENCE)
        if not done:
            await self._answers.thinking(asked)
            receipt = await accepting
            if why := _why_not(receipt):
                await self._answers.instead(asked, private(why))
            return
        receipt = accepting.result()
        if why := _why_not(receipt):
            await self._answers.privately(asked, _saying(why))
        elif receipt.ahead > 0:
            await self._answers.queued(asked, ahead(receipt.ahead))
        else:
            await self._answers.thinking(asked)

    async def _accept(
        self, asked: Interaction, intake: Intake, words: str, files: list[Json], about: str
    ) -> Receipt:
        attachments, notes = await self._downloads.fetch(files)
        said = "\n\n".join(part for part in (about, words) if part)
        inbound = Inbound(
            conversation=self._conversation(asked),
            message_id=asked.id,
            user=asked.user,
            text="\n".join([said, *(f"[{note}]" for note in notes)]).strip(),
            attachments=attachments,
            reply_to=targets.to_interaction(asked.token),
        )
        try:
            receipt = await intake.accept(inbound)
        except StoreUnavailable as error:
            self._log.warning("discord.question_not_kept", reason=str(error))
            return Receipt(Verdict.REFUSED, reason=NOT_NOW)
        except Exception:  # the person waits, whatever it was
            self._log.exception("discord.interaction_failed")
            return Receipt(Verdict.REFUSED, reason=NOT_NOW)
        if receipt.verdict is Verdict.ACCEPTED:
            await self._cursors.visited(asked.channel, asked.place.guild, asked.id)
        return receipt

    # "Ask about this"

    async def _ask_what(self, asked: Interaction) -> None:
        """Keep the message, since the form does not tell it again, and ask for the question."""
        target = asked.resolved("messages", snowflake(asked.data.get("target_id")))
        if is_voice(target):
            await self._answers.privately(asked, _saying(NO_VOICE))
            return
        author = name_of(table(target.get("author")), {})
        about = quotation(author, readable_content(target), names={})
        files = [_file(each) for each in files_in(target)]
        if not (about or files):
            await self._answers.privately(asked, _saying("There is nothing to read in that message."))
        elif self._notes is None:
            await self._answers.privately(asked, _saying(NOT_NOW))
        else:
            try:
                kept: JsonObject = {
                    "user": asked.user.id,
                    "channel": asked.channel,
                    "about": about,
                    "files": files,
                }
                await self._notes.save_note(SCOPE, asked.id, kept)
            except StoreError:
                await self._answers.privately(asked, _saying(NOT_NOW))
                return
            id = custom_id(Press.ABOUT, asked.id)
            await self._answers.form(asked, form(id, ASK_ABOUT, "What do you want to know?", required=False))

    async def _ask_about(self, asked: Interaction, key: str, intake: Intake) -> None:
        try:
            kept = await self._notes.note(SCOPE, key) if self._notes is not None else None
        except StoreError:
            await self._answers.privately(asked, _saying(NOT_NOW))
            return
        # Whoever sends the form must be who asked for it: its id can be forged.
        if kept is None or (kept.get("user"), kept.get("channel")) != (asked.user.id, asked.channel):
            await self._answers.privately(asked, _saying(TOO_OLD))
            return
        question = filled_in(asked.data) or "What do you say to this?"
        await self._ask(asked, intake, question, tables(kept.get("files")), text(kept.get("about")))
        await self._forget(key)

    async def _forget(self, key: str) -> None:
        try:
            if self._notes is not None:
                await self._notes.forget_note(SCOPE, key)
        except StoreError as error:
            self._log.warning("discord.form_not_forgotten", reason=str(error))

    # Buttons

    async def _serve_button(self, asked: Interaction, pressed: Pressed, intake: Intake) -> None:
        match pressed.press:
            case Press.STOP:
                saying = self._command(asked, intake, Command.STOP, run_id=pressed.about)
            case Press.REGENERATE:
                kept = targets.to_post(snowflake(asked.message.get("id")))
                saying = self._command(asked, intake, Command.RETRY, run_id=pressed.about, kept=kept)
            case Press.GOOD:
                saying = self._rate(asked, pressed, intake, None)
            case Press.BAD:
                await self._serve_thumb_down(asked, pressed, intake)
                return
            case _:
                return
        await self._answers.privately(asked, saying)

    async def _serve_thumb_down(self, asked: Interaction, pressed: Pressed, intake: Intake) -> None:
        """The rating counts whether or not the form that asks why is sent."""
        rating = asyncio.create_task(self._rate(asked, pressed, intake, None))
        done, _ = await asyncio.wait({rating}, timeout=PATIENCE)
        if done and rating.exception() is None and rating.result() == THANKS:
            id = custom_id(Press.COMMENT, pressed.about)
            await self._answers.form(
                asked, form(id, "Thank you", "What was wrong? (optional)", required=False)
            )
        else:
            await self._answers.privately(asked, _outcome(rating))

    async def _serve_form(self, asked: Interaction, pressed: Pressed, intake: Intake) -> None:
        if pressed.press is Press.ABOUT:
            await self._ask_about(asked, pressed.about, intake)
        elif pressed.press is Press.COMMENT:
            why = replace(pressed, press=Press.BAD)
            await self._answers.privately(
                asked, self._rate(asked, why, intake, filled_in(asked.data) or None)
            )

    async def _rate(self, asked: Interaction, pressed: Pressed, intake: Intake, comment: str | None) -> str:
        rating = RATINGS[pressed.press]
        kept = await intake.feedback(self._conversation(asked), asked.user, pressed.about, rating, comment)
        return THANKS if kept else "That answer is not known any more."

    def _conversation(self, asked: Interaction) -> Conversation:
        """Where it happened; a question whose thread could not be made has its own memory all the same."""
        where = asked.place.conversation
        question = snowflake(table(asked.message.get("message_reference")).get("message_id"))
        if self._settings.auto_thread and asked.place.takes_threads and question:
            return replace(where, topic=question)
        return where


def ahead(messages: int) -> str:
    """A place in the queue, in words."""
    return f"⏳ {messages} {'message is' if messages == 1 else 'messages are'} answered before this one."


def _why_not(receipt: Receipt) -> str:
    """Why a question was not accepted, in words; empty where it was."""
    if receipt.verdict not in (Verdict.BUSY, Verdict.REFUSED):
        return ""
    begin = "Busy, not accepted" if receipt.verdict is Verdict.BUSY else "Not accepted"
    return f"{begin}: {receipt.reason}" if receipt.reason else f"{begin}."


def _file(attachment: Json) -> JsonObject:
    """What is needed to fetch a file later."""
    size = attachment.get("size")
    return {
        "filename": text(attachment.get("filename")),
        "url": text(attachment.get("url")),
        "content_type": text(attachment.get("content_type")),
        "size": size if isinstance(size, int) else 0,
    }


async def _saying(words: str) -> str:
    return words


async def _outcome(task: asyncio.Task[str]) -> str:
    return await task
