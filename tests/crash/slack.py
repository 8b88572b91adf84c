"""
People who talk to the gateway in Slack: in threads of channels and in direct messages.

Slack is the emulator of these tests, with events that come twice and calls whose answer is lost. Its
repetitions of an event come after 0, 2 and 10 s instead of 0, 60 and 300.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from assistant_gateway_slack.settings import PATH
from crash.processes import Place
from crash.record import Posted, Record, Said, Shown, tick_at
from crash.world.waiting import END
from emulators.clock import RunningClock
from emulators.slack import EventFault, Fault, Manifest, Message, SlackEmulator

HASTE = 30.0  # times as fast pass the pauses between an event's repetitions
AT_ONCE = 3  # unanswered messages of one conversation
Mode = Literal["socket", "http"]


class HastyClock(RunningClock):
    """Tells the machine's time, and does not let anybody wait long."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / HASTE)


@dataclass(slots=True)
class Talk:
    """A conversation: a channel's thread, or direct messages where *root* stays empty."""

    channel: str
    users: tuple[str, ...]
    direct: bool
    root: str = ""
    said: list[Said] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What it is called in the record."""
        return f"{self.channel}:{self.root}" if self.root else self.channel


class SlackCrowd:
    """Ann and Bob, in *channels* threads and each with the bot alone."""

    def __init__(self, slack: SlackEmulator, place: Place, mode: Mode, *, channels: int) -> None:
        tokens = {"bot_token": slack.bot_token, "base_url": slack.api_url}
        if mode == "http":
            tokens["signing_secret"] = slack.signing_secret
            slack.use_request_url(f"{place.url}{PATH}")
        else:
            tokens["app_token"] = slack.app_token
            tokens["streaming"] = "always"  # edits are tried over HTTP
        self.options: Sequence[str] = ("--slack", json.dumps(tokens))
        self._slack = slack
        self._said: list[Said] = []
        self._places: dict[str, Talk] = {}
        self._talks = [Talk(slack.direct(user), (user,), direct=True) for user in (slack.ann, slack.bob)]
        for number in range(channels):
            people = (slack.ann, slack.bob)
            room = slack.add_channel(slack.team, f"room-{number}", members=(*people, slack.bot_user))
            self._talks.append(Talk(room.id, people, direct=False))
        self._talking: list[asyncio.Task[None]] = []
        self._silence = asyncio.Event()

    async def talk(self, *, every: float, seed: int) -> None:
        for number, talk in enumerate(self._talks):
            chance = random.Random(f"{seed}:{number}")
            converse = self._converse(talk, every, chance)
            self._talking.append(asyncio.create_task(converse, name=f"slack-talk:{number}"))

    async def quiet(self) -> None:
        self._silence.set()
        await asyncio.gather(*self._talking)
        await self._slack.settled(timeout=30.0)

    async def waiting(self) -> int:
        return int(self._slack.service.busy)

    async def tell(self, record: Record) -> None:
        record.said += self._said
        numbers = {asked.run: asked.number for asked in record.asked}
        for channel in self._slack.world.channels.values():
            for message in channel.messages.values():
                if message.installation is not None:
                    record.posts.append(_posted(message, numbers))
        record.left_open += self._left_open()
        record.dropped += sum(call.fault == "accept_then_drop" for call in self._slack.calls())

    def _left_open(self) -> list[str]:
        self._slack.settle()
        world = self._slack.world
        messages = [each for channel in world.channels.values() for each in channel.messages.values()]
        return [
            *(
                f"the stream {each.ts} is {each.stream.state}"
                for each in messages
                if each.stream is not None and each.stream.state == "in_progress"
            ),
            *(
                f"the task {task.title} of {each.ts} is {task.status}"
                for each in messages
                if each.stream is not None
                for task in each.stream.tasks.values()
                if task.status not in ("complete", "error")
            ),
            *(
                f"the session {session.thread_ts} is {session.status}"
                for session in world.sessions.values()
                if session.status == "processing"
            ),
            *(
                f"{each.ts} has pinged {sorted(each.pinged)}"
                for each in messages
                if each.installation and each.pinged
            ),
        ]

    async def _converse(self, talk: Talk, every: float, chance: random.Random) -> None:
        await self._pause(chance.uniform(0, every))
        while not self._silence.is_set():
            await self._say(talk, chance.choice(talk.users))
            await self._pause(chance.expovariate(1 / every))
            while not self._silence.is_set() and len(talk.said) - self._ends(talk) >= AT_ONCE:
                await self._pause(0.1)

    async def _say(self, talk: Talk, user: str) -> None:
        slack, number = self._slack, len(self._said) + 1
        mention = "" if talk.direct else f"<@{slack.bot_user}> "
        said = Said(number, "chat", "", f"m{number}")
        self._said.append(said)
        message = await slack.say(
            talk.channel, user, f"{mention}Please answer #{number}.", thread_ts=talk.root
        )
        if not talk.direct:
            talk.root = talk.root or message.ts
        said.conversation = talk.name
        talk.said.append(said)
        brought = [each for each in slack.deliveries() if each.event.get("ts") == message.ts]
        for delivery in brought:
            await delivery.done.wait()
        said.deliveries = sum(len(each.attempts) for each in brought)
        taken = [each.acknowledged_at for each in brought if each.acknowledged_at is not None]
        said.acked = tick_at(min(taken)) if taken else None

    def _ends(self, talk: Talk) -> int:
        """How many answers of the conversation are complete, or will never be."""
        seen = (each for each in self._slack.messages(talk.channel) if each.installation is not None)
        lost = sum(said.acked is None for said in talk.said)
        return lost + sum(bool(END.search(each.visible)) for each in seen)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._silence.wait()
        except TimeoutError:
            return


def _posted(message: Message, numbers: dict[str, int]) -> Posted:
    payload = message.metadata.get("event_payload")
    key = str(payload.get("reply_key", "")) if isinstance(payload, dict) else ""
    where = f"{message.channel}:{message.root}" if message.root else message.channel
    run = key.partition(".")[0]
    return Posted(
        id=message.ts,
        key=key,
        conversation=where,
        answers=f"m{numbers[run]}" if run in numbers else f"nothing: {run}",
        shown=[Shown(tick_at(frame.at), frame.text) for frame in message.frames],
        deleted=None if message.deleted_at is None else tick_at(message.deleted_at),
    )


@asynccontextmanager
async def slack_crowd(place: Place, mode: Mode, *, seed: int, channels: int = 3) -> AsyncIterator[SlackCrowd]:
    """A workspace whose events come twice now and then, and whose answers are lost."""
    async with SlackEmulator(Manifest(view="none"), clock=HastyClock(), quotas=False, seed=seed) as slack:
        for method in (
            "chat.postMessage",
            "chat.update",
            "chat.startStream",
            "chat.appendStream",
            "chat.stopStream",
        ):
            slack.fault(Fault("accept_then_drop", method, times=None, chance=0.04))
            slack.fault(Fault("http", method, times=None, chance=0.02))
        slack.fault(EventFault("duplicate", "message", times=None, chance=0.1))
        slack.fault(EventFault("repeat_acknowledged", "*", times=None, chance=0.1))
        yield SlackCrowd(slack, place, mode, channels=channels)
