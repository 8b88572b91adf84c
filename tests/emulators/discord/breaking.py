"""
How an answer looks: as Discord gives it, as Cloudflare does in front of it, or broken on purpose.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from aiohttp import web

from emulators.discord.buckets import headers_of
from emulators.discord.faults import Fault
from emulators.discord.refusal import Limited, Refusal

HTML = "<!DOCTYPE html><html><head><title>discord.com</title></head><body><h1>{}</h1></body></html>"
VIA = {"Via": "1.1 google"}  # what discord.py tells Discord's 429 from Cloudflare's by


def as_json(answer: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """JSON without a charset, since discord.py takes anything else for text; None is no content."""
    more = VIA | dict(headers or {})
    if answer is None:
        return web.Response(status=204, headers=more)
    body = json.dumps(answer).encode()
    return web.Response(body=body, status=status, content_type="application/json", headers=more)


def from_cloudflare() -> web.Response:
    """What an address gets that made too many invalid requests: no JSON, and no `Via`."""
    return web.Response(text="error code: 1015", status=429, headers={"Retry-After": "3600"})


class Breaker:
    """Breaks answers; *closing* ends those that hang."""

    def __init__(self, closing: asyncio.Event) -> None:
        self._closing = closing

    async def answer(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        """What *fault* makes of the answer to *request*."""
        match fault.kind:
            case "error":
                return as_json(Refusal(fault.code, status=fault.status).body(), fault.status)
            case "ratelimited":
                return _ratelimited(fault)
            case "cloudflare":
                return from_cloudflare()
            case "http" | "accept_then_html":
                page = HTML.format(fault.status)
                return web.Response(text=page, status=fault.status, content_type="text/html", headers=VIA)
            case "accept_then_500":
                return as_json({"message": f"{fault.status}: Server Error", "code": 0}, fault.status)
            case "empty":
                return web.Response(body=b"", content_type="application/json", headers=VIA)
            case "broken_json":
                return web.Response(body=b'{"id": "1', content_type="application/json", headers=VIA)
            case "list":
                return as_json([])
            case "hang" | "accept_then_hang":
                await self._closing.wait()
        if request.transport is not None:
            request.transport.abort()
        return web.Response()


def _ratelimited(fault: Fault) -> web.Response:
    refusal = Limited(fault.retry_after or 0.0, fault.scope)
    told = refusal.body()
    if fault.retry_after is None:
        del told["retry_after"]
    return as_json(told, 429, headers_of(refusal))
