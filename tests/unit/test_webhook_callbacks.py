"""Callbacks: signed so that strangers can check them, tried until taken, and dead where they must be."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import pairwise

import pytest
from standardwebhooks import Webhook

from assistant_gateway.adapter import Delivery, DeliveryState, EgressAnswer
from assistant_gateway.http.egress import GuardedEgress
from assistant_gateway.values import Answer, RunFailure, RunStatus, Usage
from assistant_gateway_webhook.schedule import GAPS, is_given_up, next_try, retry_after
from assistant_gateway_webhook.signature import sign
from emulators.eventually import eventually
from emulators.receiver import Receiver, Reply
from emulators.sender import SECRET, Sender
from emulators.webhook_host import Clock, Host, hosted

OTHER = "whsec_" + base64.b64encode(b"the secret that came before, 32!").decode()
TOKEN = "a-token-of-the-tests"
DONE = Answer("Hi", RunStatus.COMPLETED, Usage(3, 4))
DAY = 86_400.0
NOW = 1_700_000_000.0


@dataclass(slots=True)
class Scene:
    host: Host
    sender: Sender
    receiver: Receiver

    async def ask(self, id: str, path: str = "/", text: str = "Hello") -> None:
        """Send a message whose answer goes to the receiver."""
        body = self.sender.message(text, callback_url=self.receiver.url + path)
        answer = await self.sender.post(body, id=id)
        assert 202 == answer.status

    async def settled(self, state: DeliveryState, count: int = 1) -> list[Delivery]:
        """Wait until *count* deliveries are in *state*; they."""

        def found() -> list[Delivery]:
            return [one for one in self.host.intake.outbox.kept.values() if one.state is state]

        await eventually(lambda: len(found()) >= count)
        return found()

    async def tried(self, attempts: int) -> Delivery:
        """Wait until the one delivery has been tried so often; it."""
        kept = self.host.intake.outbox.kept
        await eventually(lambda: any(one.attempts >= attempts for one in kept.values()))
        return next(iter(kept.values()))

    def pass_time(self, seconds: float) -> None:
        """Move the clock, and let the loop see it."""
        self.host.clock.now += seconds
        self.host.adapter.wake()


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with stage() as scene:
        yield scene


class stage:
    """A host, a sender and a receiver with one clock."""

    def __init__(self, settings: dict[str, object] | None = None, **options: object) -> None:
        self._settings = settings
        self._options = options

    async def __aenter__(self) -> Scene:
        clock = Clock(
            float(int(datetime.now(UTC).timestamp()))
        )  # the reference package looks at the real one
        self._receiver = Receiver(clock)
        await self._receiver.__aenter__()
        self._hosted = hosted(self._settings, clock=clock, **self._options)  # type: ignore[arg-type]
        host = await self._hosted.__aenter__()
        self._sender = Sender(host.url, clock=clock)
        await self._sender.__aenter__()
        return Scene(host, self._sender, self._receiver)

    async def __aexit__(self, *_: object) -> None:
        await self._sender.__aexit__(None, None, None)
        await self._hosted.__aexit__(None, None, None)
        await self._receiver.__aexit__(None, None, None)


async def test_an_answer_is_called_back_in_the_body_of_the_200(scene: Scene) -> None:
    """202 at once; then one signed POST whose data is the body that a waiting request would have got."""
    await scene.ask("m1")
    await scene.host.finish("m1", DONE)
    (received,) = await scene.receiver.got(1)
    await scene.host.intake.answer("m1", "Hi")
    waited = await scene.sender.state("m1")

    told = received.verify(SECRET)

    assert "message.answered" == told["type"]
    assert told["timestamp"].endswith("Z")
    assert scene.host.clock.now == datetime.fromisoformat(told["timestamp"]).timestamp()
    assert {"id", "conversation", "thread", "run", "text", "files", "error"} == set(told["data"])
    assert ("m1", "c1", "Hi") == (told["data"]["id"], told["data"]["conversation"], told["data"]["text"])
    assert waited.json["text"] == told["data"]["text"]
    assert "application/json" == received.headers["Content-Type"]


async def test_a_failure_is_called_back_as_one(scene: Scene) -> None:
    """A failed run and a cancelled one arrive as message.failed with their run's status."""
    for id, answer in (
        ("m1", Answer("", RunStatus.FAILED, error=RunFailure("expired", "Too long.", "e1"))),
        ("m2", Answer("Half", RunStatus.CANCELLED)),
    ):
        await scene.ask(id)
        await scene.host.intake.say(id, "…")
        await scene.host.finish(id, answer, key=f"run_{id}.0")

    told = {one.json["data"]["id"]: one.json for one in await scene.receiver.got(2)}

    assert ["message.failed"] * 2 == [told[id]["type"] for id in ("m1", "m2")]
    assert ["failed", "cancelled"] == [told[id]["data"]["run"]["status"] for id in ("m1", "m2")]
    assert "expired" == told["m1"]["data"]["error"]["code"]


