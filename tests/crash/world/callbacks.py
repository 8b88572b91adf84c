"""
The receiver of the webhook's callbacks.

It verifies each signature with the public `standardwebhooks` package and writes everything down;
to tell repetitions apart is the checker's business.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from crash.record import CalledBack, Record
from crash.world.faults import DROPPED, Network
from crash.world.waiting import Waiting


class Callbacks:
    """What was delivered."""

    def __init__(self, record: Record, network: Network, waiting: Waiting, secret: str) -> None:
        self._record = record
        self._network = network
        self._waiting = waiting
        self._webhook = Webhook(secret)
        self._dropped: set[str] = set()

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return (web.post("/callbacks", self._receive),)

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        id = request.headers.get("webhook-id", "")
        self._record.callbacks.append(
            CalledBack(self._record.tick(), id, body, self._verified(request, body))
        )
        self._waiting.end(json.loads(body)["data"]["id"])
        # Only once for each: the third try comes after five minutes, longer than anybody waits here.
        drop = id not in self._dropped and self._network.chance(DROPPED)
        if drop:
            self._dropped.add(id)
        return self._network.answer(request, {}, drop=drop)

    def _verified(self, request: web.Request, body: str) -> bool:
        try:
            self._webhook.verify(body, dict(request.headers), json_parse=False)
        except WebhookVerificationError:
            return False
        return True
