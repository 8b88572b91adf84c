"""A real `serve` process in an emulated Discord: the answer grows, and a crash changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from assistant_gateway.backends.demo_texts import long_text
from e2e.served import Served, serve
from e2e.test_slack import PATIENCE, ready
from emulators.discord import DiscordEmulator, Fault, Message

TUTOR = "I need to solve the equation 3x + 11 = 14. Can you help me?"
SOLVED = "both sides are equal."
LONG = "Write something long with code and a table"
CUTS, QUESTIONS = 9, 10  # 100 and 30 hold too, but take minutes
POST = "POST /channels/{channel}/messages"


class Server:
    """The emulator, and gateways that are started for it in one directory, one after another."""

    def __init__(self, discord: DiscordEmulator, directory: Path) -> None:
        self.discord = discord
        self._directory = directory
        (directory / "config.toml").write_text(
            f'[discord]\nbase_url = "{discord.api_url}"\n'
            '[backends.demo]\nkind = "demo"\nwords_per_second = 150\n'
        )

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[Served]:
        """A gateway that is connected."""
        environ = {"DISCORD_BOT_TOKEN": self.discord.bot_token}
        async with serve(self._directory, environ=environ) as served:
            await ready(served.url)
            yield served

    async def ask(self, text: str, *, channel: str = "") -> Message:
        """Ann mentions the bot, in #general."""
        discord = self.discord
        return await discord.say(channel or discord.general, discord.ann, f"<@{discord.bot_user}> {text}")

    async def answered(self, question: Message, end: str) -> Message:
        """The answer to *question*, when it is there and ends so."""

        def done() -> Message | None:
            answers = [each for each in self.answers(question) if each.visible.rstrip().endswith(end)]
            return answers[-1] if answers else None

        found = await self.discord.until(done, PATIENCE)
        assert found is not None
        return found

    def answers(self, question: Message) -> list[Message]:
        """What replies to *question* and is no small print."""
        replies = self.discord.replies(question)
        return [
            each
            for each in replies
            if each.reference is not None
            and each.reference["message_id"] == question.id
            and not each.content.startswith("-# ")
        ]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with DiscordEmulator(speed=20) as discord:
        yield Server(discord, tmp_path)


async def test_a_mention_is_answered_by_a_reply_that_grows(server: Server) -> None:
    """One reply begins with the first words, grows, and ends complete; nobody is pinged, nothing unfurls."""
    async with server.gateway():
        question = await server.ask(TUTOR)
        answer = await server.answered(question, SOLVED)

    texts = [frame.text for frame in answer.frames]
    assert [answer] == server.answers(question)
    assert "x = 1" in answer.visible
    assert len(texts) >= 2
    assert not answer.pinged
    assert not answer.unfurled
    assert [] == [call for call in server.discord.calls() if call.status == 429]


async def test_a_reply_goes_on_without_a_mention_also_after_a_restart(server: Server) -> None:
    """Ann replies to the bot's answer, with its ping off, in a new process: it knows her name."""
    async with server.gateway():
        question = await server.ask("My name is Ann.")
        answer = await server.answered(question, "")

    async with server.gateway():
        follow_up = await server.discord.reply(answer, server.discord.ann, "What is my name?", ping=False)
        told = await server.answered(follow_up, "")
        await server.discord.until(lambda: "Ann" in told.visible, PATIENCE)


async def test_what_was_asked_while_it_was_away_is_answered(server: Server) -> None:
    """Asked between two processes, in the channel and in private: each is answered once."""
    discord = server.discord
    async with server.gateway():
        await server.answered(await server.ask(TUTOR), SOLVED)
        await server.answered(await discord.dm(discord.bob, TUTOR), SOLVED)
    missed = [await server.ask(TUTOR), await discord.dm(discord.bob, TUTOR)]

    async with server.gateway():
        for question in missed:
            await server.answered(question, SOLVED)

    assert [1, 1] == [len(server.answers(question)) for question in missed]


async def test_a_killed_gateway_finishes_the_reply_that_it_began(server: Server) -> None:
    """Killed while the answer grows, the next process completes the same messages; nothing is said twice."""
    async with server.gateway() as served:
        question = await server.ask(LONG)
        await server.discord.until(
            lambda: [each for each in server.answers(question) if len(each.frames) > 2], PATIENCE
        )
        served.kill()
        await served.process.wait()
    begun = server.answers(question)

    async with server.gateway():
        last = long_text(3).split()[-1]
        await server.answered(question, last)

    answers = server.answers(question)
    assert begun == answers[: len(begun)]
    assert 1 == sum(last in each.visible for each in answers)


