"""
A session of the gateway: what one shard of an app has been told, so that it can be told again.

developers/events/gateway.mdx, "Resuming" (2026-08-06): a session outlives its connection for a while; what
was missed is replayed in order. How long, and how many events, is not published: assumed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emulators.discord.intents import Intent
from emulators.discord.snowflakes import shard_of
from emulators.discord.world import App
from emulators.shapes import Json

if TYPE_CHECKING:
    from emulators.discord.connection import Connection

RESUMABLE = 180.0  # seconds without a connection
KEPT = 10_000  # events


@dataclass(eq=False, slots=True)
class Session:
    """
    What a shard is subscribed to, and the events it was sent.

    Attributes:
        shard: Its number, and how many there are.
        sequence: The number of the last event.
        connection: Where events go; None between two connections.
        left_at: Since when there has been none, in seconds since 1970.
        resumes: How often it was resumed.
    """

    id: str
    app: App
    shard: tuple[int, int]
    intents: Intent
    sequence: int = 0
    connection: Connection | None = None
    left_at: float = 0.0
    resumes: int = 0
    events: deque[Json] = field(default_factory=lambda: deque(maxlen=KEPT))

    def serves(self, guild_id: str) -> bool:
        """Whether a server, or direct messages, are this shard's."""
        number, shards = self.shard
        return shard_of(guild_id, shards) == number

    def next_event(self, event: str, data: Json) -> Json:
        """The next event, numbered and not sent."""
        self.sequence += 1
        return {"op": 0, "t": event, "s": self.sequence, "d": data}

    def dispatch(self, event: str, data: Json) -> None:
        """Send an event, now or with the next RESUME."""
        self.send(self.next_event(event, data))

    def send(self, told: Json) -> None:
        """Send what `next_event` made."""
        self.events.append(told)
        if self.connection is not None:
            self.connection.send(told)

    def missed(self, since: int, repeats: int) -> list[Json] | None:
        """The events after number *since* and *repeats* before it; None when they are not kept any more."""
        if self.events and since + 1 < _number(self.events[0]) and since < self.sequence:
            return None
        return [event for event in self.events if _number(event) > since - repeats]


def _number(event: Json) -> int:
    number = event["s"]
    assert isinstance(number, int)
    return number
