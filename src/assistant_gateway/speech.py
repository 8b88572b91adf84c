"""
What the assistant has said in a run, as one growing text.

Parts are joined by a blank line. The pieces that `hear` returns, put together, are
exactly `text`: whoever shows or records them never has to look back.
"""

from __future__ import annotations

from assistant_gateway.events import RunEvent, RunRestarted, TextDelta


class Speech:
    """One run's text, fed by its events."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._part: tuple[str, int] | None = None
        self.length = 0

    def hear(self, event: RunEvent) -> str:
        """The text that *event* adds; empty for an event that adds none."""
        if type(event) is TextDelta:
            if not event.delta:
                return ""
            part = (event.item_id, event.part)
            piece = event.delta
            if part != self._part:
                if self.length:
                    piece = "\n\n" + piece
                self._part = part
            self._pieces.append(piece)
            self.length += len(piece)
            return piece
        if type(event) is RunRestarted:
            self._pieces.clear()
            self._part = None
            self.length = 0
        return ""

    @property
    def text(self) -> str:
        """All that was said so far."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""
