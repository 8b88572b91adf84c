"""
The streams of one reply: at most one is open.

Whatever a platform answers that leaves a stream in doubt (lost, refused, too long, ended) costs it its
soundness, and no text: it is stopped as it is, and the post is mended by edits. Only a person's Stop
is an end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from assistant_gateway.adapter import Adapter, Content, Piece, StreamLimits, StreamsNatively
from assistant_gateway.errors import (
    AdapterError,
    OutcomeUnknown,
    PostGone,
    RateLimited,
    StreamEnded,
    StreamOpen,
    StreamRefused,
    StreamStopped,
)
from assistant_gateway.replies.stream import Stream, View
from assistant_gateway.values import Post, ReplyTarget

NOTHING = StreamLimits(0, 0.0)  # more is sent to it


class Streaming:
    """
    What one reply streams.

    Args:
        may_start: Whether the platform's budgets have a stream left, with its end.

    Attributes:
        limits: What a stream takes; None where nothing is streamed (any more).
        open: The one that is open.
    """

    def __init__(self, adapter: Adapter, target: ReplyTarget, *, may_start: Callable[[], bool]) -> None:
        self._native = adapter if isinstance(adapter, StreamsNatively) else None
        self._target = target
        self._may_start = may_start
        self.limits = self._native.streams(target) if self._native else None
        self.open: Stream | None = None
        self._parts: set[int] = set()  # that are, were or may be streams
        self._stopped: set[int] = set()
        self._log = structlog.get_logger()

    def adopt(self, part: int) -> None:
        """A post of an earlier attempt may be a stream."""
        if self.limits is not None:
            self._parts.add(part)

    def of(self, part: int) -> Stream | None:
        """The stream that is open for *part*."""
        return self.open if self.open is not None and self.open.part == part else None

    def may_begin(self, part: int, view: View) -> bool:
        """Whether *part*, which is not there yet, can be streamed now."""
        if self.limits is None or part in self._parts or view.content.final:
            return False
        return self.has_news(part, view) and self._may_start()

    def has_news(self, part: int, view: View) -> bool:
        """Whether *view* has anything to begin a stream with."""
        return self._new(part).piece(view) != Piece()

    def forget(self, part: int) -> None:
        """What may have been a stream is not there."""
        self._parts.discard(part)

    def was(self, part: int) -> bool:
        """Whether *part* is, was or may be a stream: it must be mended, not edited."""
        return part in self._parts

    async def start(self, post: Post, view: View) -> str:
        """
        Begin a stream; its id, empty where the platform refuses it and no other will be tried.

        Raises:
            AdapterError: As `StreamsNatively.start`.
        """
        assert self._native
        stream = self._new(post.part)
        piece = stream.piece(view)
        self._parts.add(post.part)
        try:
            id = await self._native.start(self._target, post.key, piece)
        except OutcomeUnknown:
            raise
        except StreamRefused as error:
            self._log.debug("stream.refused", reason=str(error))
            self._parts.discard(post.part)
            self.limits = None
            return ""
        except AdapterError:
            self._parts.discard(post.part)
            raise
        stream.went_on(piece)
        self.open = stream
        return id

    async def append(self, post: Post, stream: Stream, view: View) -> None:
        """
        Let *stream* go on; whether it did shows in what it calls for next.

        Raises:
            RateLimited: Nothing was appended.
            StreamStopped: A person has ended it.
            PostGone: The post is gone.
        """
        assert self._native
        piece = stream.piece(view)
        if piece == Piece():
            return
        try:
            await self._native.append(self._target, post.id, piece)
        except (RateLimited, PostGone):
            raise
        except StreamEnded as error:
            self.open = None
            if isinstance(error, StreamStopped):
                raise
            self._log.info("stream.ended")
        except AdapterError as error:
            # It may have been appended, or never will be: neither may be tried again.
            self._log.info("stream.unsound", error=type(error).__name__)
            stream.sound = False
        else:
            stream.went_on(piece)

    async def stop(self, post: Post, stream: Stream, view: View) -> bool:
        """
        End *stream*; whether the post shows *view* now.

        Raises:
            AdapterError: As `StreamsNatively.stop`, where it may help to call again.
        """
        assert self._native
        piece = stream.last_piece(view)
        is_whole = stream.sound and stream.sent + piece.text == view.content.text
        content = view.content if is_whole else Content(stream.sent)
        try:
            await self._native.stop(self._target, post.key, post.id, piece, content)
        except (RateLimited, OutcomeUnknown, PostGone):
            raise
        except StreamEnded:
            is_whole = False
        except AdapterError as error:
            if not stream.refuses(piece, error):
                raise
            return False
        self._end(post.part)
        return is_whole

    async def mend(self, post: Post, content: Content) -> bool:
        """
        Replace what a post shows that is no stream any more; False where it is one, which is open then.

        Raises:
            AdapterError: As `StreamsNatively.mend`.
        """
        assert self._native
        try:
            await self._native.mend(self._target, post.key, post.id, content)
        except StreamOpen:
            self.reopen(post.part)
            return False
        return True

    def reopen(self, part: int) -> None:
        """
        A post is the stream of a process that is gone, or one that was found: what it shows is not known.

        Raises:
            AdapterError: It was stopped already, and still is one.
        """
        if part in self._stopped or self._native is None:
            raise AdapterError("the stream does not end")
        self._parts.add(part)
        self.open = self._new(part, sound=False)

    def drop(self, part: int) -> None:
        """The post is gone."""
        if self.of(part):
            self.open = None

    async def settle(self, post: Post) -> None:
        """
        End what may be a stream, whatever it shows.

        Raises:
            RateLimited: It may go on.
        """
        assert self._native
        try:
            await self._native.stop(self._target, post.key, post.id, Piece(), Content(post.text))
        except RateLimited:
            raise
        except AdapterError as error:
            self._log.debug("stream.none", error=type(error).__name__)
        self._end(post.part)
        self._parts.discard(post.part)

    def _new(self, part: int, *, sound: bool = True) -> Stream:
        now = asyncio.get_running_loop().time()
        return Stream(part, self.limits or NOTHING, began=now, sound=sound)

    def _end(self, part: int) -> None:
        self._stopped.add(part)
        self.drop(part)
