"""
Which of our posts carries a key, told by its own echo.

Every message that the bot posts comes back to it as an event, with its nonce; a message that is read
later has none. After a post whose outcome was never learned the echo is the first to know.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections import OrderedDict

KEPT = 10_000  # echoes
NONCE_LENGTH = 25  # characters: developers/resources/message.mdx, "Create Message", 2026-08-06


def nonce(key: str) -> str:
    """The nonce of the post that carries *key*: the same key, the same nonce, in any process."""
    return b32encode(hashlib.sha256(key.encode()).digest()).decode()[:NONCE_LENGTH].lower()


class Echoes:
    """The newest echoes: posts by channel and nonce, and nonces by post."""

    def __init__(self) -> None:
        self._heard: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._nonces: dict[str, str] = {}

    def hear(self, channel: str, nonce: str, id: str) -> None:
        """A post of ours was seen."""
        self._heard.setdefault((channel, nonce), id)
        self._nonces.setdefault(id, nonce)
        while len(self._heard) > KEPT:
            _, oldest = self._heard.popitem(last=False)
            self._nonces.pop(oldest, None)

    def find(self, channel: str, nonce: str) -> str | None:
        """The post with that nonce, as far as its echo was heard."""
        return self._heard.get((channel, nonce))

    def nonce_of(self, id: str) -> str:
        """The nonce that a post was made with; empty where that was not heard."""
        return self._nonces.get(id, "")

    def forget(self, channel: str, id: str) -> None:
        """A post was deleted."""
        for known in [known for known, heard in self._heard.items() if known[0] == channel and heard == id]:
            del self._heard[known]
        self._nonces.pop(id, None)
