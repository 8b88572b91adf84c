"""Answers in Discord: what is asked of it, what it is told beside the text, and how posts are found again."""

from __future__ import annotations

import asyncio
import time

import pytest

from assistant_gateway.adapter import Content, Control
from assistant_gateway.errors import AdapterError, Forbidden, OutcomeUnknown, PostGone, RateLimited, TooLong
from assistant_gateway.testing.intake import FakeIntake
from assistant_gateway.values import FileRef
from assistant_gateway_discord.adapter import BLOCKED, DiscordAdapter
from assistant_gateway_discord.echoes import nonce
from assistant_gateway_discord.indicator import LATER
from assistant_gateway_discord.settings import DiscordSettings
from emulators.discord import DiscordEmulator, Fault, Message, Permission
from fixtures.discord import Desk, MemoryNotes, desk, settings_for, simple_target

POST = "POST /channels/{channel}/messages"
EDIT = "PATCH /channels/{channel}/messages/{message}"
CONTROLS = (Control.STOP,)


async def question(bot: Desk) -> Message:
    """Ann's question, which is not accepted: only what is posted matters here."""
    return await bot.discord.say(bot.discord.general, bot.discord.ann, "Hello?")


def body(bot: Desk, route: str, number: int = -1) -> dict[str, object]:
    sent = bot.discord.calls(route)[number].body
    assert isinstance(sent, dict)
    return sent


# What is sent


async def test_nobody_is_called_and_nothing_unfurls_in_posts_and_edits() -> None:
    """Post and edit say so themselves: no mention, not even of the asker, no preview; the text is inert."""
    async with desk() as bot:
        discord = bot.discord
        asked = await question(bot)
        target = simple_target(discord, asked)
        text = f"@everyone <@{discord.bob}> <@&{discord.guild}> https://example.com"
        posted = await bot.adapter.post(target, "run_1.0", Content(text))
        await bot.adapter.edit(target, posted, Content(f"{text}!"))
        message = bot.message(posted)

        sent = [body(bot, POST), body(bot, EDIT)]
    assert [{"parse": [], "replied_user": False}] * 2 == [each["allowed_mentions"] for each in sent]
    assert [4, 4] == [each["flags"] for each in sent]
    assert not message.pinged
    assert not message.unfurled
    assert all(not frame.mentions for frame in message.frames)


async def test_a_post_replies_to_its_question_also_when_that_is_gone() -> None:
    """The reference does not fail with the question; the nonce is the key's and enforced."""
    async with desk() as bot:
        asked = await question(bot)
        await bot.discord.delete(asked)
        await bot.adapter.post(simple_target(bot.discord, asked), "run_1.0", Content("Hello"))

        sent = body(bot, POST)
    assert {"message_id": asked.id, "fail_if_not_exists": False} == sent["message_reference"]
    assert (nonce("run_1.0"), True) == (sent["nonce"], sent["enforce_nonce"])
    assert len(nonce("run_1.0")) == 25


async def test_where_the_bot_may_not_read_it_posts_without_a_reply() -> None:
    """Without Read Message History a reply is refused, an answer is not."""
    emulator = DiscordEmulator()
    async with desk(emulator=emulator) as bot:
        emulator.forbid(emulator.general, emulator.bot_user, Permission.READ_MESSAGE_HISTORY)
        asked = await question(bot)
        posted = await bot.adapter.post(simple_target(emulator, asked), "run_1.0", Content("Hello"))

    assert ("Hello", None) == (bot.message(posted).visible, bot.message(posted).reference)


async def test_what_becomes_too_long_is_too_long() -> None:
    """2,000 characters fit; 2,000 of which one has to be escaped don't, and nothing is sent."""
    async with desk() as bot:
        target = simple_target(bot.discord, await question(bot))
        posted = await bot.adapter.post(target, "run_1.0", Content("x" * 2000))
        with pytest.raises(TooLong):
            await bot.adapter.edit(target, posted, Content("<@1>" + "x" * 1996))
        with pytest.raises(TooLong):
            await bot.adapter.post(target, "run_1.1", Content("😀" * 1001))

        assert [] == bot.discord.calls(EDIT)


async def test_buttons_carry_the_run_and_go_when_they_are_not_wanted() -> None:
    """Stop while it grows, then regenerate and two thumbs, then none."""
    async with desk() as bot:
        target = simple_target(bot.discord, await question(bot))
        posted = await bot.adapter.post(target, "run_1.0", Content("H", controls=CONTROLS, run_id="run_1"))
        growing = ids(bot.message(posted))
        final = Content("He", True, controls=(Control.REGENERATE, Control.FEEDBACK), run_id="run_1")
        await bot.adapter.edit(target, posted, final)
        ended = ids(bot.message(posted))
        await bot.adapter.edit(target, posted, Content("Hel"))

    assert [f"ag:stop:run_1:{nonce('run_1.0')}"] == growing
    assert ["ag:regenerate:run_1", "ag:good:run_1", "ag:bad:run_1"] == ended
    assert [] == ids(bot.message(posted))


