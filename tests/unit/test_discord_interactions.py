"""Commands, buttons, menus and forms in Discord."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest

from assistant_gateway.adapter import Content, Control, Receipt, Verdict
from assistant_gateway.errors import NotAllowed, StoreUnavailable
from assistant_gateway.testing.intake import FakeIntake
from assistant_gateway.values import Command, Conversation, Inbound, Rating, ReplyTarget, User
from assistant_gateway_discord.adapter import DiscordAdapter
from assistant_gateway_discord.commands import definitions
from assistant_gateway_discord.counter import SCOPE
from emulators.discord import DiscordEmulator, EventFault, Fault, Interaction, Message
from emulators.discord.faults import CallFault
from emulators.eventually import eventually
from fixtures.discord import Desk, MemoryNotes, desk, running, settings_for, target_of

PUT = "PUT /applications/{application}/commands"
RUN = "run_1"


class Crowded(FakeIntake):
    """An intake in whose lane others wait."""

    async def accept(self, inbound: Inbound) -> Receipt:
        receipt = await super().accept(inbound)
        return Receipt(receipt.verdict, receipt.message, ahead=2)


@pytest.fixture
async def bot() -> AsyncIterator[Desk]:
    async with desk() as bot:
        await bot.discord.until(lambda: bot.discord.calls(PUT))
        yield bot


async def told(bot: Desk, interaction: Interaction) -> Message:
    """What answers an interaction, when it is no longer "thinking…"."""
    discord = bot.discord
    await discord.until(lambda: discord.answers(interaction) and not discord.is_thinking(interaction))
    return discord.answers(interaction)[-1]


async def answer_with_buttons(bot: Desk) -> Message:
    """The bot's answer to Ann's question, with all four buttons."""
    controls = (Control.STOP, Control.REGENERATE, Control.FEEDBACK)
    question = await bot.ask("Hello?")
    content = Content("Hello!", True, controls=controls, run_id=RUN)
    return bot.message(await bot.adapter.post(bot.target(question), f"{RUN}.0", content))


# Registration


async def test_commands_are_registered_once() -> None:
    """A second process finds them registered and changes nothing; a changed one is registered anew."""
    async with DiscordEmulator(speed=1000) as discord:
        for number in range(2):
            async with running(discord) as bot:
                await discord.until(partial(asked_for_commands, discord, number + 1))
                await bot.ask()
        once = len(discord.calls(PUT))
        next(iter(discord.app.commands.values())).description = "Something else"
        async with running(discord):
            await discord.until(lambda: len(discord.calls(PUT)) == 2)

    names = {str(each["name"]) for each in definitions()}
    assert 1 == once
    assert {"ask", "reset", "stop", "retry", "undo", "usage", "help", "Ask about this"} == names
    assert names == {each.name for each in discord.app.commands.values()}


def asked_for_commands(discord: DiscordEmulator, times: int) -> bool:
    return len(discord.calls("GET /applications/{application}/commands")) >= times


# /ask


async def test_ask_is_accepted_before_it_is_announced(bot: Desk) -> None:
    """While the store works Discord hears nothing for 0.8 s, then "thinking…", which the answer replaces."""
    discord = bot.discord
    bot.intake.hold()
    asked = await discord.slash(discord.general, discord.ann, "ask", {"question": "Why?"})
    await bot.intake.knocked.wait()
    early = asked.state
    await discord.until(lambda: discord.is_thinking(asked))
    bot.intake.let_go()
    await eventually(lambda: bot.heard)
    posted = await bot.adapter.post(target_of(bot.heard[0]), f"{RUN}.0", Content("Because"))
    await bot.adapter.edit(target_of(bot.heard[0]), posted, Content("Because of rust.", final=True))

    (message,) = discord.answers(asked)
    assert "waiting" == early
    assert (asked.id, "Why?") == (bot.heard[0].message_id, bot.heard[0].text)
    assert ("Because of rust.", "") == (message.visible, message.ephemeral_to)
    assert asked.acknowledged_at is not None
    assert asked.acknowledged_at - asked.created_at < 1.5


async def test_a_quick_answer_waits_for_the_announcement(bot: Desk) -> None:
    """The answer is there before Discord has the acknowledgement: it is one message all the same."""
    discord = bot.discord
    discord.fault(Fault("slow", "POST /interactions/*", seconds=0.6))
    asked = await discord.slash(discord.general, discord.ann, "ask", {"question": "Why?"})
    await eventually(lambda: bot.heard)
    await bot.adapter.post(target_of(bot.heard[0]), f"{RUN}.0", Content("Rust."))

    assert ["Rust."] == [each.visible for each in discord.answers(asked)]
    assert ["Rust."] == [each.visible for each in discord.messages(discord.general)]


async def test_ask_in_a_thread_and_in_private_goes_where_it_was_asked(bot: Desk) -> None:
    """The conversation is the thread's, or that of the direct messages."""
    discord = bot.discord
    thread = await discord.open_thread(discord.general, discord.ann, "ours")
    await discord.slash(thread.id, discord.ann, "ask", {"question": "1"})
    await discord.slash(discord.direct(discord.ann), discord.ann, "ask", {"question": "2"})
    await eventually(lambda: len(bot.heard) == 2)

    assert {
        Conversation("discord", discord.guild, discord.general, thread.id),
        Conversation("discord", "@me", discord.direct(discord.ann)),
    } == {inbound.conversation for inbound in bot.heard}


