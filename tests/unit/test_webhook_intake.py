"""Messages in over the webhook: who may send them, what they may be, and what comes back."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote

import pytest

from assistant_gateway.adapter import Verdict
from assistant_gateway.config.settings import ServerSettings
from assistant_gateway.errors import StoreUnavailable
from assistant_gateway.testing.intake import FakeIntake
from assistant_gateway.values import FileRef, RunFailure, User
from emulators.sender import SECRET, Sender, hmac_signature
from emulators.webhook_host import Host, hosted

TOKEN = "a-token-of-the-tests"
OTHER = "whsec_" + base64.b64encode(b"the secret that came before, 32!").decode()


@dataclass(slots=True)
class Scene:
    host: Host
    sender: Sender


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with hosted() as host, Sender(host.url, clock=host.clock) as sender:
        yield Scene(host, sender)


@pytest.fixture
async def answering() -> AsyncIterator[Scene]:
    """Every message is answered at once with its own text."""
    intake = FakeIntake(lambda inbound: f"You said: {inbound.text}")
    async with hosted(intake=intake) as host, Sender(host.url, clock=host.clock) as sender:
        yield Scene(host, sender)


async def test_an_answer_comes_back_in_the_same_request(answering: Scene) -> None:
    """A signed message is answered with 200 and the seven members that are promised."""
    answer = await answering.sender.post(answering.sender.message("Hello"), id="m1")

    assert 200 == answer.status
    assert {
        "id": "m1",
        "conversation": "c1",
        "thread": "thread_c1_1",
        "run": {
            "id": "run_1",
            "status": "completed",
            "usage": {"input_tokens": 3, "output_tokens": 4, "cached_tokens": 0, "total_tokens": 7},
        },
        "text": "You said: Hello",
        "files": [],
        "error": None,
    } == answer.json


async def test_what_is_said_reaches_the_intake_whole(scene: Scene) -> None:
    """User, attachment, instructions and metadata arrive as they were sent; the source is the tenant."""
    body = scene.sender.message(
        "Look",
        attachments=[{"name": "a\u202e.txt", "content_type": "text/plain", "data": "aGk="}],
        instructions="Be brief.",
        metadata={"k": "v"},
    )

    await scene.sender.post(body, id="m1", query="?wait=0")

    (message,) = scene.host.intake.messages
    inbound = message.inbound
    assert ("webhook", "default", "c1", "") == (
        inbound.conversation.adapter,
        inbound.conversation.tenant,
        inbound.conversation.channel,
        inbound.conversation.topic,
    )
    assert User("u1", "Ann") == inbound.user
    assert ("Look", "Be brief.", {"k": "v"}) == (inbound.text, inbound.instructions, inbound.metadata)
    assert [("a.txt", "text/plain", b"hi")] == [
        (file.name, file.content_type, file.data) for file in inbound.attachments
    ]


async def test_what_is_not_answered_in_time_is_fetched_later(scene: Scene) -> None:
    """After `?wait=0.05` comes 202 with a Location, under which the answer is found when it is there."""
    early = await scene.sender.post(scene.sender.message(), id="m 1/ä", query="?wait=0.05")
    await scene.host.intake.answer("m 1/ä", "Hi")
    location = early.headers["Location"]
    later = await scene.sender.get(location.removeprefix("/webhooks/default"))

    assert 202 == early.status
    assert {"id": "m 1/ä", "state": "accepted", "conversation": "c1"} == early.json
    assert "/webhooks/default/messages/m%201%2F%C3%A4" == location
    assert (200, "answered", "Hi") == (later.status, later.json["state"], later.json["text"])


async def test_a_waiting_request_is_answered_when_the_answer_is_there(scene: Scene) -> None:
    """A request waits while the assistant speaks and ends with 200 as soon as it has spoken."""
    waiting = asyncio.create_task(scene.sender.post(scene.sender.message(), id="m1"))
    await asyncio.wait_for(scene.host.intake.knocked.wait(), 5)
    await asyncio.sleep(0)

    await scene.host.intake.answer("m1", "Hi")

    assert "Hi" == (await asyncio.wait_for(waiting, 5)).json["text"]


async def test_each_state_has_its_word(scene: Scene) -> None:
    """A message goes through accepted, answering, requires_action and answered."""
    states = []
    await scene.sender.post(scene.sender.message(), id="m1", query="?wait=0")

    states.append((await scene.sender.state("m1")).json["state"])
    await scene.host.intake.say("m1", "Hi")
    states.append((await scene.sender.state("m1")).json["state"])
    await scene.host.intake.require_action("m1")
    states.append((await scene.sender.state("m1")).json["state"])
    await scene.host.intake.answer("m1", "Hi")
    states.append((await scene.sender.state("m1")).json["state"])

    assert ["accepted", "answering", "requires_action", "answered"] == states


async def test_a_failed_run_answers_200_with_its_error(scene: Scene) -> None:
    """A failure is told in the body: status failed, code, message and the id of the log line."""
    await scene.sender.post(scene.sender.message(), id="m1", query="?wait=0")
    await scene.host.intake.fail("m1", RunFailure("provider_unavailable", "Nobody is home.", "e1"))

    answer = await scene.sender.post(scene.sender.message(), id="m1")
    state = await scene.sender.state("m1")

    assert (200, "failed") == (answer.status, answer.json["run"]["status"])
    assert {"code": "provider_unavailable", "message": "Nobody is home.", "id": "e1"} == answer.json["error"]
    assert "failed" == state.json["state"]


async def test_a_merged_message_is_answered_with_the_answer_it_shares(scene: Scene) -> None:
    """Of two messages that were merged into one run each request gets the answer under its own id."""
    first = asyncio.create_task(scene.sender.post(scene.sender.message("a"), id="m1"))
    await asyncio.wait_for(scene.host.intake.knocked.wait(), 5)
    await scene.sender.post(scene.sender.message("b"), id="m2", query="?wait=0")
    await scene.host.intake.merge("m1", into="m2")

    between = await scene.sender.state("m1")
    await scene.host.intake.answer("m2", "Both")
    answer = await asyncio.wait_for(first, 5)

    assert "answering" == between.json["state"]
    assert ("m1", "Both", "run_2") == (answer.json["id"], answer.json["text"], answer.json["run"]["id"])


async def test_small_files_come_with_the_answer_and_large_ones_are_named(scene: Scene) -> None:
    """Two bytes come in base64; a file of 5 MiB comes with null for its data."""
    scene.host.intake.stored["f1"] = b"hi"
    files = (FileRef("f1", "a.txt", "text/plain", 2), FileRef("f2", "b.bin", "image/png", 5 << 20))
    await scene.sender.post(scene.sender.message(), id="m1", query="?wait=0")
    await scene.host.intake.answer("m1", "Here", files=files)

    answer = await scene.sender.state("m1")

    assert ["aGk=", None] == [file["data"] for file in answer.json["files"]]


# Who may send


def forged(name: str, sender: Sender, body: bytes) -> dict[str, str]:
    good = sender.signed("m1", body)
    signature = good["webhook-signature"]
    changes: dict[str, dict[str, str]] = {
        "timestamp: a word": {"webhook-timestamp": "abc"},
        "timestamp: empty": {"webhook-timestamp": ""},
        "timestamp: a fraction": {"webhook-timestamp": "1.8e9"},
        "timestamp: 5,000 digits": {"webhook-timestamp": "9" * 5000},
        "timestamp: negative": {"webhook-timestamp": "-1"},
        "timestamp: arabic digits": {"webhook-timestamp": "١٨٠٠٠٠٠٠٠٠"},
        "timestamp: another one": {"webhook-timestamp": str(int(good["webhook-timestamp"]) + 1)},
        "signature: not ASCII": {"webhook-signature": "v1,é"},
        "signature: empty": {"webhook-signature": "v1,"},
        "signature: nothing": {"webhook-signature": ""},
        "signature: 64 KiB": {"webhook-signature": "v1," + "A" * 65_536},
        "signature: other scheme": {"webhook-signature": "v0" + signature[2:]},
        "signature: upper case": {"webhook-signature": signature.upper()},
        "signature: no scheme": {"webhook-signature": signature[3:]},
        "signature: no padding": {"webhook-signature": signature.rstrip("=")},
        "signature: 1,000 wrong ones": {"webhook-signature": " ".join(["v1,AAAA"] * 1000)},
        "id: another one": {"webhook-id": "m2"},
        "id: empty": {"webhook-id": ""},
        "bearer instead": {"webhook-signature": "", "Authorization": f"Bearer {TOKEN}"},
    }
    return {**good, **changes[name]}


@pytest.mark.parametrize(
    "name",
    [
        "timestamp: a word",
        "timestamp: empty",
        "timestamp: a fraction",
        "timestamp: 5,000 digits",
        "timestamp: negative",
        "timestamp: arabic digits",
        "timestamp: another one",
        "signature: not ASCII",
        "signature: empty",
        "signature: nothing",
        "signature: 64 KiB",
        "signature: other scheme",
        "signature: upper case",
        "signature: no scheme",
        "signature: no padding",
        "signature: 1,000 wrong ones",
        "id: another one",
        "id: empty",
        "bearer instead",
    ],
)
async def test_a_forged_request_is_refused(scene: Scene, name: str) -> None:
    """H1, H2: whatever is malformed or wrong in the signature headers gives 401 and no message."""
    body = scene.sender.message()

    answer = await scene.sender.raw("POST", "/webhooks/default", forged(name, scene.sender, body), body)

    assert 401 == answer.status
    assert "application/problem+json" == answer.headers["Content-Type"].split(";")[0]
    assert () == scene.host.intake.messages


async def test_a_header_that_is_there_twice_is_refused(scene: Scene) -> None:
    """H2: with two signature headers, one of them right, nobody knows which one counts: 401."""
    body = scene.sender.message()
    signed = scene.sender.signed("m1", body)
    headers = [*signed.items(), ("webhook-signature", "v1,AAAA")]

    async with scene.sender.session.post(
        f"{scene.host.url}/webhooks/default", headers=headers, data=body
    ) as response:
        assert 401 == response.status


@pytest.mark.parametrize(("ahead", "status"), [(-301, 401), (-300, 202), (300, 202), (301, 401)])
async def test_a_timestamp_counts_for_five_minutes(scene: Scene, ahead: int, status: int) -> None:
    """H3: up to 300 s before and after now are taken, 301 s are not."""
    body = scene.sender.message()

    answer = await scene.sender.raw(
        "POST", "/webhooks/default?wait=0", scene.sender.signed("m1", body, ahead=ahead), body
    )

    assert status == answer.status


async def test_a_replay_has_no_second_effect(answering: Scene) -> None:
    """H4: the same request after 1 s and 299 s is answered again from what is kept, after 301 s with 401."""
    body = answering.sender.message()
    headers = answering.sender.signed("m1", body)
    statuses = []

    for later in (0, 1, 298, 2):
        answering.host.clock.now += later
        statuses.append((await answering.sender.raw("POST", "/webhooks/default", headers, body)).status)

    assert [200, 200, 200, 401] == statuses
    assert 1 == len(answering.host.intake.messages)


async def test_a_flipped_bit_is_always_noticed() -> None:
    """S6: of 1,000 requests with one bit changed in body, id, timestamp or signature 0 are accepted."""
    chance = random.Random(1)
    statuses: Counter[int] = Counter()
    patient = ServerSettings(listen="127.0.0.1:0", requests_per_second=1_000_000)

    async with hosted(server=patient) as host, Sender(host.url, clock=host.clock) as sender:
        body = sender.message("Hello")
        while statuses.total() < 1000:
            parts = {**sender.signed("m1", body), "body": body.decode()}
            name = chance.choice(list(parts))
            raw = bytearray(parts[name].encode())
            raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(7)
            if not raw.decode().isprintable():
                continue  # no header could carry it
            parts[name] = raw.decode()
            sent = parts.pop("body").encode()
            statuses[(await sender.raw("POST", "/webhooks/default?wait=0", parts, sent)).status] += 1

    assert {401: 1000} == statuses
    assert () == host.intake.messages


async def test_a_secret_that_was_replaced_is_refused_and_during_rotation_both_are_good() -> None:
    """H5: with `secrets` the old one is valid beside the new one; without it, it gives 401."""
    statuses = []
    for settings in ({"secret": SECRET, "secrets": [OTHER]}, {"secret": SECRET}):
        async with hosted({"default": settings}) as host:
            for secret in (SECRET, OTHER):
                async with Sender(host.url, secret=secret, clock=host.clock) as sender:
                    statuses.append((await sender.post(sender.message(), query="?wait=0")).status)

    assert [202, 202, 202, 401] == statuses


async def test_a_newline_that_a_proxy_added_is_noticed(scene: Scene) -> None:
    """H6: the bytes are verified as they come; one more is 401."""
    body = scene.sender.message()

    answer = await scene.sender.raw(
        "POST", "/webhooks/default", scene.sender.signed("m1", body), body + b"\n"
    )

    assert 401 == answer.status


async def test_nobody_knows_an_unknown_source(scene: Scene) -> None:
    """A source that is not configured gives 404, signed or not; so does a message that never was."""
    async with Sender(scene.host.url, source="other", clock=scene.host.clock) as other:
        unknown = await other.post(other.message())
    missing = await scene.sender.state("never")

    assert [404, 404] == [unknown.status, missing.status]


async def test_a_bearer_token_opens_its_source() -> None:
    """With a token `Idempotency-Key` names the message; without one a name is made; a wrong token is 401."""
    intake = FakeIntake(lambda inbound: "Hi")
    async with hosted({"default": {"token": TOKEN}}, intake=intake) as host, Sender(host.url) as sender:

        async def post(authorization: str, **headers: str) -> tuple[int, str]:
            answer = await sender.raw(
                "POST", "/webhooks/default", {"Authorization": authorization, **headers}, sender.message()
            )
            return answer.status, answer.json.get("id", "")

        named = await post(f"Bearer {TOKEN}", **{"Idempotency-Key": "k1"})
        again = await post(f"Bearer {TOKEN}", **{"webhook-id": "k1"})
        unnamed = await post(f"bearer {TOKEN}")
        wrong = [
            (await post(authorization))[0]
            for authorization in ("", "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é")
        ]

        assert (200, "k1") == named == again
        assert 200 == unnamed[0]
        assert unnamed[1].startswith("msg_")
        assert [401] * 6 == wrong
        assert 2 == len(intake.messages)


async def test_every_route_wants_proof(scene: Scene) -> None:
    """State, events, items, reset and stop give 401 without a signature."""
    wanted = [
        ("GET", "/messages/m1"),
        ("GET", "/messages/m1/events"),
        ("GET", "/conversations/c1/items"),
        ("POST", "/conversations/c1/reset"),
        ("POST", "/conversations/c1/stop"),
        ("POST", ""),
    ]

    statuses = [
        (await scene.sender.raw(method, f"/webhooks/default{path}", {})).status for method, path in wanted
    ]

    assert [401] * 6 == statuses


# What a message may be

NO_MESSAGES = {
    "a list": b"[1]",
    "null": b"null",
    "a string": b'"x"',
    "a number": b"123",
    "nothing": b"{}",
    "no body": b"",
    "half an object": b"{oops",
    "100,000 brackets": b"[" * 100_000,
    "40,000 objects": b'{"a":' * 40_000,
    "brackets in a member": b'{"conversation":"c","text":"t","metadata":' + b"[" * 900 + b"]" * 900 + b"}",
    "NaN": b'{"conversation":"c","text":"t","a":NaN}',
    "infinity": b'{"conversation":"c","text":"t","a":1e999}',
    "5,000 digits": b'{"conversation":"c","text":"t","a":' + b"9" * 5000 + b"}",
    "a member twice": b'{"conversation":"c","text":"t","user":{"id":"a"},"user":{"id":"admin"}}',
    "an inner member twice": b'{"conversation":"c","text":"t","user":{"id":"a","id":"admin"}}',
    "a BOM": b'\xef\xbb\xbf{"conversation":"c","text":"t"}',
    "no UTF-8": b'{"conversation":"c","text":"\xff\xfe"}',
    "UTF-16": '{"conversation":"c","text":"t"}'.encode("utf-16"),
    "an unknown member": b'{"conversation":"c","text":"t","colour":"red"}',
    "no conversation": b'{"text":"t"}',
    "an empty conversation": b'{"conversation":"","text":"t"}',
    "a long conversation": json.dumps({"conversation": "c" * 201, "text": "t"}).encode(),
    "a number as text": b'{"conversation":"c","text":5}',
    "a string as user": b'{"conversation":"c","text":"t","user":"ann"}',
    "no text": b'{"conversation":"c"}',
    "an empty text": b'{"conversation":"c","text":""}',
    "spaces": b'{"conversation":"c","text":" \\n\\t "}',
    "no base64": b'{"conversation":"c","text":"t","attachments":[{"name":"a","data":"***"}]}',
    "17 attachments": json.dumps(
        {"conversation": "c", "text": "t", "attachments": [{"name": "a", "data": ""}] * 17}
    ).encode(),
}


@pytest.mark.parametrize("name", list(NO_MESSAGES))
async def test_what_is_no_message_is_refused(scene: Scene, name: str) -> None:
    """H12-H16: a signed body that is no message gives 400 with a reason, and no trace of the inside."""
    answer = await scene.sender.post(NO_MESSAGES[name])

    assert 400 == answer.status
    assert {"type", "title", "status", "detail"} == set(answer.json)
    assert "Traceback" not in answer.json["detail"]
    assert () == scene.host.intake.messages


async def test_a_refusal_names_the_member(scene: Scene) -> None:
    """An unknown member and a wrong one are told by their names."""
    unknown = await scene.sender.post(NO_MESSAGES["an unknown member"])
    wrong = await scene.sender.post(NO_MESSAGES["a number as text"])

    assert "colour: unknown member" == unknown.json["detail"]
    assert wrong.json["detail"].startswith("text: ")


@pytest.mark.parametrize(
    ("length", "status"), [(40_000, 202), (40_001, 413), (262_000, 413), (1_000_000, 413), (2_000_000, 413)]
)
async def test_a_long_text_is_refused_with_its_measure(scene: Scene, length: int, status: int) -> None:
    """H18: 40,000 characters are taken; more, and bodies over 256 KiB, give 413."""
    answer = await scene.sender.post(scene.sender.message("x" * length), query="?wait=0")

    assert status == answer.status
    assert (202 == status) == (1 == len(scene.host.intake.messages))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('"a\\u0000b"', "a\ufffdb"),
        ('"a\\ud800b"', "a\ufffdb"),
        ('"\\u0000\\udfff"', "\ufffd\ufffd"),
        ('"\\ud83d\\ude00"', "😀"),
        (json.dumps("\u200d" * 10_000), "\u200d" * 10_000),
    ],
)
async def test_characters_that_no_store_keeps_are_replaced(scene: Scene, text: str, kept: str) -> None:
    """H17: U+0000 and lone surrogates become U+FFFD; the message is accepted."""
    body = b'{"conversation":"c","text":%s}' % text.encode()

    answer = await scene.sender.post(body, query="?wait=0")

    assert 202 == answer.status
    assert [kept] == [message.inbound.text for message in scene.host.intake.messages]


@pytest.mark.parametrize(
    "id", ["a/b", "..", "%2e%2e", "'; DROP TABLE", "-rf", "😀", "a b", "a?b#c", "{}", "a%2Fb", "."]
)
async def test_odd_ids_are_data(answering: Scene, id: str) -> None:
    """H19: ids of messages, conversations and users come back letter by letter."""
    body = json.dumps({"conversation": id, "text": "t", "user": {"id": id}}).encode()
    headers = {
        **answering.sender.signed("x", body),
        "webhook-id": id,
    }
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    headers["webhook-signature"] = hmac_signature(key, id, int(headers["webhook-timestamp"]), body)

    answer = await answering.sender.raw("POST", "/webhooks/default", headers, body)

    (message,) = answering.host.intake.messages
    assert (200, id, id) == (answer.status, answer.json["id"], answer.json["conversation"])
    assert (id, id, id) == (
        message.inbound.message_id,
        message.inbound.conversation.channel,
        message.inbound.user.id,
    )
    if id not in (".", ".."):  # clients resolve these before they send them
        assert "answered" == (await answering.sender.state(id)).json["state"]
        items = await answering.sender.get(f"/conversations/{quote(id, safe='')}/items")
        assert id == items.json["conversation"]
        assert 2 == len(items.json["items"])


async def test_an_id_of_10_kb_is_refused(scene: Scene) -> None:
    """H19: 255 characters are the longest id; 10,000 give 400."""
    long = await scene.sender.post(scene.sender.message(), id="m" * 10_000)
    longest = await scene.sender.post(scene.sender.message(), id="m" * 255, query="?wait=0")

    assert [400, 202] == [long.status, longest.status]


async def test_one_id_with_two_bodies_is_a_conflict(scene: Scene) -> None:
    """H20: the first message stands, the second gives 409."""
    first = await scene.sender.post(scene.sender.message("one"), id="m1", query="?wait=0")
    second = await scene.sender.post(scene.sender.message("two"), id="m1", query="?wait=0")

    assert [202, 409] == [first.status, second.status]
    assert ["one"] == [message.inbound.text for message in scene.host.intake.messages]


async def test_two_sources_share_nothing() -> None:
    """H21: one id under two sources are two messages; each source sees its own only."""
    settings = {"a": {"secret": SECRET}, "b": {"secret": OTHER}}
    async with hosted(settings) as host:
        async with (
            Sender(host.url, source="a", clock=host.clock) as a,
            Sender(host.url, source="b", secret=OTHER, clock=host.clock) as b,
        ):
            await a.post(a.message("for a"), id="m1", query="?wait=0")
            missing = await b.state("m1")
            await b.post(b.message("for b"), id="m1", query="?wait=0")

        assert 404 == missing.status
        assert ["a", "b"] == [message.inbound.conversation.tenant for message in host.intake.messages]


async def test_a_compressed_body_is_refused(scene: Scene) -> None:
    """H11: gzip, `deflate,gzip` and broken br give 400; nothing is ever unpacked."""
    bomb = gzip.compress(b"\0" * 10_000_000)
    statuses = []

    for encoding in ("gzip", "deflate,gzip", "br"):
        headers = {**scene.sender.signed("m1"), "Content-Encoding": encoding}
        statuses.append((await scene.sender.raw("POST", "/webhooks/default", headers, bomb)).status)

    assert [400] * 3 == statuses


@pytest.mark.parametrize("wait", ["x", "nan", "inf", "-1", "1e400"])
async def test_a_wait_that_is_no_time_is_refused(scene: Scene, wait: str) -> None:
    """`?wait=` takes seconds from 0 up; anything else gives 400 and no message."""
    answer = await scene.sender.post(scene.sender.message(), query=f"?wait={wait}")

    assert 400 == answer.status
    assert () == scene.host.intake.messages


# What the gateway says


async def test_what_can_not_be_taken_now_may_be_sent_again(scene: Scene) -> None:
    """Busy is 429, draining and a store that is away are 503, each with Retry-After; nobody there is 403."""
    answers = []
    scene.host.intake.verdict = Verdict.BUSY
    answers.append(await scene.sender.post(scene.sender.message()))
    scene.host.intake.verdict = Verdict.REFUSED
    refused = await scene.sender.post(scene.sender.message())
    scene.host.intake.verdict = Verdict.ACCEPTED
    scene.host.intake.fail_next(StoreUnavailable("disk full"))
    answers.append(await scene.sender.post(scene.sender.message()))
    scene.host.intake.draining = True
    answers.append(await scene.sender.post(scene.sender.message()))

    assert [429, 503, 503] == [answer.status for answer in answers]
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
    assert 403 == refused.status
    assert () == scene.host.intake.messages


async def test_a_conversation_is_read_stopped_and_begun_anew(scene: Scene) -> None:
    """Items are paged by seq, stop tells whether it stopped something, reset names the new thread."""
    for number in range(3):
        await scene.sender.post(scene.sender.message(f"q{number}"), id=f"m{number}", query="?wait=0")
        await scene.host.intake.answer(f"m{number}", f"a{number}")
    await scene.sender.post(scene.sender.message("last"), id="m9", query="?wait=0")

    page = await scene.sender.get("/conversations/c1/items?limit=2&before=5")
    bad = await scene.sender.get("/conversations/c1/items?limit=many")
    stopped = await scene.sender.command("/conversations/c1/stop?user=u7")
    again = await scene.sender.command("/conversations/c1/stop")
    reset = await scene.sender.command("/conversations/c1/reset")
    empty = await scene.sender.get("/conversations/c1/items")

    assert [3, 4] == [item["seq"] for item in page.json["items"]]
    assert "message" == page.json["items"][0]["type"]
    assert 400 == bad.status
    assert [True, False] == [stopped.json["stopped"], again.json["stopped"]]
    assert ["u7", "anonymous"] == [user.id for _, user in scene.host.intake.stopped]
    assert "cancelled" == (await scene.sender.state("m9")).json["state"]
    assert "thread_c1_2" == reset.json["thread"]
    assert [] == empty.json["items"]
