"""The webhook keeps the contract of adapters, and its routes what the OpenAPI document says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from assistant_gateway.adapter import Adapter, AdapterServices, AddsRoutes, Content, Describes
from assistant_gateway.errors import OutcomeUnknown, RateLimited
from assistant_gateway.http.egress import GuardedEgress
from assistant_gateway.testing.adapter import AdapterContract, FakeAdapter
from assistant_gateway.testing.intake import FakeIntake
from assistant_gateway.values import Conversation, FileRef, Inbound, ReplyTarget, RunFailure, User
from assistant_gateway_webhook.adapter import WebhookAdapter
from assistant_gateway_webhook.settings import WebhookSettings, sources
from emulators.receiver import Receiver
from emulators.sender import SECRET, Answered, Sender
from emulators.webhook_host import Host, hosted


class WebhookPlatform:
    """A source that sends over HTTP and takes callbacks."""

    def __init__(self, host: Host, sender: Sender, target: ReplyTarget) -> None:
        self.intake: FakeIntake = host.intake
        self.adapter: Adapter = host.adapter
        self.target = target
        self._sender = sender

    async def another(self) -> Adapter:
        adapter = unwired()
        adapter.routes(self.intake)
        return adapter

    async def deliver(self, message_id: str, text: str) -> bool:
        answer = await self._sender.post(self._sender.message(text), id=message_id, query="?wait=0")
        return answer.status == 202

    def shown(self, post_id: str) -> str | None:
        return None  # a callback can be neither changed nor called back


def unwired() -> WebhookAdapter:
    services = AdapterServices(GuardedEgress())
    settings = WebhookSettings.model_validate({"default": {"secret": SECRET}})
    return WebhookAdapter(sources(settings, services), services)


class TestWebhookAdapter(AdapterContract):
    """The suite, over a real server."""

    @pytest.fixture
    async def platform(self) -> AsyncIterator[WebhookPlatform]:
        async with (
            Receiver() as receiver,
            hosted() as host,
            Sender(host.url, clock=host.clock) as sender,
        ):
            asked = Inbound(
                Conversation("webhook", "default", "c1"),
                "m0",
                User("u1"),
                "Hello",
                reply_to={"callback_url": receiver.url + "/"},
            )
            await host.intake.accept(asked)
            target = ReplyTarget(asked.conversation, "m0", asked.user, asked.reply_to)
            yield WebhookPlatform(host, sender, target)


class FakePlatform:
    """A `FakeAdapter` with somebody who speaks to it."""

    def __init__(self, intake: FakeIntake, adapter: FakeAdapter) -> None:
        self.intake = intake
        self.adapter: Adapter = adapter
        self.target = ReplyTarget(Conversation("fake", "T1", "C1"), "m0", User("U1"))
        self._fake = adapter

    async def another(self) -> Adapter:
        other = FakeAdapter()
        other.posts, other.keys, other.deleted = self._fake.posts, self._fake.keys, self._fake.deleted
        return other

    async def deliver(self, message_id: str, text: str) -> bool:
        try:
            return (await self._fake.deliver(text, message_id=message_id)).message is not None
        except Exception:
            return False

    def shown(self, post_id: str) -> str | None:
        return None if post_id in self._fake.deleted else self._fake.posts[post_id][-1]


class TestFakeAdapter(AdapterContract):
    """The fake is an adapter like any other."""

    @pytest.fixture
    async def platform(self) -> AsyncIterator[FakePlatform]:
        intake, adapter = FakeIntake(), FakeAdapter()
        running = asyncio.create_task(adapter.run(intake))
        yield FakePlatform(intake, adapter)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_before_it_serves_the_webhook_asks_to_wait() -> None:
    """An answer that is finished while the gateway starts is posted a moment later, not lost."""
    target = ReplyTarget(Conversation("webhook", "default", "c1"), "m0", User("u1"))

    with pytest.raises(RateLimited) as caught:
        await unwired().post(target, "run_1.0", Content("Hello", final=True))
    with pytest.raises(OutcomeUnknown):
        await unwired().find(target, "run_1.0")

    assert caught.value.retry_after <= 1


def test_the_webhook_adds_routes_and_describes_them() -> None:
    """The two optional abilities of the webhook are found by isinstance."""
    adapter = unwired()

    assert isinstance(adapter, AddsRoutes)
    assert isinstance(adapter, Describes)


async def test_the_description_is_valid_and_complete() -> None:
    """/openapi.json is OpenAPI 3.1, and every route of the server is in it with its method."""
    async with hosted() as host, Sender(host.url) as sender:
        document = (await sender.raw("GET", "/openapi.json", {})).json

    validate(document)
    routes = {
        (route.path.replace(":[^/]+", ""), route.method.lower())
        for route in unwired().routes(FakeIntake())
        if isinstance(route, web.RouteDef)
    }
    described = {(path, method) for path, item in document["paths"].items() for method in item}
    own = {"/", "/healthz", "/readyz", "/metrics", "/openapi.json"}
    assert routes <= described
    assert own == {path for path, _ in described if not path.startswith("/webhooks")}


async def test_live_responses_are_as_described() -> None:
    """Eleven real responses, good and bad, match the schema that the document gives for them."""
    async with hosted() as host, Sender(host.url, clock=host.clock) as sender:
        document = (await sender.raw("GET", "/openapi.json", {})).json
        host.intake.stored["f1"] = b"hi"
        post, state = ("/webhooks/{source}", "post"), ("/webhooks/{source}/messages/{id}", "get")
        conversation = "/webhooks/{source}/conversations/{conversation}"
        seen: list[tuple[tuple[str, str], Answered]] = [
            (post, await sender.post(sender.message(), id="m1", query="?wait=0")),
            (state, await sender.state("m1")),
        ]
        await host.intake.answer("m1", "Hi", files=(FileRef("f1", "a.txt", "text/plain", 2),))
        await sender.post(sender.message("x"), id="m2", query="?wait=0")
        await host.intake.fail("m2", RunFailure("expired", "Too long.", "e1"))
        seen += [
            (post, await sender.post(sender.message(), id="m1")),
            (post, await sender.post(sender.message("x"), id="m2")),
            (state, await sender.state("m2")),
            (post, await sender.post(b"{}", id="m3")),
            (post, await sender.post(sender.message("other"), id="m1")),
            ((conversation + "/items", "get"), await sender.get("/conversations/c1/items")),
            ((conversation + "/stop", "post"), await sender.command("/conversations/c1/stop")),
            ((conversation + "/reset", "post"), await sender.command("/conversations/c1/reset")),
            (("/healthz", "get"), await sender.raw("GET", "/healthz", {})),
        ]

    for (path, method), answer in seen:
        response = document["paths"][path][method]["responses"][str(answer.status)]
        if "$ref" in response:
            response = document["components"]["responses"]["Problem"]
        content_type = answer.headers["Content-Type"].split(";")[0]
        schema = response["content"][content_type]["schema"]
        checker(document, schema).validate(json.loads(answer.body))
    assert [202, 200, 200, 200, 200, 400, 409, 200, 200, 200, 200] == [answer.status for _, answer in seen]


def checker(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    """A validator for a schema of the document, which refuses members that it does not name."""
    components = json.loads(json.dumps(document["components"]))
    for name in ("Answer", "MessageState", "Accepted", "Run", "File", "Failure", "Reset", "Stop"):
        components["schemas"][name]["additionalProperties"] = False
    return Draft202012Validator({**schema, "components": components})
