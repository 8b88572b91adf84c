"""
One installation of the app: its token, its people and files, what it posted, and what it hears.

Nothing here is shared with another workspace: channel ids, user ids and timestamps are only unique
within one. Every call needs stored values alone, so that any process can finish any reply.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import structlog

from assistant_gateway.adapter import Content, Intake, Piece
from assistant_gateway.errors import (
    AdapterError,
    Forbidden,
    OutcomeUnknown,
    PostGone,
    RateLimited,
    TooLong,
)
from assistant_gateway.platforms.shapes import Json, table, tables, text
from assistant_gateway.values import Conversation, JsonObject, JsonValue, ReplyTarget
from assistant_gateway_slack import buttons
from assistant_gateway_slack.agent import Agent
from assistant_gateway_slack.asides import Aside
from assistant_gateway_slack.asking import Asking
from assistant_gateway_slack.bolt import Acknowledgement, Bolt
from assistant_gateway_slack.clicks import Clicks
from assistant_gateway_slack.downloads import Downloads
from assistant_gateway_slack.earlier import Earlier
from assistant_gateway_slack.ears import Ears
from assistant_gateway_slack.echoes import Echoes
from assistant_gateway_slack.history import History, Unread
from assistant_gateway_slack.interactions import Interactions
from assistant_gateway_slack.markup import FLAGS, MARKDOWN_LENGTH, inert, message
from assistant_gateway_slack.people import People
from assistant_gateway_slack.reception import Reception
from assistant_gateway_slack.sessions import Sessions
from assistant_gateway_slack.settings import SlackSettings
from assistant_gateway_slack.shortcut import Shortcut
from assistant_gateway_slack.slash import Slash
from assistant_gateway_slack.streams import Streams, key_of, keyed
from assistant_gateway_slack.uploads import Uploads
from assistant_gateway_slack.web import ENDED, Web

SOON = 0.2  # seconds until an answer with files is tried again that was finished too early


class Workspace:
    """
    What the bot hears and says in one workspace.

    Args:
        web: The Web API with the token of this installation.
        tell: Shows an aside, soon, and does not wait.
        intake: What the gateway offers; None until it serves.
        sessions: Shows what the agent does.
        orphaned: Removes a post, by channel and ts, that was made twice.
    """

    def __init__(
        self,
        settings: SlackSettings,
        web: Web,
        *,
        tell: Callable[[Aside], None],
        intake: Callable[[], Intake | None],
        sessions: Sessions,
        orphaned: Callable[[str, str], None],
    ) -> None:
        self.web = web
        self._intake = intake
        self._echoes = Echoes(orphaned)
        self._history = History(web)
        self._uploads = Uploads(web, self._history)
        people = People(web)
        self._streams = Streams(settings, web, people)
        agent = Agent(settings, people, sessions, tell)
        ears = Ears(
            settings,
            people,
            Downloads(web, max_files=settings.max_files, max_size=settings.max_file_size),
            Earlier(settings, self._history, people),
            self._echoes,
            tell,
            agent.looking_at,
        )
        asking = Asking(web)
        interactions = Interactions(
            Clicks(settings, web, people, tell),
            Slash(settings, people, asking),
            Shortcut(settings, web, people, self._history, asking),
        )
        bolt = Bolt(lambda: web.token.get_secret_value(), lambda: web.known_identity)
        self._reception = Reception(web, ears, agent, interactions, bolt)
        self._log = structlog.get_logger()

    # In

    async def take(self, payload: Json, intake: Intake) -> Acknowledgement:
        """
        Take a verified *payload* in; how Slack is answered.

        Raises:
            StoreUnavailable: It could not be kept; Slack must send it again.
        """
        return await self._reception.take(payload, intake)

    # Out

    async def post(self, target: ReplyTarget, key: str, content: Content) -> str:
        """As `Adapter.post`."""
        self._refuse_early_files(content)
        where = target.conversation
        body: dict[str, JsonValue] = {
            **_shown(content),
            "channel": where.channel,
            "metadata": keyed(key),
        }
        if where.topic:
            body["thread_ts"] = where.topic
        told = await self.web.write("chat.postMessage", body, once=True)
        ts = text(told.get("ts"))
        if not ts:
            raise OutcomeUnknown("chat.postMessage gave no ts")
        if where.topic and not text(table(told.get("message")).get("thread_ts")):
            await self._refuse_unthreaded(where, ts)
        self._echoes.posted(where.channel, key, ts)
        await self._put_files(where, ts, content)
        return ts

    async def edit(self, target: ReplyTarget, post_id: str, content: Content) -> None:
        """As `Adapter.edit`."""
        self._refuse_early_files(content)
        where = target.conversation
        await self._update(where, post_id, content)
        await self._put_files(where, post_id, content)

    async def start(self, target: ReplyTarget, key: str, piece: Piece) -> str:
        """As `StreamsNatively.start`."""
        ts = await self._streams.start(target, piece)
        self._echoes.posted(target.conversation.channel, key, ts)
        return ts

    async def append(self, target: ReplyTarget, post_id: str, piece: Piece) -> None:
        """As `StreamsNatively.append`."""
        await self._streams.append(target.conversation, post_id, piece)

    async def stop(self, target: ReplyTarget, key: str, post_id: str, piece: Piece, content: Content) -> None:
        """As `StreamsNatively.stop`."""
        self._refuse_early_files(content)
        await self._streams.stop(target.conversation, key, post_id, piece, content)
        await self._put_files(target.conversation, post_id, content)

    async def mend(self, target: ReplyTarget, key: str, post_id: str, content: Content) -> None:
        """As `StreamsNatively.mend`."""
        self._refuse_early_files(content)
        where = target.conversation
        await self._update(where, post_id, content, {"metadata": keyed(key)})
        self._streams.forget(post_id)
        await self._put_files(where, post_id, content)

    async def delete(self, target: ReplyTarget, post_id: str) -> None:
        """As `Adapter.delete`."""
        channel = target.conversation.channel
        try:
            await self.web.write("chat.delete", {"channel": channel, "ts": post_id})
        except PostGone:
            self._log.debug("slack.deleted_already", ts=post_id)
        self._echoes.forget(channel, post_id)
        self._streams.forget(post_id)

    async def find(self, target: ReplyTarget, key: str) -> str | None:
        """As `Adapter.find`."""
        where = target.conversation
        if heard := self._echoes.find(where.channel, key):
            return heard
        lost: list[str] = []
        try:
            me = await self.web.identity()
            # The answer is younger than its question, whose ts is kept with it.
            async for each in self._history.since(where, text(target.reply_to.get("ts")) or "0"):
                if me.posted(each) and key_of(each) == key:
                    return text(each.get("ts"))
                if me.posted(each) and self._streams.is_lost(each):
                    lost.append(text(each.get("ts")))
        except RateLimited:
            raise
        except (AdapterError, Unread) as error:
            if isinstance(error, Forbidden) and str(error) in ENDED:
                raise
            raise OutcomeUnknown(f"the thread can't be read: {error}") from error
        if len(lost) > 1:
            raise OutcomeUnknown("several streams there have no key")
        return self._echoes.find(where.channel, key) or (lost[0] if lost else None)

    async def whisper(self, aside: Aside) -> None:
        """
        Show an aside to its person alone.

        Raises:
            AdapterError: Slack does not show it.
        """
        where = aside.conversation
        body: dict[str, JsonValue] = {
            "channel": where.channel,
            "user": aside.user,
            "text": inert(aside.text),
            **FLAGS,
        }
        if where.topic:
            body["thread_ts"] = where.topic
        await self.web.write("chat.postEphemeral", body)

    async def _update(
        self, where: Conversation, post_id: str, content: Content, more: JsonObject | None = None
    ) -> None:
        body = {**_shown(content), "channel": where.channel, "ts": post_id, **(more or {})}
        await self.web.write("chat.update", body)

    async def _refuse_unthreaded(self, where: Conversation, ts: str) -> None:
        """
        Take a post back that Slack has put beside its thread, whose root is gone.

        Raises:
            Forbidden: It was so: nobody wants the answer there any more.
        """
        try:
            told = await self.web.read("conversations.replies", channel=where.channel, ts=ts, limit=1)
            seen = next((each for each in tables(told.get("messages")) if each.get("ts") == ts), {})
            if not seen or text(seen.get("thread_ts")) == where.topic:
                return
            await self.web.write("chat.delete", {"channel": where.channel, "ts": ts})
        except AdapterError as error:
            self._log.warning("slack.unthreaded", ts=ts, error=str(error))
            return
        raise Forbidden("the thread's first message is gone")

    def _refuse_early_files(self, content: Content) -> None:
        """
        An answer that is finished while the gateway starts waits a moment for its files' bytes.

        Raises:
            RateLimited: The gateway does not serve yet.
        """
        if content.files and self._intake() is None:
            raise RateLimited(SOON, "the gateway does not serve yet")

    async def _put_files(self, where: Conversation, post_id: str, content: Content) -> None:
        """Put the files of a finished answer below it; one that Slack does not take is told in the answer."""
        intake = self._intake()
        if not content.files or intake is None:
            return
        failed = await self._uploads.put(intake, where, post_id, content.files)
        if failed:
            note = f"\n\n_These files could not be put here: {', '.join(failed)}._"
            try:
                await self._update(where, post_id, replace(content, text=content.text + note))
            except AdapterError as error:
                self._log.warning("slack.note_failed", error=str(error))


def _shown(content: Content) -> dict[str, JsonValue]:
    if len(inert(content.text)) > MARKDOWN_LENGTH:
        raise TooLong("msg_too_long")
    return dict(message(content.text, buttons.blocks(content)))