async def test_ask_takes_a_file(bot: Desk) -> None:
    """The file of a command comes with the question."""
    discord = bot.discord
    file = discord.file("a.txt", b"Hello", content_type="text/plain")
    await discord.slash(discord.general, discord.ann, "ask", {"question": "What is it?", "file": file})
    await eventually(lambda: bot.heard)

    assert [b"Hello"] == [each.data for each in bot.heard[0].attachments]


@pytest.mark.parametrize("verdict", [Verdict.BUSY, Verdict.REFUSED])
async def test_a_question_that_is_not_accepted_is_answered_in_private(bot: Desk, verdict: Verdict) -> None:
    """Who may not ask, or is one too many, reads so alone."""
    bot.intake.verdict = verdict
    asked = await bot.discord.slash(bot.discord.general, bot.discord.ann, "ask", {"question": "Why?"})
    message = await told(bot, asked)

    assert "not now" in message.visible
    assert bot.discord.ann == message.ephemeral_to


async def test_a_question_that_can_not_be_kept_is_said_to_be_lost(bot: Desk) -> None:
    """The store refuses: the person is asked to try again, nothing stays "thinking…"."""
    bot.intake.fail_next(StoreUnavailable("disk full"))
    asked = await bot.discord.slash(bot.discord.general, bot.discord.ann, "ask", {"question": "Why?"})
    message = await told(bot, asked)

    assert "try again" in message.visible
    assert [] == bot.heard


async def test_what_goes_wrong_after_the_announcement_is_said_in_its_place(bot: Desk) -> None:
    """The store takes more than 0.8 s and then refuses: "thinking…" becomes the reason."""
    bot.intake.hold()
    bot.intake.fail_next(StoreUnavailable("disk full"))
    asked = await bot.discord.slash(bot.discord.general, bot.discord.ann, "ask", {"question": "Why?"})
    await bot.discord.until(lambda: bot.discord.is_thinking(asked))
    bot.intake.let_go()
    message = await told(bot, asked)

    assert "try again" in message.visible


async def test_a_place_in_the_queue_is_said_and_the_answer_takes_its_place() -> None:
    """With two messages before it the command says so; the answer replaces that."""

    async with desk(intake=Crowded()) as bot:
        discord = bot.discord
        await discord.until(lambda: discord.calls(PUT))
        asked = await discord.slash(discord.general, discord.ann, "ask", {"question": "Why?"})
        first = (await told(bot, asked)).visible
        await bot.adapter.post(target_of(bot.heard[0]), f"{RUN}.0", Content("Rust."))

    assert "2 messages are answered before" in first
    assert ["Rust."] == [each.visible for each in discord.answers(asked)]


