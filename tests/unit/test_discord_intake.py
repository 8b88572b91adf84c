"""What is said in Discord, and what of it is accepted."""

from __future__ import annotations

import pytest

from assistant_gateway.adapter import Content, Receipt, Verdict
from assistant_gateway.errors import StoreUnavailable
from assistant_gateway.testing.intake import FakeIntake
from assistant_gateway.values import Conversation, Inbound
from assistant_gateway_discord.drafts import SMALL
from assistant_gateway_discord.identity import Identity
from assistant_gateway_discord.said import Ignored, judge
from emulators.discord import DiscordEmulator, Fault, Message
from emulators.discord.faults import CallFault
from emulators.eventually import eventually
from emulators.shapes import Json
from fixtures.discord import Desk, MemoryNotes, desk, running


class Crowded(FakeIntake):
    """An intake in whose lane others wait."""

    async def accept(self, inbound: Inbound) -> Receipt:
        receipt = await super().accept(inbound)
        return Receipt(receipt.verdict, receipt.message, ahead=2, reason=receipt.reason)


def small(discord: DiscordEmulator, message: Message) -> list[str]:
    """The words in small print below a message."""
    return [each.content for each in discord.replies(message) if each.content.startswith(SMALL)]


async def only_the_last(desk: Desk) -> list[str]:
    """What was accepted, when a mention that comes after everything else is."""
    await desk.settled()
    return [inbound.text for inbound in desk.heard[:-1]]


# What is answered


async def test_a_mention_is_accepted_without_the_mention() -> None:
    """Ann's mention comes as her words, in the channel's own conversation, with her name and roles."""
    async with desk() as bot:
        discord = bot.discord
        role = discord.add_role(discord.guild, "helpers", members=(discord.ann,))
        question = await discord.say(
            discord.general, discord.ann, f"<@{discord.bot_user}>, what is <@{discord.bob}>?"
        )
        await eventually(lambda: bot.heard)

    (inbound,) = bot.heard
    assert Conversation("discord", discord.guild, discord.general) == inbound.conversation
    assert (question.id, "what is @Bob?") == (inbound.message_id, inbound.text)
    assert (discord.ann, "Ann", (role.id,)) == (inbound.user.id, inbound.user.name, inbound.user.roles)


async def test_direct_messages_are_answered_without_a_mention() -> None:
    """A direct message is of the tenant @me, in its own channel."""
    async with desk() as bot:
        discord = bot.discord
        await discord.dm(discord.ann, "Hello")
        await eventually(lambda: bot.heard)

    (inbound,) = bot.heard
    assert Conversation("discord", "@me", discord.direct(discord.ann)) == inbound.conversation
    assert "Hello" == inbound.text


async def test_what_is_not_for_the_bot_is_not_accepted() -> None:
    """Talk, @everyone, a mention of Bob, system messages and the bot's own words: nothing of five."""
    async with desk() as bot:
        discord = bot.discord
        await discord.say(discord.general, discord.ann, "Just talking.")
        await discord.say(discord.general, discord.ann, "@everyone hi")
        await discord.say(discord.general, discord.ann, f"<@{discord.bob}> hi")
        await discord.system(discord.general, discord.ann, 7)
        question = await bot.ask("Yes?")
        await bot.adapter.post(bot.target(question), "run_1.0", Content("I am here."))

        assert ["Yes?"] == await only_the_last(bot)


@pytest.mark.parametrize("kind", [[], {}, "0", None, True, 7, 1 << 70])
def test_what_is_no_message_of_a_person_is_ignored(kind: object) -> None:
    """Whatever stands where the type should: nothing fails, nothing is said."""
    message = {"id": "1", "channel_id": "2", "author": {"id": "3"}, "content": "x", "type": kind}

    assert isinstance(judge(message, Identity("4", "4")), Ignored)