async def test_an_answer_is_enqueued_once_however_often_it_is_posted(scene: Scene) -> None:
    """Three posts under one key, as after crashes, are one delivery under one constant id."""
    await scene.ask("m1")

    posted = [await scene.host.finish("m1", DONE) for _ in range(3)]
    (delivered,) = await scene.settled(DeliveryState.DELIVERED)

    assert ["run_1.0"] * 3 == posted
    assert 1 == len(scene.host.intake.outbox.kept)
    assert [delivered.id] == [one.id for one in scene.receiver.received]


async def test_a_message_without_a_callback_is_not_posted_anywhere(scene: Scene) -> None:
    """Nothing is enqueued for a sender that fetches its answer."""
    await scene.sender.post(scene.sender.message(), id="m1", query="?wait=0")

    posted = await scene.host.finish("m1", DONE)

    assert "run_1.0" == posted
    assert {} == scene.host.intake.outbox.kept


async def test_each_merged_message_gets_its_callback(scene: Scene) -> None:
    """Two messages of one run: two callbacks with the same text under two ids."""
    await scene.ask("m1", "/one")
    await scene.ask("m2", "/two")
    await scene.host.intake.merge("m1", into="m2")

    await scene.host.finish("m2", DONE)
    received = await scene.receiver.got(2)

    assert {"/one": "m1", "/two": "m2"} == {one.path: one.json["data"]["id"] for one in received}
    assert ["Hi", "Hi"] == [one.json["data"]["text"] for one in received]
    assert 2 == len({one.id for one in received})


async def test_tries_follow_the_schedule_with_one_id_and_fresh_timestamps() -> None:
    """P23: an endpoint that always fails gets 10 tries in about 75 h; then the delivery is dead, visibly."""
    async with stage() as scene:
        scene.receiver.always(500)
        await scene.ask("m1")
        started = scene.host.clock.now
        await scene.host.finish("m1", DONE)
        due = []
        for attempt in range(1, len(GAPS)):
            delivery = await scene.tried(attempt)
            due.append(delivery.next_at - scene.host.clock.now)
            scene.pass_time(delivery.next_at - scene.host.clock.now)
        (dead,) = await scene.settled(DeliveryState.DEAD)

        received = scene.receiver.received
        gaps = [later.at - earlier.at for earlier, later in pairwise(received)]

    assert 10 == dead.attempts == len(received)
    assert "status 500" == dead.error
    assert all(gap <= waited <= gap * 1.1 for gap, waited in zip(GAPS[1:], gaps, strict=True))
    assert {dead.id} == {one.id for one in received}
    assert [str(int(one.at)) for one in received] == [one.headers["webhook-timestamp"] for one in received]
    assert 74 <= (scene.host.clock.now - started) / 3600 <= 84


async def test_a_redirect_is_a_failure(scene: Scene) -> None:
    """H29: 301, 302, 307 and 308 to the receiver itself are not followed, and tried again later."""
    for status in (301, 302, 307, 308):
        scene.receiver.script(Reply(status, {"Location": scene.receiver.url + "/elsewhere"}))
    await scene.ask("m1")
    await scene.host.finish("m1", DONE)

    for attempt in range(1, 5):
        delivery = await scene.tried(attempt)
        scene.pass_time(delivery.next_at - scene.host.clock.now)
    await scene.settled(DeliveryState.DELIVERED)

    assert ["/"] * 5 == [one.path for one in scene.receiver.received]


async def test_an_endpoint_that_is_gone_is_disabled_until_somebody_drives_it_again(scene: Scene) -> None:
    """H31: 410 kills the delivery and those that wait; `redeliver` starts anew and is taken."""
    scene.receiver.script(500, 410)
    await scene.ask("m1", "/")
    await scene.ask("m2", "/")
    await scene.host.finish("m1", DONE, key="run_1.0")
    await scene.tried(1)
    await scene.host.finish("m2", DONE, key="run_2.0")

    dead = await scene.settled(DeliveryState.DEAD, 2)
    url = dead[0].url
    disabled = await scene.host.intake.outbox.endpoint_fault("default", url)
    await scene.ask("m3", "/")
    await scene.host.finish("m3", DONE, key="run_3.0")
    dead = await scene.settled(DeliveryState.DEAD, 3)
    tries = len(scene.receiver.received)
    await scene.host.adapter.redeliver(dead[0].id)
    (delivered,) = await scene.settled(DeliveryState.DELIVERED)

    assert disabled is not None
    assert disabled.disabled
    assert 2 == tries
    assert dead[0].id == delivered.id
    assert await scene.host.intake.outbox.endpoint_fault("default", url) is None
    with pytest.raises(LookupError):
        await scene.host.adapter.redeliver("cb_unknown")


