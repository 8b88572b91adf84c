"""
The posts of one reply on its platform.

A post is journaled before it is sent and its id after, so that another process can take over the
half-written answer; a post whose outcome is unknown is looked for, never repeated. Where the platform
streams, a post that will grow begins as a stream; once that has ended, it is a post like others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from assistant_gateway.adapter import Adapter, CallKind, Content
from assistant_gateway.errors import AdapterError, OutcomeUnknown, PostGone, StreamOpen, Unmendable
from assistant_gateway.replies.stream import Stream, View
from assistant_gateway.replies.streaming import Streaming
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
        streaming: The streams that it may begin.
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
        streaming: Streaming,
    ) -> None:
        self._adapter = adapter
        self._target = target
        self._run_id = run_id
        self._save = save
        self._keyed = adapter.limits.keyed
        self._posts = {post.part: post for post in known}
        # What a post of an earlier attempt shows now is not known: it is edited in any case.
        self._shown: dict[int, Content] = {}
        # Sent with an outcome that was never learned: these are looked for before they are repeated.
        self._doubtful = {post.part for post in known if not post.id}
        self._gone: set[int] = set()
        self._stuck: dict[int, str] = {}  # ids of posts that are deleted before they are made anew
        self._streaming = streaming
        for post in known:
            streaming.adopt(post.part)
        self._watch = watch

    @property
    def stream(self) -> Stream | None:
        """The stream that goes on."""
        stream = self._streaming.open
        return stream if stream is not None and stream.sound else None

    def shows(self, part: int, view: View) -> bool:
        """Whether nothing has to be done, or can be done, for *part* to show *view*."""
        post = self._posts.get(part)
        if post is None or not post.id:
            return False
        if part in self._gone or not self._adapter.limits.edits:
            return True
        if stream := self._streaming.of(part):
            return stream.call(view) is None
        shown, wanted = self._shown.get(part), view.content
        return shown is not None and (
            (shown.text, shown.controls, shown.files) == (wanted.text, wanted.controls, wanted.files)
        )

    async def prepare(self, part: int, view: View) -> CallKind:
        """
        Make ready to show *part*; the call that it will take next.

        Raises:
            OutcomeUnknown: The platform can't tell whether it has the post.
        """
        post = self._posts.get(part)
        if part in self._stuck:
            return "delete"
        if post is not None and not post.id and part in self._doubtful and not self._keyed:
            post = await self._look_for(post)
        if post is not None and post.id:
            stream = self._streaming.of(part)
            return "edit" if stream is None else stream.call(view) or "append"
        if post is None:
            post = Post(f"{self._run_id}.{part}", part)
            if not self._keyed:
                await self._save(post)
            self._posts[part] = post
        return "start" if self._streaming.may_begin(part, view) else "post"

    async def show(self, part: int, view: View, call: CallKind) -> None:
        """
        Make the *call* that was prepared; *part* may need another one then.

        Raises:
            StreamStopped: A person wants nothing more to be shown.
        """
        post, stream = self._posts[part], self._streaming.of(part)
        try:
            if call in ("post", "start"):
                await self._make(post, view, call)
            elif call == "delete":
                await self._adapter.delete(self._target, self._stuck[part])
                del self._stuck[part]
            elif stream is None:
                await self._edit(post, view.content)
            elif call == "stop":
                if await self._streaming.stop(post, stream, view):
                    self._shown[part] = view.content
            else:
                await self._streaming.append(post, stream, view)
        except PostGone:
            # Somebody removed it. Nothing is posted into a place where it was not wanted.
            structlog.get_logger().info("reply.post_gone", adapter=self._adapter.name, part=part)
            self._gone.add(part)
            self._streaming.drop(part)

    def write_off(self, part: int) -> None:
        """Look no longer for a post of which nobody can tell what became of it."""
        self._doubtful.discard(part)
        structlog.get_logger().warning("reply.post_lost", adapter=self._adapter.name, part=part)

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

    def removal(self, part: int) -> CallKind:
        """The next call that it takes to remove a post that was located: a stream is stopped first."""
        return "stop" if self._streaming.was(part) else "delete"

    async def remove(self, part: int, call: CallKind) -> bool:
        """Make that call; whether the post is gone then."""
        post = self._posts[part]
        if call == "stop":
            await self._streaming.settle(post)
            return False
        await self._adapter.delete(self._target, post.id)
        del self._posts[part]
        return True

    async def _look_for(self, post: Post) -> Post:
        found = await self._adapter.find(self._target, post.key)
        self._doubtful.discard(post.part)
        if found is None:
            self._streaming.forget(post.part)
        else:
            self._posts[post.part] = post = replace(post, id=found)
            await self._save(post)
        return post

    async def _make(self, post: Post, view: View, call: CallKind) -> None:
        if call == "start" and not self._streaming.has_news(post.part, view):
            return
        self._doubtful.add(post.part)
        try:
            if call == "start":
                id = await self._streaming.start(post, view)
            else:
                id = await self._adapter.post(self._target, post.key, view.content)
        except OutcomeUnknown:
            raise
        except AdapterError:
            self._doubtful.discard(post.part)  # nothing was sent, says the contract
            raise
        self._doubtful.discard(post.part)
        if not id:
            return
        self._watch.posted(self._adapter.name)
        if call == "post":
            self._shown[post.part] = view.content
        self._posts[post.part] = replace(post, id=id, text=view.content.text)
        if not self._keyed:
            await self._save(self._posts[post.part])

    async def _edit(self, post: Post, content: Content) -> None:
        try:
            if not self._streaming.was(post.part):
                await self._adapter.edit(self._target, post.id, content)
            elif not await self._streaming.mend(post, content):
                return
        except StreamOpen:
            self._streaming.reopen(post.part)
            return
        except Unmendable:
            # The journal forgets it first: another process must not edit what is deleted.
            self._posts[post.part] = replace(post, id="", text="")
            await self._save(self._posts[post.part])
            self._stuck[post.part] = post.id
            return
        self._watch.edited(self._adapter.name)
        self._shown[post.part] = content