async def test_a_reply_to_the_bot_is_answered_without_a_mention() -> None:
    """Replying to the bot's answer, with its ping off, continues; replying to Bob does not."""
    async with desk() as bot:
        discord = bot.discord
        question = await bot.ask("One?")
        posted = await bot.adapter.post(bot.target(question), "run_1.0", Content("Two."))
        await discord.settled()
        bobs = await discord.say(discord.general, discord.bob, "Three.")
        await discord.reply(bobs, discord.ann, "No.", ping=False)
        await discord.reply(bot.message(posted), discord.ann, "And four?", ping=False)
        await eventually(lambda: len(bot.heard) == 2)

    assert ["One?", "And four?"] == [inbound.text for inbound in bot.heard]


async def test_follow_ups_in_a_thread_are_answered_and_other_threads_are_not() -> None:
    """Once asked in a thread it hears all of that thread, with the thread as topic."""
    async with desk() as bot:
        discord = bot.discord
        ours = await discord.open_thread(discord.general, discord.ann, "ours")
        other = await discord.open_thread(discord.general, discord.ann, "other")
        await bot.ask("First", channel=ours.id)
        await discord.say(other.id, discord.ann, "Not for the bot.")
        await discord.say(ours.id, discord.bob, "Second")
        await eventually(lambda: len(bot.heard) == 2)

        assert ["First", "Second"] == await only_the_last(bot)
    assert {Conversation("discord", discord.guild, discord.general, ours.id)} == {
        inbound.conversation for inbound in bot.heard[:2]
    }


async def test_mentions_alone_are_answered_where_that_is_wanted() -> None:
    """With answer = "mention" a follow-up in a thread is not heard; with always_in a plain word is."""
    async with desk(answer="mention") as bot:
        discord = bot.discord
        thread = await discord.open_thread(discord.general, discord.ann, "ours")
        await bot.ask("First", channel=thread.id)
        await discord.say(thread.id, discord.ann, "Second")

        assert ["First"] == await only_the_last(bot)

    emulator = DiscordEmulator()
    async with desk(emulator=emulator, always_in=[emulator.general]) as bot:
        await emulator.say(emulator.general, emulator.ann, "Plain")
        await eventually(lambda: bot.heard)
    assert "Plain" == bot.heard[0].text


async def test_the_bots_own_role_is_a_mention_of_the_bot() -> None:
    """Mentioning the role that Discord gave the bot counts; that of a role for people does not."""
    async with desk() as bot:
        discord = bot.discord
        role = discord.add_role(discord.guild, "helpers", mentionable=True)
        await discord.say(discord.general, discord.ann, f"<@&{role.id}> anybody?")

        assert [] == await only_the_last(bot)


# Whom it does not answer


async def test_other_bots_are_not_answered_and_never_for_ever() -> None:
    """A bot is not answered; where bots are, three of five in a row are, until a person speaks."""
    emulator = DiscordEmulator()
    robot = emulator.add_user("robot")
    robot.bot = True
    emulator.join(emulator.guild, robot.id)
    async with desk(emulator=emulator) as bot:
        await emulator.say(emulator.general, robot.id, f"{bot.mention} 0")
        assert [] == await only_the_last(bot)

    emulator = DiscordEmulator()
    robot = emulator.add_user("robot")
    robot.bot = True
    emulator.join(emulator.guild, robot.id)
    async with desk(emulator=emulator, ignore_bots=False) as bot:
        for number in range(5):
            await emulator.say(emulator.general, robot.id, f"{bot.mention} {number}")
        assert ["0", "1", "2"] == await only_the_last(bot)
        await emulator.say(emulator.general, robot.id, f"{bot.mention} again")
        await eventually(lambda: bot.heard[-1].text == "again")


async def test_the_lists_are_kept_by_ids() -> None:
    """Of two servers, two channels and two people only those on the lists are heard; a role lets in, too."""
    emulator = DiscordEmulator()
    other = emulator.add_channel(emulator.guild, "other").id
    role = emulator.add_role(emulator.guild, "helpers", members=(emulator.bob,))
    async with desk(
        emulator=emulator,
        guilds=[emulator.guild],
        channels=[emulator.general],
        roles=[role.id],
        users=[],
    ) as bot:
        await emulator.say(emulator.general, emulator.ann, f"{bot.mention} Ann has no role")
        await emulator.say(other, emulator.bob, f"{bot.mention} not here")
        await emulator.dm(emulator.bob, "nobody has roles here")
        await bot.ask("Bob may", user=emulator.bob)

    assert ["Bob may"] == [inbound.text for inbound in bot.heard]


