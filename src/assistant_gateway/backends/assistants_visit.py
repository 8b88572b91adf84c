"""
One step at the provider: find the remote thread as it was left or make a new one, and begin a run.

A remote thread is gone on with only where it certainly holds what it was told and nothing else: its
newest message is the one we know, or its run still waits for exactly our outputs. An interrupted step
always leaves another message or another run behind, because a message is added before each run. In
every other case the whole window is told to a new thread; nobody notices but the provider.
"""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack

import structlog

from assistant_gateway import items
from assistant_gateway.backend import Step
from assistant_gateway.backends.assistants_assistant import Assistant
from assistant_gateway.backends.assistants_ladder import RunLadder
from assistant_gateway.backends.assistants_litter import Litter
from assistant_gateway.backends.assistants_memory import Memory, digest, is_closed, worth_telling
from assistant_gateway.backends.assistants_messages import messages
from assistant_gateway.backends.assistants_request import resources, run_body
from assistant_gateway.backends.assistants_wire import Wire
from assistant_gateway.backends.connection import Refusal
from assistant_gateway.backends.files import Inliner, note
from assistant_gateway.backends.repair import repair
from assistant_gateway.backends.request import easy_items, names_people
from assistant_gateway.errors import BackendError, BackendRefused
from assistant_gateway.values import JsonObject

MOST_ADDED = 4  # messages that are added one by one; for more a new thread takes less time
PICTURES = frozenset({"input_image"})

_DATA_URL = re.compile(r"data:(image/(\w+));base64,")


