"""
Everything that is behind the Web API and the page: state, time, quotas, faults and the feed.

One event loop owns it all; nothing here waits between looking and changing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from emulators.changing import Changing
from emulators.clock import Clock
from emulators.shapes import Json
from emulators.slack.deliveries import Deliveries
from emulators.slack.faults import Faults
from emulators.slack.feed import Feed
from emulators.slack.quotas import Quotas
from emulators.slack.sockets import Sockets
from emulators.slack.world import Installation, World


@dataclass(frozen=True, slots=True)
class Call:
    """
    A call of the Web API that came in.

    Attributes:
        at: Seconds since 1970.
        answer: What was told; empty when the connection was broken on purpose.
        fault: The fault that struck it.
    """

    at: float
    method: str
    team: str
    arguments: Json
    status: int
    answer: Json
    fault: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was done and told so."""
        return self.answer.get("ok") is True


@dataclass(frozen=True, slots=True)
class ResponseUrl:
    """Where an app may answer an interaction: 5 posts in 30 minutes."""

    installation: Installation
    channel: str
    user: str
    until: float
    thread_ts: str = ""
    message_ts: str = ""
    posts: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Consent:
    """
    What a person does on the install page.

    Attributes:
        team: Where they install; empty for the workspace that the page was asked for, or the first one.
        agrees: Whether they do.
        organisation: Id of the organisation for all of which they install; empty for one workspace.
    """

    team: str = ""
    agrees: bool = True
    organisation: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """What a person agreed to; good once, and until a time."""

    app_id: str
    team: str
    organisation: str
    redirect_uri: str
    scopes: frozenset[str]
    until: float


class Service(Changing):
    """The parts, and a way to wait until something has changed."""

    def __init__(
        self,
        clock: Clock,
        quotas: Quotas,
        faults: Faults,
        *,
        ack_deadline: float,
        splits_long_text: bool,
        share_seconds: float,
    ) -> None:
        super().__init__(clock)
        self.quotas = quotas
        self.faults = faults
        self.splits_long_text = splits_long_text
        self.share_seconds = share_seconds
        self.world = World()
        self.base_url = ""
        self.calls: list[Call] = []
        self.triggers: dict[str, tuple[str, str, float]] = {}
        self.used_triggers: set[str] = set()
        self.response_urls: dict[str, ResponseUrl] = {}
        self.consent = Consent()
        self.refresh_grace = 0.0
        self.oauth_codes: dict[str, Code | None] = {}
        self.sockets = Sockets(clock, faults, ack_deadline, self.changed)
        self.deliveries = Deliveries(clock, faults, self.changed)
        self.feed = Feed(self.world, clock, self.deliveries, self.sockets, self.spawn, ack_deadline)

    async def close(self) -> None:
        await self.sockets.close()
        try:
            await super().close()
        finally:
            await self.feed.close()
