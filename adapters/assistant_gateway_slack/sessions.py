"""
What the agent says about itself: that it works, what a session is called, what one could ask.

A session that is shown as working is noted on disk until Slack was told that the work is over, so that
the next process ends what a crash left behind.

docs.slack.dev, "Agent sessions", `agents.sessions.setStatus`, `assistant.threads.setStatus`, 2026-08-20:
the first falls back after an hour, the second after two minutes or with the next message.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

import structlog

from assistant_gateway.adapter import Intake, Notes
from assistant_gateway.errors import StoreError
from assistant_gateway.platforms.shapes import text
from assistant_gateway.values import Conversation, JsonObject, JsonValue, ReplyTarget
from assistant_gateway_slack.errands import Call, Errand, Errands
from assistant_gateway_slack.said import ADAPTER
from assistant_gateway_slack.settings import SlackSettings

SHOWN = {"agent": 1800.0, "assistant": 100.0, "none": 3600.0}  # seconds until it is said again
OFFERED = 2_000  # places where something was suggested
TITLE_LENGTH = 60  # characters of a title; Slack takes 200
WORKING = "is thinking…"
SCOPE = f"{ADAPTER}:sessions"  # of the notes


class Sessions:
    """
    The sessions of all workspaces.

    Args:
        call: Calls Slack.
        notes: What is kept on disk; None where there is no store.
    """

    def __init__(
        self,
        settings: SlackSettings,
        call: Call,
        notes: Notes | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._view = settings.view
        self._prompts = settings.prompts
        self._notes = notes
        self._errands = Errands(call, clock=clock)
        self._answers: dict[Conversation, set[str]] = {}
        self._shown: set[Conversation] = set()
        self._offered: OrderedDict[Conversation, None] = OrderedDict()
        self._log = structlog.get_logger()

    @property
    def seconds(self) -> float:
        """How long Slack shows that the agent works, or a little less."""
        return SHOWN[self._view]

    async def run(self, intake: Intake) -> None:
        """Tell Slack, until cancelled; first of all, what a crash left untold."""
        try:
            await self._mend(intake)
        except StoreError as error:
            self._log.warning("slack.sessions_not_mended", reason=str(error))
        await self._errands.run()

    def working(self, target: ReplyTarget) -> None:
        """An answer is being made; said again and again while it is."""
        where, title = target.conversation, text(target.reply_to.get("title"))
        if self._view == "none" or not where.topic:
            return
        if self._view == "assistant" and title and where not in self._answers:
            self._errands.add(Errand(where, "assistant.threads.setTitle", _place(where, title=title)))
        self._answers.setdefault(where, set()).add(target.message_id)

        async def note() -> None:
            self._shown.add(where)
            await self._note(where, target.message_id)

        self._errands.add(Errand(where, self._method, self._body(target), first=note))

    def rested(self, target: ReplyTarget) -> None:
        """An answer is over."""
        where = target.conversation
        answers = self._answers.get(where, set())
        answers.discard(target.message_id)
        if answers:
            return
        self._answers.pop(where, None)
        if where in self._shown:
            self.settle(where)
        else:
            self._errands.drop(where, self._method)

    def settle(self, where: Conversation) -> None:
        """Let a session not be shown as working, unless an answer is being made there."""
        if self._view == "none" or not where.topic or where in self._answers:
            return

        async def forget() -> None:
            if where not in self._answers:
                self._shown.discard(where)
                await self._note(where, "")

        body = _place(where, status="active" if self._view == "agent" else "")
        self._errands.add(Errand(where, self._method, body, must=True, then=forget))

    def offer(self, where: Conversation) -> None:
        """Suggest what one could ask; once for each place."""
        if not self._prompts or where in self._offered:
            return
        self._offered[where] = None
        while len(self._offered) > OFFERED:
            self._offered.popitem(last=False)
        prompts = [{"title": titled(each), "message": each} for each in self._prompts]
        method = "assistant.threads.setSuggestedPrompts"
        self._errands.add(Errand(where, method, _place(where, prompts=prompts)))

    async def _mend(self, intake: Intake) -> None:
        """End what a crash left working; an answer that is still to be made is left to its worker."""
        if self._notes is None or self._view != "agent":
            return
        for key, note in (await self._notes.notes(SCOPE)).items():
            tenant, channel, topic = (*key.split(":"), "", "", "")[:3]
            message = await intake.message(ADAPTER, tenant, text(note.get("message")))
            if message is None or message.state.is_final:
                self.settle(Conversation(ADAPTER, tenant, channel, topic))

    async def _note(self, where: Conversation, message_id: str) -> None:
        """Remember whose answer a session is shown to work at; with an empty id, that it does not."""
        if self._notes is None or self._view != "agent":
            return
        key = f"{where.tenant}:{where.channel}:{where.topic}"
        try:
            if message_id:
                await self._notes.save_note(SCOPE, key, {"message": message_id})
            else:
                await self._notes.forget_note(SCOPE, key)
        except StoreError as error:
            self._log.warning("slack.session_not_noted", reason=str(error))

    @property
    def _method(self) -> str:
        """What tells whether the agent works."""
        return "agents.sessions.setStatus" if self._view == "agent" else "assistant.threads.setStatus"

    def _body(self, target: ReplyTarget) -> JsonObject:
        if self._view == "assistant":
            return _place(target.conversation, status=WORKING)
        # Title and initiator count only for a new session; people may have renamed an old one.
        named: JsonObject = {"title": title} if (title := text(target.reply_to.get("title"))) else {}
        initiator = target.user.id
        return {**_place(target.conversation, status="processing", initiator_user_id=initiator), **named}


def _place(where: Conversation, **more: JsonValue) -> JsonObject:
    thread: JsonObject = {"thread_ts": where.topic} if where.topic else {}
    return {"channel_id": where.channel, **thread, **more}


def titled(question: str) -> str:
    """What a session is called that begins with *question*: one line of it."""
    line = " ".join(question.split())
    return line if len(line) <= TITLE_LENGTH else f"{line[: TITLE_LENGTH - 1].rstrip()}…"
