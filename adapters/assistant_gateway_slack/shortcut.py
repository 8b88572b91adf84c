"""
"Ask about this": a message shortcut that opens a dialog, and the question that comes out of it.

The message is quoted with its author's name; it is what is asked about, and asks for nothing itself.
The answer stands in that message's thread.
"""

from __future__ import annotations

import asyncio

import structlog

from assistant_gateway.adapter import Intake
from assistant_gateway.errors import AdapterError, Forbidden
from assistant_gateway.platforms.shapes import Json, table, text
from assistant_gateway.values import Conversation
from assistant_gateway_slack import dialogs
from assistant_gateway_slack.asking import NOT_HERE, Asking, Question
from assistant_gateway_slack.bolt import TAKEN, Acknowledgement, form_error
from assistant_gateway_slack.earlier import author, quotation
from assistant_gateway_slack.history import History
from assistant_gateway_slack.identity import Identity
from assistant_gateway_slack.markup import mentioned
from assistant_gateway_slack.opening import open_dialog
from assistant_gateway_slack.people import People
from assistant_gateway_slack.said import ADAPTER, ID, TS, is_direct, topic_of
from assistant_gateway_slack.settings import SlackSettings
from assistant_gateway_slack.slash import NOT_YOU
from assistant_gateway_slack.web import Web

PATIENCE = 0.8  # seconds for one call, of the 3 that a trigger lives


class Shortcut:
    """The message shortcut in one workspace."""

    def __init__(
        self, settings: SlackSettings, web: Web, people: People, history: History, asking: Asking
    ) -> None:
        self._settings = settings
        self._web = web
        self._people = people
        self._history = history
        self._asking = asking
        self._log = structlog.get_logger()

    async def open(self, payload: Json, me: Identity) -> Acknowledgement:
        """Open the dialog, or one that says why not."""
        channel, message = table(payload.get("channel")), table(payload.get("message"))
        user_id = text(table(payload.get("user")).get("id"))
        place, ts, thread = text(channel.get("id")), text(message.get("ts")), text(message.get("thread_ts"))
        if not (ID.fullmatch(place) and TS.fullmatch(ts) and ID.fullmatch(user_id)):
            return TAKEN
        kind = text(channel.get("name"))
        if not self._settings.admits(user_id, place, direct=is_direct(place, kind)):
            dialog = dialogs.note_dialog(NOT_YOU)
        elif not await self._is_here(place, ts, thread):
            dialog = dialogs.note_dialog(NOT_HERE)
        else:
            dialog = dialogs.ask_dialog(_kept(place, kind, message))
        await open_dialog(self._web, text(payload.get("trigger_id")), dialog)
        return TAKEN

    async def submit(self, view: Json, payload: Json, me: Identity, intake: Intake) -> Acknowledgement:
        """Ask what was filled in; the dialog stays open with the reason where that can't be."""
        kept, words, id = dialogs.kept_in(view), dialogs.words_in(view), text(view.get("id"))
        place, ts, thread = (kept.get(key, "") for key in ("channel", "ts", "thread"))
        if not (words and id and ID.fullmatch(place) and TS.fullmatch(ts)):
            return TAKEN
        message = await self._read(place, ts, thread) or _as_kept(kept)
        names = await self._names(message)
        direct = is_direct(place, kept.get("kind", ""))
        begins = not direct or (self._settings.view == "agent" and place.startswith("D"))
        question = Question(
            where=Conversation(ADAPTER, me.team_id, place, topic_of(ts, thread, begins=begins)),
            begins=False,
            id=f"{place}:view:{id[:200]}",
            user=await self._people.presser(payload, me),
            words=words,
            about=quotation(message, me, names),
            team=text(table(payload.get("user")).get("team_id")) or me.team_id,
        )
        told = await self._asking.ask(question, intake)
        return form_error(dialogs.FIELD, told) if told else TAKEN

    async def _is_here(self, channel: str, ts: str, thread_ts: str) -> bool:
        """Whether the bot is in the channel; also where Slack does not say in time."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._history.message(channel, ts, thread_ts)
        except Forbidden:
            return False
        except (AdapterError, TimeoutError) as error:
            self._log.info("slack.membership_unknown", error=str(error) or "timeout")
        return True

    async def _read(self, channel: str, ts: str, thread_ts: str) -> Json:
        """The whole message, which a dialog can't keep; empty where Slack does not show it in time."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._history.message(channel, ts, thread_ts)
        except (AdapterError, TimeoutError) as error:
            self._log.info("slack.message_unread", error=str(error) or "timeout")
            return {}

    async def _names(self, message: Json) -> dict[str, str]:
        ids = [text(message.get("user")), *mentioned(text(message.get("text")))]
        people = await self._people.known([id for id in dict.fromkeys(ids) if id][:20])
        return {id: person.name for id, person in people.items() if person.name}


def _kept(channel: str, kind: str, message: Json) -> dict[str, str]:
    """Where the message stands, and as much of it as a dialog can keep."""
    words = text(message.get("text"))
    kept = {
        "channel": channel,
        "kind": kind[:80],
        "ts": text(message.get("ts")),
        "thread": text(message.get("thread_ts")),
        "user": text(message.get("user"))[:40],
        "name": author(message, {}),
        "text": words,
    }
    while not dialogs.fits(kept):
        words = words[: len(words) * 3 // 4]
        kept["text"] = f"{words} […]"
    return kept


def _as_kept(kept: dict[str, str]) -> Json:
    profile = {"name": kept.get("name", "")}
    return {"user": kept.get("user", ""), "bot_profile": profile, "text": kept.get("text", "")}
