"""
Test an adapter against the contract, and test everything else with an adapter that is none.

`AdapterContract` is a suite: subclass it, tell it in a fixture named ``platform`` how your
platform is reached, and pytest runs it. `FakeAdapter` is a platform in memory that fails
exactly as it is told and remembers every call.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from assistant_gateway.adapter import (
    Adapter,
    Content,
    Control,
    Intake,
    Limits,
    Piece,
    Receipt,
    StreamLimits,
    StreamsNatively,
    Task,
)
from assistant_gateway.errors import (
    GatewayError,
    PostGone,
    StoreUnavailable,
    StreamEnded,
    StreamOpen,
    StreamStopped,
    TooLong,
)
from assistant_gateway.testing.intake import FakeIntake
from assistant_gateway.values import (
    Answer,
    Attachment,
    Conversation,
    Inbound,
    JsonObject,
    ReplyTarget,
    RunStatus,
    User,
)


@dataclass(frozen=True, slots=True)
class Call:
    """One call that a `FakeAdapter` got; ``post_id`` is empty where there is none (yet)."""

    method: str
    post_id: str = ""
    key: str = ""
    content: Content | None = None
    piece: Piece | None = None

    @property
    def text(self) -> str:
        if self.piece is not None:
            return self.piece.text
        return self.content.text if self.content is not None else ""


@dataclass(frozen=True, slots=True)
class After:
    """A scripted failure that comes after the platform has done what it was asked."""

    error: GatewayError


class FakeAdapter:
    """
    A platform in memory.

    Attributes:
        posts: What each post has shown, oldest text first, by the post's id.
        keys: The post that carries a key.
        deleted: Posts that were removed; editing them raises `PostGone`.
        controls: The buttons below each post, by its id.
        streaming: The tasks of each stream that is open, by its post's id.
        stopped: Streams that a person has ended.
        left_open: The tasks that were open when their stream ended.
        log: Every call with its time on *clock*, failed ones included.
    """

    def __init__(
        self,
        name: str = "fake",
        limits: Limits | None = None,
        *,
        latency: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        streams: StreamLimits | None = None,
        stream_life: float = float("inf"),
    ) -> None:
        """
        Args:
            latency: Seconds that each call takes.
            streams: What a stream is said to take; it takes a tenth more. None where nothing is streamed.
            stream_life: Seconds after which the platform ends a stream.
        """
        self.name = name
        self.limits = limits or Limits(text_length=2000, edit_interval=0.0)
        self.posts: dict[str, list[str]] = {}
        self.keys: dict[str, str] = {}
        self.deleted: set[str] = set()
        self.controls: dict[str, tuple[Control, ...]] = {}
        self.streaming: dict[str, dict[str, Task]] = {}
        self.stopped: set[str] = set()
        self.left_open: set[str] = set()
        self.log: list[tuple[float, Call]] = []
        self.reason = ""
        self._latency = latency
        self._clock = clock
        self._streams = streams
        self._stream_life = stream_life
        self._began: dict[str, float] = {}
        self._failures: deque[tuple[str, GatewayError | After | None]] = deque()
        self._ids = count(1)
        self._messages = count(1)
        self._intake: asyncio.Future[Intake] | None = None

    def script(self, *outcomes: GatewayError | After | None, on: str = "") -> None:
        """The next calls (of method *on*, or of any) end so; None is success. Afterwards all succeed."""
        self._failures.extend((on, outcome) for outcome in outcomes)

    @property
    def shown(self) -> list[str]:
        """What the posts that still stand show now, in the order they were made."""
        return [texts[-1] for id, texts in self.posts.items() if id not in self.deleted]

    async def deliver(
        self,
        text: str,
        *,
        message_id: str = "",
        channel: str = "C1",
        topic: str = "",
        tenant: str = "T1",
        user: User | None = None,
        keys: tuple[str, ...] = (),
        attachments: tuple[Attachment, ...] = (),
        reply_to: JsonObject | None = None,
    ) -> Receipt:
        """Somebody says something; the intake's answer. Waits until the adapter runs."""
        intake = await asyncio.shield(self._running())
        return await intake.accept(
            Inbound(
                conversation=Conversation(self.name, tenant, channel, topic),
                message_id=message_id or f"m{next(self._messages)}",
                user=user or User("U1", "Ann"),
                text=text,
                keys=keys,
                attachments=attachments,
                reply_to=reply_to or {},
            )
        )

    async def run(self, intake: Intake) -> None:
        running = self._running()
        if not running.done():
            running.set_result(intake)
        try:
            await asyncio.Event().wait()
        finally:
            self._intake = None

    def unready(self) -> str:
        return self.reason

    async def post(self, target: ReplyTarget, key: str, content: Content) -> str:
        def effect() -> str:
            self._measure(content)
            id = f"p{next(self._ids)}"
            self.posts[id] = [content.text]
            self.controls[id] = content.controls
            self.keys[key] = id
            return id

        return await self._call(Call("post", key=key, content=content), effect)

    async def edit(self, target: ReplyTarget, post_id: str, content: Content) -> None:
        await self._call(
            Call("edit", post_id=post_id, content=content), lambda: self._replace(post_id, content)
        )

    async def delete(self, target: ReplyTarget, post_id: str) -> None:
        def effect() -> str:
            self.deleted.add(post_id)
            self.streaming.pop(post_id, None)
            return post_id

        await self._call(Call("delete", post_id=post_id), effect)

    async def find(self, target: ReplyTarget, key: str) -> str | None:
        def effect() -> str:
            return self.keys.get(key, "")

        return await self._call(Call("find", key=key), effect) or None

    def streams(self, target: ReplyTarget) -> StreamLimits | None:
        return self._streams

    async def start(self, target: ReplyTarget, key: str, piece: Piece) -> str:
        def effect() -> str:
            assert piece != Piece(), "a stream begins with something"
            id = f"p{next(self._ids)}"
            self.posts[id], self.streaming[id] = [""], {}
            self.keys[key], self._began[id] = id, self._clock()
            self._go_on(id, piece)
            return id

        return await self._call(Call("start", key=key, piece=piece), effect)

    async def append(self, target: ReplyTarget, post_id: str, piece: Piece) -> None:
        def effect() -> str:
            assert piece != Piece(), "there is something to append"
            self._check_stream(post_id)
            self._go_on(post_id, piece)
            return post_id

        await self._call(Call("append", post_id=post_id, piece=piece), effect)

    async def stop(self, target: ReplyTarget, key: str, post_id: str, piece: Piece, content: Content) -> None:
        def effect() -> str:
            self._check_stream(post_id)
            self._go_on(post_id, piece)
            self.controls[post_id] = content.controls
            self._end_stream(post_id)
            return post_id

        await self._call(Call("stop", post_id, key, content, piece), effect)

    async def mend(self, target: ReplyTarget, key: str, post_id: str, content: Content) -> None:
        await self._call(Call("mend", post_id, key, content), lambda: self._replace(post_id, content))

    def press_stop(self, post_id: str) -> None:
        """A person ends a stream."""
        self.stopped.add(post_id)
        self._end_stream(post_id)

    def _replace(self, post_id: str, content: Content) -> str:
        self._measure(content)
        if post_id not in self.posts or post_id in self.deleted:
            raise PostGone("unknown_post")
        if self._is_open(post_id):
            raise StreamOpen("still_streaming")
        self.posts[post_id].append(content.text)
        self.controls[post_id] = content.controls
        return post_id

    def _is_open(self, post_id: str) -> bool:
        if post_id in self.streaming and self._clock() - self._began[post_id] >= self._stream_life:
            self._end_stream(post_id)
        return post_id in self.streaming

    def _check_stream(self, post_id: str) -> None:
        if post_id in self.deleted:
            raise PostGone("unknown_post")
        if post_id in self.stopped:
            raise StreamStopped("stopped_by_user")
        if not self._is_open(post_id):
            raise StreamEnded("not_streaming")

    def _go_on(self, post_id: str, piece: Piece) -> None:
        assert self._streams is not None
        tasks = self.streaming[post_id] | {task.id: task for task in piece.tasks}
        text = self.posts[post_id][-1] + piece.text
        weight = len(text.encode()) + sum(len(task.title.encode()) for task in tasks.values())
        if weight > self._streams.length * 1.1:
            raise TooLong("stream_too_long")
        self.streaming[post_id] = tasks
        self.posts[post_id].append(text)

    def _end_stream(self, post_id: str) -> None:
        tasks = self.streaming.pop(post_id)
        self.left_open |= {id for id, task in tasks.items() if task.status in ("pending", "in_progress")}

    async def close(self) -> None:
        self._failures.clear()

    async def _call(self, call: Call, effect: Callable[[], str]) -> str:
        self.log.append((self._clock(), call))
        if self._latency:
            await asyncio.sleep(self._latency)
        outcome = self._outcome(call.method)
        if isinstance(outcome, GatewayError):
            raise outcome
        result = effect()
        if outcome is not None:
            raise outcome.error
        return result

    def _outcome(self, method: str) -> GatewayError | After | None:
        for number, (on, outcome) in enumerate(self._failures):
            if on in ("", method):
                del self._failures[number]
                return outcome
        return None

    def _measure(self, content: Content) -> None:
        if length(content.text, self.limits) > self.limits.text_length:
            raise TooLong("msg_too_long")

    def _running(self) -> asyncio.Future[Intake]:
        if self._intake is None:
            self._intake = asyncio.get_running_loop().create_future()
        return self._intake


