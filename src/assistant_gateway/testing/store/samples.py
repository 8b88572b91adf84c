"""Messages and claims in one line each: what the tests of a store arrange, and what they take for granted."""

from __future__ import annotations

import asyncio

from assistant_gateway.adapter import Receipt, Verdict
from assistant_gateway.store import Claim, Store
from assistant_gateway.values import (
    Busy,
    Conversation,
    Inbound,
    Item,
    JsonObject,
    Lane,
    Message,
    MessageState,
    Routed,
    Run,
    User,
)

LEASE = 30.0
CAP = 100


def said(
    message_id: str, *, channel: str = "C1", tenant: str = "T1", topic: str = "", text: str = "Hi"
) -> Inbound:
    """A message of Ann's."""
    return Inbound(Conversation("fake", tenant, channel, topic), message_id, User("U1", "Ann"), text)


def routed(inbound: Inbound, busy: Busy = Busy.QUEUE) -> Routed:
    """A route that gives each conversation a lane of its own."""
    where = inbound.conversation
    return Routed(Lane(where.adapter, where.tenant, where.channel, where.topic), "default", busy)


def item(id: str, text: str = "Hi", run_id: str = "") -> Item:
    """An item of a thread."""
    body: JsonObject = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": text}],
    }
    return Item(id, body, run_id=run_id)


async def take(store: Store, inbound: Inbound, busy: Busy = Busy.QUEUE, *, cap: int = CAP) -> Receipt:
    """Accept a message in a lane of its conversation."""
    return await store.accept(inbound, routed(inbound, busy), cap=cap)


async def fill(store: Store, lanes: int, messages: int) -> None:
    """Give each lane its messages."""
    for n in range(messages):
        await asyncio.gather(*(take(store, said(f"{c}.{n}", channel=f"C{c}")) for c in range(lanes)))


async def claimed(store: Store, owner: str = "w", lease: float = LEASE) -> Claim:
    """A claim that there must be."""
    claim = await store.claim(owner, lease)
    assert claim is not None
    return claim


async def begin(store: Store, claim: Claim, items: tuple[Item, ...] = ()) -> Run:
    """Begin the claim's run."""
    message = claim.message
    return await store.begin(claim, Run(f"run-{message.id}", message.thread_id, "default"), items)


async def finish(store: Store, claim: Claim) -> None:
    """The claim's message is delivered."""
    await store.finish(claim, MessageState.DELIVERED)


def accepted(receipt: Receipt) -> Message:
    """The message of a receipt that must be an acceptance."""
    assert Verdict.ACCEPTED is receipt.verdict
    return accepted_or_known(receipt)


def accepted_or_known(receipt: Receipt) -> Message:
    """The message of a receipt that must have one."""
    assert receipt.message is not None
    return receipt.message


def named(claim: Claim) -> str:
    """The platform's id of the claimed message."""
    return claim.message.inbound.message_id
