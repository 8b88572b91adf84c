"""Commands, buttons and dialogs have their deadlines; what the app answers is what people see."""

from __future__ import annotations

from collections.abc import AsyncIterator

import discord
import pytest
import pytest_asyncio
from discord import app_commands

from emulators.discord import (
    DiscordEmulator,
    HandClock,
    Intent,
    Interaction,
    InteractionType,
    Message,
    MessageFlag,
    MessageType,
)
from emulators.discord_client import Bot, emulator_for_clients, running
from emulators.discord_raw import Rest, Told, socket_to
from emulators.eventually import eventually
from emulators.shapes import record, string


@pytest_asyncio.fixture
async def emulator() -> AsyncIterator[DiscordEmulator]:
    async with DiscordEmulator(clock=HandClock()) as emulator:
        yield emulator


@pytest_asyncio.fixture
async def rest(emulator: DiscordEmulator) -> AsyncIterator[Rest]:
    async with Rest(emulator) as rest:
        commands = [
            {"name": "ask", "description": "Ask", "options": [option("question", required=True)]},
            {"name": "Look", "type": 3},
        ]
        await rest.call("PUT", f"/applications/{emulator.app.id}/commands", commands)
        yield rest


def option(name: str, kind: int = 3, *, required: bool = False) -> dict[str, object]:
    return {"type": kind, "name": name, "description": name, "required": required}


async def asked(emulator: DiscordEmulator) -> Interaction:
    return await emulator.slash(emulator.general, emulator.ann, "ask", {"question": "Why?"})


async def answer(rest: Rest, interaction: Interaction, kind: int, query: str = "", **data: object) -> Told:
    path = f"/interactions/{interaction.id}/{interaction.token}/callback{query}"
    return await rest.call("POST", path, {"type": kind, "data": data} if data else {"type": kind})


def webhook(interaction: Interaction, tail: str = "") -> str:
    return f"/webhooks/{interaction.app.id}/{interaction.token}{tail}"


BUTTONS = [
    {
        "type": 1,
        "components": [
            {"type": 2, "style": 1, "label": "Stop", "custom_id": "stop"},
            {"type": 2, "style": 1, "label": "Old", "custom_id": "old", "disabled": True},
        ],
    }
]


async def test_a_command_is_answered_in_3_seconds(emulator: DiscordEmulator, rest: Rest) -> None:
    """At 2.9 s the answer is shown, type 20 with the user's command; a second one is 40060."""
    interaction = await asked(emulator)
    emulator.advance(2.9)
    first = await answer(rest, interaction, 4, content="Because.")
    second = await answer(rest, interaction, 4, content="Again.")

    assert (204, (400, 40060)) == (first.status, second.reason)
    assert "acknowledged" == interaction.state
    shown = emulator.answers(interaction)[0]
    assert ("Because.", MessageType.CHAT_INPUT_COMMAND) == (shown.visible, shown.type)
    assert "ask" == record(shown.interaction_metadata)["name"]


async def test_a_late_answer_finds_nothing(emulator: DiscordEmulator, rest: Rest) -> None:
    """At 3 s the person reads that it failed; the callback is 10062, the webhook 10015."""
    interaction = await asked(emulator)
    emulator.advance(3)
    await interaction.done.wait()
    late = await answer(rest, interaction, 5)
    after = await rest.call("POST", webhook(interaction), {"content": "a"})

    assert "failed" == interaction.state
    assert [(404, 10062), (404, 10015)] == [late.reason, after.reason]
    assert [] == emulator.answers(interaction)


async def test_a_deferred_answer_is_thinking_until_it_is_edited(
    emulator: DiscordEmulator, rest: Rest
) -> None:
    """Type 5 shows "thinking", the first edit replaces it and is no edit; the second is one."""
    interaction = await asked(emulator)
    told = await answer(rest, interaction, 5, "?with_response=true")
    thinking = emulator.is_thinking(interaction)
    path = webhook(interaction, "/messages/@original")
    first = await rest.call("PATCH", path, {"content": "Well"})
    second = await rest.call("PATCH", path, {"content": "Well, because."})

    shown = emulator.answers(interaction)[0]
    assert (True, False) == (thinking, emulator.is_thinking(interaction))
    assert record(told["interaction"])["response_message_id"] == shown.id
    assert (None, True) == (first["edited_timestamp"], second["edited_timestamp"] is not None)
    assert [True, False, False] == [frame.loading for frame in shown.frames]