async def test_direct_messages_can_be_switched_off() -> None:
    """With direct_messages = false nothing that is said in private is heard."""
    async with desk(direct_messages=False) as bot:
        await bot.discord.dm(bot.discord.ann, "Hello")

        assert [] == await only_the_last(bot)


# What people see


async def test_voice_messages_are_refused_in_words() -> None:
    """A voice message to the bot is not accepted, and its author is told to write."""
    async with desk() as bot:
        discord = bot.discord
        voice = discord.file("voice-message.ogg", b"OggS", content_type="audio/ogg")
        message = await discord.say(discord.direct(discord.ann), discord.ann, "", files=[voice], voice=True)
        await discord.until(lambda: small(discord, message))

    assert [] == bot.heard
    assert "can't listen to voice messages" in small(discord, message)[0]


@pytest.mark.parametrize(("verdict", "word"), [(Verdict.BUSY, "Busy"), (Verdict.REFUSED, "Not accepted")])
async def test_who_is_not_accepted_is_told(verdict: Verdict, word: str) -> None:
    """A message that is turned away gets one reply that says so, and pings nobody."""
    intake = FakeIntake()
    intake.verdict = verdict
    async with desk(intake=intake) as bot:
        discord = bot.discord
        message = await discord.say(discord.general, discord.ann, f"{bot.mention} Hello")
        await discord.until(lambda: small(discord, message))

        (told,) = discord.replies(message)
        assert word in told.content
        assert not told.pinged


async def test_a_place_in_the_queue_is_told_and_taken_away() -> None:
    """With two messages before it the person is told so; when the answer begins, that is gone."""
    async with desk(intake=Crowded()) as bot:
        discord = bot.discord
        question = await bot.ask()
        await discord.until(lambda: small(discord, question))
        told = small(discord, question)

        await bot.adapter.working(bot.target(question))
        await discord.until(lambda: not small(discord, question))

    assert [f"{SMALL}⏳ 2 messages are answered before this one."] == told


async def test_a_place_in_the_queue_is_taken_away_after_a_restart() -> None:
    """The next process takes it away when it answers, or when the message is deleted."""
    notes = MemoryNotes()
    async with DiscordEmulator(speed=1000) as discord:
        async with running(discord, intake=Crowded(), notes=notes) as bot:
            questions = [await bot.ask("1"), await bot.ask("2")]
            await eventually(lambda: len(waiting(notes)) == 2)
            target = bot.target(questions[0])
        async with running(discord, intake=bot.intake, notes=notes) as bot:
            await bot.adapter.working(target)
            await discord.delete(questions[1])
            await eventually(lambda: not waiting(notes))

    assert [] == small(discord, questions[0])


async def test_a_place_in_the_queue_goes_although_the_answer_began_before_the_restart_was_over() -> None:
    """Answered meanwhile, or its answer begun before the notes were read: the next process removes it."""
    notes = MemoryNotes()
    async with DiscordEmulator(speed=1000) as discord:
        async with running(discord, intake=Crowded(), notes=notes) as bot:
            question = await bot.ask()
            await eventually(lambda: len(waiting(notes)) == 1 and small(discord, question))
        await bot.intake.answer(question.id, "Hello")
        async with running(discord, intake=bot.intake, notes=notes):
            await eventually(lambda: not waiting(notes))

    assert [] == small(discord, question)


async def test_a_note_whose_posting_a_process_did_not_survive_is_found_and_taken_away() -> None:
    """Posted, and its id never kept: it is found by its words below the question."""
    notes = MemoryNotes()
    async with DiscordEmulator(speed=1000) as discord:
        async with running(discord, intake=Crowded(), notes=notes) as bot:
            question = await bot.ask()
            await eventually(lambda: len(waiting(notes)) == 1 and small(discord, question))
            target = bot.target(question)
        key = ("discord:waiting", question.id)
        notes.kept[key] = {**notes.kept[key], "id": ""}
        async with running(discord, intake=bot.intake, notes=notes) as bot:
            await bot.adapter.working(target)
            await eventually(lambda: not waiting(notes))

    assert [] == small(discord, question)


