"""
Answers as messages: made, changed, removed, and found again.

A message carries its key as a nonce, which Discord takes once within minutes; and every message of an
answer is a reply to its question, so that it can be found later. The first answer to a command takes the
place of "thinking…", for as long as the command may be answered; what follows are messages like any other.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

import structlog

from assistant_gateway.adapter import CallKind, Content
from assistant_gateway.errors import AdapterError, OutcomeUnknown, PostGone, RateLimited
from assistant_gateway.platforms.shapes import Json, number, table, text
from assistant_gateway.values import JsonValue, ReplyTarget
from assistant_gateway_discord import routes, targets
from assistant_gateway_discord.buttons import marks
from assistant_gateway_discord.drafts import SMALL, draft, reply_to
from assistant_gateway_discord.echoes import Echoes, nonce
from assistant_gateway_discord.faults import (
    Archived,
    NoHistory,
    Stumbled,
    ThreadThere,
    TokenEnded,
    Unauthorised,
)
from assistant_gateway_discord.history import History
from assistant_gateway_discord.routes import Route
from assistant_gateway_discord.shapes import snowflake
from assistant_gateway_discord.targets import PostId, Token
from assistant_gateway_discord.web import Upload, Web

FOUND_AMONG = 500  # messages after the question
ACKNOWLEDGED = 5.0  # seconds within which a command is acknowledged, if ever
ARCHIVE = 1440  # minutes until a thread that was made for a question is archived
KEPT = 10_000  # questions
LOADING = 1 << 7  # a message that says "thinking…"


class Posts:
    """Puts answers on Discord, with stored values alone."""

    def __init__(self, web: Web, echoes: Echoes) -> None:
        self._web = web
        self._echoes = echoes
        self._history = History(web)
        self._threads: OrderedDict[str, bool] = OrderedDict()  # by the question: is there a thread for it?
        self._continued: OrderedDict[str, bool] = OrderedDict()  # commands whose answers need more posts
        self._log = structlog.get_logger()

    def route(self, target: ReplyTarget, call: CallKind) -> Route:
        """A call of that kind, for its budget."""
        where = target.conversation
        channel = where.topic or where.channel
        token = targets.token(target)
        if call == "post":
            return routes.post(channel)
        if call == "delete":
            return routes.delete(channel, "")
        if token is not None and token.is_good and token.interaction not in self._continued:
            return routes.edit_followup(token.application, token.token, "")
        return routes.edit(channel, "")

    async def post(self, target: ReplyTarget, key: str, content: Content, files: Sequence[Upload]) -> str:
        """Make the post that carries *key*; its id."""
        mark = nonce(key)
        if _is_first(key) and (shown := await self._answer_command(target, content, mark, files)):
            return shown
        token = targets.token(target)
        if _is_first(key) and (said := await self._said_before(target)) is not None:
            await self.edit(target, str(said), content, files)
            return str(said)
        if token is not None:
            self._continued[token.interaction] = True
            _trim(self._continued)
        channel = await self._place(target)
        body = draft(content, mark)
        if not body["components"]:
            del body["components"]
        body |= {"nonce": mark, "enforce_nonce": True}
        told = await self._create(target, channel, body, files)
        id = snowflake(told.get("id"))
        if not id:
            raise OutcomeUnknown("Discord gave no id")
        self._echoes.hear(channel, mark, id)
        posted = PostId(channel, id)
        if text(told.get("content")).strip() != text(body["content"]).strip():
            # The nonce was known: this is what an earlier try has posted.
            await self.edit(target, str(posted), content, files)
        return str(posted)

    async def edit(
        self, target: ReplyTarget, post_id: str, content: Content, files: Sequence[Upload]
    ) -> None:
        """Let a post show something else."""
        post, body = PostId.read(post_id), draft(content)
        if files:
            body["attachments"] = _listed(files)
        token = targets.token(target)
        if post.is_original and token is not None and token.is_good:
            try:
                await self._web.call(
                    routes.edit_followup(token.application, token.token, post.message), body, files=files
                )
                return
            except TokenEnded:
                self._log.info("discord.token_ended", message=post.message)
        route = routes.edit(post.channel, post.message)
        try:
            await self._web.call(route, body, files=files)
        except Archived:
            await self._web.call(routes.change_channel(post.channel), {"archived": False})
            await self._web.call(route, body, files=files)

    async def delete(self, target: ReplyTarget, post_id: str) -> None:
        """Remove a post; one that is gone already is fine."""
        post = PostId.read(post_id)
        try:
            await self._web.call(routes.delete(post.channel, post.message))
        except PostGone:
            self._log.debug("discord.deleted_already", message=post.message)
        self._echoes.forget(post.channel, post.message)

    async def find(self, target: ReplyTarget, key: str) -> str | None:
        """
        The post that carries *key*, or None when there is none.

        Raises:
            OutcomeUnknown: The channel can't be read, or not as far.
        """
        mark = nonce(key)
        channel = await self._place(target)
        if heard := self._echoes.find(channel, mark):
            return str(PostId(channel, heard))
        try:
            me = await self._web.identity()
            messages = await self._history.oldest(channel, after=target.message_id, limit=FOUND_AMONG)
        except RateLimited:
            raise
        except AdapterError as error:
            raise OutcomeUnknown(f"the channel can't be read: {error}") from error
        own = [each for each in messages if me.posted(each) and self._may_carry(each, mark)]
        found = _find(own, target, key, self._refers_to(target))
        if found is None and len(messages) >= FOUND_AMONG:
            raise OutcomeUnknown(f"it is not among the {FOUND_AMONG} messages after the question")
        return str(found) if found else None

    def _may_carry(self, message: Json, mark: str) -> bool:
        """Whether nothing is known against it that a message has the nonce *mark*."""
        return self._echoes.nonce_of(snowflake(message.get("id"))) in ("", mark)

    def _refers_to(self, target: ReplyTarget) -> str:
        """The message that an answer's messages reply to; none in a thread that was made for the question."""
        return "" if self._threads.get(target.message_id) else targets.reference(target)

    async def _answer_command(
        self, target: ReplyTarget, content: Content, mark: str, files: Sequence[Upload]
    ) -> str:
        """Show *content* in place of "thinking…"; the post's id, empty where that can't be done any more."""
        token = targets.token(target)
        if token is None or not token.is_good:
            return ""
        body = draft(content, mark)
        if files:
            body["attachments"] = _listed(files)
        while True:
            try:
                told = table(
                    await self._web.call(
                        routes.edit_original(token.application, token.token), body, files=files
                    )
                )
            except (TokenEnded, PostGone):
                # The answer may be quicker than the acknowledgement of the command.
                if token.age > ACKNOWLEDGED:
                    return ""
                await asyncio.sleep(0.2)
                continue
            where = target.conversation
            channel = snowflake(told.get("channel_id")) or where.topic or where.channel
            return str(PostId(channel, snowflake(told.get("id")), is_original=True))

    async def _said_before(self, target: ReplyTarget) -> PostId | None:
        """The place in the queue of a command that can't be answered any more: it is edited instead."""
        where, token = target.conversation, targets.token(target)
        if token is None or token.is_good:
            return None
        try:
            me = await self._web.identity()
            channel = where.topic or where.channel
            messages = await self._history.oldest(channel, after=target.message_id, limit=FOUND_AMONG)
        except RateLimited:
            raise
        except AdapterError as error:
            self._log.info("discord.place_not_found", reason=str(error))
            return None
        own = [each for each in messages if me.posted(each) and _answers(each, token)]
        return PostId(channel, snowflake(own[0].get("id"))) if own else None

    async def _create(
        self, target: ReplyTarget, channel: str, body: dict[str, JsonValue], files: Sequence[Upload]
    ) -> Json:
        if files:
            body["attachments"] = _listed(files)
        message = self._refers_to(target)
        route = routes.post(channel)
        try:
            reply = {**body, **reply_to(message)} if message else body
            return table(await self._web.call(route, reply, files=files, once=True))
        except NoHistory:
            return table(await self._web.call(route, body, files=files, once=True))

    async def _place(self, target: ReplyTarget) -> str:
        """The channel that the answer goes to; a thread that is to be made for it is made."""
        where, name = target.conversation, targets.thread_name(target)
        if not (name and where.topic == target.message_id):
            return where.topic or where.channel
        question = target.message_id
        if question not in self._threads:
            self._threads[question] = await self._make_thread(where.channel, question, name)
            _trim(self._threads)
        return where.topic if self._threads[question] else where.channel

    async def _make_thread(self, channel: str, question: str, name: str) -> bool:
        """Whether there is a thread for the question now; where none can be made, the channel has to do."""
        try:
            body = {"name": name, "auto_archive_duration": ARCHIVE}
            await self._web.call(routes.start_thread(channel, question), body)
        except ThreadThere:
            return True
        except (RateLimited, Stumbled, Unauthorised):
            raise
        except AdapterError as error:
            self._log.warning("discord.no_thread", channel=channel, reason=str(error))
            return False
        return True


