"""
Fail points: a gateway that kills itself at a named moment.

No product code knows of them. They sit in what the gateway is given: in a store that forwards
every verb, and in the adapter, the backend and the tools of the test. One fuse burns one point
in one life of the process.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import threading
import urllib.request

from assistant_gateway.adapter import Receipt
from assistant_gateway.errors import StoreUnavailable
from assistant_gateway.store import Claim, Store
from assistant_gateway.values import (
    Answer,
    CallRecord,
    CallState,
    Inbound,
    Item,
    Message,
    MessageState,
    Post,
    Routed,
    Run,
)

# In the order in which a message passes them, so that a life that ends at one leaves work for the next.
# The first two belong to the start of the process; `reclaimed` and `shown_again` to recovery: a message
# whose run a dead process has begun, and one whose complete answer it has left on disk.
POINTS = (
    "opening",
    "opened",
    "before_commit",
    "after_commit_before_ack",
    "claimed",
    "begun",
    "mid_stream",
    "reclaimed",
    "intent_saved",
    "posted_not_saved",
    "ts_saved",
    "step_saved",
    "tool_started",
    "tool_called_not_saved",
    "tool_saved",
    "callback_kept",
    "final_ready",
    "shown_again",
    "final_sent_not_saved",
    "done",
)
OPENING = 0.03  # seconds within which a process dies that dies while it opens its store
_NUMBER = re.compile(r"#(\d+)")


class Fuse:
    """
    Kills the process when *point* has been reached *hits* times.

    Args:
        world: Where the last word is sent.
        point: One of `POINTS`; empty for a process that lives on.
    """

    def __init__(self, world: str, point: str = "", hits: int = 1, seed: int = 0) -> None:
        self._world = world
        self._point = point
        self._hits = hits
        self._chance = random.Random(seed)

    def reach(self, point: str, message: Message | None = None, text: str | None = None) -> None:
        """The process is at *point*, with a message, and with its complete answer where it is on disk."""
        if point == self._point:
            self._hits -= 1
            if self._hits == 0:
                self._die(message, text)

    def light(self, point: str) -> None:
        """Die at a random moment of what begins now."""
        if point == self._point:
            timer = threading.Timer(self._chance.uniform(0, OPENING), self._die, (None, None))
            timer.daemon = True
            timer.start()

    def _die(self, message: Message | None, text: str | None) -> None:
        found = _NUMBER.findall(message.inbound.text) if message is not None else []
        word = {"point": self._point, "number": int(found[-1]) if found else 0, "text": text}
        asked = urllib.request.Request(
            f"{self._world}/deaths",
            json.dumps(word).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            urllib.request.urlopen(asked, timeout=2.0).close()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)


class FailingStore:
    """
    A store with fail points. Verbs without one are the store's own.

    Args:
        refused: Part of the messages that it does not take in at once, as on a full disk.
    """

    def __init__(self, store: Store, fuse: Fuse, *, refused: float, seed: int) -> None:
        self._store = store
        self._fuse = fuse
        self._refused = refused
        self._chance = random.Random(seed)
        self._answers: dict[int, str] = {}  # on disk, and not shown yet

    def __getattr__(self, verb: str) -> object:
        return getattr(self._store, verb)

    async def open(self) -> None:
        self._fuse.light("opening")
        await self._store.open()
        self._fuse.reach("opened")

    async def accept(self, inbound: Inbound, routed: Routed, *, cap: int, run_id: str = "") -> Receipt:
        self._fuse.reach("before_commit")
        if self._chance.random() < self._refused:
            raise StoreUnavailable("the disk is full for a moment")
        receipt = await self._store.accept(inbound, routed, cap=cap, run_id=run_id)
        self._fuse.reach("after_commit_before_ack", receipt.message)
        return receipt

    async def claim(self, owner: str, lease: float) -> Claim | None:
        claim = await self._store.claim(owner, lease)
        if claim is not None:
            message = claim.message
            self._fuse.reach("claimed", message)
            if message.run is not None:
                self._fuse.reach("reclaimed", message)
            if message.answer is not None:
                self._fuse.reach("shown_again", message, message.answer.text)
        return claim

    async def begin(self, claim: Claim, run: Run, items: list[Item]) -> Run:
        run = await self._store.begin(claim, run, items)
        self._fuse.reach("begun", claim.message)
        return run

    async def save_step(self, claim: Claim, items: list[Item], calls: list[CallRecord], run: Run) -> None:
        await self._store.save_step(claim, items, calls, run)
        if calls:
            self._fuse.reach("step_saved", claim.message)

    async def save_call(self, claim: Claim, record: CallRecord) -> None:
        if record.state is CallState.DONE:
            self._fuse.reach("tool_called_not_saved", claim.message)
        await self._store.save_call(claim, record)
        self._fuse.reach("tool_saved" if record.state is CallState.DONE else "tool_started", claim.message)

    async def save_post(self, claim: Claim, post: Post) -> None:
        await self._store.save_post(claim, post)
        self._fuse.reach("ts_saved" if post.id else "intent_saved", claim.message)

    async def conclude(self, claim: Claim, run: Run, answer: Answer, items: list[Item], journal: str) -> None:
        await self._store.conclude(claim, run, answer, items, journal)
        self._answers[claim.message.id] = answer.text
        self._fuse.reach("final_ready", claim.message, answer.text)

    async def enqueue(self, delivery: object) -> bool:
        kept: bool = await self._store.enqueue(delivery)  # type: ignore[arg-type]
        self._fuse.reach("callback_kept")
        return kept

    async def finish(self, claim: Claim, state: MessageState) -> None:
        kept = claim.message.answer.text if claim.message.answer else None
        text = self._answers.pop(claim.message.id, kept)
        self._fuse.reach("final_sent_not_saved", claim.message, text)
        await self._store.finish(claim, state)
        self._fuse.reach("done", claim.message, text)
