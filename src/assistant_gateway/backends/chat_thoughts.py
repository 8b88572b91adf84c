"""
Thoughts that a model speaks aloud: `<think>…</think>` before its answer.

A tag counts only at the very beginning, since an answer may well be about tags; whatever it is, no
character of an answer is lost. Pieces may be cut anywhere, also inside a tag.
"""

from __future__ import annotations

LONGEST_LEAD = 200  # characters of space before a tag; with more, it is an answer of its own kind


class Thoughts:
    """
    Parts one text into thoughts and answer.

    Args:
        tag: The tag's name; empty where every text is an answer.

    Attributes:
        open: The text is inside of its thoughts.
    """

    def __init__(self, tag: str) -> None:
        self.open = False
        self._begin = f"<{tag}>"
        self._end = f"</{tag}>"
        self._held = ""
        self._looking = bool(tag)  # for the beginning; then, in thoughts, for the end
        self._leading = False  # space between thoughts and answer belongs to neither

    @property
    def over(self) -> bool:
        """Whether all that follows is answer."""
        return not self._looking and not self._leading

    def feed(self, piece: str) -> tuple[str, str]:
        """What *piece* adds to the thoughts, and to the answer."""
        if not self._looking:
            return "", self._answer(piece)
        self._held += piece
        if not self.open:
            return self._begun()
        return self._thought()

    def finish(self) -> tuple[str, str]:
        """What was held back, as thoughts and as answer: the text has ended."""
        held, self._held = self._held, ""
        self._looking = False
        return (held, "") if self.open else ("", held)

    def _begun(self) -> tuple[str, str]:
        held = self._held.lstrip()
        if len(self._held) - len(held) > LONGEST_LEAD:
            return self.finish()
        if held.startswith(self._begin):
            self.open = True
            self._held = held[len(self._begin) :]
            return self._thought()
        if self._begin.startswith(held):
            return "", ""
        return self.finish()

    def _thought(self) -> tuple[str, str]:
        thought, end, answer = self._held.partition(self._end)
        if end:
            self._held = ""
            self.open = self._looking = False
            self._leading = True
            return thought, self._answer(answer)
        kept = next(
            size for size in range(len(self._end) - 1, -1, -1) if self._held.endswith(self._end[:size])
        )
        thought = self._held[: len(self._held) - kept]
        self._held = self._held[len(self._held) - kept :]
        return thought, ""

    def _answer(self, piece: str) -> str:
        if self._leading:
            piece = piece.lstrip()
            self._leading = not piece
        return piece