def _listed(files: Sequence[Upload]) -> list[JsonValue]:
    return [{"id": number, "filename": file.name} for number, file in enumerate(files)]


def _trim(kept: OrderedDict[str, bool]) -> None:
    while len(kept) > KEPT:
        kept.popitem(last=False)


def _is_first(key: str) -> bool:
    return key.endswith(".0")


def _answers(message: Json, token: Token) -> bool:
    """Whether a message is what a command was answered with, and more than "thinking…"."""
    command = snowflake(table(message.get("interaction_metadata")).get("id"))
    return command == token.interaction and not number(message.get("flags")) & LOADING


def _find(own: Sequence[Json], target: ReplyTarget, key: str, refers_to: str) -> PostId | None:
    """
    The message among the bot's *own* that carries *key*.

    Told by its nonce, in its buttons or where Discord tells it; by the command that it answers; else as
    the n-th of those that reply to the question and belong to no other run.
    """
    run_id, _, part = key.rpartition(".")
    mark, token = nonce(key), targets.token(target)
    candidates: list[PostId] = []
    for message in own:
        id = PostId(snowflake(message.get("channel_id")), snowflake(message.get("id")))
        pressed = marks(message)
        if message.get("nonce") == mark or any(each.nonce == mark for each in pressed):
            return id
        if table(message.get("interaction_metadata")):
            if token is not None and _answers(message, token):
                candidates.append(PostId(id.channel, id.message, is_original=True))
            continue
        refers = snowflake(table(message.get("message_reference")).get("message_id"))
        if refers != refers_to or any(each.about != run_id for each in pressed):
            continue
        if not text(message.get("content")).startswith(SMALL):
            candidates.append(id)
    place = int(part) if part.isdigit() else 0
    return candidates[place] if place < len(candidates) else None