async def test_after_fifteen_minutes_the_answer_goes_on_without_the_token(bot: Desk) -> None:
    """Discord refuses the token: edits go to the message, and a first post becomes one like any other."""
    discord = bot.discord
    first = await discord.slash(discord.general, discord.ann, "ask", {"question": "1"})
    await eventually(lambda: bot.heard)
    target = target_of(bot.heard[0])
    posted = await bot.adapter.post(target, f"{RUN}.0", Content("One"))
    discord.fault(Fault("error", "PATCH /webhooks/*", times=None, status=401, code=50027))
    await bot.adapter.edit(target, posted, Content("One."))
    second = await discord.slash(discord.general, discord.ann, "ask", {"question": "2"})
    await eventually(lambda: len(bot.heard) == 2)
    kept = dict(bot.heard[1].reply_to) | {"until": 1}
    late = ReplyTarget(bot.heard[1].conversation, second.id, User(discord.ann), kept)
    await bot.adapter.post(late, "run_2.0", Content("Two."))

    assert ["One."] == [each.visible for each in discord.answers(first)]
    assert "Two." == discord.messages(discord.general)[-1].visible


async def test_after_fifteen_minutes_the_answer_still_takes_the_place_in_the_queue() -> None:
    """The command can't be answered any more: what it was told is edited like any message."""
    async with desk(intake=Crowded()) as bot:
        discord = bot.discord
        await discord.until(lambda: discord.calls(PUT))
        asked = await discord.slash(discord.general, discord.ann, "ask", {"question": "Why?"})
        await told(bot, asked)
        inbound = bot.heard[0]
        late = ReplyTarget(inbound.conversation, asked.id, inbound.user, {**inbound.reply_to, "until": 1})
        await bot.adapter.post(late, f"{RUN}.0", Content("Rust."))

    assert ["Rust."] == [each.visible for each in discord.messages(discord.general)]


async def test_the_first_and_the_second_post_of_a_command_are_found_again(bot: Desk) -> None:
    """A process that has seen neither finds the answer in place of "thinking…", and what follows it."""
    discord = bot.discord
    await discord.slash(discord.general, discord.ann, "ask", {"question": "1"})
    await eventually(lambda: bot.heard)
    target = target_of(bot.heard[0])
    posted = [await bot.adapter.post(target, f"{RUN}.{part}", Content(f"{part}")) for part in range(2)]
    other = DiscordAdapter(settings_for(discord), None)
    found = [await other.find(target, f"{RUN}.{part}") for part in range(3)]
    await other.close()

    assert [*posted, None] == found


# The others


@pytest.mark.parametrize("command", list(Command))
async def test_commands_are_done_and_told_in_private(bot: Desk, command: Command) -> None:
    """Each is handed to the intake with who asked where, and its words are told to that person alone."""
    discord = bot.discord
    asked = await discord.slash(discord.general, discord.ann, command.value)
    message = await told(bot, asked)

    ((inbound, run_id),) = bot.intake.commands
    assert (command, asked.id, discord.ann, "") == (
        inbound.command,
        inbound.message_id,
        inbound.user.id,
        run_id,
    )
    assert (f"Done: {command.value}.", discord.ann) == (message.visible, message.ephemeral_to)


async def test_who_is_not_on_the_lists_is_told_so() -> None:
    """Bob is not listed: his command reaches nobody and is answered in private; Ann's is done."""
    emulator = DiscordEmulator()
    async with desk(emulator=emulator, users=[emulator.ann]) as bot:
        await emulator.until(lambda: emulator.calls(PUT))
        bobs = await told(bot, await emulator.slash(emulator.general, emulator.bob, "stop"))
        anns = await told(bot, await emulator.slash(emulator.general, emulator.ann, "stop"))

    assert ("You may not ask here.", emulator.bob) == (bobs.visible, bobs.ephemeral_to)
    assert "Done: stop." == anns.visible


# Buttons