async def test_the_token_lives_15_minutes(emulator: DiscordEmulator, rest: Rest) -> None:
    """At 899 s an edit passes, at 900 s it is 401 with 50027, which counts as invalid."""
    interaction = await asked(emulator)
    await answer(rest, interaction, 5)
    path = webhook(interaction, "/messages/@original")
    emulator.advance(899)
    good = await rest.call("PATCH", path, {"content": "a"})
    emulator.advance(1)
    over = await rest.call("PATCH", path, {"content": "b"})

    assert (200, (401, 50027)) == (good.status, over.reason)
    assert 1 == emulator.limits.invalid("127.0.0.1")


async def test_follow_ups_are_messages_of_their_own(emulator: DiscordEmulator, rest: Rest) -> None:
    """After the answer each follow-up is another message; the first after a defer replaces "thinking"."""
    deferred = await asked(emulator)
    await answer(rest, deferred, 5)
    for text in ("one", "two"):
        await rest.call("POST", webhook(deferred), {"content": text})

    assert ["one", "two"] == [each.visible for each in emulator.answers(deferred)]
    assert deferred.original is not None
    assert ("one", 1) == (deferred.original.visible, len(deferred.followups))


async def test_webhook_calls_have_2_limits(emulator: DiscordEmulator, rest: Rest) -> None:
    """5 calls in 2 s of one token tell it in headers; the 31st message of a channel in 60 s is `shared`."""
    interaction = await asked(emulator)
    await answer(rest, interaction, 4, content="a")
    told = [await rest.call("POST", webhook(interaction), {"content": "b"}) for _ in range(6)]
    for _ in range(5):
        emulator.advance(2)
        for _ in range(5):
            await rest.call("POST", webhook(interaction), {"content": "c"})
    emulator.advance(2)
    last = await rest.call("POST", webhook(interaction), {"content": "d"})

    assert [200] * 5 + [429] == [each.status for each in told]
    assert ["4", "3", "2", "1", "0", "0"] == [each.headers["X-RateLimit-Remaining"] for each in told]
    assert (429, "shared") == (last.status, last.headers["X-RateLimit-Scope"])
    assert "4" == last.headers["X-RateLimit-Remaining"]
    assert 1 == emulator.limits.invalid("127.0.0.1")


async def test_an_app_that_only_the_user_has_follows_up_5_times(emulator: DiscordEmulator) -> None:
    """The bot is not in the server: the sixth follow-up is 40094."""
    async with DiscordEmulator(clock=HandClock(), limits=False) as emulator, Rest(emulator) as rest:
        command = {"name": "ask", "description": "Ask"}
        await rest.call("POST", f"/applications/{emulator.app.id}/commands", command)
        emulator.kick(emulator.guild, emulator.bot_user)
        interaction = await emulator.slash(emulator.general, emulator.ann, "ask")
        await answer(rest, interaction, 4, content="a")
        told = [await rest.call("POST", webhook(interaction), {"content": "b"}) for _ in range(6)]

    assert [200] * 5 == [each.status for each in told[:5]]
    assert (400, 40094) == told[5].reason


async def test_ephemeral_answers_are_for_one(emulator: DiscordEmulator, rest: Rest) -> None:
    """Only Ann sees it; GET on the channel is 10008; the gateway has it without a server."""
    async with socket_to(emulator) as socket:
        await socket.ready()
        interaction = await asked(emulator)
        await answer(rest, interaction, 4, content="secret", flags=64)
        told = await socket.event("MESSAGE_CREATE")
    shown = emulator.answers(interaction)[0]
    read = await rest.call("GET", f"/channels/{emulator.general}/messages/{shown.id}")

    assert (emulator.ann, (emulator.ann,)) == (shown.ephemeral_to, shown.frames[0].viewers)
    assert (404, 10008) == read.reason
    assert ("secret", False) == (told["content"], "guild_id" in told)
    assert [] == emulator.messages(emulator.general)
    with pytest.raises(PermissionError):
        await emulator.click(emulator.bob, shown, "stop")


async def test_answers_ping_users_only(emulator: DiscordEmulator, rest: Rest) -> None:
    """Without `allowed_mentions` a user is pinged, everyone is not."""
    interaction = await asked(emulator)
    await answer(rest, interaction, 4, content=f"@everyone <@{emulator.bob}>")

    assert {emulator.bob} == emulator.answers(interaction)[0].pinged


