"""
What the assistant is doing while it says nothing: a line under the text, as long as a tool runs.

Tools that are quick are not worth a line that comes and goes.
"""

from __future__ import annotations

from assistant_gateway.events import (
    RunEvent,
    RunRestarted,
    ToolCallCreated,
    ToolCallDone,
    ToolCallProgress,
)
from assistant_gateway.replies.footnotes import shown_name
from assistant_gateway.replies.frames import frame

LINGER = 1.0  # seconds that a call has to last before it is spoken of
NAMED = 3  # tools at most
LONGEST = 120  # characters of what a tool tells of its progress


class Activity:
    """The tools that run, fed by a run's events. Times are seconds of the event loop's clock."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[str, float]] = {}  # name and beginning, by the call's id
        self._told: dict[str, str] = {}  # the newest progress last

    def hear(self, event: RunEvent, now: float) -> bool:
        """Whether *event* may change the line."""
        match event:
            case ToolCallCreated(call_id=id, name=name):
                self._running.setdefault(id, (name, now))
            case ToolCallProgress(call_id=id, text=text):
                self._told.pop(id, None)
                self._told[id] = text
            case ToolCallDone(call_id=id):
                self._running.pop(id, None)
                self._told.pop(id, None)
            case RunRestarted():
                self._running.clear()
                self._told.clear()
            case _:
                return False
        return True

    def line(self, now: float) -> str:
        """``⏳ get_weather … 3 of 10 places``; empty while nothing has run for long."""
        named = [name for name, began in self._running.values() if now - began >= LINGER - 1e-6]
        if not named:
            return ""
        names = list(dict.fromkeys(map(shown_name, named)))
        shown = ", ".join(names[:NAMED]) + (f" +{len(names) - NAMED}" if len(names) > NAMED else "")
        told = " ".join(next(reversed(self._told.values()), "").split())
        return f"⏳ {shown} … {frame(told[:LONGEST])}".rstrip()