async def test_stop_and_regenerate_name_the_run(bot: Desk) -> None:
    """A press gives the run back to the intake; the new answer replies to the old one."""
    discord = bot.discord
    message = await answer_with_buttons(bot)
    stop = next(id for id in custom_ids(message) if id.startswith("ag:stop"))
    await told(bot, await discord.click(discord.bob, message, stop))
    again = await discord.click(discord.ann, message, f"ag:regenerate:{RUN}:{stop.rpartition(':')[2]}")
    await told(bot, again)

    commands = [(inbound.command, inbound.user.id, run_id) for inbound, run_id in bot.intake.commands]
    assert [(Command.STOP, discord.bob, RUN), (Command.RETRY, discord.ann, RUN)] == commands
    assert {"message": message.id} == bot.intake.commands[1][0].reply_to


async def test_buttons_work_after_a_restart() -> None:
    """A process that has never seen the message takes its button's press."""
    async with DiscordEmulator(speed=1000) as discord:
        async with running(discord) as bot:
            message = await answer_with_buttons(bot)
        async with running(discord) as bot:
            stop = custom_ids(message)[0]
            await told(bot, await discord.click(discord.ann, message, stop))

    assert [RUN] == [run_id for _, run_id in bot.intake.commands]


async def test_a_thumb_counts_at_once_and_its_comment_later(bot: Desk) -> None:
    """Up is thanked for; down counts and opens a form, whose comment is kept when it is sent."""
    discord = bot.discord
    message = await answer_with_buttons(bot)
    up, down = (next(id for id in custom_ids(message) if f":{press}:" in id) for press in ("good", "bad"))
    thanks = await told(bot, await discord.click(discord.ann, message, up))
    form = await discord.click(discord.bob, message, down)
    await discord.until(lambda: form.modal)
    counted = [(each.user.id, each.rating, each.comment) for each in bot.intake.ratings]
    await told(bot, await discord.submit(form, {"text": "It is not rust."}))

    last = bot.intake.ratings[-1]
    assert "Thank you." == thanks.visible
    assert [(discord.ann, Rating.GOOD, ""), (discord.bob, Rating.BAD, "")] == counted
    assert (RUN, Rating.BAD, "It is not rust.") == (last.run_id, last.rating, last.comment)


async def test_forged_and_foreign_buttons_do_nothing(bot: Desk) -> None:
    """Ids that are none of ours are not even asked about; a forged run is the intake's to refuse."""

    class Strict(FakeIntake):
        async def command(self, inbound: Inbound, *, run_id: str = "") -> str:
            raise NotAllowed("That is not yours.")

    discord = bot.discord
    message = await answer_with_buttons(bot)
    for id in ("x", "ag:stop:", "ag:delete:run_1", "ag:stop:../etc", "ag:stop:run_1:NOT-A-NONCE", "a" * 100):
        await discord.click(discord.ann, message, id, forged=True)
    async with desk(intake=Strict()) as other:
        post = await answer_with_buttons(other)
        forged = await other.discord.click(other.discord.ann, post, "ag:stop:run_of_bob", forged=True)
        refused = await told(other, forged)

    assert [] == bot.intake.commands
    assert "That is not yours." == refused.visible


# "Ask about this"


async def test_a_message_is_asked_about_through_a_form(bot: Desk) -> None:
    """Ann asks about Bob's message: its words and file come as a quotation before her question."""
    discord = bot.discord
    file = discord.file("log.txt", b"leak", content_type="text/plain")
    note = await discord.say(discord.general, discord.bob, "The pump leaks.", files=[file])
    menu = await discord.context_menu(discord.ann, "Ask about this", note)
    await discord.until(lambda: menu.modal)
    sent = await discord.submit(menu, {"text": "Why?"})
    await eventually(lambda: bot.heard)

    (inbound,) = bot.heard
    assert "Bob wrote:\n> The pump leaks.\n\nWhy?" == inbound.text
    await eventually(lambda: not any(scope == SCOPE for scope, _ in bot.notes.kept))
    assert (sent.id, [b"leak"]) == (inbound.message_id, [each.data for each in inbound.attachments])