@pytest.mark.parametrize("kind", [1, 6, 7, 8])
async def test_a_command_cannot_be_answered_like_a_click(
    emulator: DiscordEmulator, rest: Rest, kind: int
) -> None:
    """Types 1, 6, 7 and 8 are 50035, and the command still waits."""
    interaction = await asked(emulator)
    told = await answer(rest, interaction, kind, content="a")

    assert ((400, 50035), "waiting") == (told.reason, interaction.state)


async def test_a_button_updates_its_message(emulator: DiscordEmulator, rest: Rest) -> None:
    """Type 7 edits it; type 6 shows nothing, and `@original` is the message; a gone one cannot be pressed."""
    told = await rest.say(emulator.general, "working", components=BUTTONS)
    message = emulator.message(string(told["id"]))
    first = await emulator.click(emulator.ann, message, "stop")
    await answer(rest, first, 7, content="stopping")
    second = await emulator.click(emulator.ann, message, "stop")
    await answer(rest, second, 6)
    await rest.call("PATCH", webhook(second, "/messages/@original"), {"content": "stopped", "components": []})

    assert ["working", "stopping", "stopped"] == [frame.text for frame in message.frames]
    with pytest.raises(LookupError):
        await emulator.click(emulator.ann, message, "stop")


async def test_clicks_can_be_forged(emulator: DiscordEmulator, rest: Rest) -> None:
    """A component that is disabled or not there sends an interaction only on purpose."""
    told = await rest.say(emulator.general, "working", components=BUTTONS)
    message = emulator.message(string(told["id"]))
    for custom_id in ("old", "other"):
        with pytest.raises(LookupError):
            await emulator.click(emulator.ann, message, custom_id)
    forged = await emulator.click(emulator.ann, message, "other", forged=True)

    assert ("other", InteractionType.COMPONENT) == (forged.name, forged.type)


async def test_commands_that_are_not_there_cannot_be_sent(emulator: DiscordEmulator, rest: Rest) -> None:
    """Unknown names are a LookupError, a missing or unknown option a ValueError."""
    with pytest.raises(LookupError):
        await emulator.slash(emulator.general, emulator.ann, "nothing")
    with pytest.raises(ValueError, match="question"):
        await emulator.slash(emulator.general, emulator.ann, "ask")
    with pytest.raises(ValueError, match="other"):
        await emulator.slash(emulator.general, emulator.ann, "ask", {"question": "a", "other": "b"})


async def test_a_menu_shows_content_without_the_intent(emulator: DiscordEmulator, rest: Rest) -> None:
    """The message that was chosen is there whole, although the session may not read it."""
    async with socket_to(emulator) as socket:
        await socket.ready(int(Intent.GUILD_MESSAGES))
        said = await emulator.say(emulator.general, emulator.ann, "look at this")
        heard = await socket.event("MESSAGE_CREATE")
        await emulator.context_menu(emulator.bob, "Look", said)
        told = record((await socket.event("INTERACTION_CREATE"))["data"])

    chosen = record(record(record(told["resolved"])["messages"])[said.id])
    assert ("", "look at this", said.id) == (heard["content"], chosen["content"], told["target_id"])


