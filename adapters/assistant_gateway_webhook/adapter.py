"""
The webhook as a platform: messages come in over HTTP, answers go back in the same request, or as callbacks.

A post is a signed callback in the outbox: it is enqueued once per answer and message under a
constant id, and delivered by `run`. Without a ``callback_url`` there is nothing to post; the
answer is fetched.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from hashlib import sha256

from aiohttp import web

from assistant_gateway.adapter import (
    Adapter,
    AdapterPlugin,
    AdapterServices,
    Content,
    Delivery,
    Intake,
    Limits,
)
from assistant_gateway.errors import OutcomeUnknown, RateLimited
from assistant_gateway.values import JsonObject, Message, ReplyTarget
from assistant_gateway_webhook.answers import callback
from assistant_gateway_webhook.body import ADAPTER
from assistant_gateway_webhook.callbacks import Callbacks
from assistant_gateway_webhook.openapi import described
from assistant_gateway_webhook.routes import Routes
from assistant_gateway_webhook.settings import Source, WebhookSettings, from_environment, sources

NEWEST = 1000  # deliveries among which `find` looks
SOON = 0.2  # seconds; a gateway that starts may finish old answers before it serves


class WebhookAdapter:
    """The adapter; *clock* gives epoch seconds."""

    name = ADAPTER
    # A delivery's id is its key, and the outbox takes each id once: posts need no journal.
    limits = Limits(text_length=1 << 31, edit_interval=0.0, edits=False, keyed=True)

    def __init__(
        self, sources: Iterable[Source], services: AdapterServices, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._sources = tuple(sources)
        self._services = services
        self._clock = clock
        self._callbacks = Callbacks(self._sources, services.egress, clock=clock)
        self._intake: Intake | None = None

    async def run(self, intake: Intake) -> None:
        self._intake = intake
        await self._callbacks.run(intake.outbox)

    def unready(self) -> str:
        return ""

    def routes(self, intake: Intake) -> Iterable[web.AbstractRouteDef]:
        self._intake = intake
        services = self._services
        return Routes(self._sources, intake, services.egress, services.own_hosts, self._clock).table()

    def openapi(self) -> tuple[JsonObject, JsonObject]:
        return described()

    async def post(self, target: ReplyTarget, key: str, content: Content) -> str:
        if self._intake is None:
            raise RateLimited(SOON, "the gateway does not serve yet")
        intake = self._intake
        where = target.conversation
        message = await intake.message(where.adapter, where.tenant, target.message_id)
        if content.answer is None or message is None:
            return key
        for one in (message, *await intake.merged(message)):
            # The answer of a merged message is that of the one it was merged into.
            await self._enqueue(replace(one, run=message.run, answer=content.answer), key, intake)
        self._callbacks.wake()
        return key

    async def edit(self, target: ReplyTarget, post_id: str, content: Content) -> None:
        """Nothing is ever shown before it is complete, so nothing is edited."""

    async def delete(self, target: ReplyTarget, post_id: str) -> None:
        """What was sent can't be called back."""

    async def find(self, target: ReplyTarget, key: str) -> str | None:
        if self._intake is None:
            raise OutcomeUnknown("the gateway does not serve yet")
        newest = await self._intake.outbox.deliveries(target.conversation.tenant, limit=NEWEST)
        id = delivery_id(target.conversation.tenant, target.message_id, key)
        # One that is older than these is posted again, which `enqueue` makes harmless.
        return key if any(delivery.id == id for delivery in newest) else None

    async def redeliver(self, id: str) -> None:
        """
        Drive a dead delivery again from its first try, and take its endpoint for working.

        Raises:
            LookupError: There is no dead delivery with this id, or the gateway does not serve yet.
        """
        if self._intake is None:
            raise LookupError(id)
        await self._callbacks.redeliver(self._intake.outbox, id)

    def wake(self) -> None:
        """Look into the outbox at once: something was put there, or the clock was moved."""
        self._callbacks.wake()

    async def close(self) -> None:
        """There is nothing to let go of: the outbox keeps what was not delivered."""

    async def _enqueue(self, message: Message, key: str, intake: Intake) -> None:
        url = message.inbound.reply_to.get("callback_url")
        if not isinstance(url, str) or not url:
            return
        now = self._clock()
        source = message.inbound.conversation.tenant
        await intake.outbox.enqueue(
            Delivery(
                id=delivery_id(source, message.inbound.message_id, key),
                source=source,
                url=url,
                body=await callback(message, intake, now),
                next_at=now,
                created_at=now,
            )
        )


def delivery_id(source: str, message_id: str, key: str) -> str:
    """The ``webhook-id`` of the callback that brings one answer to one message."""
    words = "\n".join((key, source, message_id))
    return f"cb_{sha256(words.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def build(settings: WebhookSettings, services: AdapterServices) -> Adapter | None:
    """The adapter for the configured sources; None when there are none."""
    configured = sources(settings, services)
    return WebhookAdapter(configured, services) if configured else None


plugin = AdapterPlugin(
    section="webhooks", settings=WebhookSettings, build=build, from_environment=from_environment
)
