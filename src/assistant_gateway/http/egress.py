"""
The client for addresses that others choose: it never reaches a private network.

A name is resolved once, every address it has is checked, and exactly the checked addresses are
connected to, so that a second answer of DNS changes nothing. Redirects are not followed, the
environment's proxies and cookies are not used, and what comes back is cut at the caller's cap.
"""

from __future__ import annotations

import asyncio
import io
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from assistant_gateway.adapter import EgressAnswer
from assistant_gateway.errors import AdapterError, Forbidden
from assistant_gateway.http.addresses import Address, is_public
from assistant_gateway.http.targets import Allowed, Refused, Target, judge, judge_plainly, read_target
from assistant_gateway.tools.threads import Threads

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host; `OSError` when it has none."""

AGENT = "assistant-gateway"
LOOKUPS = 64  # names that are asked for at the same time


class GuardedEgress:
    """
    The client.

    Args:
        allow: Hosts (``name``, ``name:port``, address or CIDR range) that may be reached although they
            are private, loopback or plain http.
        resolve: Asks DNS; the system's resolver by default.
        tls: Verifies certificates; the system's authorities by default.
    """

    def __init__(
        self, allow: Sequence[str] = (), *, resolve: Resolve | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._allowed = Allowed(allow)
        # Of its own: names that resolve slowly must not use up the threads that everything else needs, nor
        # keep the process from exiting. Fewer would be used up by one name whose server is silent.
        self._threads = Threads(LOOKUPS)
        self._resolve = resolve or self._ask_system
        self._tls = tls

    def judge(self, url: str) -> str:
        """Why *url* is refused, without asking DNS; empty when it isn't."""
        try:
            return judge(read_target(url), self._allowed)
        except Refused as refused:
            return str(refused)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        timeout: float = 30.0,
        max_body: int = 65536,
    ) -> EgressAnswer:
        """
        Send one request to a checked address; *timeout* in seconds is for all of it.

        Raises:
            Forbidden: The address is refused; no connection was made.
            AdapterError: No answer came (DNS, connection, TLS, time, size of headers).
        """
        try:
            async with asyncio.timeout(timeout):
                target, addresses = await self._checked(url)
                return await self._send(method, url, target, addresses, headers, body, max_body)
        except TimeoutError as error:
            raise AdapterError(f"no answer within {timeout:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise AdapterError(f"no answer: {type(error).__name__}") from error

    async def close(self) -> None:
        """There is nothing to let go of: connections end with their request."""

    async def _checked(self, url: str) -> tuple[Target, list[Address]]:
        """The target, and the addresses that it may be reached at."""
        try:
            target = read_target(url)
        except Refused as refused:
            raise Forbidden(str(refused)) from refused
        if reason := judge(target, self._allowed):
            raise Forbidden(reason)
        if target.address is not None:
            return target, [target.address]
        found = [ipaddress.ip_address(text) for text in await self._resolve(target.host, target.port)]
        if not found:
            raise AdapterError("the host has no address")
        if self._allowed.named(target):
            return target, found
        if within := [address for address in found if self._allowed.covers(address)]:
            return target, within
        if not all(is_public(address) for address in found):
            raise Forbidden("the host resolves to an address that is not a public one")
        if reason := judge_plainly(target):
            raise Forbidden(reason)
        return target, found

    async def _send(
        self,
        method: str,
        url: str,
        target: Target,
        addresses: Sequence[Address],
        headers: Mapping[str, str],
        body: bytes,
        max_body: int,
    ) -> EgressAnswer:
        connector = aiohttp.TCPConnector(
            resolver=_Pinned(target.host, addresses),
            use_dns_cache=False,
            force_close=True,
            ssl=self._context(),
        )
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None),
            ) as session,
            session.request(
                method,
                URL(url, encoded=True),
                headers={"User-Agent": AGENT, "Accept-Encoding": "identity", **headers},
                data=io.BytesIO(body) if body else None,  # aiohttp warns of large bytes
                allow_redirects=False,
            ) as response,
        ):
            return EgressAnswer(
                response.status, response.headers.copy(), await _cut(response.content, max_body)
            )

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()  # reads all the system's authorities
        return self._tls

    async def _ask_system(self, host: str, port: int) -> list[str]:
        answers = await self._threads.run(
            "dns", partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in answers))


class _Pinned(AbstractResolver):
    """Knows one host, and of it only the addresses that were checked."""

    def __init__(self, host: str, addresses: Sequence[Address]) -> None:
        self._host = host
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        if host.lower() != self._host:
            raise OSError(f"{host} was not checked")
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """There is nothing to let go of."""


async def _cut(content: aiohttp.StreamReader, size: int) -> bytes:
    """The first *size* bytes of what comes."""
    taken = bytearray()
    while len(taken) < size:
        chunk = await content.read(size - len(taken))
        if not chunk:
            break
        taken += chunk
    return bytes(taken)