def ids(message: Message) -> list[object]:
    rows = [row["components"] for row in message.components]
    return [button["custom_id"] for row in rows if isinstance(row, list) for button in row]


# Outcomes


@pytest.mark.parametrize("kind", ["accept_then_drop", "accept_then_500", "accept_then_hang"])
async def test_a_post_whose_outcome_is_lost_is_found_and_never_doubled(kind: str) -> None:
    """Discord took it and never said so: another process finds it; a repetition makes no second message."""
    async with DiscordEmulator() as discord:
        adapter = DiscordAdapter(settings_for(discord), None, timeout=0.3)
        other = DiscordAdapter(settings_for(discord), None)
        asked = await discord.say(discord.general, discord.ann, "Hello?")
        target = simple_target(discord, asked)
        discord.fault(Fault(kind, "POST /channels/*/messages", status=500))  # type: ignore[arg-type]
        with pytest.raises(OutcomeUnknown):
            await adapter.post(target, "run_1.0", Content("Hel"))
        found = await other.find(target, "run_1.0")
        repeated = await other.post(target, "run_1.0", Content("Hello"))
        await adapter.close()
        await other.close()

        (message,) = discord.replies(asked)
    assert f"{message.channel_id}:{message.id}" == found == repeated
    assert "Hello" == message.visible


async def test_posts_are_told_apart_by_their_run_and_part() -> None:
    """Of two runs with two posts each, every post is found by a process that has seen none of them."""
    async with DiscordEmulator(limits=False) as discord:
        adapter, other = (DiscordAdapter(settings_for(discord), None) for _ in range(2))
        target = simple_target(discord, await discord.say(discord.general, discord.ann, "Hello?"))
        keys = ["run_1.0", "run_1.1", "run_2.0", "run_2.1"]
        posted = {}
        for key in keys:
            run_id = key.partition(".")[0]
            posted[key] = await adapter.post(target, key, Content(key, controls=CONTROLS, run_id=run_id))
        found = {key: await other.find(target, key) for key in keys}
        missing = await other.find(target, "run_3.0")
        await adapter.close()
        await other.close()

    assert posted == found
    assert missing is None


async def test_what_can_not_be_read_is_not_known() -> None:
    """While the history answers 503 nobody can tell whether the post is there."""
    async with desk() as bot:
        bot.discord.fault(Fault("http", "GET /channels/*/messages", status=503))
        target = simple_target(bot.discord, await question(bot))

        with pytest.raises(OutcomeUnknown):
            await bot.adapter.find(target, "run_1.0")


async def test_what_lies_too_far_from_its_question_is_not_known() -> None:
    """500 messages follow the question: a post that is not among them may come after them."""
    async with desk() as bot:
        asked = await question(bot)
        target = simple_target(bot.discord, asked)
        for number in range(499):
            await bot.discord.say(bot.discord.general, bot.discord.ann, f"{number}")
        near = await bot.adapter.find(target, "run_1.0")
        await bot.discord.say(bot.discord.general, bot.discord.ann, "499")
        with pytest.raises(OutcomeUnknown):
            await bot.adapter.find(target, "run_1.0")

    assert near is None


async def test_a_429_is_told_exactly_and_not_asked_again_before() -> None:
    """1.25 s and the bucket's name; until they are over the call is refused here, and Discord isn't asked."""
    async with desk() as bot:
        target = simple_target(bot.discord, await question(bot))
        posted = await bot.adapter.post(target, "run_1.0", Content("1"))
        bot.discord.fault(Fault("ratelimited", "PATCH *", retry_after=1.25))
        with pytest.raises(RateLimited) as first:
            await bot.adapter.edit(target, posted, Content("2"))
        with pytest.raises(RateLimited) as second:
            await bot.adapter.edit(target, posted, Content("3"))

        (edits, everything) = bot.adapter.budgets(target, "edit")
        assert (1.25, edits.scope) == (first.value.retry_after, first.value.scope)
        assert 0 < second.value.retry_after <= 1.25
        assert 1 == len(bot.discord.calls(EDIT))
        assert "discord:bot" == everything.scope


async def test_a_global_429_shuts_all_calls_of_the_bot() -> None:
    """After a global 429 an edit elsewhere is refused, too; its scope is the bot's."""
    async with desk() as bot:
        target = simple_target(bot.discord, await question(bot))
        bot.discord.fault(Fault("ratelimited", "POST /channels/*/messages", retry_after=0.5, scope="global"))
        with pytest.raises(RateLimited) as first:
            await bot.adapter.post(target, "run_1.0", Content("1"))
        with pytest.raises(RateLimited):
            await bot.adapter.find(target, "run_1.0")

    assert (0.5, "discord:bot") == (first.value.retry_after, first.value.scope)


