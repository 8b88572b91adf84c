"""
The events of a remote run as ours: each part, each call and each file of it once.

What an event is stands in its object and its status, not in its name. A stream ends where the run is
completed or incomplete, and where it waits for outputs of functions; what it has done before it
waited is not told again by the stream after that. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, TypeAlias

from assistant_gateway.backends.assistants_said import Ids, Said
from assistant_gateway.backends.assistants_steps import Steps
from assistant_gateway.backends.assistants_wire import an_id, calls_waited_for
from assistant_gateway.backends.faults import error_object, from_error
from assistant_gateway.backends.usage import usage_of
from assistant_gateway.errors import BackendError, BackendRefused, BackendUnavailable, StreamCut
from assistant_gateway.events import StepDone, StepEvent
from assistant_gateway.values import JsonObject

_Events: TypeAlias = Iterable[StepEvent]

# `Run.incomplete_details.reason`, openai 3.54.0.
_REASONS: Mapping[str, str] = {"max_completion_tokens": "max_output_tokens"}


class RunLadder:
    """
    Reads one stream of a run.

    Args:
        prefix: What the ids of its items begin with.
        taken: Ids of calls that the thread has already.
        past: The provider's ids of what earlier streams of the run have told.
        tools: Names of the tools that were offered.

    Attributes:
        run: The provider's id of the run; empty until it was told.
        over: The provider has said that the run ended or waits: there is nothing to cancel.
        done: The outcome is known; nothing that follows matters.
    """

    def __init__(
        self, prefix: str, *, taken: Iterable[str] = (), past: Iterable[str] = (), tools: Iterable[str] = ()
    ) -> None:
        self.run = ""
        self.over = False
        self.done = False
        self._ids = Ids(prefix, past)
        self._said = Said(self._ids)
        self._steps = Steps(self._ids, taken=taken, tools=tools)
        self._rungs: dict[object, Callable[[JsonObject], _Events]] = {
            "thread.message.delta": self._said.delta,
            "thread.message": self._said.told,
            "thread.run.step.delta": self._steps.delta,
            "thread.run.step": self._steps.told,
            "thread.run": self._run_told,
        }

    @property
    def begun(self) -> bool:
        """Something of the answer has arrived."""
        return self._said.begun or self._steps.begun

    @property
    def settled(self) -> bool:
        """The outcome is known: here nothing follows it."""
        return self.done

    @property
    def newest_message(self) -> str:
        """The provider's id of the newest message; empty where none was told."""
        return self._said.newest

    @property
    def waiting(self) -> Mapping[str, str]:
        """The provider's ids of the calls whose outputs the run waits for, by ours."""
        return self._steps.waiting

    @property
    def seen(self) -> tuple[str, ...]:
        """The provider's ids of all that the run has told so far."""
        return tuple(sorted(self._ids.seen))

    def take_files(self) -> list[tuple[str, str]]:
        """Ids and names of the files that the run has made since this was asked last."""
        found = [*self._said.files, *self._steps.files]
        self._said.files, self._steps.files = [], []
        return found

    def feed(self, event: JsonObject) -> _Events:
        """
        Our events for one of the provider's, to be iterated to the end; unknown ones give none.

        Raises:
            BackendError: The provider says that it failed.
            StreamCut: The event is malformed, or contradicts those before it.
        """
        kind = event.get("object")
        rung = self._rungs.get(kind) if isinstance(kind, str) and not self.done else None
        if rung is not None:
            return rung(event)
        if not self.done and (event.get("error") or event.get("message") or event.get("code")):
            raise self._failed(error_object(event))
        return ()

    def end(self, *, declared: bool) -> _Events:
        """
        Nothing follows any more; here that is no outcome, *declared* or not.

        Raises:
            StreamCut: The outcome is not known.
        """
        if not self.done:
            raise StreamCut("the provider ended the stream in the middle of its answer")
        return ()

    def _run_told(self, event: JsonObject) -> _Events:
        self.run = self.run or an_id(event.get("id"))
        match event.get("status"):
            case "requires_action":
                yield from self._said.close(ok=True)
                yield from self._steps.wait_for(calls_waited_for(event))
                self.over = self.done = True
                yield StepDone()
            case "completed":
                yield from self._finish("completed", event)
            case "incomplete":
                yield from self._finish("incomplete", event)
            case "failed":
                self.over = True
                told = event.get("last_error")
                raise self._failed(told if isinstance(told, dict) else {})
            case "expired":
                self.over = True
                raise BackendUnavailable("the provider let its run expire")
            case "cancelled":
                self.over = True
                raise BackendRefused("somebody has cancelled the run at the provider")

    def _finish(self, status: Literal["completed", "incomplete"], event: JsonObject) -> _Events:
        ok = status == "completed"
        yield from self._said.close(ok=ok)
        yield from self._steps.close(ok=ok)
        self.over = self.done = True
        details = event.get("incomplete_details")
        told = str(details.get("reason") or "") if isinstance(details, dict) else ""
        yield StepDone(status, usage_of(event.get("usage")), "" if ok else _REASONS.get(told, told))

    def _failed(self, error: JsonObject) -> BackendError:
        if not error.get("message") and not error.get("code"):
            return BackendUnavailable("the provider failed and gave no reason")
        return from_error({key: value for key, value in error.items() if (key, value) != ("type", "error")})
