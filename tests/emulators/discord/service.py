"""
Everything that is behind the REST API, the gateway and the page: state, time, limits, faults and the feed.

One event loop owns it all; nothing here waits between looking and changing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from emulators.changing import Changing
from emulators.clock import Clock
from emulators.discord.address import Addresses
from emulators.discord.breaking import Breaker
from emulators.discord.buckets import Limits, Rule
from emulators.discord.cdn import Cdn
from emulators.discord.faults import Faults
from emulators.discord.feed import Feed
from emulators.discord.gateway import Gateway
from emulators.discord.interactions import Interaction
from emulators.discord.payloads import Payloads
from emulators.discord.world import Message, World

NOWHERE = Addresses("", "", "", "")


@dataclass(frozen=True, slots=True)
class Call:
    """
    A call of the REST API that came in.

    Attributes:
        at: Seconds since 1970.
        route: Method and path as the documentation has it, such as ``POST /channels/{channel}/messages``.
        app: Id of the app whose token it had, or whose webhook it named.
        body: The JSON; of multipart that of `payload_json`.
        files: Names of the files that came along.
        answer: What was told; None when the connection was broken on purpose, or there was no content.
        fault: The fault that struck it.
    """

    at: float
    method: str
    path: str
    route: str
    app: str
    body: object
    files: tuple[str, ...]
    status: int
    answer: object
    fault: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was done and told so."""
        return 200 <= self.status < 300


class Service(Changing):
    """
    The parts, and a way to wait until something has changed.

    Attributes:
        ack_deadline: Seconds of the machine in which an interaction must be acknowledged.
        unfurls: Whether links get a preview.
        interactions: Those there were, by id, oldest first.
        nonces: When a message was made and which, by app, channel and nonce, for `enforce_nonce`.
        typing: Until when a user is seen typing, by channel and user; *typed* is when each began.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        enforced: bool,
        rules: Mapping[str, Rule] | None,
        faults: Faults,
        ack_deadline: float,
        heartbeat_interval: float,
        unfurls: bool,
    ) -> None:
        super().__init__(clock)
        self.limits = Limits(clock, enforced=enforced, rules=rules)
        self.faults = faults
        self.ack_deadline = ack_deadline
        self.unfurls = unfurls
        self.world = World()
        self.breaker = Breaker(self.closing)
        self.cdn = Cdn(self.world, clock, faults, self.breaker, NOWHERE)
        self.payloads = Payloads(self.world, self.cdn)
        self.gateway = Gateway(
            self.world,
            clock,
            self.payloads,
            faults,
            lambda: self.cdn.addresses,
            self.changed,
            heartbeat_interval,
        )
        self.feed = Feed(self.world, clock, self.payloads, self.gateway, faults, self.spawn)
        self.calls: list[Call] = []
        self.interactions: dict[str, Interaction] = {}
        self.nonces: dict[tuple[str, str, str], tuple[float, Message]] = {}
        self.typing: dict[tuple[str, str], float] = {}
        self.typed: list[tuple[float, str, str]] = []

    def mint(self) -> str:
        """A new id of this moment."""
        return self.world.snowflakes.mint(self.clock.now())

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        return super().busy or not all(each.idle for each in self.gateway.connections)

    async def close(self) -> None:
        await self.gateway.close_all(1001)
        await super().close()