async def test_an_endpoint_that_fails_for_five_days_is_disabled(scene: Scene) -> None:
    """P23: a failure five days after the first one, with no success between, disables the endpoint."""
    scene.receiver.always(500)
    await scene.ask("m1")
    await scene.ask("m2")
    await scene.host.finish("m1", DONE, key="run_1.0")
    await scene.tried(1)
    scene.pass_time(5 * DAY)

    await scene.host.finish("m2", DONE, key="run_2.0")
    dead = await scene.settled(DeliveryState.DEAD, 2)

    fault = await scene.host.intake.outbox.endpoint_fault("default", dead[0].url)
    assert fault is not None
    assert fault.disabled


async def test_an_endpoint_says_how_long_to_wait(scene: Scene) -> None:
    """H31: `Retry-After: 40` postpones the next try by 40 s and not by the schedule's 5 s."""
    scene.receiver.script(Reply(429, {"Retry-After": "40"}))
    await scene.ask("m1")
    await scene.host.finish("m1", DONE)

    delivery = await scene.tried(1)

    assert 40 <= delivery.next_at - scene.host.clock.now <= 44


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("99999999", 99999999.0),
        ("0", None),
        ("-1", None),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        (format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True), 90.0),
        ("9" * 5000, None),
        ("", None),
        (None, None),
    ],
)
def test_what_an_endpoint_asks_for_is_read_with_care(header: str | None, seconds: float | None) -> None:
    """Seconds and dates are honoured; what is past, negative or garbage leaves the schedule as it is."""
    assert seconds == retry_after(header, NOW)


def test_the_schedule_is_that_of_standard_webhooks() -> None:
    """Ten tries, gaps up to 24 h, at most 10 % more by chance; a wish is capped at 24 h."""
    plain = [next_try(attempts, 0.0) for attempts in range(11)]
    spread = [next_try(attempts, 0.0, chance=1.0) for attempts in range(10)]

    assert [0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400, None] == plain
    assert all(late is not None and late <= gap * 1.1 + 1e-9 for late, gap in zip(spread, GAPS, strict=True))
    assert 1000.0 + DAY == next_try(1, 1000.0, retry_after=99_999_999.0)
    assert 1007.0 == next_try(2, 1000.0, retry_after=7.0)
    assert [False, True] == [is_given_up(0.0, 5 * DAY - 1), is_given_up(0.0, 5 * DAY)]


async def test_one_slow_endpoint_holds_up_nobody_else(scene: Scene) -> None:
    """With 300 deliveries waiting for an endpoint that never answers, another one gets its own at once."""
    scene.receiver.always(Reply(hang=True), "/slow")
    outbox = scene.host.intake.outbox
    slow = scene.receiver.url.replace("127.0.0.1", "localhost") + "/slow"
    for number in range(300):
        await outbox.enqueue(Delivery(f"cb_{number}", "default", slow, b"{}"))
    async with hosted(allow=("127.0.0.1", "localhost"), intake=scene.host.intake) as other:
        other.adapter.wake()
        await scene.receiver.got(1, path="/slow")

        await scene.ask("m1")
        await other.finish("m1", DONE)

        assert 1 == len(await scene.receiver.got(1, path="/"))


async def test_what_waits_for_a_busy_host_is_not_read_again(scene: Scene) -> None:
    """Of 1,000 deliveries to an endpoint that never answers, 256 are read to begin 4, and then none."""
    scene.receiver.always(Reply(hang=True), "/slow")
    outbox = scene.host.intake.outbox
    read: list[int] = []
    due = outbox.due

    async def counted(*words: object, **more: object) -> list[Delivery]:
        found = await due(*words, **more)  # type: ignore[arg-type]
        read.append(len(found))
        return found

    outbox.due = counted  # type: ignore[method-assign]
    for number in range(1000):
        await outbox.enqueue(Delivery(f"cb_{number}", "default", scene.receiver.url + "/slow", b"{}"))
    scene.host.adapter.wake()
    await scene.receiver.got(4, path="/slow")
    begun = sum(read)

    scene.host.adapter.wake()
    looks = len(read)
    await eventually(lambda: len(read) > looks)

    assert 256 == begun
    assert 0 == read[-1]


async def test_a_dropped_connection_is_tried_again_with_the_same_id(scene: Scene) -> None:
    """An endpoint that took the callback and hung up before it said so knows the second one by its id."""
    scene.receiver.script(Reply(drop=True))
    await scene.ask("m1")
    await scene.host.finish("m1", DONE)

    delivery = await scene.tried(1)
    scene.pass_time(delivery.next_at - scene.host.clock.now)
    await scene.settled(DeliveryState.DELIVERED)

    assert 2 == len(scene.receiver.received)
    assert 1 == len({one.id for one in scene.receiver.received})
    assert 1 == len({one.body for one in scene.receiver.received})


