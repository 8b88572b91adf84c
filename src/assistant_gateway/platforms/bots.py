"""Ends talks of bots with each other."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

KEPT = 10_000  # places in which bots spoke

Place = TypeVar("Place", bound=Hashable)


class BotTurns(Generic[Place]):
    """
    So many messages of bots in a row are answered in a place, and no more.

    A person's word begins a new count. A repetition counts once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._rows: OrderedDict[Place, list[str]] = OrderedDict()

    def allow(self, place: Place, message_id: str, *, is_bot: bool) -> bool:
        """Whether a message of a bot, or of a person, is still answered."""
        if not is_bot:
            self._rows.pop(place, None)
            return True
        row = self._rows.setdefault(place, [])
        self._rows.move_to_end(place)
        while len(self._rows) > KEPT:
            self._rows.popitem(last=False)
        if message_id in row:
            return True
        if len(row) >= self._most:
            return False
        row.append(message_id)
        return True
