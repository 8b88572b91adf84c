"""
People who talk to the gateway in Discord: in channels of a server and in direct messages.

Discord is the emulator of these tests, ten times as fast as the real one, with calls whose answer is lost
and events that come twice. It repeats no event and has no acknowledgement: what was said while no gateway
listened is fetched from the history, in conversations in which the bot has heard somebody before. So each
conversation begins with a message that is answered in peace; from then on, each message must be.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from assistant_gateway_discord.echoes import nonce
from crash.processes import Place
from crash.record import Posted, Record, Said, Shown, tick_at
from crash.world.waiting import END
from emulators.clock import RunningClock
from emulators.discord import DiscordEmulator, EventFault, Fault, Message

SPEED = 10.0  # times as fast pass Discord's limits, so that a gateway may connect again soon
AT_ONCE = 3  # unanswered messages of one conversation
PARTS = 8  # posts of one answer


class FastClock(RunningClock):
    """Discord's time, and what the machine's clock told then."""

    def __init__(self) -> None:
        super().__init__(SPEED)

    def tick(self, at: float) -> int:
        """The tick of a moment of Discord's."""
        return tick_at(self._began + (at - self._began) / self.speed)


@dataclass(slots=True)
class Talk:
    """A conversation: a channel, or direct messages."""

    channel: str
    users: tuple[str, ...]
    direct: bool
    said: list[Said] = field(default_factory=list)


class DiscordCrowd:
    """Ann and Bob, in *channels* and each with the bot alone."""

    def __init__(self, discord: DiscordEmulator, clock: FastClock, *, channels: int) -> None:
        table = {"bot_token": discord.bot_token, "base_url": discord.api_url}
        self.options: Sequence[str] = ("--discord", json.dumps(table))
        self._discord = discord
        self._clock = clock
        self._said: list[Said] = []
        people = (discord.ann, discord.bob)
        self._talks = [Talk(discord.direct(user), (user,), direct=True) for user in people]
        for number in range(channels):
            channel = discord.add_channel(discord.guild, f"room-{number}")
            self._talks.append(Talk(channel.id, people, direct=False))
        self._talking: list[asyncio.Task[None]] = []
        self._silence = asyncio.Event()

    async def talk(self, *, every: float, seed: int) -> None:
        await self._discord.connected(timeout=30.0)
        for talk in self._talks:
            await self._say(talk, talk.users[0])
        async with asyncio.timeout(30.0):
            while await self.waiting():
                await self._pause(0.1)
        for number, talk in enumerate(self._talks):
            chance = random.Random(f"{seed}:{number}")
            converse = self._converse(talk, every, chance)
            self._talking.append(asyncio.create_task(converse, name=f"discord-talk:{number}"))

    async def quiet(self) -> None:
        self._silence.set()
        await asyncio.gather(*self._talking)
        await self._discord.connected(timeout=30.0)

    async def waiting(self) -> int:
        return sum(self._unanswered(talk) for talk in self._talks)

    async def tell(self, record: Record) -> None:
        record.said += self._said
        runs = {each.run: each.number for each in record.asked}
        keys = {nonce(key): key for run in runs for key in (f"{run}.{part}" for part in range(PARTS))}
        for talk in self._talks:
            for message in self._discord.world.channels[talk.channel].messages.values():
                if message.app is None:
                    continue
                key = keys.get(str(message.nonce), "")
                if key:
                    record.posts.append(self._posted(message, key, runs))
                elif message.deleted_at is None:
                    record.left_open.append(f"{message.id} stays: {message.content}")
                if message.pinged:
                    record.left_open.append(f"{message.id} has pinged {sorted(message.pinged)}")
        record.dropped += sum(call.fault == "accept_then_drop" for call in self._discord.calls())

    def _posted(self, message: Message, key: str, runs: dict[str, int]) -> Posted:
        shown = [Shown(self._clock.tick(frame.at), frame.text) for frame in message.frames]
        shown[-1].text = message.content  # without the words on its buttons
        return Posted(
            id=message.id,
            key=key,
            conversation=message.channel_id,
            answers=f"m{runs[key.partition('.')[0]]}",
            shown=shown,
            deleted=None if message.deleted_at is None else self._clock.tick(message.deleted_at),
        )

    async def _converse(self, talk: Talk, every: float, chance: random.Random) -> None:
        await self._pause(chance.uniform(0, every))
        while not self._silence.is_set():
            await self._say(talk, chance.choice(talk.users))
            await self._pause(chance.expovariate(1 / every))
            while not self._silence.is_set() and self._unanswered(talk) >= AT_ONCE:
                await self._pause(0.1)

    async def _say(self, talk: Talk, user: str) -> None:
        discord, number = self._discord, len(self._said) + 1
        mention = "" if talk.direct else f"<@{discord.bot_user}> "
        said = Said(number, "chat", talk.channel, f"m{number}", acked=tick_at(0), deliveries=1)
        self._said.append(said)
        message = await discord.say(talk.channel, user, f"{mention}Please answer #{number}.")
        said.acked = self._clock.tick(message.created_at)
        talk.said.append(said)

    def _unanswered(self, talk: Talk) -> int:
        seen = (each for each in self._discord.messages(talk.channel) if each.app is not None)
        return len(talk.said) - sum(bool(END.search(each.content)) for each in seen)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._silence.wait()
        except TimeoutError:
            return


@asynccontextmanager
async def discord_crowd(place: Place, *, seed: int, channels: int = 3) -> AsyncIterator[DiscordCrowd]:
    """A server whose answers are lost now and then, and whose events come twice."""
    clock = FastClock()
    async with DiscordEmulator(clock=clock, seed=seed) as discord:
        for route in ("POST /channels/*/messages", "PATCH /channels/*"):
            discord.fault(Fault("accept_then_drop", route, times=None, chance=0.04))
            discord.fault(Fault("http", route, times=None, chance=0.02))
        discord.fault(EventFault("duplicate", "MESSAGE_CREATE", times=None, chance=0.1))
        yield DiscordCrowd(discord, clock, channels=channels)
