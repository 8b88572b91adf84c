"""
One answer, edited in place while it grows.

The first words are shown at once. From then on at most one call is under way, and the next
one begins when the platform's pace allows it, with the text as it then is: however many
deltas came in between, one edit follows. The complete text is always the last thing sent.
A post is journaled before it is sent and its id after, so that another process can take
over the half-written answer; a post whose outcome is unknown is looked for, never repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from assistant_gateway.adapter import Adapter, Content
from assistant_gateway.errors import (
    AdapterError,
    Forbidden,
    GatewayError,
    OutcomeUnknown,
    PostGone,
    RateLimited,
    TooLong,
)
from assistant_gateway.events import RunEvent, RunRestarted
from assistant_gateway.handler import RunHandler
from assistant_gateway.replies.ending import with_ending
from assistant_gateway.replies.split import split
from assistant_gateway.speech import Speech
from assistant_gateway.values import Answer, Post, ReplyTarget

TRIES = 6  # of one call whose outcome is a fault that may pass
PATIENCE = 15.0  # seconds, the longest pause between two of them
SHORTEST = 100  # units; a platform that finds this too long is not helped by shorter posts


class Undeliverable(GatewayError):
    """The platform does not let this answer be shown; trying again would not help."""


class WatchesReplies(Protocol):
    """What a reply tells about its calls, for metrics."""

    def posted(self, adapter: str) -> None: ...
    def edited(self, adapter: str) -> None: ...
    def rate_limited(self, adapter: str) -> None: ...


class Reply(RunHandler):
    """
    The reply to one message.

    Args:
        save: Journals a post; raises `LeaseLost` when another worker has the lane.
        posts: What an earlier attempt journaled.
    """

    def __init__(
        self,
        adapter: Adapter,
        target: ReplyTarget,
        run_id: str,
        *,
        save: Callable[[Post], Awaitable[None]],
        posts: Sequence[Post],
        watch: WatchesReplies,
    ) -> None:
        self._adapter = adapter
        self._target = target
        self._run_id = run_id
        self._save = save
        # What a post of an earlier attempt shows now is not known: it is edited in any case.
        self._posts = {post.part: replace(post, text="") for post in posts}
        # Sent with an outcome that was never learned: these are looked for before they are repeated.
        self._doubtful = {post.part for post in posts if not post.id}
        self._gone: set[int] = set()
        self._length = adapter.limits.text_length
        self._unit = adapter.limits.unit
        self._watch = watch
        self._speech = Speech()
        self._heard = asyncio.Event()
        self._closing = asyncio.Event()
        self._due = 0.0  # loop time before which the platform is left alone
        self._log = structlog.get_logger()

    async def on_event(self, event: RunEvent) -> None:
        if self._speech.hear(event):
            self._heard.set()
        elif type(event) is RunRestarted:
            self._heard.clear()

    async def grow(self) -> None:
        """Show the answer while it grows, until `close`. Faults wait for the end: `finish` mends them."""
        while self._adapter.limits.edits:
            await self._heard.wait()
            await self._wait_for_turn(self._closing)
            if self._closing.is_set():
                return
            self._heard.clear()
            try:
                await self._show(self._speech.text, None)
            except RateLimited as error:
                self._hold_off(error)
                self._heard.set()
            except OutcomeUnknown:
                self._rest(1.0)
                self._heard.set()
            except AdapterError as error:
                self._log.warning("reply.stalled", adapter=self._adapter.name, error=type(error).__name__)
                return

    def close(self) -> None:
        """Let `grow` end after the call that is under way: a call that is cut off has an unknown outcome."""
        self._closing.set()
        self._heard.set()

    async def finish(self, answer: Answer) -> None:
        """
        Show the complete answer and nothing after it.

        Raises:
            Undeliverable: The platform refuses for good.
            AdapterError: It failed again and again; the answer is kept and may be delivered later.
        """
        text = with_ending(answer) if self._adapter.limits.edits else answer.text
        tries = 0
        while True:
            await self._wait_for_turn()
            try:
                await self._show(text, answer)
                return
            except RateLimited as error:
                self._hold_off(error)
            except Forbidden as error:
                raise Undeliverable(str(error)) from error
            except AdapterError:
                tries += 1
                if tries >= TRIES:
                    raise
                self._rest(min(PATIENCE, 0.2 * 2**tries))

    async def _show(self, text: str, answer: Answer | None) -> None:
        while True:
            # A post of blanks is refused by most platforms, and missed by nobody.
            pieces = [piece for piece in split(text, self._length, self._unit) if piece.strip()]
            try:
                await self._show_pieces(pieces if pieces or answer is None else [text], answer)
            except TooLong:
                # What an adapter makes of the text (escapes, markup) may be longer than the text.
                if self._length < SHORTEST:
                    raise
                self._length = self._length * 3 // 4
            else:
                return

    async def _show_pieces(self, pieces: Sequence[str], answer: Answer | None) -> None:
        for part, piece in enumerate(pieces):
            last = part == len(pieces) - 1
            final = answer is not None or not last
            content = Content(
                piece,
                final=final,
                files=answer.files if answer and last else (),
                answer=answer if last else None,
            )
            post = self._posts.get(part)
            if post is None or not post.id:
                await self._send(part, content, known=post)
            elif post.text != piece or content.files:
                await self._edit(post, content)
        if answer is not None:
            await self._remove_beyond(len(pieces))

    async def _remove_beyond(self, parts: int) -> None:
        """An earlier attempt may have said more than the one that counts."""
        for part in sorted(part for part in self._posts if part >= parts):
            post = self._posts[part]
            id: str | None = post.id
            if part in self._doubtful:
                id = await self._adapter.find(self._target, post.key)
            if id:
                await self._adapter.delete(self._target, id)
            del self._posts[part]
            self._doubtful.discard(part)

    async def _send(self, part: int, content: Content, *, known: Post | None) -> None:
        post = known or Post(f"{self._run_id}.{part}", part)
        keyed = self._adapter.limits.keyed
        found = None
        if part in self._doubtful and not keyed:
            found = await self._adapter.find(self._target, post.key)
        elif known is None and not keyed:
            await self._save(post)
        self._posts[part] = post
        if found is None:
            self._posts[part] = await self._post(post, content)
        else:
            self._posts[part] = replace(post, id=found)
        self._doubtful.discard(part)
        if not keyed:
            await self._save(self._posts[part])
        if found is not None:
            await self._edit(self._posts[part], content)

    async def _post(self, post: Post, content: Content) -> Post:
        self._take_turn()
        self._doubtful.add(post.part)
        try:
            id = await self._adapter.post(self._target, post.key, content)
        except OutcomeUnknown:
            raise
        except AdapterError:
            self._doubtful.discard(post.part)  # nothing was sent, says the contract
            raise
        self._watch.posted(self._adapter.name)
        return replace(post, id=id, text=content.text)

    async def _edit(self, post: Post, content: Content) -> None:
        if not self._adapter.limits.edits or post.part in self._gone:
            return
        self._take_turn()
        try:
            await self._adapter.edit(self._target, post.id, content)
            self._watch.edited(self._adapter.name)
        except PostGone:
            # Somebody removed it. Nothing is posted into a place where it was not wanted.
            self._log.info("reply.post_gone", adapter=self._adapter.name, part=post.part)
            self._gone.add(post.part)
        self._posts[post.part] = replace(post, text=content.text)

    def _take_turn(self) -> None:
        self._rest(self._adapter.limits.edit_interval)

    def _rest(self, seconds: float) -> None:
        self._due = asyncio.get_running_loop().time() + seconds

    async def _wait_for_turn(self, unless: asyncio.Event | None = None) -> None:
        pause = self._due - asyncio.get_running_loop().time()
        if pause <= 0:
            return
        if unless is None:
            await asyncio.sleep(pause)
        else:
            # Not `wait_for`: before Python 3.12 it may lose a cancellation.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await unless.wait()

    def _hold_off(self, error: RateLimited) -> None:
        self._watch.rate_limited(self._adapter.name)
        self._rest(max(error.retry_after, 0.05))
