"""
One answer, edited in place while it grows.

The first words are shown at once. From then on at most one call is under way, and the next one
begins when the `Pacer` gives a turn, with the text as it then is: however many deltas came in
between, one edit follows. What is shown in between is well-formed; while a tool runs, a line under
the text says so. The complete text is always the last thing sent; what would need too many posts
becomes the first of them and a file.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

import structlog

from assistant_gateway.adapter import Adapter, Content
from assistant_gateway.errors import (
    AdapterError,
    Forbidden,
    GatewayError,
    OutcomeUnknown,
    RateLimited,
    TooLong,
)
from assistant_gateway.events import RunEvent, ToolCallCreated
from assistant_gateway.handler import RunHandler
from assistant_gateway.replies.activity import LINGER, Activity
from assistant_gateway.replies.continued import Pager
from assistant_gateway.replies.ending import FILE_NAME, FILE_TYPE, as_file, below_the_first_post, with_ending
from assistant_gateway.replies.pacing import Kind, Pacer, Rank, Turn
from assistant_gateway.replies.posts import Posts, WatchesReplies
from assistant_gateway.replies.split import measure
from assistant_gateway.speech import Speech
from assistant_gateway.values import Answer, FileRef, Post, ReplyTarget

TRIES = 6  # of one call whose outcome is a fault that may pass
PATIENCE = 15.0  # seconds, the longest pause between two of them
SHORTEST = 100  # units; a platform that finds this too long is not helped by shorter posts
MOST = 8  # posts; a longer answer becomes a file


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
    ) -> None:
        self._adapter = adapter
        self._posts = Posts(adapter, target, run_id, save=save, known=posts, watch=watch)
        self._watch = watch
        self._pace = pacer.pace(adapter, target)
        self._keep_file = keep_file
        self._file: FileRef | None = None
        self._length = adapter.limits.text_length
        self._pager = Pager(self._length, adapter.limits.unit)
        self._speech = Speech()
        self._activity = Activity()
        self._news = asyncio.Event()
        self._since: float | None = None  # when the oldest of what nobody has seen yet was said
        self._closing = asyncio.Event()
        self._log = structlog.get_logger()

    async def on_event(self, event: RunEvent) -> None:
        if self._speech.hear(event):
            self._tell()
        elif self._activity.hear(event, asyncio.get_running_loop().time()):
            self._tell()
            if type(event) is ToolCallCreated:
                asyncio.get_running_loop().call_later(LINGER, self._tell)

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
            except AdapterError as error:
                if isinstance(error, TooLong) and self._shorten():
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

    async def finish(self, answer: Answer) -> None:
        """
        Show the complete answer and nothing after it.

        Raises:
            Undeliverable: The platform refuses for good.
            AdapterError: It failed again and again; the answer is kept and may be delivered later.
        """
        tries = 0
        while True:
            try:
                await self._complete(answer)
                return
            except RateLimited:
                self._watch.rate_limited(self._adapter.name)
            except Forbidden as error:
                raise Undeliverable(str(error)) from error
            except AdapterError as error:
                if isinstance(error, TooLong) and self._shorten():
                    continue
                tries += 1
                if tries >= TRIES:
                    raise
                await asyncio.sleep(min(PATIENCE, 0.2 * 2**tries))

    async def _catch_up(self) -> None:
        """Make calls until people see what was said."""
        while not self._closing.is_set() and (change := self._change()) is not None:
            part, _ = change
            kind = await self._posts.prepare(part)
            rank = Rank.FIRST if part == 0 and kind == "post" else Rank.GROWTH
            now = asyncio.get_running_loop().time()
            turn = await self._pace.turn(kind, rank, now if self._since is None else self._since)
            if turn is None:
                return
            with turn:
                newer = self._change()
                if newer is None or newer[0] != part:
                    turn.decline()
                    continue
                self._since = None
                await self._posts.show(part, newer[1])

    def _change(self) -> tuple[int, Content] | None:
        """The first post that does not show what it should by now."""
        pages = self._pages(self._speech.text, growing=True)
        line = self._activity.line(asyncio.get_running_loop().time())
        if line and len(pages) <= MOST:
            below = f"{pages[-1]}\n\n{line}" if pages else line
            if measure(below, self._adapter.limits.unit) <= self._length:
                pages[-1:] = [below]
        for part, page in enumerate(pages[:MOST]):
            content = Content(page, final=part < len(pages) - 1)
            if not self._posts.shows(part, content):
                return part, content
        return None

    async def _complete(self, answer: Answer) -> None:
        contents = await self._contents(answer)
        for part, content in enumerate(contents):
            if not self._posts.shows(part, content):
                kind = await self._posts.prepare(part)
                with await self._final_turn(kind):
                    await self._posts.show(part, content)
        # An earlier attempt may have said more than the one that counts, and a file ends many posts.
        for part in self._posts.beyond(len(contents)):
            if await self._posts.locate(part):
                with await self._final_turn("delete"):
                    await self._posts.remove(part)

    async def _contents(self, answer: Answer) -> list[Content]:
        """What the posts show in the end; at least one."""
        text = with_ending(answer) if self._adapter.limits.edits else answer.text
        pages = self._pages(text) or [text]
        files = answer.files
        if len(pages) > MOST:
            pages = self._first_and_note(answer)
            if self._file is None:
                data = as_file(answer).encode("utf-8", "replace")
                self._file = await self._keep_file(FILE_NAME, FILE_TYPE, data)
            files = (self._file, *files)
        contents = [Content(page, final=True) for page in pages[:-1]]
        return [*contents, Content(pages[-1], final=True, files=files, answer=answer)]

    def _first_and_note(self, answer: Answer) -> list[str]:
        unit, note = self._adapter.limits.unit, below_the_first_post(answer)
        room = max(self._length // 2, self._length - measure(f"\n\n{note}", unit))
        first = Pager(room, unit).pages(answer.text)[0].shown
        return self._pages(f"{first}\n\n{note}")

    def _pages(self, text: str, *, growing: bool = False) -> list[str]:
        # A post of blanks is refused by most platforms, and missed by nobody.
        return [page.shown for page in self._pager.pages(text, growing=growing) if page.shown.strip()]

    def _shorten(self) -> bool:
        """Make shorter posts: what an adapter makes of a text (escapes, markup) may be longer than it."""
        if self._length < SHORTEST:
            return False
        self._length = self._length * 3 // 4
        self._pager = Pager(self._length, self._adapter.limits.unit)
        return True

    async def _final_turn(self, kind: Kind) -> Turn:
        turn = await self._pace.turn(kind, Rank.FINAL, asyncio.get_running_loop().time())
        assert turn is not None, "only growth is withdrawn"
        return turn

    async def _pause(self, seconds: float) -> None:
        # Not `wait_for`: before Python 3.12 it may lose a cancellation.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