class Breaking(GuardedEgress):
    """Fails at one path in a way that nobody foresaw."""

    async def request(self, method: str, url: str, **options: object) -> EgressAnswer:
        if url.endswith("/broken"):
            raise RuntimeError("nobody foresaw it")
        return await super().request(method, url, **options)  # type: ignore[arg-type]


async def test_a_delivery_that_breaks_us_is_dead_and_the_others_go_on() -> None:
    """An error that nobody foresaw buries its one delivery; the one behind it is taken."""
    egress = Breaking(("127.0.0.1",))
    async with stage(egress=egress) as scene:
        outbox = scene.host.intake.outbox
        for number, path in enumerate(("/broken", "/")):
            url = scene.receiver.url + path
            await outbox.enqueue(Delivery(f"cb_{number}", "default", url, b"{}", next_at=float(number)))
        scene.host.adapter.wake()

        (delivered,) = await scene.settled(DeliveryState.DELIVERED)
        (dead,) = await scene.settled(DeliveryState.DEAD)
    await egress.close()

    assert ("cb_1", "cb_0") == (delivered.id, dead.id)
    assert "nobody foresaw" not in dead.error


async def test_an_address_that_resolves_inside_is_dead_at_once() -> None:
    """A name that turns out to be private is never connected to; the delivery says so and is dead."""
    async with stage(allow=()) as scene:
        await scene.host.intake.outbox.enqueue(
            Delivery("cb_1", "default", "https://localhost.example.invalid@x/", b"{}")
        )
        scene.host.adapter.wake()
        (dead,) = await scene.settled(DeliveryState.DEAD)

    assert dead.error.startswith("refused: ")
    assert [] == scene.receiver.received


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "file:///etc/passwd",
        "https://u@good.example/",
        "//good.example/",
        "https://good.example:22/",
        "x",
    ],
)
async def test_an_address_that_can_be_judged_is_refused_at_once(url: str) -> None:
    """Such a `callback_url` gives 400 and no message."""
    async with hosted(allow=()) as host, Sender(host.url, clock=host.clock) as sender:
        answer = await sender.post(sender.message(callback_url=url))

        assert 400 == answer.status
        assert answer.json["detail"].startswith("callback_url: ")
        assert () == host.intake.messages


async def test_the_gateway_does_not_call_itself() -> None:
    """H79: a `callback_url` under the gateway's own host and port gives 400."""
    async with (
        hosted(own_hosts=frozenset({"127.0.0.1:8080", "gate.example:443"})) as host,
        Sender(host.url, clock=host.clock) as sender,
    ):
        urls = ["http://127.0.0.1:8080/webhooks/default", "https://gate.example/webhooks/default"]

        answers = [await sender.post(sender.message(callback_url=url)) for url in urls]

    assert [400, 400] == [answer.status for answer in answers]
    assert all("itself" in answer.json["detail"] for answer in answers)


async def test_while_secrets_rotate_a_callback_carries_a_signature_of_each() -> None:
    """With two secrets a receiver that knows either one can check the callback."""
    async with stage({"default": {"secret": SECRET, "secrets": [OTHER]}}) as scene:
        await scene.ask("m1")
        await scene.host.finish("m1", DONE)
        (received,) = await scene.receiver.got(1)

    assert received.verify(SECRET) == received.verify(OTHER)
    assert 2 == len(received.headers["webhook-signature"].split(" "))


async def test_a_source_with_a_token_checks_callbacks_with_its_bytes() -> None:
    """Without a secret the callback's key is the token itself: `whsec_` and its base64."""
    async with stage({"default": {"token": TOKEN}}) as scene:
        body = scene.sender.message(callback_url=scene.receiver.url + "/")
        await scene.sender.raw(
            "POST", "/webhooks/default", {"Authorization": f"Bearer {TOKEN}", "webhook-id": "m1"}, body
        )
        await scene.host.finish("m1", DONE)
        (received,) = await scene.receiver.got(1)

    assert "Hi" == received.verify("whsec_" + base64.b64encode(TOKEN.encode()).decode())["data"]["text"]


def test_our_signature_is_that_of_the_reference_package() -> None:
    """One body, id and second: both write the same signature, and the package accepts ours."""
    now = datetime.now(UTC)
    body = json.dumps({"text": "é"})
    key = base64.b64decode(SECRET.removeprefix("whsec_"))

    ours = sign([key], "cb_1", int(now.timestamp()), body.encode())

    assert Webhook(SECRET).sign("cb_1", now, body) == ours
    Webhook(SECRET).verify(
        body,
        {"webhook-id": "cb_1", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": ours},
    )
