"""
Which of our posts carries a key, told by its own echo.

Every message that the bot posts comes back to it as an event, with its metadata. After a post whose
outcome was never learned the echo is the first to know, and where the history may not be read, the
only one.
"""

from __future__ import annotations

from collections import OrderedDict

KEPT = 10_000  # echoes


class Echoes:
    """The newest echoes."""

    def __init__(self) -> None:
        self._heard: OrderedDict[tuple[str, str], str] = OrderedDict()

    def hear(self, channel: str, key: str, ts: str) -> None:
        """A post of ours was seen."""
        self._heard.setdefault((channel, key), ts)
        while len(self._heard) > KEPT:
            self._heard.popitem(last=False)

    def find(self, channel: str, key: str) -> str | None:
        """The post that carries *key*, as far as its echo was heard."""
        return self._heard.get((channel, key))

    def forget(self, channel: str, ts: str) -> None:
        """A post was deleted."""
        for known in [known for known, heard in self._heard.items() if known[0] == channel and heard == ts]:
            del self._heard[known]
