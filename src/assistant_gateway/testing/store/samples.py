"""Messages and claims in one line each: what the tests of a store arrange, and what they take for granted."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from assistant_gateway.adapter import Receipt, Verdict
from assistant_gateway.items import assistant_message
from assistant_gateway.store import Claim, Store
from assistant_gateway.values import (
    Answer,
    Busy,
    Command,
    Conversation,
    Inbound,
    Item,
    JsonObject,
    Lane,
    Message,
    MessageState,
    Routed,
    Run,
    RunStatus,
    Usage,
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


def asks(message_id: str, command: Command, *, channel: str = "C1") -> Inbound:
    """A message that is a command."""
    return replace(said(message_id, channel=channel, text=f"/{command.value}"), command=command)


async def answered(store: Store, n: int, *, usage: Usage | None = None) -> Run:
    """A question ``q<n>`` in the lane and its answer ``a<n>``; its run."""
    await take(store, said(f"m{n}"))
    return await answer(store, await claimed(store), f"q{n}", f"a{n}", usage=usage)


async def answer(store: Store, claim: Claim, question: str, reply: str, *, usage: Usage | None = None) -> Run:
    """Answer a claimed message."""
    run = replace(await begin(store, claim, (item(question),)), status=RunStatus.COMPLETED)
    run = replace(run, usage=usage or Usage())
    await store.conclude(claim, run, Answer(reply, RunStatus.COMPLETED), [item(reply)], "j")
    await finish(store, claim)
    return run


def said_by_assistant(id: str) -> Item:
    """An answer on a thread."""
    return Item(id, assistant_message(id))


async def ids(store: Store, thread_id: str, *, forgotten: bool = False) -> list[str]:
    """The ids of a thread's items."""
    return [entry.id for entry in await store.items(thread_id, forgotten=forgotten)]
