"""Who still waits for an answer: people say only so much at once, and the test ends when nobody waits."""

from __future__ import annotations

import asyncio
import re

# The model's last word in a complete answer, or the gateway's own in one that failed.
END = re.compile(r"(\[end:\d+\.\d+\]|\(`e-[0-9a-f]+`\))$")


class Waiting:
    """The messages whose answers have not been seen complete yet."""

    def __init__(self) -> None:
        self._conversations: dict[str, set[str]] = {}
        self._of: dict[str, str] = {}
        self._moved = asyncio.Event()

    @property
    def count(self) -> int:
        """How many answers are awaited."""
        return sum(map(len, self._conversations.values()))

    def begin(self, conversation: str, id: str) -> None:
        """A message was said."""
        self._of[id] = conversation
        self._conversations.setdefault(conversation, set()).add(id)

    def end(self, id: str) -> None:
        """It was answered, or nobody expects an answer to it any more."""
        self._conversations.get(self._of.get(id, ""), set()).discard(id)
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def shown(self, id: str, text: str) -> None:
        """Something was shown in answer to a message."""
        if END.search(text):
            self.end(id)

    async def fewer(self, conversation: str, than: int) -> None:
        """Return when fewer than *than* messages of a conversation wait."""
        while len(self._conversations.get(conversation, ())) >= than:
            await self._moved.wait()