@pytest.mark.parametrize("kind", ["accept_then_drop", "http", "ratelimited"])
async def test_a_note_is_told_once_and_taken_away_although_calls_fail(kind: CallFault) -> None:
    """The post and the removal fail once each; one note was told, and it goes."""
    async with desk(intake=Crowded()) as bot:
        discord = bot.discord
        for route in ("POST /channels/*/messages", "DELETE /channels/*"):
            discord.fault(Fault(kind, route, retry_after=0.1))
        question = await bot.ask()
        await discord.until(lambda: small(discord, question))

        await bot.adapter.working(bot.target(question))
        await eventually(lambda: not waiting(bot.notes))

    assert [] == small(discord, question)
    assert 1 == len([each for each in discord.world.channels[discord.general].messages.values() if each.app])


async def test_where_the_bot_may_not_read_a_note_is_told_all_the_same() -> None:
    """Without Read Message History nothing can be replied to: "busy" is said below the message."""
    intake = FakeIntake()
    intake.verdict = Verdict.BUSY
    async with desk(intake=intake) as bot:
        discord = bot.discord
        discord.fault(Fault("error", "POST /channels/*/messages", status=400, code=160002))
        message = await discord.say(discord.general, discord.ann, f"{bot.mention} Hello")
        await discord.until(lambda: small(discord, message))

    assert "Busy" in small(discord, message)[0]


def waiting(notes: MemoryNotes) -> list[str]:
    """The messages below which a place in the queue stands."""
    return [key for scope, key in notes.kept if scope == "discord:waiting"]


# What a message is about


async def test_a_reply_brings_what_it_replies_to() -> None:
    """Bob's chain of three messages comes before Ann's words, oldest first, as quotations."""
    async with desk() as bot:
        discord = bot.discord
        first = await discord.say(discord.general, discord.bob, "The pump leaks.")
        second = await discord.reply(first, discord.bob, "Since Monday.")
        await discord.reply(second, discord.ann, f"{bot.mention} Why?")
        await eventually(lambda: bot.heard)

    assert "Bob wrote:\n> The pump leaks.\n\nBob wrote:\n> Since Monday.\n\nWhy?" == bot.heard[0].text


async def test_what_the_assistant_knows_is_not_quoted_again() -> None:
    """A reply to a message that was accepted, and to the bot's newest words, is only the new words."""
    async with desk() as bot:
        discord = bot.discord
        question = await bot.ask("One?")
        posted = await bot.adapter.post(bot.target(question), "run_1.0", Content("Two."))
        await discord.reply(question, discord.ann, f"{bot.mention} and?")
        await eventually(lambda: len(bot.heard) == 2)
        await discord.reply(bot.message(posted), discord.ann, "Go on")
        await eventually(lambda: len(bot.heard) == 3)

    assert ["One?", "and?", "Go on"] == [inbound.text for inbound in bot.heard]


async def test_an_older_answer_of_the_bot_is_quoted() -> None:
    """A reply to the bot's first of two answers says which one is meant."""
    async with desk() as bot:
        question = await bot.ask("One?")
        posted = await bot.adapter.post(bot.target(question), "run_1.0", Content("Two."))
        await bot.adapter.post(bot.target(question), "run_2.0", Content("Three."))
        await bot.settled()
        await bot.discord.reply(bot.message(posted), bot.discord.ann, "Go on")
        await eventually(lambda: len(bot.heard) == 3)

    assert "You wrote:\n> Two.\n\nGo on" == bot.heard[-1].text


async def test_a_forwarded_message_comes_as_a_quotation() -> None:
    """What Ann forwards to the bot in private is quoted; Discord does not say whose it was."""
    async with desk() as bot:
        discord = bot.discord
        note = await discord.say(discord.general, discord.bob, "The pump leaks.")
        await discord.forward(discord.direct(discord.ann), discord.ann, note)
        await eventually(lambda: bot.heard)

    assert "Somebody wrote (forwarded):\n> The pump leaks." == bot.heard[0].text.strip()


