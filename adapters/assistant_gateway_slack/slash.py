"""
The slash command: a question, or one word for the gateway itself.

Slack runs no slash commands in threads, so what one asks for there is typed: ``@bot /reset``. What is
answered at once is for its person alone. Commands are not sent again: one that fails is told so.
"""

from __future__ import annotations

from assistant_gateway.adapter import Intake
from assistant_gateway.errors import NotAllowed, StoreUnavailable
from assistant_gateway.platforms.shapes import Json, text
from assistant_gateway.values import Command, Conversation, Inbound, User
from assistant_gateway_slack.asking import NOT_KEPT, Asking, Question
from assistant_gateway_slack.bolt import TAKEN, Acknowledgement, privately
from assistant_gateway_slack.identity import Identity
from assistant_gateway_slack.markup import mentioned, readable
from assistant_gateway_slack.people import People
from assistant_gateway_slack.said import ADAPTER, ID, is_direct
from assistant_gateway_slack.settings import SlackSettings

NOT_YOU = "You are not among the people who may ask here."
IN_A_THREAD = "In a thread, mention me and write /{word} instead."
OF_A_THREAD = frozenset({Command.RESET, Command.STOP, Command.RETRY, Command.UNDO})


class Slash:
    """The slash command in one workspace."""

    def __init__(self, settings: SlackSettings, people: People, asking: Asking) -> None:
        self._settings = settings
        self._people = people
        self._asking = asking

    async def take(self, form: Json, me: Identity, intake: Intake) -> Acknowledgement | None:
        """Take a command; None where it is not the configured one."""
        if not self._settings.command or form.get("command") != self._settings.command:
            return None
        channel, user_id, trigger = (text(form.get(key)) for key in ("channel_id", "user_id", "trigger_id"))
        if not (ID.fullmatch(channel) and ID.fullmatch(user_id) and trigger):
            return None
        direct = is_direct(channel, text(form.get("channel_name")))
        if not self._settings.admits(user_id, channel, direct=direct):
            return privately(NOT_YOU)
        user = await self._people.user(user_id, me)
        where = Conversation(ADAPTER, me.team_id, channel)
        id = f"{channel}:command:{trigger[:200]}"
        said = text(form.get("text")).strip()
        word = said.lower() or Command.HELP
        if word in tuple(Command):
            return privately(await self._command(Command(word), where, id, user, intake, direct=direct))
        question = Question(
            where=where,
            begins=not direct or (self._settings.view == "agent" and channel.startswith("D")),
            id=id,
            user=user,
            words=await self._words(said, me),
            team=me.team_id,
        )
        told = await self._asking.ask(question, intake)
        return privately(told) if told else TAKEN

    async def _command(
        self,
        command: Command,
        where: Conversation,
        id: str,
        user: User,
        intake: Intake,
        *,
        direct: bool,
    ) -> str:
        try:
            told = await intake.command(Inbound(where, id, user, "", command=command))
        except NotAllowed as error:
            return str(error)
        except StoreUnavailable:
            return NOT_KEPT
        in_threads = not direct or self._settings.view != "none"
        if in_threads and command in OF_A_THREAD:
            return f"{told} {IN_A_THREAD.format(word=command.value)}"
        return told

    async def _words(self, said: str, me: Identity) -> str:
        people = await self._people.known([id for id in mentioned(said) if id != me.user_id][:20])
        names = {id: person.name for id, person in people.items() if person.name}
        return readable(said, me=me.user_id, names=names)
