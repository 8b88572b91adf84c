"""
One answer, growing in place.

The first words are shown at once. From then on at most one call is under way, and the next one
begins when the `Pacer` gives a turn, with the text as it then is: however many deltas came in
between, one edit follows, or one piece of a stream. What is shown in between is well-formed; while a
tool runs, people see that. The complete text is always the last thing sent; what would need too many
posts becomes the first of them and a file.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence

import structlog

from assistant_gateway.adapter import Adapter, CallKind, Control
from assistant_gateway.errors import (
    AdapterError,
    Forbidden,
    GatewayError,
    OutcomeUnknown,
    RateLimited,
    StreamStopped,
    TooLong,
)
from assistant_gateway.events import RunEvent, ToolCallCreated
from assistant_gateway.handler import RunHandler
from assistant_gateway.replies.activity import LINGER
from assistant_gateway.replies.ending import FILE_NAME, FILE_TYPE, as_file
from assistant_gateway.replies.layout import MOST, Layout
from assistant_gateway.replies.pacing import Pacer, Rank, Turn
from assistant_gateway.replies.posts import Posts, WatchesReplies
from assistant_gateway.replies.stream import View
from assistant_gateway.replies.streaming import Streaming
from assistant_gateway.values import Answer, FileRef, Post, ReplyTarget

TRIES = 6  # of one call whose outcome is a fault that may pass
PATIENCE = 15.0  # seconds, the longest pause between two of them
CALLS = 8  # at most, until a post shows what it should: a stream that is found is stopped, mended, made anew
# Slack tells of a message for the last time 6 minutes after it: who knows nothing then never will.
SEARCHED = 390.0  # seconds


class Undeliverable(GatewayError):
    """The platform does not let this answer be shown; trying again would not help."""


class Reply(RunHandler):
    """
    The reply to one message.

    Args:
        save: Journals a post; raises `LeaseLost` when another worker has the lane.
        posts: What an earlier attempt journaled.
        pacer: Shared by all replies of the process.
        keep_file: Stores a file's bytes, given its name and content type.
        controls: The buttons that people may have below the answer.
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
        pacer: Pacer,
        keep_file: Callable[[str, str, bytes], Awaitable[FileRef]],
        controls: Collection[Control] = (),
    ) -> None:
        self._adapter = adapter
        self._pace = pacer.pace(adapter, target)
        self._streaming = Streaming(adapter, target, may_start=self._pace.may_stream)
        self._posts = Posts(
            adapter, target, run_id, save=save, known=posts, watch=watch, streaming=self._streaming
        )
        self._watch = watch
        self._keep_file = keep_file
        self._file: FileRef | None = None
        self._layout = Layout(adapter.limits, run_id, controls)
        self._part = 0  # that is being shown
        self._news = asyncio.Event()
        self._since: float | None = None  # when the oldest of what nobody has seen yet was said
        self._closing = asyncio.Event()
        self._log = structlog.get_logger()

    async def on_event(self, event: RunEvent) -> None:
        loop = asyncio.get_running_loop()
        if self._layout.hear(event, loop.time()):
            self._tell()
            if type(event) is ToolCallCreated:
                loop.call_later(LINGER, self._tell)

    def _tell(self) -> None:
        if self._since is None:
            self._since = asyncio.get_running_loop().time()
        self._news.set()

    async def grow(self) -> None:
        """Show the answer while it grows, until `close`. Faults wait for the end: `finish` mends them."""
        while self._adapter.limits.edits:
            await self._news.wait()
            if self._closing.is_set():
                return
            self._news.clear()
            try:
                await self._catch_up()
            except RateLimited:
                self._watch.rate_limited(self._adapter.name)
                self._tell()
            except OutcomeUnknown:
                self._tell()
                await self._pause(1.0)
            except StreamStopped:
                self._log.info("reply.stopped_by_user", adapter=self._adapter.name)
                return
            except AdapterError as error:
                if isinstance(error, TooLong) and self._layout.shorten(self._part):
                    self._tell()
                    continue
                self._log.warning("reply.stalled", adapter=self._adapter.name, error=type(error).__name__)
                return

    def close(self) -> None:
        """Let `grow` end after the call that is under way: a call that is cut off has an unknown outcome."""
        self._closing.set()
        self._pace.withdraw()
        self._news.set()

    def leave(self) -> None:
        """Nothing more is shown, finished or not: let the other replies have the calls kept for this one."""
        self._pace.leave()

    async def finish(self, answer: Answer, *, searched: float = 0.0) -> None:
        """
        Show the complete answer and nothing after it.

        Args:
            searched: For how many seconds this was tried already. A post of which nobody can tell for
                so long what became of it is made anew, and says so.

        Raises:
            Undeliverable: The platform refuses for good.
            AdapterError: It failed again and again; the answer is kept and may be delivered later.
        """
        tries = 0
        while True:
            try:
                await self._complete(answer, is_last_resort=searched >= SEARCHED)
                return
            except RateLimited:
                self._watch.rate_limited(self._adapter.name)
            except Forbidden as error:
                raise Undeliverable(str(error)) from error
            except AdapterError as error:
                if isinstance(error, TooLong) and self._layout.shorten(self._part):
                    continue
                tries += 1
                if tries >= TRIES:
                    raise
                await asyncio.sleep(min(PATIENCE, 0.2 * 2**tries))

    async def _catch_up(self) -> None:
        """Make calls until people see what was said."""
        while not self._closing.is_set() and (change := self._change()) is not None:
            self._part, view = change
            call = await self._posts.prepare(self._part, view)
            self._layout.begin(self._part, call, self._streaming.limits)
            now = asyncio.get_running_loop().time()
            turn = await self._pace.turn(call, self._rank(call), now if self._since is None else self._since)
            if turn is None:
                return
            with turn:
                newer = self._change()
                if newer is None or newer[0] != self._part:
                    turn.decline()
                    continue
                self._since = None
                await self._posts.show(self._part, newer[1], call)
            if call == "start":
                self._wake_before_it_ends()

    def _rank(self, call: CallKind) -> Rank:
        """A stop in the midst of a reply takes the call that was kept for its end."""
        begins = self._part == 0 and call in ("post", "start")
        return Rank.FIRST if begins or call == "stop" else Rank.GROWTH

    def _wake_before_it_ends(self) -> None:
        limits = self._streaming.limits
        if limits is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(limits.seconds, self._tell)
            loop.call_later(limits.seconds + limits.grace, self._tell)

    def _change(self) -> tuple[int, View] | None:
        """The first post that does not show what it should by now."""
        views = self._layout.growing(self._posts.stream, asyncio.get_running_loop().time())
        for part, view in enumerate(views):
            if not self._posts.shows(part, view):
                return part, view
        return None

    async def _complete(self, answer: Answer, *, is_last_resort: bool) -> None:
        views = await self._views(answer)
        for part, view in enumerate(views):
            self._part = part
            for _ in range(CALLS):
                if self._posts.shows(part, view):
                    break
                try:
                    call = await self._posts.prepare(part, view)
                except OutcomeUnknown:
                    if not is_last_resort:
                        raise
                    self._posts.write_off(part)
                    self._layout.resume(part)
                    return await self._complete(answer, is_last_resort=True)
                with await self._final_turn(call):
                    await self._posts.show(part, view, call)
            else:
                raise AdapterError("the post does not come to show what it should")
        # An earlier attempt may have said more than the one that counts, and a file ends many posts.
        for part in self._posts.beyond(len(views)):
            await self._remove(part, is_last_resort=is_last_resort)
        return None

    async def _remove(self, part: int, *, is_last_resort: bool) -> None:
        try:
            is_gone = not await self._posts.locate(part)
        except OutcomeUnknown:
            if not is_last_resort:
                raise
            self._posts.write_off(part)
            is_gone = not await self._posts.locate(part)
        while not is_gone:
            call = self._posts.removal(part)
            with await self._final_turn(call):
                is_gone = await self._posts.remove(part, call)

    async def _views(self, answer: Answer) -> list[View]:
        """What the posts show in the end; at least one."""
        views = self._layout.complete(answer, self._posts.stream)
        if len(views) <= MOST:
            return views
        if self._file is None:
            data = as_file(answer).encode("utf-8", "replace")
            self._file = await self._keep_file(FILE_NAME, FILE_TYPE, data)
        return self._layout.in_file(answer, self._file)

    async def _final_turn(self, call: CallKind) -> Turn:
        turn = await self._pace.turn(call, Rank.FINAL, asyncio.get_running_loop().time())
        assert turn is not None, "only growth is withdrawn"
        return turn

    async def _pause(self, seconds: float) -> None:
        # Not `wait_for`: before Python 3.12 it may lose a cancellation.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
