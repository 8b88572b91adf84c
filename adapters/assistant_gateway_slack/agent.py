"""
What people do around the talk: open it, look at another channel, press Slack's own Stop.

docs.slack.dev, "Developing agents" and the events' pages, 2026-09-14. In the agent view prompts stand
at the top of the Messages tab and have no thread; in the older container each thread has its own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import structlog

from assistant_gateway.adapter import Intake
from assistant_gateway.errors import NotAllowed
from assistant_gateway.platforms.shapes import Json, table, text
from assistant_gateway.values import Conversation
from assistant_gateway_slack.asides import Aside
from assistant_gateway_slack.identity import Identity
from assistant_gateway_slack.people import People
from assistant_gateway_slack.said import ADAPTER, ID, TS, is_direct, is_ours
from assistant_gateway_slack.sessions import Sessions
from assistant_gateway_slack.settings import SlackSettings

LOOKING = 5_000  # people whose newest look is remembered
EVENTS = frozenset(
    (
        "agent_session_stopped",
        "app_context_changed",
        "app_home_opened",
        "assistant_thread_context_changed",
        "assistant_thread_started",
    )
)


class Agent:
    """
    The bot as an agent, in one workspace.

    Args:
        tell: Shows an aside, soon, and does not wait.
    """

    def __init__(
        self, settings: SlackSettings, people: People, sessions: Sessions, tell: Callable[[Aside], None]
    ) -> None:
        self._settings = settings
        self._people = people
        self._sessions = sessions
        self._tell = tell
        self._looking: OrderedDict[str, str] = OrderedDict()
        self._log = structlog.get_logger()

    def looking_at(self, user: str) -> str:
        """The channel that a person looks at beside the talk, as far as Slack has said."""
        return self._looking.get(user, "")

    async def hear(self, payload: Json, me: Identity, intake: Intake) -> None:
        """
        Take in an event of `EVENTS`.

        Raises:
            StoreUnavailable: A Stop could not be kept; Slack must send it again.
        """
        event = table(payload.get("event"))
        if not is_ours(payload, me):
            return
        match text(event.get("type")):
            case "agent_session_stopped":
                await self._stop(event, me, intake)
            case "app_home_opened":
                channel = text(event.get("channel"))
                if (
                    event.get("tab") == "messages"
                    and self._settings.view == "agent"
                    and ID.fullmatch(channel)
                ):
                    self._sessions.offer(Conversation(ADAPTER, me.team_id, channel))
            case "app_context_changed":
                self._look(text(event.get("user")), table(event.get("context")))
            case "assistant_thread_started":
                self._begin(table(event.get("assistant_thread")), me)
            case "assistant_thread_context_changed":
                thread = table(event.get("assistant_thread"))
                self._look(text(thread.get("user_id")), table(thread.get("context")))

    async def _stop(self, event: Json, me: Identity, intake: Intake) -> None:
        channel, topic, id = (text(event.get(key)) for key in ("channel", "thread_ts", "user"))
        if not (ID.fullmatch(channel) and TS.fullmatch(topic) and ID.fullmatch(id)):
            self._log.warning("slack.ignored", reason="a Stop without channel, thread or user")
            return
        if not self._settings.admits(id, channel, direct=is_direct(channel, "")):
            return
        where = Conversation(ADAPTER, me.team_id, channel, topic)
        user = await self._people.user(id, me)
        try:
            stopped = await intake.stop(where, user)
        except NotAllowed as refusal:
            self._tell(Aside(where, id, str(refusal)))
            return
        if not stopped:
            # Slack leaves it to the app to say that nothing is being made any more.
            self._sessions.settle(where)

    def _begin(self, thread: Json, me: Identity) -> None:
        channel, topic = text(thread.get("channel_id")), text(thread.get("thread_ts"))
        self._look(text(thread.get("user_id")), table(thread.get("context")))
        if self._settings.view == "assistant" and ID.fullmatch(channel) and TS.fullmatch(topic):
            self._sessions.offer(Conversation(ADAPTER, me.team_id, channel, topic))

    def _look(self, user: str, context: Json) -> None:
        channel = text(context.get("channel_id"))
        if not ID.fullmatch(user):
            return
        self._looking.pop(user, None)
        if ID.fullmatch(channel):
            self._looking[user] = channel
        while len(self._looking) > LOOKING:
            self._looking.popitem(last=False)
