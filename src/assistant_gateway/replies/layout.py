"""
What each post of a reply should show by now, from all that was said and done.

Pages of a text become posts. Under the last one that grows a line tells of the tools at work, or, in
a stream, a task each; it alone carries the buttons: Stop while it grows, others when it is complete.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from assistant_gateway.adapter import CallKind, Content, Control, Limits, StreamLimits
from assistant_gateway.events import RunEvent
from assistant_gateway.replies.activity import Activity
from assistant_gateway.replies.continued import Page, Pager
from assistant_gateway.replies.ending import below_the_first_post, with_ending
from assistant_gateway.replies.split import measure
from assistant_gateway.replies.stream import Stream, View
from assistant_gateway.replies.tasks import Tasks
from assistant_gateway.speech import Speech
from assistant_gateway.values import Answer, FileRef

SHORTEST = 100  # units; a platform that finds this too long is not helped by shorter posts
MOST = 8  # posts; a longer answer becomes a file
RESUMED = "_(resumed)_\n\n"  # before what may be there twice
WHILE_GROWING = (Control.STOP,)
WHEN_COMPLETE = (Control.REGENERATE, Control.FEEDBACK)


class Layout:
    """The posts of one reply; *controls* are those that its people may have."""

    def __init__(self, limits: Limits, run_id: str, controls: Collection[Control]) -> None:
        self._limits = limits
        self._run_id = run_id
        self._controls = controls
        self._length = limits.text_length
        self._pager = Pager(self._length, limits.unit)
        self._speech = Speech()
        self._activity = Activity()
        self._tasks = Tasks()
        self._resumed: set[int] = set()

    def hear(self, event: RunEvent, now: float) -> bool:
        """Whether *event* may change what is to be seen."""
        if self._speech.hear(event):
            return True
        heard = self._tasks.hear(event, now)
        return self._activity.hear(event, now) or heard

    def growing(self, stream: Stream | None, now: float) -> list[View]:
        """The answer as it is by now; *stream* is open, and ends where its time is over."""
        text = self._speech.text
        if stream is not None:
            self._fit(stream, ends_soon=stream.is_worn(now))
            self._pager.pages(text, growing=True)
            if self._pager.full == stream.part and stream.is_worn(now):
                ended = self._pager.end(text, anywhere=stream.is_over(now))
                stream.sound = ended or not stream.is_over(now)
        pages = self._pages(text, growing=True)
        tasks = self._tasks.shown(now)
        views = [
            View(Content(page.shown, final=part < self._pager.full), page.firm, tasks)
            for part, page in enumerate(pages)
        ]
        self._add_work(views, stream, self._activity.line(now))
        if views and len(views) <= MOST and not views[-1].content.final:
            views[-1] = self._with_controls(views[-1], WHILE_GROWING)
        return views[:MOST]

    def complete(self, answer: Answer, stream: Stream | None) -> list[View]:
        """The complete answer; at least one post, and more than `MOST` where a file should carry it."""
        if stream is not None:
            self._fit(stream)
        text = with_ending(answer) if self._limits.edits else answer.text
        return self._ended([page.shown for page in self._pages(text)] or [text], answer, answer.files)

    def in_file(self, answer: Answer, file: FileRef) -> list[View]:
        """The beginning of an answer whose whole is in *file*."""
        unit, note = self._limits.unit, below_the_first_post(answer)
        length = self._room(0)
        room = max(length // 2, length - measure(f"\n\n{note}", unit))
        first = Pager(room, unit).pages(answer.text)[0].shown
        shown = [page.shown for page in Pager(length, unit).pages(f"{first}\n\n{note}")]
        return self._ended(shown, answer, (file, *answer.files))

    def begin(self, part: int, call: CallKind, limits: StreamLimits | None) -> None:
        """*part* begins by *call*, which decides about its length."""
        if call == "start" and limits is not None:
            self._pager.resize(part, limits.length, "bytes")
        elif call == "post":
            self._pager.resize(part, self._room(part), self._limits.unit)

    def shorten(self, part: int) -> bool:
        """
        Make shorter posts from *part* on; False where that would not help.

        What an adapter makes of a text (escapes, markup) may be longer than it.
        """
        if self._length < SHORTEST:
            return False
        self._length = self._length * 3 // 4
        self._pager.resize(part, self._room(part), self._limits.unit)
        return True

    def resume(self, part: int) -> None:
        """*part* is posted although it may be there: it says so."""
        self._resumed.add(part)
        self._pager.resize(part, self._room(part), self._limits.unit)

    def _room(self, part: int) -> int:
        return self._length - (measure(RESUMED, self._limits.unit) if part in self._resumed else 0)

    def _fit(self, stream: Stream, *, ends_soon: bool = False) -> None:
        self._pager.resize(stream.part, stream.room, "bytes")
        self._pager.keep(stream.part, stream.sent, ends_soon=ends_soon)

    def _pages(self, text: str, *, growing: bool = False) -> list[Page]:
        # A post of blanks is refused by most platforms, and missed by nobody.
        return [page for page in self._pager.pages(text, growing=growing) if page.shown.strip()]

    def _add_work(self, views: list[View], stream: Stream | None, line: str) -> None:
        """Tell of the tools at work: in the stream of the last post, else under its text."""
        last = views[-1] if views and not views[-1].content.final else None
        part = len(views) - 1 if last else len(views)
        if stream is not None and stream.part >= part:
            if last is None:
                views.append(View(Content(""), "", self._tasks.shown()))
        elif line and last is None:
            views.append(View(Content(line), "", self._tasks.shown()))
        elif line and last is not None:
            below = f"{last.content.text}\n\n{line}"
            if measure(below, self._limits.unit) <= self._length:
                views[-1] = replace(last, content=replace(last.content, text=below))

    def _ended(self, shown: list[str], answer: Answer, files: tuple[FileRef, ...]) -> list[View]:
        texts = [RESUMED + text if part in self._resumed else text for part, text in enumerate(shown)]
        contents = [Content(text, final=True) for text in texts[:-1]]
        contents.append(Content(texts[-1], final=True, files=files, answer=answer))
        views = [View(content, content.text, self._tasks.shown()) for content in contents]
        views[-1] = self._with_controls(views[-1], WHEN_COMPLETE)
        return views

    def _with_controls(self, view: View, wanted: tuple[Control, ...]) -> View:
        controls = tuple(control for control in wanted if control in self._controls)
        if not controls:
            return view
        return replace(view, content=replace(view.content, controls=controls, run_id=self._run_id))