class Assistant(Bot):
    """A bot as people write them with discord.py."""

    def __init__(self, emulator: DiscordEmulator) -> None:
        super().__init__(emulator)
        self.tree = app_commands.CommandTree(self)
        self.failures: list[discord.HTTPException] = []
        self._register()

    def _register(self) -> None:
        @self.tree.command(description="Ask")
        @app_commands.describe(question="what")
        async def ask(interaction: discord.Interaction, question: str, private: bool = False) -> None:
            await interaction.response.defer(ephemeral=private, thinking=True)
            await interaction.edit_original_response(content=f"About {question}:", view=Stop())
            await interaction.followup.send("more", ephemeral=private)

        @self.tree.command(description="Tell")
        async def tell(interaction: discord.Interaction) -> None:
            await interaction.response.send_modal(Feedback())

        @self.tree.context_menu(name="Explain")
        async def explain(interaction: discord.Interaction, message: discord.Message) -> None:
            await interaction.response.send_message(f"It says {message.content}")

        @ask.autocomplete("question")
        async def complete(interaction: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
            return [app_commands.Choice(name=f"{current}?", value=current)]

    async def setup_hook(self) -> None:
        await self.tree.sync()


class Stop(discord.ui.View):
    """A view with one button."""

    @discord.ui.button(label="Stop", custom_id="stop")
    async def stop_it(self, interaction: discord.Interaction, _: discord.ui.Button[Stop]) -> None:
        await interaction.response.edit_message(content="Stopped.", view=None)


class Feedback(discord.ui.Modal, title="Feedback"):
    """A dialog with one field."""

    words: discord.ui.TextInput[Feedback] = discord.ui.TextInput(label="Words", custom_id="words")

    async def on_submit(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(f"Thanks for {self.words.value}", ephemeral=True)


@pytest_asyncio.fixture
async def served() -> AsyncIterator[DiscordEmulator]:
    async with emulator_for_clients(ack_deadline=30.0) as served:
        yield served


def texts(messages: list[Message]) -> list[str]:
    return [each.visible for each in messages]


async def test_discord_py_answers_a_command_and_its_button(served: DiscordEmulator) -> None:
    """Thinking, text with a button, a follow-up; after the click the text is another and the button gone."""
    async with running(served, Assistant(served)):
        interaction = await served.slash(served.general, served.ann, "ask", {"question": "life"})
        await served.until(lambda: len(served.answers(interaction)) == 2)
        shown = served.answers(interaction)
        before = texts(shown)
        click = await served.click(served.bob, shown[0], "stop")
        await served.until(lambda: click.state == "acknowledged")

        assert ["About life:", "more"] == before
        assert ("Stopped.", []) == (shown[0].visible, shown[0].components)
        assert [True, False, False] == [frame.loading for frame in shown[0].frames]


async def test_discord_py_answers_in_private(served: DiscordEmulator) -> None:
    """Deferred as ephemeral, the answer and the follow-up are for Ann alone, in direct messages too."""
    async with running(served, Assistant(served)):
        for channel in (served.general, served.direct(served.ann)):
            options = {"question": "life", "private": True}
            interaction = await served.slash(channel, served.ann, "ask", options)
            await served.until(lambda: len(served.answers(interaction)) == 2)  # noqa: B023

            assert [served.ann] * 2 == [each.ephemeral_to for each in served.answers(interaction)]
            assert all(each.flags & MessageFlag.EPHEMERAL for each in served.answers(interaction))


async def test_discord_py_completes_and_explains(served: DiscordEmulator) -> None:
    """What is typed comes back with a question mark; the menu's message is read."""
    async with running(served, Assistant(served)):
        typed = await served.complete(served.general, served.ann, "ask", "question", {"question": "why"})
        await served.until(lambda: typed.choices)
        said = await served.say(served.general, served.ann, "hello")
        menu = await served.context_menu(served.bob, "Explain", said)
        await served.until(lambda: served.answers(menu))

        assert [{"name": "why?", "value": "why"}] == typed.choices
        assert ["It says hello"] == texts(served.answers(menu))
        assert MessageType.CONTEXT_MENU_COMMAND == served.answers(menu)[0].type


async def test_discord_py_shows_a_dialog(served: DiscordEmulator) -> None:
    """The dialog has its field; sent off, its words are answered; an unknown field is a LookupError."""
    async with running(served, Assistant(served)):
        interaction = await served.slash(served.general, served.ann, "tell")
        await served.until(lambda: interaction.modal)
        with pytest.raises(LookupError):
            await served.submit(interaction, {"other": "a"})
        sent = await served.submit(interaction, {"words": "everything"})
        await served.until(lambda: served.answers(sent))

        assert ["Thanks for everything"] == texts(served.answers(sent))


async def test_discord_py_is_told_that_it_was_late() -> None:
    """With a deadline of 0 s `defer` ends with NotFound, code 10062."""
    async with emulator_for_clients(ack_deadline=0.0) as served:
        bot = Bot(served)
        tree = app_commands.CommandTree(bot)
        codes: list[int] = []

        @tree.command(description="Ping")
        async def ping(interaction: discord.Interaction) -> None:
            await eventually(lambda: served.service.interactions[str(interaction.id)].done.is_set())
            try:
                await interaction.response.defer()
            except discord.NotFound as error:
                codes.append(error.code)

        async with running(served, bot):
            await tree.sync()
            await served.slash(served.general, served.ann, "ping")
            await eventually(lambda: codes)

    assert [10062] == codes
