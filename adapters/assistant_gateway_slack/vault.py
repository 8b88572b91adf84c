"""
What tokens are sealed with before they are kept, and states of installations before they travel.

To replace a key, name the old one among the old keys: what it sealed is sealed anew at the next
start, after which the old one can go.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from assistant_gateway.platforms.shapes import Json, table
from assistant_gateway.values import JsonObject


class Unsealable(Exception):
    """It was sealed with another key or for something else, was changed, or is too old."""


class Vault:
    """Seals with the first of *keys*, opens with any; *clock* gives epoch seconds."""

    def __init__(self, keys: Sequence[bytes], *, clock: Callable[[], float] = time.time) -> None:
        fernets = [Fernet(base64.urlsafe_b64encode(key)) for key in keys]
        self._newest = fernets[0]
        self._all = MultiFernet(fernets)
        self._clock = clock

    def seal(self, purpose: str, body: JsonObject) -> str:
        """*body* as a text that tells nothing of it; *purpose* has to be the same when it is opened."""
        spoken = json.dumps([purpose, dict(body)]).encode()
        return self._newest.encrypt_at_time(spoken, int(self._clock())).decode()

    def open(self, purpose: str, sealed: str, *, lifetime: int | None = None) -> Json:
        """
        What was sealed, at most *lifetime* seconds ago.

        Raises:
            Unsealable: It does not open.
        """
        try:
            if lifetime is None:
                spoken = self._all.decrypt(sealed)
            else:
                spoken = self._all.decrypt_at_time(sealed, lifetime, int(self._clock()))
        except (InvalidToken, ValueError):  # the latter where it is no ASCII
            raise Unsealable from None
        sealed_for, body = json.loads(spoken)
        if sealed_for != purpose:
            raise Unsealable
        return table(body)

    def is_old(self, sealed: str) -> bool:
        """Whether only an old key opens it."""
        try:
            self._newest.decrypt(sealed)
        except InvalidToken:
            return True
        return False