async def test_a_reply_to_a_picture_brings_the_picture() -> None:
    """Bob posts a photo without a word, Ann asks what it shows: its name and its bytes come along."""
    async with desk() as bot:
        discord = bot.discord
        photo = discord.file("pump.png", b"pixels", content_type="image/png")
        note = await discord.say(discord.general, discord.bob, "", files=[photo])
        await discord.reply(note, discord.ann, f"{bot.mention} What is this?")
        await eventually(lambda: bot.heard)

    (inbound,) = bot.heard
    assert "Bob wrote:\n> [pump.png]\n\nWhat is this?" == inbound.text
    assert [("pump.png", b"pixels")] == [(each.name, each.data) for each in inbound.attachments]


async def test_a_reply_to_a_forwarded_message_brings_its_words() -> None:
    """Bob forwards what he wrote elsewhere; Ann's reply to that brings the forwarded words."""
    async with desk() as bot:
        discord = bot.discord
        elsewhere = discord.add_channel(discord.guild, "elsewhere")
        note = await discord.say(elsewhere.id, discord.bob, "The pump leaks.")
        forward = await discord.forward(discord.general, discord.bob, note)
        await discord.reply(forward, discord.ann, f"{bot.mention} Why?")
        await eventually(lambda: bot.heard)

    assert "Bob wrote:\n> The pump leaks.\n\nWhy?" == bot.heard[0].text


async def test_a_sticker_and_a_poll_are_words() -> None:
    """In private, a sticker alone and a poll alone are no empty messages."""
    poll: Json = {
        "question": {"text": "Tea?"},
        "answers": [
            {"answer_id": 1, "poll_media": {"text": "yes"}},
            {"answer_id": 2, "poll_media": {"text": "no"}},
        ],
    }
    async with desk() as bot:
        discord = bot.discord
        private = discord.direct(discord.ann)
        await discord.say(private, discord.ann, "", stickers=["Wave"])
        await discord.say(private, discord.ann, "", poll=poll)
        await eventually(lambda: len(bot.heard) == 2)

    assert ["[sticker: Wave]", "[poll: Tea? yes / no]"] == [inbound.text for inbound in bot.heard]


async def test_a_forwarded_voice_message_is_refused_in_words_too() -> None:
    """Forwarded to the bot in private it is as little listened to as one that is spoken to it."""
    async with desk() as bot:
        discord = bot.discord
        voice = discord.file("voice-message.ogg", b"OggS", content_type="audio/ogg")
        spoken = await discord.say(discord.general, discord.bob, "", files=[voice], voice=True)
        forward = await discord.forward(discord.direct(discord.ann), discord.ann, spoken)
        await discord.until(lambda: small(discord, forward))

    assert "voice" in small(discord, forward)[0]
    assert [] == bot.heard


async def test_files_come_along_and_what_is_too_large_is_named() -> None:
    """Of two files one is over 2 kB: it is left out, and the model and the message say so."""
    async with desk(max_file_size=2048) as bot:
        discord = bot.discord
        small_one = discord.file("a.txt", b"Hello", content_type="text/plain")
        large_one = discord.file("b.txt", b"x" * 4096, content_type="text/plain")
        await discord.dm(discord.ann, "Look", files=[small_one, large_one])
        await eventually(lambda: bot.heard)

    (inbound,) = bot.heard
    (file,) = inbound.attachments
    assert ("a.txt", "text/plain", b"Hello") == (file.name, file.content_type, file.data)
    assert inbound.text.startswith("Look\n[The file b.txt was left out: it is larger than")


@pytest.mark.parametrize(("status", "code"), [(400, 160006), (400, 50035), (403, 50013), (400, 200000)])
async def test_whatever_stands_against_a_thread_the_question_is_answered(status: int, code: int) -> None:
    """Too many threads, a name that is not allowed, no permission, AutoMod: the answer is a reply."""
    async with desk(auto_thread=True) as bot:
        discord = bot.discord
        discord.fault(Fault("error", "POST /channels/*/messages/*/threads", status=status, code=code))
        question = await bot.ask("Why?")
        posted = await bot.adapter.post(bot.target(question), "run_1.0", Content("So."))

    assert [bot.message(posted)] == discord.replies(question)


