"""Ends talks of bots with each other."""

from __future__ import annotations

from collections import OrderedDict

from assistant_gateway_discord.said import Said

KEPT = 10_000  # channels in which bots spoke


class BotTurns:
    """
    So many messages of bots in a row are answered in a channel, and no more.

    A person's word begins a new count. A repetition counts once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._rows: OrderedDict[str, list[str]] = OrderedDict()

    def allow(self, said: Said) -> bool:
        """Whether a message is still answered."""
        if not said.is_bot:
            self._rows.pop(said.channel, None)
            return True
        row = self._rows.setdefault(said.channel, [])
        self._rows.move_to_end(said.channel)
        while len(self._rows) > KEPT:
            self._rows.popitem(last=False)
        if said.id in row:
            return True
        if len(row) >= self._most:
            return False
        row.append(said.id)
        return True