def length(text: str, limits: Limits) -> int:
    """The length of *text* as the platform counts it."""
    match limits.unit:
        case "utf16":
            return len(text.encode("utf-16-le")) // 2
        case "bytes":
            return len(text.encode())
        case _:
            return len(text)


class Platform(Protocol):
    """How the contract suite reaches a platform (an emulator of it, in most cases)."""

    intake: FakeIntake
    """Where the running adapter brings its messages."""

    adapter: Adapter
    """The adapter under test; it runs."""

    target: ReplyTarget
    """A message of a person that may be answered; the intake knows it where the adapter asks for it."""

    async def another(self) -> Adapter:
        """A second adapter for the same platform, as another process would build it; it does not run."""

    async def deliver(self, message_id: str, text: str) -> bool:
        """A person says something with the platform's id *message_id*; True when it was acknowledged."""

    def shown(self, post_id: str) -> str | None:
        """What a post shows now; None when people see nothing of that kind there."""


class AdapterContract:
    """
    What every adapter keeps. Needs pytest-asyncio (``asyncio_mode = "auto"``) and a fixture ``platform``.

        class TestMyAdapter(AdapterContract):
            @pytest.fixture
            async def platform(self): ...
    """

    async def test_limits_are_sane(self, platform: Platform) -> None:
        """A post holds at least 100 characters, edits are spaced by no negative time, the name is a word."""
        limits = platform.adapter.limits

        assert limits.text_length >= 100
        assert limits.edit_interval >= 0
        assert platform.adapter.name.isidentifier()

    async def test_a_post_is_found_by_its_key(self, platform: Platform) -> None:
        """What was posted under a key is found under it; under another key there is nothing."""
        posted = await platform.adapter.post(platform.target, "run_1.0", showing(platform, "Hello"))

        assert posted
        assert await platform.adapter.find(platform.target, "run_1.0") == posted
        assert await platform.adapter.find(platform.target, "run_2.0") is None

    async def test_an_edit_may_be_repeated(self, platform: Platform) -> None:
        """The same edit twice does no harm, and the post shows its text."""
        posted = await platform.adapter.post(platform.target, "run_1.0", showing(platform, "Hel"))

        await platform.adapter.edit(platform.target, posted, showing(platform, "Hello"))
        await platform.adapter.edit(platform.target, posted, showing(platform, "Hello"))

        assert platform.shown(posted) in ("Hello", None)

    async def test_a_post_may_be_deleted_twice(self, platform: Platform) -> None:
        """Deleting a post that is gone already is no error."""
        posted = await platform.adapter.post(platform.target, "run_1.0", showing(platform, "Hello"))

        await platform.adapter.delete(platform.target, posted)
        await platform.adapter.delete(platform.target, posted)

        assert platform.shown(posted) is None

    async def test_another_process_can_finish_a_reply(self, platform: Platform) -> None:
        """With stored values alone a second adapter finds, edits and ends the first one's post."""
        posted = await platform.adapter.post(platform.target, "run_1.0", showing(platform, "Hel"))
        other = await platform.another()

        try:
            found = await other.find(platform.target, "run_1.0")
            await other.edit(platform.target, posted, Content("Hello", final=True))
        finally:
            await other.close()

        assert posted == found
        assert platform.shown(posted) in ("Hello", None)

    async def test_nothing_is_acknowledged_before_it_is_on_disk(self, platform: Platform) -> None:
        """While the store works the platform waits for its acknowledgement; after it, it gets one."""
        platform.intake.hold()

        delivering = asyncio.create_task(platform.deliver("m1", "Hello"))
        await platform.intake.knocked.wait()
        early = delivering.done()
        platform.intake.let_go()

        assert not early
        assert await delivering
        assert platform.intake.messages[-1].inbound.text == "Hello"

    async def test_a_message_that_the_store_refuses_is_not_acknowledged(self, platform: Platform) -> None:
        """With the store away the platform is not told 'received'; its next try is accepted."""
        before = len(platform.intake.messages)
        platform.intake.fail_next(StoreUnavailable("disk full"))

        first = await platform.deliver("m1", "Hello")
        second = await platform.deliver("m1", "Hello")

        assert not first
        assert second
        assert len(platform.intake.messages) == before + 1

    async def test_a_repeated_message_is_accepted_once(self, platform: Platform) -> None:
        """Three deliveries of one message are one message, and each is acknowledged."""
        before = len(platform.intake.messages)

        acknowledged = [await platform.deliver("m1", "Hello") for _ in range(3)]

        assert acknowledged == [True] * 3
        assert len(platform.intake.messages) == before + 1

    async def test_a_running_adapter_is_ready_and_closes_twice(self, platform: Platform) -> None:
        """A connected adapter has no reason to be unready; closing it again is no error."""
        assert platform.adapter.unready() == ""

        await platform.adapter.close()
        await platform.adapter.close()


