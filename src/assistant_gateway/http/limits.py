"""
What a stranger may cost before we know who it is.

An address whose requests are refused too often has to wait. Bodies that take their time are
read so many at once; when more come, the one that has taken longest is hurried.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Callable, Iterable

from aiohttp import web

ADDRESSES = 10_000  # buckets that are remembered
SHARE = 1.0  # seconds that a slow body has for itself when others wait for its place


class Allowance:
    """
    How often each address may be refused.

    A token bucket per address: a refused request takes a token, an address without one waits.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_second
        self._size = max(1.0, per_second)
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def wait(self, address: str) -> float:
        """Seconds until *address* may ask again; 0 when it may now."""
        missing = 1.0 - self._tokens(address)
        return max(0.0, missing / self._rate)

    def charge(self, address: str) -> None:
        """A request of *address* was refused."""
        tokens = self._tokens(address) - 1.0
        self._buckets.pop(address, None)
        self._buckets[address] = (tokens, self._clock())
        if len(self._buckets) > ADDRESSES:
            self._buckets.pop(next(iter(self._buckets)))

    def _tokens(self, address: str) -> float:
        tokens, at = self._buckets.get(address, (self._size, 0.0))
        return min(self._size, tokens + (self._clock() - at) * self._rate)


class Callers:
    """Who is asking: the peer's address, or what a trusted proxy says about it."""

    def __init__(self, trusted_proxies: Iterable[str]) -> None:
        self._trusted = [ipaddress.ip_network(proxy, strict=False) for proxy in trusted_proxies]

    def address(self, request: web.BaseRequest) -> str:
        """The caller's address; of an IPv6 one its /64, which is what one customer is given."""
        peer = request.transport.get_extra_info("peername") if request.transport is not None else None
        address = str(peer[0]) if peer else ""
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
        for hop in reversed(forwarded):
            if not self._trusts(address) or not _is_address(hop.strip()):
                break
            address = hop.strip()
        return _network(address)

    def _trusts(self, address: str) -> bool:
        return _is_address(address) and any(ipaddress.ip_address(address) in net for net in self._trusted)


class Receiving:
    """The bodies that are being received."""

    def __init__(self, at_once: int) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._reading: dict[asyncio.Timeout, float] = {}

    async def body(self, request: web.BaseRequest, by: float) -> bytes:
        """
        The complete body of *request*, by the loop time *by*.

        Raises:
            TimeoutError: It did not come in time, or others needed its place.
        """
        if request.content.is_eof():
            return await request.read()
        now = asyncio.get_running_loop().time
        async with asyncio.timeout_at(by) as limit:
            if self._places.locked():
                self._hurry()
            async with self._places:
                self._reading[limit] = now()
                try:
                    return await request.read()
                finally:
                    del self._reading[limit]

    def _hurry(self) -> None:
        """Give the oldest body that nobody has hurried yet no more than its share of time."""
        for limit, since in self._reading.items():
            when = limit.when()
            if when is not None and when > since + SHARE and not limit.expired():
                limit.reschedule(since + SHARE)
                return


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _network(address: str) -> str:
    if not _is_address(address):
        return address
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)
