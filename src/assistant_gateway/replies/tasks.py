"""
The tools at work, one task each, for platforms that show them beside the text.

Tools that are quick are not worth a task, as they are not worth a line (`activity`).
"""

from __future__ import annotations

from dataclasses import replace

from assistant_gateway.adapter import Task, TaskStatus
from assistant_gateway.events import (
    RunEvent,
    RunRequiresAction,
    RunRestarted,
    ToolCallCreated,
    ToolCallDone,
    ToolCallProgress,
)
from assistant_gateway.replies.activity import LINGER
from assistant_gateway.replies.footnotes import shown_name

LONGEST = 200  # characters of what a tool tells of its progress
NEVER = float("inf")


class Tasks:
    """The tools of a run, fed by its events. Times are seconds of the event loop's clock."""

    def __init__(self) -> None:
        self._tasks: dict[str, tuple[Task, float]] = {}  # and when it began
        self._names: dict[str, str] = {}

    def hear(self, event: RunEvent, now: float) -> bool:
        """Whether *event* may change what is shown."""
        match event:
            case ToolCallCreated(call_id=id, name=name, kind=kind):
                self._names[id] = shown_name(name)
                status = TaskStatus.PENDING if kind == "function" else TaskStatus.IN_PROGRESS
                self._tasks.setdefault(id, (Task(id, self._names[id], status), now))
            case RunRequiresAction(calls=calls):
                for call in calls:
                    self._change(call.call_id, status=TaskStatus.IN_PROGRESS)
            case ToolCallProgress(call_id=id, text=text):
                told = " ".join(text.split())[:LONGEST]
                self._change(id, title=f"{self._names.get(id, '')}: {told}")
            case ToolCallDone(call_id=id, ok=ok):
                self._end(id, now, ok=ok)
            case RunRestarted():
                self._tasks.clear()
                self._names.clear()
            case _:
                return False
        return True

    def shown(self, now: float = NEVER) -> tuple[Task, ...]:
        """Those that run for long, and those that did."""
        return tuple(task for task, began in self._tasks.values() if now - began >= LINGER - 1e-6)

    def _change(self, id: str, *, title: str = "", status: TaskStatus | None = None) -> None:
        if id in self._tasks:
            task, began = self._tasks[id]
            self._tasks[id] = replace(task, title=title or task.title, status=status or task.status), began

    def _end(self, id: str, now: float, *, ok: bool) -> None:
        if id not in self._tasks:
            return
        task, began = self._tasks[id]
        if now - began < LINGER - 1e-6:
            del self._tasks[id]
            return
        ended = replace(task, title=self._names[id], status=TaskStatus.COMPLETE if ok else TaskStatus.ERROR)
        self._tasks[id] = ended, began