async def test_a_post_whose_outcome_died_with_the_gateway_is_found_again(server: Server) -> None:
    """Discord took the post and never said so, the process was killed: the next one finds it and goes on."""
    server.discord.fault(Fault("accept_then_hang", "POST /channels/*/messages"))
    async with server.gateway() as served:
        question = await server.ask(TUTOR)
        await server.discord.until(lambda: server.answers(question), PATIENCE)
        served.kill()
        await served.process.wait()

    async with server.gateway():
        answer = await server.answered(question, SOLVED)

    assert [answer] == server.answers(question)
    assert 1 == len(server.discord.calls(POST))


async def test_a_command_is_answered_in_its_place(server: Server) -> None:
    """/ask becomes the answer; /reset and /help are told to Ann alone."""
    discord = server.discord
    async with server.gateway():
        await discord.until(lambda: len(discord.app.commands) == 8, PATIENCE)
        asked = await discord.slash(discord.general, discord.ann, "ask", {"question": TUTOR})
        await discord.until(
            lambda: discord.answers(asked) and discord.answers(asked)[0].visible.endswith(SOLVED), PATIENCE
        )
        reset = await discord.slash(discord.general, discord.ann, "reset")
        await discord.until(lambda: discord.answers(reset), PATIENCE)

    assert 1 == len(discord.answers(asked))
    assert [discord.ann] == [each.ephemeral_to for each in discord.answers(reset)]


async def test_an_answer_is_made_anew_and_rated_with_its_buttons(server: Server) -> None:
    """Regenerate makes a second answer below the first; a thumb is thanked for, in private."""
    discord = server.discord
    async with server.gateway():
        first = await server.answered(await server.ask(TUTOR), SOLVED)
        await discord.until(lambda: len(buttons(first)) == 3, PATIENCE)
        again, good, _ = buttons(first)
        told = await press(discord, first, again)
        while "still to come" in told.visible:  # a hand that is quicker than the store
            told = await press(discord, first, again)
        second = await server.answered(first, SOLVED)
        thanks = await press(discord, first, good)

    assert second.id != first.id
    assert (discord.ann, discord.ann) == (told.ephemeral_to, thanks.ephemeral_to)
    assert "Thank you." == thanks.visible


async def press(discord: DiscordEmulator, message: Message, button: str) -> Message:
    """What Ann is told when she presses a button."""
    pressed = await discord.click(discord.ann, message, button)
    await discord.until(lambda: discord.answers(pressed) and not discord.is_thinking(pressed), PATIENCE)
    return discord.answers(pressed)[0]


def buttons(message: Message) -> list[str]:
    rows = [row["components"] for row in message.components]
    return [str(button["custom_id"]) for row in rows if isinstance(row, list) for button in row]


@pytest.mark.slow
async def test_every_message_between_many_cuts_is_answered_once(tmp_path: Path) -> None:
    """Nine cuts, a third of them with the session, ten questions after each: a hundred answers, each once."""
    async with DiscordEmulator(speed=100, limits=False) as discord:
        server = Server(discord, tmp_path)
        channels = [discord.add_channel(discord.guild, f"room-{number}").id for number in range(10)]
        async with server.gateway():
            asked = [await server.ask("Hello", channel=channel) for channel in channels]
            await discord.until(lambda: answered(discord, channels).total() == len(asked), PATIENCE)
            for cut in range(CUTS):
                if cut % 3 == 0:
                    discord.forget_sessions()
                discord.cut_sockets()
                for number in range(QUESTIONS):
                    asked.append(await server.ask("Hello", channel=channels[number % 10]))
                await discord.until(lambda: answered(discord, channels).total() >= len(asked), PATIENCE)

    assert {question.id: 1 for question in asked} == dict(answered(discord, channels))


def answered(discord: DiscordEmulator, channels: Sequence[str]) -> Counter[str]:
    """How many messages of the bot reply to each question."""
    return Counter(
        str(message.reference["message_id"])
        for channel in channels
        for message in discord.messages(channel)
        if message.author_id == discord.bot_user
        and message.reference
        and not message.content.startswith("-# ")
    )
