"""
The posts of one reply on its platform.

A post is journaled before it is sent and its id after, so that another process can take over the
half-written answer; a post whose outcome is unknown is looked for, never repeated.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Literal, Protocol

import structlog

from assistant_gateway.adapter import Adapter, Content
from assistant_gateway.errors import AdapterError, OutcomeUnknown, PostGone
from assistant_gateway.values import Post, ReplyTarget


class WatchesReplies(Protocol):
    """What a reply tells about its calls, for metrics."""

    def posted(self, adapter: str) -> None: ...
    def edited(self, adapter: str) -> None: ...
    def rate_limited(self, adapter: str) -> None: ...


class Posts:
    """
    What one reply has put on its platform, by part.

    Args:
        save: Journals a post; raises `LeaseLost` when another worker has the lane.
        known: What an earlier attempt journaled.
    """

    def __init__(
        self,
        adapter: Adapter,
        target: ReplyTarget,
        run_id: str,
        *,
        save: Callable[[Post], Awaitable[None]],
        known: Sequence[Post],
        watch: WatchesReplies,
    ) -> None:
        self._adapter = adapter
        self._target = target
        self._run_id = run_id
        self._save = save
        self._keyed = adapter.limits.keyed
        # What a post of an earlier attempt shows now is not known: it is edited in any case.
        self._posts = {post.part: replace(post, text="") for post in known}
        # Sent with an outcome that was never learned: these are looked for before they are repeated.
        self._doubtful = {post.part for post in known if not post.id}
        self._gone: set[int] = set()
        self._watch = watch

    def shows(self, part: int, content: Content) -> bool:
        """Whether nothing has to be done, or can be done, for *part* to show *content*."""
        post = self._posts.get(part)
        if post is None or not post.id:
            return False
        is_same = post.text == content.text and not content.files
        return is_same or part in self._gone or not self._adapter.limits.edits

    async def prepare(self, part: int) -> Literal["post", "edit"]:
        """
        Make ready to show *part*; the call that it will take.

        Raises:
            OutcomeUnknown: The platform can't tell whether it has the post.
        """
        post = self._posts.get(part)
        if post is not None and post.id:
            return "edit"
        if post is not None and part in self._doubtful and not self._keyed:
            found = await self._adapter.find(self._target, post.key)
            self._doubtful.discard(part)
            if found is not None:
                self._posts[part] = replace(post, id=found)
                await self._save(self._posts[part])
                return "edit"
        elif post is None:
            post = Post(f"{self._run_id}.{part}", part)
            if not self._keyed:
                await self._save(post)
            self._posts[part] = post
        return "post"

    async def show(self, part: int, content: Content) -> None:
        """Let a prepared part show *content*: one call."""
        post = self._posts[part]
        if post.id:
            await self._edit(post, content)
            return
        self._doubtful.add(part)
        try:
            id = await self._adapter.post(self._target, post.key, content)
        except OutcomeUnknown:
            raise
        except AdapterError:
            self._doubtful.discard(part)  # nothing was sent, says the contract
            raise
        self._doubtful.discard(part)
        self._watch.posted(self._adapter.name)
        self._posts[part] = replace(post, id=id, text=content.text)
        if not self._keyed:
            await self._save(self._posts[part])

    def beyond(self, parts: int) -> list[int]:
        """The posts that are too many for an answer of so many parts, the last one first."""
        return sorted((part for part in self._posts if part >= parts), reverse=True)

    async def locate(self, part: int) -> bool:
        """
        Whether a superfluous post is there to be removed; one that was never sent is forgotten.

        Raises:
            OutcomeUnknown: The platform can't tell.
        """
        post = self._posts[part]
        if not post.id and part in self._doubtful:
            post = replace(post, id=await self._adapter.find(self._target, post.key) or "")
        self._doubtful.discard(part)
        if post.id:
            self._posts[part] = post
        else:
            del self._posts[part]
        return bool(post.id)

    async def remove(self, part: int) -> None:
        """Delete a post that was located: one call."""
        await self._adapter.delete(self._target, self._posts[part].id)
        del self._posts[part]

    async def _edit(self, post: Post, content: Content) -> None:
        try:
            await self._adapter.edit(self._target, post.id, content)
            self._watch.edited(self._adapter.name)
        except PostGone:
            # Somebody removed it. Nothing is posted into a place where it was not wanted.
            structlog.get_logger().info("reply.post_gone", adapter=self._adapter.name, part=post.part)
            self._gone.add(post.part)
        self._posts[post.part] = replace(post, text=content.text)
