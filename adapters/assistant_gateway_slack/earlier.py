"""
What was said in a thread before the bot was called into it, as a quotation before the question.

Whoever mentions the bot in the middle of a talk means the talk, too. It is read once, when the bot
takes no part in the thread yet, and only for a moment: a question does not wait for it. What others
said is data, not a request: every line is quoted and carries its author's name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from assistant_gateway.errors import AdapterError
from assistant_gateway.platforms.shapes import Json, table, tables, text
from assistant_gateway_slack.history import History, Unread
from assistant_gateway_slack.identity import Identity
from assistant_gateway_slack.markup import mentioned, readable
from assistant_gateway_slack.people import People
from assistant_gateway_slack.said import SPOKEN, Said
from assistant_gateway_slack.settings import SlackSettings

PATIENCE = 1.2  # seconds that a message waits for the thread, of the 3 in which Slack wants its answer
MESSAGE_LENGTH = 2_000  # characters of one earlier message
LENGTH = 12_000  # characters of all of them
NAME_LENGTH = 80  # characters
HEADING = "Earlier in this thread, quoted, the oldest first:"


class Earlier:
    """Reads threads."""

    def __init__(self, settings: SlackSettings, history: History, people: People) -> None:
        self._settings = settings
        self._history = history
        self._people = people
        self._log = structlog.get_logger()

    async def quoted(self, said: Said, me: Identity) -> str:
        """What stood in the thread before *said*; empty where there is nothing, or Slack is too slow."""
        if not (self._settings.history and said.thread_ts) or said.direct:
            return ""
        try:
            async with asyncio.timeout(PATIENCE):
                found = await self._history.before(said.conversation, said.ts, self._settings.history)
        except (AdapterError, TimeoutError, Unread) as error:
            reason = str(error) or type(error).__name__
            self._log.warning("slack.thread_unread", channel=said.channel, error=reason)
            return ""
        spoken = [each for each in found if self._counts(each, me)]
        named = [text(each.get("user")) for each in spoken]
        named += [id for each in spoken for id in mentioned(text(each.get("text")))]
        people = await self._people.known([id for id in dict.fromkeys(named) if id][:20])
        names = {id: person.name for id, person in people.items() if person.name}
        return _joined([quotation(each, me, names) for each in spoken])

    def _counts(self, message: Json, me: Identity) -> bool:
        """A message of somebody who may ask, or of another app; not our own, no join and no tombstone."""
        if text(message.get("subtype")) not in SPOKEN | {"bot_message"} or me.posted(message):
            return False
        users = self._settings.users
        return bool(message.get("bot_id")) or users is None or text(message.get("user")) in users


def author(message: Json, names: Mapping[str, str]) -> str:
    """Who wrote a message, as a label on one line: a name says nothing about rights."""
    user = text(message.get("user"))
    profile = text(table(message.get("bot_profile")).get("name"))
    name = text(message.get("username")) or names.get(user, "") or profile or user or "somebody"
    return " ".join(name.split())[:NAME_LENGTH] or "somebody"


def quotation(message: Json, me: Identity, names: Mapping[str, str]) -> str:
    """A message of somebody else as quoted lines, the first of which names its author."""
    words = readable(text(message.get("text")), me=me.user_id, names=names)
    if len(words) > MESSAGE_LENGTH:
        words = f"{words[:MESSAGE_LENGTH]} […]"
    files = [
        f"[file: {' '.join(text(file.get('name')).split())[:200]}]" for file in tables(message.get("files"))
    ]
    return quoted(author(message, names), "\n".join(part for part in (words, *files) if part))


def quoted(name: str, words: str) -> str:
    """*words* of *name* with the mark of a quotation before every line."""
    return "\n".join(f"> {line}" for line in f"{name}: {words}".splitlines())


def _joined(quotations: Sequence[str]) -> str:
    kept: list[str] = []
    room = LENGTH
    for each in reversed(quotations):
        room -= len(each)
        if room < 0:
            break
        kept.append(each)
    return "\n>\n".join((f"{HEADING}\n{kept[-1]}", *kept[-2::-1])) if kept else ""
