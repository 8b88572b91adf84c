"""
The CDN: attachments under signed addresses that expire.

developers/reference.mdx, "Signed Attachment CDN URLs" (2026-08-06): `ex`, `is` and `hm` in the query, all in
hexadecimal; a message that is fetched again has fresh ones. That they live 24 h is assumed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from urllib.parse import quote, urlencode

from aiohttp import web

from emulators.clock import Clock
from emulators.discord.address import Addresses
from emulators.discord.breaking import Breaker
from emulators.discord.faults import Faults
from emulators.discord.world import Attachment, World

LIFETIME = 24 * 3_600  # seconds
GONE = "This content is no longer available."


class Cdn:
    """
    Signs addresses, and answers those that are good.

    Attributes:
        lifetime: How long an address is good, in Discord's seconds.
        fetches: Ids of what was fetched, oldest first.
    """

    def __init__(
        self, world: World, clock: Clock, faults: Faults, breaker: Breaker, addresses: Addresses
    ) -> None:
        self.addresses = addresses
        self.lifetime = LIFETIME
        self.fetches: list[str] = []
        self._world = world
        self._clock = clock
        self._faults = faults
        self._breaker = breaker
        self._key = secrets.token_bytes(16)

    def url(self, attachment: Attachment) -> str:
        """A fresh address of *attachment*."""
        now = int(self._clock.now())
        path = self._path(attachment)
        signed = {"ex": f"{now + self.lifetime:x}", "is": f"{now:x}"}
        told = signed | {"hm": self._signature(path, signed["ex"], signed["is"])}
        return f"{self.addresses.cdn}{path}?{urlencode(told)}&"

    def _path(self, attachment: Attachment) -> str:
        kind = "ephemeral-attachments" if attachment.ephemeral else "attachments"
        return f"/{kind}/{attachment.channel_id}/{attachment.id}/{quote(attachment.filename)}"

    def _signature(self, path: str, until: str, since: str) -> str:
        return hmac.new(self._key, f"{path} {until} {since}".encode(), hashlib.sha256).hexdigest()

    async def take(self, request: web.Request) -> web.StreamResponse:
        """`GET /attachments/{channel}/{id}/{name}`."""
        fault = self._faults.for_call(f"GET {request.path}")
        if fault is not None and fault.kind != "slow":
            return await self._breaker.answer(request, fault)
        if fault is not None:
            await self._clock.sleep(fault.seconds)
        attachment = self._world.attachments.get(request.match_info["id"])
        if attachment is None or not self._good(request, attachment):
            return web.Response(status=404, text=GONE)
        self.fetches.append(attachment.id)
        return web.Response(body=attachment.content, headers={"Content-Type": attachment.content_type})

    def _good(self, request: web.Request, attachment: Attachment) -> bool:
        until, since, told = (request.query.get(each, "") for each in ("ex", "is", "hm"))
        wanted = self._signature(self._path(attachment), until, since)
        try:
            fresh = int(until, 16) > self._clock.now()
        except ValueError:
            return False
        same_path = request.match_info["name"] == attachment.filename
        return fresh and same_path and hmac.compare_digest(told, wanted)

    async def picture(self, request: web.Request) -> web.Response:
        """`GET /avatars/…` and the like: one transparent pixel."""
        return web.Response(body=PIXEL, headers={"Content-Type": "image/png"})


PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001"
    "a5f645400000000049454e44ae426082"
)