async def test_budgets_are_learnt_from_the_headers() -> None:
    """5 in 5 s are believed before the first answer, then what it says; five at once pass, a sixth not."""
    async with desk() as bot:
        target = simple_target(bot.discord, await question(bot))
        believed = bot.adapter.budgets(target, "edit")[0]
        posted = await bot.adapter.post(target, "run_1.0", Content("0"))
        for number in range(5):
            await bot.adapter.edit(target, posted, Content(f"{number}"))
        with pytest.raises(RateLimited):
            await bot.adapter.edit(target, posted, Content("one more"))
        learnt = bot.adapter.budgets(target, "edit")[0]

        assert (5, 5.0) == (believed.calls, believed.seconds)
        assert 5 == learnt.calls
        assert 4.9 < learnt.seconds <= 5.0
        assert [] == [each for each in bot.discord.calls() if each.status == 429]


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        (10008, 404, PostGone),
        (10003, 404, Forbidden),
        (50013, 403, Forbidden),
        (50001, 403, Forbidden),
        (50006, 400, AdapterError),
    ],
)
async def test_refusals_are_told_by_what_can_be_done(
    code: int, status: int, error: type[AdapterError]
) -> None:
    """Each of Discord's codes is one of our errors."""
    async with desk() as bot:
        target = simple_target(bot.discord, await question(bot))
        posted = await bot.adapter.post(target, "run_1.0", Content("1"))
        bot.discord.fault(Fault("error", "PATCH *", status=status, code=code))

        with pytest.raises(AdapterError) as refused:
            await bot.adapter.edit(target, posted, Content("2"))
        assert error is type(refused.value)


async def test_what_the_server_blocks_is_said_in_the_end() -> None:
    """AutoMod refuses the answer: while it grows that is an error, in the end a note stands there."""
    async with desk() as bot:
        target = simple_target(bot.discord, await question(bot))
        bot.discord.fault(Fault("error", "POST /channels/*/messages", times=2, status=400, code=200000))
        with pytest.raises(Forbidden):
            await bot.adapter.post(target, "run_1.0", Content("bad"))
        posted = await bot.adapter.post(target, "run_1.0", Content("bad word", final=True))

    assert BLOCKED == bot.message(posted).visible


async def test_an_archived_thread_is_taken_out_for_the_last_edit() -> None:
    """An edit in an archived thread unarchives it and is made."""
    async with desk() as bot:
        discord = bot.discord
        thread = await discord.open_thread(discord.general, discord.ann, "ours")
        asked = await bot.ask("Hello", channel=thread.id)
        posted = await bot.adapter.post(bot.target(asked), "run_1.0", Content("Hel"))
        discord.archive(thread.id)
        await bot.adapter.edit(bot.target(asked), posted, Content("Hello", final=True))

    assert "Hello" == bot.message(posted).visible
    assert not thread.archived


async def test_after_a_401_nothing_more_is_asked() -> None:
    """The token is gone: the next calls fail here, since each would be held against the address."""
    async with desk() as bot:
        target = simple_target(bot.discord, await question(bot))
        bot.discord.fault(Fault("error", "POST /channels/*/messages", status=401))
        for _ in range(3):
            with pytest.raises(AdapterError, match=r"401|refused"):
                await bot.adapter.post(target, "run_1.0", Content("1"))

        assert 1 == len(bot.discord.calls(POST))


# Files


async def test_files_go_with_the_answer_and_an_edit_brings_them_once() -> None:
    """A file of the last edit is there once, however often the edit is made; one over 10 MiB is named."""
    intake = FakeIntake()
    intake.stored = {"file_1": b"Hello"}
    small = FileRef("file_1", "a.txt", "text/plain; charset=utf-8", 5)
    large = FileRef("file_2", "b.bin", "application/octet-stream", 11 * 1024 * 1024)
    async with desk(intake=intake) as bot:
        target = simple_target(bot.discord, await question(bot))
        posted = await bot.adapter.post(target, "run_1.0", Content("Hel"))
        content = Content("Hello", final=True, files=(small, large))
        await bot.adapter.edit(target, posted, content)
        await bot.adapter.edit(target, posted, content)
        message = bot.message(posted)

    assert [("a.txt", b"Hello")] == [(each.filename, each.content) for each in message.attachments]
    assert "could not be put here: b.bin" in message.visible


