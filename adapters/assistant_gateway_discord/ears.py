"""
What happens in channels, turned into accepted messages, and into words about accepted ones.

It makes no difference whether a message came over the gateway or is read from the history after a gap. How
far a channel was heard moves on only once a message is dealt with; one that the store refuses is tried again.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

import structlog

from assistant_gateway.adapter import Intake, Verdict
from assistant_gateway.errors import AdapterError, Forbidden, RateLimited, StoreUnavailable
from assistant_gateway.platforms.bots import BotTurns
from assistant_gateway.platforms.shapes import Json
from assistant_gateway.values import Inbound, User
from assistant_gateway_discord import targets
from assistant_gateway_discord.allowed import Allowed
from assistant_gateway_discord.asides import NO_VOICE, Aside, Asides
from assistant_gateway_discord.context import About, Context, files_of
from assistant_gateway_discord.counter import ahead
from assistant_gateway_discord.cursors import Cursors
from assistant_gateway_discord.downloads import Downloads
from assistant_gateway_discord.echoes import Echoes
from assistant_gateway_discord.history import History
from assistant_gateway_discord.identity import Identity
from assistant_gateway_discord.people import People
from assistant_gateway_discord.places import Place, Places
from assistant_gateway_discord.queues import Changed, Created, Deleted, Event, Gap
from assistant_gateway_discord.said import ADAPTER, DIRECT, Echo, Ignored, Said, judge
from assistant_gateway_discord.settings import DiscordSettings
from assistant_gateway_discord.shapes import born, older, snowflake
from assistant_gateway_discord.web import Web
from assistant_gateway_discord.words import readable

CHANNELS_KEPT = 10_000
READING = 2  # channels whose history is read at the same time: after a restart there may be many
NAME_LENGTH = 100  # characters of a thread's name


class Ears:
    """
    Takes events in.

    Args:
        own_roles: The roles that are the bot's alone in a server, which people mention instead of the bot.
    """

    def __init__(
        self,
        settings: DiscordSettings,
        web: Web,
        places: Places,
        downloads: Downloads,
        cursors: Cursors,
        echoes: Echoes,
        asides: Asides,
        own_roles: Callable[[str], tuple[str, ...]],
    ) -> None:
        self._settings = settings
        self._allowed = Allowed(settings)
        self._web = web
        self._places = places
        self._downloads = downloads
        self._cursors = cursors
        self._echoes = echoes
        self._asides = asides
        self._own_roles = own_roles
        self._history = History(web)
        self._people = People(web)
        self._context = Context(web)
        self._bots: BotTurns[str] = BotTurns(settings.max_bot_turns)
        self._newest_of_us: OrderedDict[str, str] = OrderedDict()
        self._reading = asyncio.Semaphore(READING)
        self._told_of_silence = False
        self._log = structlog.get_logger()

    async def take(self, channel: str, event: Event, me: Identity, intake: Intake) -> None:
        """
        Take an event of a channel in.

        Raises:
            StoreUnavailable: Nothing was written; it must be tried again.
            AdapterError: Discord could not be asked for what is needed; it must be tried again.
        """
        match event:
            case Created(message, guild):
                await self._hear(message, guild, me, intake)
            case Changed(message, guild):
                await self._hear_change(message, guild, me, intake)
            case Deleted(ids, guild):
                for id in ids:
                    await self._hear_deletion(id, guild, intake)
            case Gap():
                await self._catch_up(channel, me, intake)

    # Messages

    async def _hear(self, message: Json, guild: str, me: Identity, intake: Intake) -> None:
        judged = judge(message, me, guild=guild)
        match judged:
            case Echo(channel, id, nonce):
                self._note_own(channel, id)
                if nonce:
                    self._echoes.hear(channel, nonce, id)
            case Ignored(reason, odd):
                log = self._log.warning if odd else self._log.debug
                log("discord.ignored", reason=reason)
            case Said():
                place = await self._places.of(judged.channel, judged.guild)
                if self._may_speak(judged, place):
                    await self._consider(judged, place, me, intake)
        channel, id = snowflake(message.get("channel_id")), snowflake(message.get("id"))
        if channel and id:
            await self._cursors.passed(channel, id)

    def _may_speak(self, said: Said, place: Place) -> bool:
        if said.is_bot and self._settings.ignore_bots:
            return False
        if not self._allowed.place(place):
            return False
        may_depend = said.roles is None and self._allowed.asks_for_roles
        return may_depend or self._allowed.person(said.user, said.roles or ())

    async def _consider(self, said: Said, place: Place, me: Identity, intake: Intake) -> None:
        mentioned = said.mentioned or not set(self._own_roles(said.guild)).isdisjoint(said.roles_mentioned)
        if not await self._is_for_us(said, place, mentioned, me, intake):
            return
        said = await self._people.with_roles(said)
        if not self._allowed.person(said.user, said.roles or ()):
            return
        if said.is_empty and not (said.direct or mentioned):
            self._tell_of_silence(me)
            return
        if not self._bots.allow(said.channel, said.id, is_bot=said.is_bot):
            self._log.warning("discord.bot_loop", channel=said.channel, turns=self._settings.max_bot_turns)
            return
        if said.is_voice:
            self._asides.tell(Aside(said.channel, said.id, NO_VOICE))
            return
        await self._accept(said, place, mentioned, me, intake)

    async def _is_for_us(
        self, said: Said, place: Place, mentioned: bool, me: Identity, intake: Intake
    ) -> bool:
        """Direct messages, mentions, what is said where everything is answered, and follow-ups."""
        settings = self._settings
        if said.direct or mentioned:
            return True
        if settings.answer == "always" or not {place.channel, place.thread}.isdisjoint(settings.always_in):
            return True
        if settings.answer == "mention":
            return False
        if said.replies_to and me.posted(said.replies_to):
            return True
        return await intake.takes_part(place.conversation)

    async def _accept(self, said: Said, place: Place, mentioned: bool, me: Identity, intake: Intake) -> None:
        known = await intake.message(ADAPTER, said.tenant, said.id)
        inbound = await self._inbound(said, place, me, intake, is_new=known is None)
        receipt = await intake.accept(inbound)
        if receipt.verdict in (Verdict.ACCEPTED, Verdict.DUPLICATE):
            await self._cursors.accepted(said.channel, said.guild, said.id)
            if inbound.conversation.topic not in ("", place.thread):  # what follows is said in the new thread
                await self._cursors.accepted(inbound.conversation.topic, said.guild, said.id)
        if receipt.verdict is Verdict.ACCEPTED and receipt.ahead > 0:
            where = inbound.conversation
            self._asides.tell(Aside(said.channel, said.id, ahead(receipt.ahead), where, until_answered=True))
        elif receipt.verdict is Verdict.BUSY:
            self._asides.tell(Aside(said.channel, said.id, f"Busy, not accepted: {receipt.reason}"))
        elif receipt.verdict is Verdict.REFUSED and (said.direct or mentioned):
            self._asides.tell(Aside(said.channel, said.id, f"Not accepted: {receipt.reason}"))

    async def _inbound(
        self, said: Said, place: Place, me: Identity, intake: Intake, *, is_new: bool
    ) -> Inbound:
        """The message as the gateway takes it; a file that was left out is told to the model, too."""
        about = About()
        if is_new:
            newest = self._newest_of_us.get(said.channel, "")
            about = await self._context.of(said, me, intake, newest_of_us=newest)
        words = self._words(said, me)
        files = (*files_of(said), *about.files)
        attachments, notes = await self._downloads.fetch(files) if is_new else ((), ())
        head = "".join(f"{each}\n\n" for each in about.quotations)
        tail = "".join(f"\n[{note}]" for note in notes)
        where, thread = place.conversation, ""
        if self._settings.auto_thread and place.takes_threads:
            where, thread = replace(where, topic=said.id), _thread_name(words)
        return Inbound(
            conversation=where,
            message_id=said.id,
            user=User(said.user, said.name, said.is_bot, roles=said.roles or ()),
            text=f"{head}{words}{tail}",
            attachments=attachments,
            reply_to=targets.to_message(said.id, words, len(head), thread=thread),
        )

    def _words(self, said: Said, me: Identity) -> str:
        own = self._own_roles(said.guild)
        return readable(said.text, me=me.user_id, names=dict(said.names), own_roles=own)

    def _note_own(self, channel: str, id: str) -> None:
        if older(self._newest_of_us.get(channel, ""), id):
            self._newest_of_us[channel] = id
            self._newest_of_us.move_to_end(channel)
            while len(self._newest_of_us) > CHANNELS_KEPT:
                self._newest_of_us.popitem(last=False)

    def _tell_of_silence(self, me: Identity) -> None:
        if not self._told_of_silence:
            self._told_of_silence = True
            self._log.warning(
                "discord.content_hidden",
                remedy=f"follow-ups come without text: switch the Message Content Intent on at {me.portal}",
            )

    # Changes

    async def _hear_change(self, message: Json, guild: str, me: Identity, intake: Intake) -> None:
        judged = judge(message, me, guild=guild)
        # A preview that Discord adds changes a message, too, but its author has not edited it.
        if not isinstance(judged, Said) or not judged.edited_at or "content" not in message:
            return
        known = await intake.message(ADAPTER, judged.tenant, judged.id)
        if known is None:
            return
        before, old, after = targets.words(known.inbound.reply_to, known.inbound.text)
        new = self._words(judged, me)
        if new != old:
            await intake.edited(known.inbound.conversation, judged.id, f"{before}{new}{after}")

    async def _hear_deletion(self, id: str, guild: str, intake: Intake) -> None:
        self._asides.gone(id)
        known = await intake.message(ADAPTER, guild or DIRECT, id)
        if known is not None:
            await intake.deleted(known.inbound.conversation, id)

    # Gaps

    async def _catch_up(self, channel: str, me: Identity, intake: Intake) -> None:
        """Hear what was written since the channel was heard last, as far as that is wanted."""
        heard = self._cursors.of(channel)
        if heard is None or not self._settings.catch_up:
            return
        try:
            async with self._reading:
                missed, more = await self._history.newest(
                    channel, after=heard.seen, limit=self._settings.catch_up
                )
        except RateLimited:
            raise
        except Forbidden as error:
            self._log.info("discord.channel_gone", channel=channel, reason=str(error))
            await self._cursors.forget(channel)
            return
        since = time.time() - self._settings.catch_up_hours * 3600
        fresh = [each for each in missed if born(snowflake(each.get("id")) or "0") >= since]
        if more or len(fresh) < len(missed):
            self._log.warning("discord.not_caught_up", channel=channel, messages=len(fresh), more=more)
        if fresh:
            self._log.info("discord.catching_up", channel=channel, messages=len(fresh))
        for message in fresh:
            try:
                await self._hear(message, heard.guild, me, intake)
            except (StoreUnavailable, AdapterError):
                raise
            except Exception:  # one message that nobody can read must not hide those after it
                self._log.exception("discord.event_failed", channel=channel)


def _thread_name(words: str) -> str:
    return " ".join(words.split())[:NAME_LENGTH].strip() or "Question"
