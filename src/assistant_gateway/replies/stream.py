"""
What one reply has sent to a stream, and what of it is still to be sent.

A stream only goes on: what was sent stays. So only text is sent that no later text takes back, and a
task that is open when the stream ends is closed first. A stream of which it is not certain what it
shows, or which would have to take something back, is stopped as it is; the post is then mended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from assistant_gateway.adapter import Content, Piece, StreamLimits, Task, TaskStatus
from assistant_gateway.errors import AdapterError, TooLong

OPEN = (TaskStatus.PENDING, TaskStatus.IN_PROGRESS)


@dataclass(frozen=True, slots=True)
class View:
    """
    What a post should show.

    Attributes:
        firm: The beginning of its text that no later text takes back.
        tasks: The tools at work and those that were; only streams show them.
    """

    content: Content
    firm: str
    tasks: tuple[Task, ...] = ()


class Stream:
    """
    One stream, as far as this process knows it.

    Attributes:
        part: Of the reply.
        sound: It is certain what it shows, and more of it can be sent.
        sent: The text that it shows.
    """

    def __init__(self, part: int, limits: StreamLimits, *, began: float, sound: bool = True) -> None:
        """It *began* then, on the event loop's clock."""
        self.part = part
        self.sound = sound
        self.sent = ""
        self._limits = limits
        self._began = began
        self._tasks: dict[str, Task] = {}
        self._was_refused = False

    @property
    def room(self) -> int:
        """How much text it takes in all, in UTF-8 bytes."""
        return self._limits.length - sum(map(_size, self._tasks.values()))

    def is_worn(self, now: float) -> bool:
        """Whether it should be stopped where a block ends."""
        return now - self._began >= self._limits.seconds or len(self._tasks) >= self._limits.tasks

    def is_over(self, now: float) -> bool:
        """Whether it must be stopped."""
        return now - self._began >= self._limits.seconds + self._limits.grace

    def call(self, view: View) -> Literal["append", "stop"] | None:
        """What it takes to show *view*; None where it is shown."""
        if view.content.final or not self.sound or not self._goes_on(view):
            return "stop"
        return "append" if self.piece(view) != Piece() else None

    def piece(self, view: View) -> Piece:
        """What is to be sent of *view*."""
        if not self.sound or not self._goes_on(view):
            return Piece()
        text = view.firm[len(self.sent) :]
        return Piece(text, tuple(self._news(view.tasks, text, most=self._limits.tasks)))

    def last_piece(self, view: View) -> Piece:
        """What is to be sent before it ends: no task stays open, and none begins."""
        text = self.piece(view).text
        newest = self._tasks | {task.id: task for task in self._news(view.tasks, text, most=0)}
        closed = [
            replace(task, status=TaskStatus.COMPLETE) if task.status in OPEN else task
            for task in newest.values()
        ]
        return Piece(text, tuple(task for task in closed if task != self._tasks[task.id]))

    def refuses(self, piece: Piece, error: AdapterError) -> bool:
        """Whether its end may be taken without *piece*, after it was refused with: too long, or twice."""
        is_known = self._was_refused
        self._was_refused = True
        if isinstance(error, TooLong) and piece.text:
            self.sound = False
            return True
        if is_known and piece != Piece():
            self.sound = False
            self._tasks.clear()
            return True
        return False

    def went_on(self, piece: Piece) -> None:
        """*piece* was taken."""
        self.sent += piece.text
        self._tasks |= {task.id: task for task in piece.tasks}

    def _goes_on(self, view: View) -> bool:
        """Whether *view* takes nothing back of what was sent."""
        waits = not view.content.final and self.sent.startswith(view.firm)
        return waits or view.firm.startswith(self.sent)

    def _news(self, tasks: Iterable[Task], text: str, *, most: int) -> Iterator[Task]:
        """The *tasks* that have changed, and those that begin while there are less than *most*; what fits."""
        free = self.room - len((self.sent + text).encode("utf-8", "replace"))
        known = len(self._tasks)
        for task in tasks:
            before = self._tasks.get(task.id)
            if before is None and (task.status not in OPEN or known >= most):
                continue
            more = _size(task) - (_size(before) if before else 0)
            if more > max(0, free):
                if before is None:
                    continue
                task, more = replace(task, title=before.title), 0
            if task != before:
                known += before is None
                free -= more
                yield task


def _size(task: Task) -> int:
    return len(task.title.encode("utf-8", "replace"))
