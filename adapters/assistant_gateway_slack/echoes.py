"""
Which of our posts carries a key, told by its own echo.

Every message that the bot posts comes back to it as an event, with its metadata. After a post whose
outcome was never learned the echo is the first to know, and where the history may not be read, the
only one. An echo under a key that another post has by then tells of an orphan.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

KEPT = 10_000  # echoes, and posts


class Echoes:
    """The newest echoes; *orphaned* is told of posts, by channel and ts, that another one replaces."""

    def __init__(self, orphaned: Callable[[str, str], None]) -> None:
        self._orphaned = orphaned
        self._heard: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._posted: OrderedDict[tuple[str, str], str] = OrderedDict()

    def hear(self, channel: str, key: str, ts: str) -> None:
        """A post of ours was seen."""
        posted = self._posted.get((channel, key), ts)
        if posted != ts:
            self._orphaned(channel, ts)
            return
        _keep(self._heard, (channel, key), self._heard.get((channel, key), ts))

    def posted(self, channel: str, key: str, ts: str) -> None:
        """The post that carries *key*: its outcome was learned."""
        _keep(self._posted, (channel, key), ts)
        heard = self._heard.get((channel, key), ts)
        if heard != ts:
            del self._heard[channel, key]
            self._orphaned(channel, heard)

    def find(self, channel: str, key: str) -> str | None:
        """The post that carries *key*, as far as its echo was heard."""
        return self._heard.get((channel, key))

    def forget(self, channel: str, ts: str) -> None:
        """A post was deleted."""
        for told in (self._heard, self._posted):
            for known in [known for known, each in told.items() if known[0] == channel and each == ts]:
                del told[known]


def _keep(told: OrderedDict[tuple[str, str], str], known: tuple[str, str], ts: str) -> None:
    told[known] = ts
    while len(told) > KEPT:
        told.popitem(last=False)
