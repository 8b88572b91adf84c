"""
Run an assistant for a claimed message, and bring it to an end whatever happens.

A provider that fails, a deadline that passes, a person who says stop: each is an outcome
that the person gets to see, not an error of the gateway.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace

import structlog

from assistant_gateway import items
from assistant_gateway.backend import Backend
from assistant_gateway.config import AssistantSettings
from assistant_gateway.errors import BackendError
from assistant_gateway.execution import Execution, WatchesRuns
from assistant_gateway.handler import Handlers
from assistant_gateway.store import Claim, Store
from assistant_gateway.tools import Toolbox
from assistant_gateway.values import Answer, Item, Run, RunFailure, RunStatus
from assistant_gateway.window import Windows


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: its final state, the answer, and the items that are not on the thread yet."""

    run: Run
    answer: Answer
    items: tuple[Item, ...] = ()


class Stop:
    """Ends one run early: at its deadline, or when somebody asks for it."""

    def __init__(self) -> None:
        self.reason = ""
        self._scope: asyncio.Timeout | None = None

    def request(self, reason: str) -> None:
        """End the run now. The first reason counts."""
        if not self.reason:
            self.reason = reason
            if self._scope is not None and not self._scope.expired():
                self._scope.reschedule(asyncio.get_running_loop().time())

    def scope(self, seconds: float) -> asyncio.Timeout:
        """The scope to work in, *seconds* long; none at all when the stop came first."""
        self._scope = asyncio.timeout(0 if self.reason else seconds)
        return self._scope


class Runner:
    """Executes runs. One serves all runs of the process."""

    def __init__(
        self,
        store: Store,
        backends: Mapping[str, Backend],
        assistants: Mapping[str, AssistantSettings],
        toolbox: Toolbox,
        windows: Windows,
        watch: WatchesRuns,
        *,
        tries: int,
    ) -> None:
        self._store = store
        self._backends = backends
        self._assistants = assistants
        self._toolbox = toolbox
        self._windows = windows
        self._watch = watch
        self._tries = tries

    async def begin(self, claim: Claim) -> Run:
        """Open the claim's run, or its next attempt, and put what people said on the thread."""
        message = claim.message
        asked = [
            Item(
                f"in_{told.id}",
                items.user_message(told.inbound.text, told.files, sender=told.inbound.user.name),
            )
            for told in (*claim.merged, message)
            if told.inbound.text or told.files
        ]
        settings = self._assistants.get(message.routed.assistant)
        run = Run(
            message.run.id if message.run else f"run_{secrets.token_hex(12)}",
            message.thread_id,
            message.routed.assistant,
            RunStatus.IN_PROGRESS,
            model=settings.model if settings else "",
        )
        return await self._store.begin(claim, run, asked)

    async def execute(self, claim: Claim, run: Run, handlers: Handlers, stop: Stop) -> Outcome:
        """
        Run the claim's assistant to its end.

        Raises:
            LeaseLost: Another worker has the lane now.
            StoreUnavailable: The store doesn't write; the run can be taken up again.
        """
        settings = self._assistants.get(run.assistant)
        if settings is None:
            return failed(run, "misconfigured", f"The assistant {run.assistant!r} is no longer configured.")
        execution = Execution(
            self._store,
            self._windows,
            self._toolbox,
            [self._backends[name] for name in settings.backends],
            settings,
            claim,
            run,
            handlers,
            self._watch,
            tries=self._tries,
        )
        status, error = RunStatus.FAILED, None
        scope = stop.scope(settings.run_seconds)
        try:
            async with scope:
                status, error = await execution.proceed()
        except TimeoutError:
            if not scope.expired():
                raise
            status = RunStatus.CANCELLED if stop.reason else RunStatus.EXPIRED
            error = RunFailure(stop.reason or "expired", _why_ended(stop.reason, settings.run_seconds), "")
        except BackendError as fault:
            error = RunFailure(fault.code, str(fault), "")
        if error is not None:
            error = replace(error, id=_short_id())
            structlog.get_logger().warning(
                "run.troubled", status=status.value, code=error.code, error_id=error.id, reason=error.message
            )
        return Outcome(*execution.conclude(status, error))


def failed(run: Run, code: str, message: str) -> Outcome:
    """The outcome of a run that nothing more can be done for."""
    error = RunFailure(code, message, _short_id())
    structlog.get_logger().error("run.failed", code=code, error_id=error.id, reason=message)
    run = replace(run, status=RunStatus.FAILED, error=error)
    return Outcome(run, Answer("", RunStatus.FAILED, run.usage, error=error))


def _why_ended(reason: str, seconds: float) -> str:
    match reason:
        case "":
            return f"The answer took longer than {seconds:g} s."
        case "interrupted":
            return "Interrupted by a newer message."
        case _:
            return "Stopped."


def _short_id() -> str:
    """For people to quote, and to be found in the log."""
    return f"e-{secrets.token_hex(4)}"