# Changes


async def test_an_edit_of_the_words_is_told_and_a_preview_is_not() -> None:
    """Ann edits a word; the preview that Discord adds to a link is no edit."""
    async with desk() as bot:
        discord = bot.discord
        first = await discord.say(discord.general, discord.bob, "The pump leaks.")
        question = await discord.reply(first, discord.ann, f"{bot.mention} Wyh? https://example.com/x")
        await eventually(lambda: bot.heard)
        await bot.settled()
        before = dict(bot.intake.edits)
        await discord.edit(question, f"{bot.mention} Why? https://example.com/x")
        await eventually(lambda: bot.intake.edits)

    assert {} == before
    assert {question.id: "Bob wrote:\n> The pump leaks.\n\nWhy? https://example.com/x"} == bot.intake.edits


async def test_a_deletion_is_told_also_among_many() -> None:
    """Two accepted messages are deleted, one alone and one in bulk; unknown ones are not told."""
    async with desk() as bot:
        discord = bot.discord
        first, second = await bot.ask("1"), await bot.ask("2")
        talk = await discord.say(discord.general, discord.ann, "Just talking.")
        await discord.delete(first)
        await discord.delete_many([second, talk])
        await eventually(lambda: len(bot.intake.deletions) == 2)

    assert [first.id, second.id] == bot.intake.deletions


# The store


async def test_a_message_that_the_store_refuses_is_tried_again_in_its_turn() -> None:
    """Two refusals later the first of three is accepted, and before the others."""
    intake = FakeIntake()
    intake.fail_next(StoreUnavailable("disk full"))
    intake.fail_next(StoreUnavailable("disk full"))
    async with desk(intake=intake) as bot:
        for number in range(3):
            await bot.discord.say(bot.discord.general, bot.discord.ann, f"{bot.mention} {number}")
        await eventually(lambda: len(bot.heard) == 3)

    assert ["0", "1", "2"] == [inbound.text for inbound in bot.heard]


async def test_a_slow_channel_holds_up_no_other() -> None:
    """While a message in #general can't be written, a later direct message is accepted."""
    intake = FakeIntake()
    intake.fail_next(StoreUnavailable("disk full"))
    async with desk(intake=intake) as bot:
        discord = bot.discord
        await discord.say(discord.general, discord.ann, f"{bot.mention} slow")
        await eventually(lambda: intake.knocked.is_set())
        await discord.dm(discord.bob, "quick")
        await eventually(lambda: len(bot.heard) == 2)

    assert ["quick", "slow"] == [inbound.text for inbound in bot.heard]


# Threads


async def test_a_question_gets_a_thread_of_its_own_where_that_is_wanted() -> None:
    """With auto_thread the answer is in a thread named after the question; a follow-up there is heard."""
    async with desk(auto_thread=True) as bot:
        discord = bot.discord
        question = await bot.ask("Why does the pump leak?")
        posted = await bot.adapter.post(bot.target(question), "run_1.0", Content("Rust."))
        await discord.say(question.id, discord.ann, "And now?")
        await eventually(lambda: len(bot.heard) == 2)

    thread = discord.world.channels[question.id]
    assert ("Why does the pump leak?", discord.general) == (thread.name, thread.parent_id)
    assert question.id == bot.message(posted).channel_id
    assert {Conversation("discord", discord.guild, discord.general, question.id)} == {
        inbound.conversation for inbound in bot.heard
    }


async def test_where_no_thread_can_be_made_the_answer_is_a_reply() -> None:
    """Without the permission for threads the answer stands in the channel, below the question."""
    emulator = DiscordEmulator()
    emulator.forbid(emulator.general, emulator.bot_user, 1 << 35)
    async with desk(emulator=emulator, auto_thread=True) as bot:
        question = await bot.ask("Why?")
        posted = await bot.adapter.post(bot.target(question), "run_1.0", Content("Rust."))
        found = await bot.adapter.find(bot.target(question), "run_1.0")

    message = bot.message(posted)
    assert emulator.general == message.channel_id
    assert message.reference is not None
    assert question.id == message.reference["message_id"]
    assert posted == found