class StreamContract:
    """What every adapter keeps that streams; its `Platform.target` is answered where it does."""

    async def test_a_stream_goes_on_and_ends(self, platform: Platform) -> None:
        """Its pieces stand one behind the other; once stopped it is found by its key and takes no more."""
        adapter = _streaming(platform)
        posted = await adapter.start(platform.target, "run_1.0", Piece("Hel"))

        await adapter.append(platform.target, posted, Piece("lo"))
        whole = Content("Hello world", final=True)
        await adapter.stop(platform.target, "run_1.0", posted, Piece(" world"), whole)

        assert await platform.adapter.find(platform.target, "run_1.0") == posted
        assert platform.shown(posted) == "Hello world"
        assert await _ended(adapter.append(platform.target, posted, Piece("!")))
        assert await _ended(adapter.stop(platform.target, "run_1.0", posted, Piece(), whole))

    async def test_an_open_stream_is_not_edited(self, platform: Platform) -> None:
        """Whoever edits it is told that it is a stream; what it shows stays."""
        adapter = _streaming(platform)
        posted = await adapter.start(platform.target, "run_1.0", Piece("Hel"))

        for call in (
            platform.adapter.edit(platform.target, posted, Content("x")),
            adapter.mend(platform.target, "run_1.0", posted, Content("x")),
        ):
            try:
                await call
            except StreamOpen:
                continue
            raise AssertionError("an open stream was edited")
        assert platform.shown(posted) == "Hel"

    async def test_another_process_can_finish_a_stream(self, platform: Platform) -> None:
        """A second adapter finds the first one's open stream, stops it, and says the rest on the post."""
        posted = await _streaming(platform).start(platform.target, "run_1.0", Piece("Hel"))
        other = await platform.another()

        try:
            assert isinstance(other, StreamsNatively)
            found = await other.find(platform.target, "run_1.0")
            await other.stop(platform.target, "run_1.0", posted, Piece(), Content("Hel"))
            await other.mend(platform.target, "run_1.0", posted, Content("Hello", final=True))
        finally:
            await other.close()

        assert posted == found
        assert platform.shown(posted) == "Hello"


def _streaming(platform: Platform) -> StreamsNatively:
    assert isinstance(platform.adapter, StreamsNatively)
    assert platform.adapter.streams(platform.target) is not None
    return platform.adapter


async def _ended(call: Awaitable[None]) -> bool:
    """Whether a stream refuses a call, since it has ended."""
    try:
        await call
    except StreamEnded:
        return True
    return False


def showing(platform: Platform, text: str) -> Content:
    """A post's content: a piece where posts can grow, else the complete answer."""
    if platform.adapter.limits.edits:
        return Content(text)
    return Content(text, final=True, answer=Answer(text, RunStatus.COMPLETED))
