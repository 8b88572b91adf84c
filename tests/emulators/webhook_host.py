"""The webhook behind the real HTTP server, with an intake in memory instead of a gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from assistant_gateway.adapter import AdapterServices, Content, Egress
from assistant_gateway.config.settings import ServerSettings
from assistant_gateway.http.connection import DoorLimits
from assistant_gateway.http.egress import GuardedEgress
from assistant_gateway.http.server import HttpServer
from assistant_gateway.testing.intake import FakeIntake
from assistant_gateway.values import Answer, ReplyTarget
from assistant_gateway_webhook.adapter import WebhookAdapter
from assistant_gateway_webhook.settings import WebhookSettings, sources
from emulators.sender import SECRET


class Clock:
    """Epoch seconds that a test moves by hand."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class Host:
    """What a test reaches."""

    server: HttpServer
    adapter: WebhookAdapter
    intake: FakeIntake
    clock: Clock

    @property
    def url(self) -> str:
        return self.server.url

    async def finish(self, message_id: str, answer: Answer, key: str = "run_1.0") -> str:
        """Show a finished answer as the gateway does: save it, then post it."""
        message = next(m for m in self.intake.messages if m.inbound.message_id == message_id)
        target = ReplyTarget(
            message.inbound.conversation, message_id, message.inbound.user, message.inbound.reply_to
        )
        return await self.adapter.post(target, key, Content(answer.text, final=True, answer=answer))


@asynccontextmanager
async def hosted(
    settings: Mapping[str, object] | None = None,
    *,
    intake: FakeIntake | None = None,
    server: ServerSettings | None = None,
    limits: DoorLimits | None = None,
    clock: Clock | None = None,
    egress: Egress | None = None,
    allow: tuple[str, ...] = ("127.0.0.1",),
    own_hosts: frozenset[str] = frozenset(),
    chance: Callable[[], float] | None = None,
) -> AsyncIterator[Host]:
    """Serve the webhook with *settings* (one source ``default`` otherwise)."""
    intake = intake or FakeIntake()
    clock = clock or Clock()
    guarded = GuardedEgress(allow)
    services = AdapterServices(egress or guarded, own_hosts=own_hosts)
    configured = WebhookSettings.model_validate(settings or {"default": {"secret": SECRET}})
    adapter = WebhookAdapter(sources(configured, services), services, clock=clock)

    async def ready() -> list[str]:
        return []

    async def metrics() -> bytes:
        return b""

    http = HttpServer(
        server or ServerSettings(listen="127.0.0.1:0"),
        version="0",
        routes=adapter.routes(intake),
        ready=ready,
        metrics=metrics,
        described=[adapter.openapi()],
        limits=limits,
    )
    await http.start()
    running = asyncio.create_task(adapter.run(intake))
    try:
        yield Host(http, adapter, intake, clock)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await http.stop(grace=0.2)
        await adapter.close()
        await guarded.close()