class Visit:
    """
    One step's dealings with its remote thread.

    Args:
        pictures: Show pictures; without them, nothing that may hold some is gone on with.
    """

    def __init__(
        self, step: Step, wire: Wire, assistant: Assistant, litter: Litter, *, pictures: bool
    ) -> None:
        self._step = step
        self._wire = wire
        self._assistant = assistant
        self._litter = litter
        self._pictures = pictures
        self._told = worth_telling(step.items)
        self._resources = resources(step)
        # What changes how every item is told; a thread that was told otherwise holds something else.
        self._named = names_people(self._told)
        self._manner: JsonObject = {"named": self._named, "resources": self._resources}
        self._body = run_body(step)
        self._memory = Memory.read(step.state)
        self._thread = ""
        self._is_new = False
        self._newest = ""  # message that is known to be in the thread
        self._uploaded: list[str] = []
        self._asked = False  # for a run
        self._kept = False  # the thread is remembered from now on
        self.went_on = False  # with a run that had waited for outputs
        self._ladder = self._make_ladder()
        self._log = structlog.get_logger()

    async def begin(self, stack: AsyncExitStack) -> tuple[RunLadder, AsyncGenerator[bytes, None]]:
        """
        Have the run begun or gone on with: what reads its events, and the events. *stack* closes them.

        Raises:
            BackendError: The provider is away, or refuses even a new thread.
        """
        chunks = None
        if self._memory is not None and self._pictures:
            try:
                chunks = await self._go_on(self._memory, stack)
            except Refusal as refusal:
                if not _is_about_the_thread(refusal):
                    raise refusal.error from refusal.__cause__
            if chunks is None:
                self._log.info("remote_thread.lost")
        if chunks is None:
            try:
                chunks = await self._begin_anew(stack)
            except Refusal as refusal:
                raise refusal.error from refusal.__cause__
        return self._ladder, chunks

    def state(self, bodies: Sequence[JsonObject]) -> JsonObject:
        """What to remember after the step, which has put *bodies* onto the thread."""
        self._kept = True
        told = self._told + worth_telling(bodies)
        before = self._memory.files if self._memory is not None and not self._is_new else ()
        waiting = self._ladder.waiting
        return Memory(
            self._thread,
            len(told),
            digest(told, self._manner),
            self._ladder.newest_message or self._newest,
            (*before, *self._uploaded),
            self._ladder.run if waiting else "",
            waiting,
            self._ladder.seen if waiting else (),
        ).state()

    def may_do_without_pictures(self, error: BackendError) -> bool:
        """Whether the same step may succeed if no picture is shown."""
        shown = self._uploaded or (self._memory is not None and not self._is_new and self._memory.files)
        if not self._pictures or not shown or self._ladder.begun:
            return False
        return isinstance(error, BackendRefused) or "image" in str(error).lower()

    def leave(self) -> None:
        """End what would go on for nobody, and have removed what nobody remembers."""
        if self._kept:
            if self._is_new and self._memory is not None:
                old = self._memory
                self._litter.remove(old.thread, run=old.run, files=old.files)
            return
        goes_on = self._asked and not self._ladder.over
        if self._is_new:
            run = self._ladder.run if goes_on else ""
            self._litter.remove(self._thread, run=run, busy=goes_on, files=self._uploaded)
            return
        if goes_on:
            self._litter.cancel(self._thread, self._ladder.run)
        if self._uploaded:
            self._litter.remove("", files=self._uploaded)

    # A thread that is known

    async def _go_on(self, memory: Memory, stack: AsyncExitStack) -> AsyncGenerator[bytes, None] | None:
        """The events of a run on the known thread; None where it is not as it was left."""
        rest = memory.rest(self._told, self._manner)
        if rest is None:
            return None
        self._thread, self._newest = memory.thread, memory.message
        if memory.run:
            chunks = await self._give_outputs(memory, rest, stack)
            self.went_on = chunks is not None
            return chunks
        if not is_closed(rest) or not memory.message:
            return None
        if await self._wire.newest_message(memory.thread) != memory.message:
            return None
        added = messages(await self._easy(rest))
        if len(added) > MOST_ADDED:
            return None
        for message in added:
            self._newest = await self._wire.add_message(memory.thread, message)
        return await self._run(stack)

    async def _give_outputs(
        self, memory: Memory, rest: Sequence[JsonObject], stack: AsyncExitStack
    ) -> AsyncGenerator[bytes, None] | None:
        outputs = memory.outputs(rest)
        if outputs is None:
            return None
        run = await self._wire.look_at_run(memory.thread, memory.run)
        if run.status != "requires_action" or set(run.calls) != set(memory.calls.values()):
            return None
        self._ladder = self._make_ladder(memory)
        self._ladder.run = memory.run
        self._asked = True
        return await self._wire.submit(memory.thread, memory.run, outputs, stack)

    # A new thread

    async def _begin_anew(self, stack: AsyncExitStack) -> AsyncGenerator[bytes, None]:
        self._forget()
        try:
            made = await self._wire.make_thread(messages(await self._easy(self._told)), self._resources)
        except Refusal as refusal:
            if not self._uploaded or refusal.status not in (400, 415, 422):
                raise
            self._log.warning("backend.narrowed", code=refusal.code, status=refusal.status)
            self._pictures = False
            self._forget()
            made = await self._wire.make_thread(messages(await self._easy(self._told)), self._resources)
        self._thread, self._newest, self._is_new = made, "", True
        return await self._run(stack)

    def _forget(self) -> None:
        """Nothing that was begun so far is gone on with."""
        if self._uploaded:
            self._litter.remove("", files=self._uploaded)
        self._uploaded = []
        self._ladder = self._make_ladder()
        self._asked = False

    async def _run(self, stack: AsyncExitStack) -> AsyncGenerator[bytes, None]:
        self._asked = True
        return await self._assistant.start_run(self._thread, self._step.model, self._body, stack)

    # Items

    async def _easy(self, bodies: Sequence[JsonObject]) -> list[JsonObject]:
        """Items as they are told, the pictures among them uploaded."""
        kinds = PICTURES if self._pictures else frozenset[str]()
        easy = await easy_items(repair(bodies), Inliner(self._step, kinds=kinds), named=self._named)
        return [await self._with_uploads(body) for body in easy]

    async def _with_uploads(self, body: JsonObject) -> JsonObject:
        content = body.get("content")
        if not isinstance(content, list):
            return body
        parts = [
            await self._uploaded_picture(str(part["image_url"])) if part["type"] == "input_image" else part
            for part in content
            if isinstance(part, dict)
        ]
        return {**body, "content": parts}

    async def _uploaded_picture(self, url: str) -> JsonObject:
        found = _DATA_URL.match(url)
        assert found is not None
        name = f"picture.{found[2]}"
        data = base64.b64decode(url[found.end() :])
        try:
            id = await self._wire.upload_picture(name, data, found[1])
        except Refusal as refusal:
            if not isinstance(refusal.error, BackendRefused) or refusal.status in (401, 403):
                raise
            self._log.warning("backend.narrowed", code=refusal.code, status=refusal.status)
            return note(name, "the provider takes no pictures like this one")
        self._uploaded.append(id)
        return {"type": "image_file", "image_file": {"file_id": id}}

    def _make_ladder(self, memory: Memory | None = None) -> RunLadder:
        step = self._step
        return RunLadder(
            f"{step.run_id}-{step.index}",
            taken=[call.call_id for call in items.calls_of(step.items)],
            past=memory.known if memory is not None else (),
            tools=[tool.name for tool in step.tools],
        )


def _is_about_the_thread(refusal: Refusal) -> bool:
    """Whether a refusal may mean that the thread is not as it was left; others would come again."""
    if refusal.status == 409:
        return True
    return isinstance(refusal.error, BackendRefused) and refusal.status not in (401, 403)