@pytest.mark.parametrize(("status", "code"), [(403, 50013), (400, 40005), (413, 0)])
async def test_where_files_are_refused_the_words_are_shown(status: int, code: int) -> None:
    """The bot may not attach files, or they are too large there: the answer stands, and names them."""
    intake = FakeIntake()
    intake.stored = {"file_1": b"Hello"}
    content = Content("Hello", final=True, files=(FileRef("file_1", "a.txt", "text/plain", 5),))
    async with desk(intake=intake) as bot:
        target = simple_target(bot.discord, await question(bot))
        bot.discord.fault(Fault("error", "POST /channels/*/messages", status=status, code=code))
        posted = await bot.adapter.post(target, "run_1.0", content)
        first = bot.message(posted).visible
        bot.discord.fault(Fault("error", "PATCH /channels/*", status=status, code=code))
        await bot.adapter.edit(target, posted, content)

    told = "Hello\n\n_These files could not be put here: a.txt._"
    assert [told, told] == [first, bot.message(posted).visible]
    assert [] == bot.message(posted).attachments


# Typing


async def test_typing_is_shown_while_it_works_and_after_each_post() -> None:
    """One call when work begins, one 2 s after a post that grows, none after the last; a refusal ends it."""
    async with desk() as bot:
        discord = bot.discord
        route = "POST /channels/{channel}/typing"
        target = simple_target(discord, await question(bot))
        await bot.adapter.working(target)
        await discord.until(lambda: len(discord.calls(route)) == 1)
        await bot.adapter.post(target, "run_1.0", Content("Hel"))
        await discord.until(lambda: len(discord.calls(route)) == 2)
        await bot.adapter.rested(target)
        await bot.adapter.post(target, "run_1.1", Content("Hello", final=True))
        discord.forbid(discord.general, discord.bot_user, Permission.SEND_MESSAGES)
        await bot.adapter.working(target)
        await discord.until(lambda: len(discord.calls(route)) == 3)
        await bot.adapter.working(target)

        assert 3 == len(discord.calls(route))


async def test_typing_does_not_outlive_a_short_answer() -> None:
    """The answer is over as soon as it was posted: nothing says "typing…" after it."""
    async with desk() as bot:
        route = "POST /channels/{channel}/typing"
        target = simple_target(bot.discord, await question(bot))
        await bot.adapter.working(target)
        await bot.discord.until(lambda: len(bot.discord.calls(route)) == 1)
        await bot.adapter.post(target, "run_1.0", Content("Hello"))
        await bot.adapter.rested(target)
        await asyncio.sleep(LATER + 0.3)

        assert 1 == len(bot.discord.calls(route))


async def test_typing_in_many_channels_leaves_room_for_answers() -> None:
    """40 answers begin at once: of typing and posts together Discord turns none away."""
    async with desk() as bot:
        discord = bot.discord
        rooms = [discord.add_channel(discord.guild, f"room-{number}").id for number in range(40)]
        targets = [simple_target(discord, await discord.say(room, discord.ann, "Hello?")) for room in rooms]
        await asyncio.gather(*(bot.adapter.working(target) for target in targets))
        await asyncio.gather(*(bot.adapter.post(target, "run_1.0", Content("Hel")) for target in targets))
        typing = len(discord.calls("POST /channels/{channel}/typing"))

    assert typing > 0
    assert [] == [call for call in discord.calls() if call.status == 429]


async def test_before_its_thread_is_there_typing_is_shown_in_the_channel() -> None:
    """Typing shows where the question was asked, and after the first post in the thread made for it."""
    async with desk(auto_thread=True) as bot:
        discord = bot.discord
        question = await bot.ask("Why?")
        await bot.adapter.working(bot.target(question))
        await discord.until(lambda: len(typing(bot)) == 1)
        await bot.adapter.post(bot.target(question), "run_1.0", Content("Be"))
        await discord.until(lambda: len(typing(bot)) == 2)

        assert [discord.general, question.id] == typing(bot)


def typing(bot: Desk) -> list[str]:
    """The channels in which typing was shown, in turn."""
    return [call.path.split("/")[-2] for call in bot.discord.calls("POST /channels/{channel}/typing")]


async def test_no_call_takes_longer_than_discord() -> None:
    """Five edits at once are over in a second: nothing here sleeps on a bucket."""
    async with desk() as bot:
        target = simple_target(bot.discord, await question(bot))
        posted = await bot.adapter.post(target, "run_1.0", Content("0"))
        began = time.monotonic()
        for number in range(5):
            await bot.adapter.edit(target, posted, Content(f"{number}"))

    assert time.monotonic() - began < 2.0


def test_notes_are_not_needed() -> None:
    """Where there is no store (the doctor) an adapter is built all the same."""
    settings = DiscordSettings.model_validate({"bot_token": "x"})

    assert DiscordAdapter(settings, None).unready() == "connecting…"
    assert DiscordAdapter(settings, MemoryNotes()).unready() == "connecting…"