async def test_a_forwarded_message_can_be_asked_about_and_a_voice_message_can_not(bot: Desk) -> None:
    """The menu reads what was forwarded; of a voice message it says that nobody listens to it."""
    discord = bot.discord
    note = await discord.say(discord.general, discord.bob, "The pump leaks.")
    forward = await discord.forward(discord.general, discord.bob, note)
    menu = await discord.context_menu(discord.ann, "Ask about this", forward)
    await discord.until(lambda: menu.modal)
    await discord.submit(menu, {"text": "Why?"})
    await eventually(lambda: bot.heard)
    voice = discord.file("voice-message.ogg", b"OggS", content_type="audio/ogg")
    spoken = await discord.say(discord.general, discord.bob, "", files=[voice], voice=True)
    refused = await told(bot, await discord.context_menu(discord.ann, "Ask about this", spoken))

    assert ["Bob wrote:\n> The pump leaks.\n\nWhy?"] == [inbound.text for inbound in bot.heard]
    assert "voice" in refused.visible


async def test_a_form_is_good_for_who_opened_it_alone(bot: Desk) -> None:
    """What Ann asks about is kept under her id: Bob's forged form gets none of it."""
    discord = bot.discord
    note = await discord.say(discord.general, discord.bob, "The pump leaks.")
    menu = await discord.context_menu(discord.ann, "Ask about this", note)
    await discord.until(lambda: menu.modal)
    menu.user_id = discord.bob
    answer = await told(bot, await discord.submit(menu, {"text": "Why?"}))

    assert "too old" in answer.visible
    assert [] == bot.heard
    assert 1 == len(await bot.notes.notes(SCOPE))


async def test_old_forms_are_forgotten() -> None:
    """What was kept for a form that was not sent for an hour is gone after the next start."""
    notes = MemoryNotes({(SCOPE, "1"): {"user": "1"}})
    async with desk(notes=notes):
        await asyncio.sleep(0)

    assert {} == await notes.notes(SCOPE)


async def test_interactions_that_come_too_late_end_nothing(bot: Desk) -> None:
    """Discord answers 10062 to a command that is replayed after a gap: the next one works."""
    discord = bot.discord
    discord.fault(Fault("error", "POST /interactions/*", status=404, code=10062))
    await discord.slash(discord.general, discord.ann, "help")
    await discord.until(lambda: any(call.fault for call in discord.calls()))
    message = await told(bot, await discord.slash(discord.general, discord.ann, "help"))

    assert "Done: help." == message.visible


@pytest.mark.parametrize("kind", ["http", "accept_then_drop", "ratelimited"])
async def test_a_command_is_answered_although_discord_stumbles(bot: Desk, kind: CallFault) -> None:
    """The first call that answers a command fails: it is made again while Discord waits."""
    bot.discord.fault(Fault(kind, "POST /interactions/*", retry_after=0.5))
    message = await told(bot, await bot.discord.slash(bot.discord.general, bot.discord.ann, "help"))

    assert "Done: help." == message.visible


@pytest.mark.parametrize("kind", ["http", "accept_then_drop", "ratelimited"])
async def test_what_was_announced_is_said_although_discord_stumbles(bot: Desk, kind: CallFault) -> None:
    """The reason in place of "thinking…" meets a fault: it is put there at the second try."""
    bot.intake.hold()
    bot.intake.fail_next(StoreUnavailable("disk full"))
    bot.discord.fault(Fault(kind, "PATCH /webhooks/*", retry_after=0.5))
    asked = await bot.discord.slash(bot.discord.general, bot.discord.ann, "ask", {"question": "Why?"})
    await bot.discord.until(lambda: bot.discord.is_thinking(asked))
    bot.intake.let_go()
    message = await told(bot, asked)

    assert "try again" in message.visible


async def test_an_event_that_comes_twice_is_one_command(bot: Desk) -> None:
    """Discord may send it again with a RESUME: two questions are not undone by one /undo."""
    bot.discord.fault(EventFault("duplicate", "INTERACTION_CREATE", copies=2))
    await told(bot, await bot.discord.slash(bot.discord.general, bot.discord.ann, "undo"))
    await told(bot, await bot.discord.slash(bot.discord.general, bot.discord.ann, "help"))

    assert [Command.UNDO, Command.HELP] == [inbound.command for inbound, _ in bot.intake.commands]


def custom_ids(message: Message) -> list[str]:
    rows = [row["components"] for row in message.components]
    return [str(button["custom_id"]) for row in rows if isinstance(row, list) for button in row]
