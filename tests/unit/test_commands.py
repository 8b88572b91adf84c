"""Commands: typed like a message, pressed like a button, and answered without a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from assistant_gateway import commands
from assistant_gateway.adapter import Receipt, Verdict
from assistant_gateway.backend import Step
from assistant_gateway.config import RouteSettings
from assistant_gateway.errors import NotAllowed, StoreUnavailable
from assistant_gateway.handler import RunHandler
from assistant_gateway.items import parts
from assistant_gateway.testing.backend import Act, Gate, ScriptedBackend, begins, says
from assistant_gateway.values import (
    Attachment,
    Busy,
    Command,
    Conversation,
    Feedback,
    Inbound,
    MessageState,
    Rating,
    Run,
    User,
)
from fixtures.house import House, asked, reaches

CHANNEL = Conversation("fake", "T1", "C1")
ANN, BOB = User("U1", "Ann"), User("U2", "Bob")
FOR_ANN = [RouteSettings(users=("U1",))]
TYPED = ["/reset", "/stop", "/retry", "/undo", "/usage", "/help"]


def echo(step: Step) -> list[Act]:
    return says(f"You said {asked(step)[-1]}.")


def numbered() -> ScriptedBackend:
    """A model whose answers tell how many it has given."""
    backend = ScriptedBackend()
    backend._script = lambda step: says(f"Answer {len(backend.steps)}.")
    return backend


def pressed(command: Command, *, id: str = "p1", user: User = ANN, channel: str = "C1") -> Inbound:
    return Inbound(replace(CHANNEL, channel=channel), id, user, "", command=command)


async def run_of(house: House, receipt: Receipt) -> Run:
    message = await house.settled(receipt.message)
    assert message.run is not None
    return message.run


async def seen(house: House) -> list[str]:
    """The roles on the thread as people see it."""
    return [str(item.body["role"]) for item in await house.inbox.items(CHANNEL, ANN)]


class Ends(RunHandler):
    """Notes what runs have said in the end."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def on_run_done(self, run: Run, text: str) -> None:
        self.said.append(text)


# What is a command


@pytest.mark.parametrize("text", [*TYPED, " /HELP\n", "/Usage"])
def test_a_word_alone_is_a_command(text: str) -> None:
    """Each of the six words is one, in any case and with blanks around it."""
    assert text.strip().lower() == f"/{commands.parse(text)}"


@pytest.mark.parametrize(
    "text", ["", "/", "help", "/help me", "/helpp", "//help", "/reset /stop", "please /stop"]
)
def test_anything_else_is_a_question(text: str) -> None:
    """Words before or behind it, or none at all, make no command."""
    assert None is commands.parse(text)


async def test_a_word_with_a_file_is_a_question(tmp_path: Path) -> None:
    """A command would leave the file unread: the assistant is shown both."""
    backend = ScriptedBackend(echo)

    async with House(tmp_path, backend) as house:
        told = await house.say("/help", attachments=(Attachment("a.txt", "text/plain", b"abc"),))
        await house.settled(told.message)

    (step,) = backend.steps
    assert ["You said /help."] == house.adapter.shown
    assert ["a.txt"] == [part["filename"] for part in parts(step.items[-1]) if "filename" in part]


async def test_help_names_all_commands_and_asks_no_model(tmp_path: Path) -> None:
    """It is answered once, as a reply; neither it nor its answer is on the thread, and no handler is told."""
    backend, ends = ScriptedBackend(echo), Ends()

    async with House(tmp_path, backend, handlers=[ends]) as house:
        message = await house.ask("/help", id="m1")
        again = await house.say("/help", id="m1")
        entries = await house.entries(message)
        on_thread = await house.bodies(message)

    (shown,) = house.adapter.shown
    assert MessageState.DELIVERED is message.state
    assert Verdict.DUPLICATE is again.verdict
    assert all(word in shown for word in TYPED)
    assert ([], [], []) == (backend.steps, on_thread, ends.said)
    assert ["message.accepted", "run.created", "run.completed", "message.answered"] == [
        entry.event for entry in entries if entry.event != "text.delta"
    ]


async def test_commands_can_be_switched_off(tmp_path: Path) -> None:
    """With `commands = false` the assistant is asked about the word; an adapter's own command stays one."""
    async with House(tmp_path, ScriptedBackend(echo), commands=False) as house:
        await house.ask("/help")
        receipt = await house.inbox.accept(pressed(Command.HELP))
        await house.settled(receipt.message)

    assert ["You said /help.", commands.HELP] == house.adapter.shown


async def test_a_command_waits_its_turn_and_joins_nothing(tmp_path: Path) -> None:
    """Between two messages that merge, it interrupts nothing and is answered in its place."""
    gate, busy = Gate(), [RouteSettings(busy=Busy.MERGE)]
    backend = ScriptedBackend(lambda step: [gate, *echo(step)])

    async with House(tmp_path, backend, routes=busy) as house:
        receipts = [await house.say("one")]
        await reaches(gate.reached)
        receipts += [await house.say(text) for text in ("two", "/usage", "three")]
        gate.opened.set()
        messages = [await house.settled(receipt.message) for receipt in receipts]

    assert {MessageState.DELIVERED} == {message.state for message in messages}
    assert ["You said one.", "You said two.", "You said three."] == house.adapter.shown[
        :2
    ] + house.adapter.shown[3:]
    assert [["one"], ["one", "two"], ["one", "two", "three"]] == [asked(step) for step in backend.steps]


async def test_a_command_that_a_crash_cut_off_is_answered_once(tmp_path: Path) -> None:
    """Killed after /undo was accepted: the next process forgets one turn and says so in one post."""
    house = House(tmp_path, ScriptedBackend(echo))
    async with house:
        first = await house.ask("one")
        await house.ask("two")
    await house.store.open()
    receipt = await house.say("/undo")
    await house.store.close()

    async with House(tmp_path, ScriptedBackend(echo), adapter=house.adapter) as house:
        await house.settled(receipt.message)
        left = await house.bodies(first)

    assert 2 == len(left)
    assert "The last question and its answer are forgotten." == house.adapter.shown[-1]
    assert 3 == len(house.adapter.shown)


# Each of them, typed


async def test_typed_reset_begins_a_new_thread_for_what_follows(tmp_path: Path) -> None:
    """Typed between two messages: the first is answered on the old thread, the second on the new one."""
    gate = Gate()
    backend = ScriptedBackend(lambda step: [gate, *echo(step)])

    async with House(tmp_path, backend) as house:
        receipts = [await house.say(text) for text in ("one", "/reset", "two")]
        gate.opened.set()
        messages = [await house.settled(receipt.message) for receipt in receipts]

    assert [["one"], ["two"]] == [asked(step) for step in backend.steps]
    assert messages[0].thread_id != messages[1].thread_id == messages[2].thread_id
    assert commands.RESET == house.adapter.shown[1]


async def test_typed_stop_stops_at_once_and_says_so_in_its_turn(tmp_path: Path) -> None:
    """The answer under way is cut with its words, the message that waited is answered, then 'Stopped.'"""
    gate = Gate()

    def script(step: Step) -> list[Act]:
        return [*begins("Once upon"), gate] if asked(step)[-1] == "Tell!" else echo(step)

    async with House(tmp_path, ScriptedBackend(script)) as house:
        told = await house.say("Tell!")
        waiting = await house.say("Hi")
        await reaches(gate.reached)
        stop = await house.say("/stop")
        messages = [await house.settled(receipt.message) for receipt in (told, waiting, stop)]
        idle = await house.ask("/stop")

    assert [MessageState.CANCELLED, MessageState.DELIVERED, MessageState.DELIVERED] == [
        message.state for message in messages
    ]
    assert ["Once upon\n\n_Stopped._", "You said Hi.", "Stopped.", commands.IDLE] == house.adapter.shown
    assert idle.answer is not None


async def test_typed_stop_works_where_the_lane_is_full(tmp_path: Path) -> None:
    """With room for one message, /stop is not kept, but it stops; the reason says so, or that nothing ran."""
    gate = Gate()

    async with House(tmp_path, ScriptedBackend([[gate]]), cap=1) as house:
        told = await house.say("Tell!")
        await reaches(gate.reached)
        stop = await house.say("/stop")
        message = await house.settled(told.message)

    assert (Verdict.BUSY, "Stopped.") == (stop.verdict, stop.reason)
    assert MessageState.CANCELLED is message.state


async def test_a_stop_outlives_the_process(tmp_path: Path) -> None:
    """Killed between /stop and the end of the run: what the person saw stays, and no model is asked again."""
    house = House(tmp_path, ScriptedBackend([[*begins("Once"), Gate()]]))
    await house.store.open()
    told = await house.say("Tell!")
    claim = await house.store.claim("dead", 0)
    assert claim is not None
    await house.store.begin(claim, Run("run_1", claim.message.thread_id, "default"), [])
    stop = await house.say("/stop")
    await house.store.close()

    nobody = ScriptedBackend([])
    async with House(tmp_path, nobody, adapter=house.adapter) as house:
        message = await house.settled(told.message)
        await house.settled(stop.message)

    assert MessageState.CANCELLED is message.state
    assert ["_Stopped._", "Stopped."] == house.adapter.shown
    assert [] == nobody.steps


async def test_typed_retry_answers_the_question_again(tmp_path: Path) -> None:
    """With its file and its instructions; the first answer is neither in the window nor among the items."""
    backend = numbered()
    file = Attachment("a.txt", "text/plain", b"abc")

    async with House(tmp_path, backend) as house:
        await house.ask("Before")
        question = await house.say("Look", attachments=(file,), instructions="Rhyme.")
        await house.settled(question.message)
        again = await house.ask("/retry")
        once_more = await house.ask("/retry")
        roles = await seen(house)

    assert ["Answer 1.", "Answer 2.", "Answer 3.", "Answer 4."] == house.adapter.shown
    assert [step.items for step in backend.steps[1:2]] * 2 == [step.items for step in backend.steps[2:]]
    assert ["", "Rhyme.", "Rhyme.", "Rhyme."] == [step.instructions for step in backend.steps]
    assert ["user", "assistant", "user", "assistant"] == roles
    assert MessageState.DELIVERED is again.state is once_more.state


async def test_a_failed_answer_can_be_given_again(tmp_path: Path) -> None:
    """Stopped without a word, a question is answered by /retry; an earlier turn stays as it is."""
    gate = Gate()
    backend = ScriptedBackend([says("First."), [gate], says("Second.")])

    async with House(tmp_path, backend) as house:
        await house.ask("one")
        told = await house.say("two")
        await reaches(gate.reached)
        await house.inbox.stop(CHANNEL, ANN)
        await house.settled(told.message)
        await house.ask("/retry")
        roles = await seen(house)

    assert ["First.", "_Stopped._", "Second."] == house.adapter.shown
    assert ["user", "assistant", "user", "assistant"] == roles


@pytest.mark.parametrize("word", ["/retry", "/undo"])
async def test_there_may_be_nothing_to_take_back(tmp_path: Path, word: str) -> None:
    """On an empty thread, and again where the only turn was taken back, the person is told so."""
    backend = numbered()

    async with House(tmp_path, backend) as house:
        await house.ask(word)
        await house.ask("one")
        await house.ask("/undo")
        await house.ask(word)

    nothing = {"/retry": commands.NOT_RETRIED, "/undo": "There is nothing to forget."}[word]
    assert [
        nothing,
        "Answer 1.",
        "The last question and its answer are forgotten.",
        nothing,
    ] == house.adapter.shown
    assert 1 == len(backend.steps)


async def test_typed_undo_forgets_the_last_turn(tmp_path: Path) -> None:
    """The next window has the first turn and the new question only; the operator still reads all."""
    backend = ScriptedBackend(echo)

    async with House(tmp_path, backend) as house:
        first = await house.ask("one")
        await house.ask("two")
        await house.ask("/undo")
        await house.ask("three")
        kept = await house.store.items(first.thread_id, forgotten=True)

    assert ["one", "three"] == asked(backend.steps[-1])
    assert [False, False, True, True, False, False] == [item.forgotten for item in kept]


async def test_typed_usage_tells_tokens_of_thread_and_person(tmp_path: Path) -> None:
    """Two answers of 10 and 5 tokens, after a reset one more: the thread has one, the person has three."""
    async with House(tmp_path, ScriptedBackend(echo)) as house:
        for text in ("one", "two", "/reset", "three", "/usage"):
            await house.ask(text)

    assert (
        "- This conversation: 1 answer, 10 tokens in (0 cached), 5 out\n"
        "- You, today: 3 answers, 30 tokens in (0 cached), 15 out\n"
        "- You, this month: 3 answers, 30 tokens in (0 cached), 15 out"
    ) == house.adapter.shown[-1]


# Buttons and slash commands


async def test_a_pressed_command_is_done_and_told_at_once(tmp_path: Path) -> None:
    """None of five is a message; each does what the typed one does, and nothing is posted."""
    async with House(tmp_path, ScriptedBackend(echo)) as house:
        await house.ask("one")
        await house.ask("two")
        told = [
            await house.inbox.command(pressed(command))
            for command in (Command.UNDO, Command.STOP, Command.HELP, Command.RESET, Command.UNDO)
        ]
        usage = await house.inbox.command(pressed(Command.USAGE))
        unknown = await house.inbox.message("fake", "T1", "p1")

    forgotten = "The last question and its answer are forgotten."
    assert [forgotten, commands.IDLE, commands.HELP, commands.RESET, "There is nothing to forget."] == told
    assert "- You, today: 2 answers, 20 tokens in" in usage
    assert None is unknown
    assert 2 == len(house.adapter.shown)


async def test_a_pressed_retry_is_a_message(tmp_path: Path) -> None:
    """Pressed twice under one id it is answered once, as a new reply; later there is a newer answer."""
    backend = numbered()

    async with House(tmp_path, backend) as house:
        run = await run_of(house, await house.say("one"))
        told = [await house.inbox.command(pressed(Command.RETRY), run_id=run.id) for _ in range(2)]
        message = await house.inbox.message("fake", "T1", "p1")
        await house.settled(message)
        late = await house.inbox.command(pressed(Command.RETRY), run_id=run.id)

    assert [commands.RETRYING] * 2 + [commands.OUTDATED] == [*told, late]
    assert ["Answer 1.", "Answer 2."] == house.adapter.shown


async def test_only_the_newest_answer_is_given_again(tmp_path: Path) -> None:
    """The buttons of an older answer, of another channel's, or any while an answer is written: refused."""
    gate = Gate()
    backend = ScriptedBackend([says("1."), says("2."), says("3."), [gate]])

    async with House(tmp_path, backend) as house:
        elsewhere = await run_of(house, await house.say("0", channel="C2"))
        older = await run_of(house, await house.say("1"))
        newest = await run_of(house, await house.say("2"))
        told = [
            await house.inbox.command(pressed(Command.RETRY, id=f"p{n}"), run_id=run_id)
            for n, run_id in enumerate((older.id, elsewhere.id, "run_forged"))
        ]
        await house.say("3")
        await reaches(gate.reached)
        told.append(await house.inbox.command(pressed(Command.RETRY, id="p9"), run_id=newest.id))
        undo = await house.inbox.command(pressed(Command.UNDO))

    assert [commands.OUTDATED] * 3 + [commands.BUSY] == told
    assert commands.BUSY == undo
    assert 4 == len(backend.steps)


async def test_two_people_who_press_at_once_get_one_new_answer(tmp_path: Path) -> None:
    """Both presses of one button are accepted; at the second one's turn it is no longer the newest."""
    backend = numbered()
    house = House(tmp_path, backend)
    async with house:
        run = await run_of(house, await house.say("one"))
    await house.store.open()
    routed = house.inbox._routed(CHANNEL, ANN)
    presses = [
        await house.inbox.accept_routed(pressed(Command.RETRY, id=f"p{n}"), routed, run_id=run.id)
        for n in range(2)
    ]
    await house.store.close()

    async with House(tmp_path, backend, adapter=house.adapter) as house:
        for press in presses:
            await house.settled(press.message)

    assert ["Answer 1.", "Answer 2.", commands.OUTDATED] == house.adapter.shown


async def test_stop_ends_only_the_run_of_its_button(tmp_path: Path) -> None:
    """Another answer's button, or its own from another place, leaves it running; its own stops it."""
    gate = Gate()
    backend = ScriptedBackend([says("1."), [*begins("2"), gate]])

    async with House(tmp_path, backend) as house:
        earlier = await run_of(house, await house.say("1"))
        receipt = await house.say("2")
        await reaches(gate.reached)
        live = await house.reached(receipt.message, lambda now: now.run is not None)
        assert live.run is not None
        other = replace(CHANNEL, channel="C2")
        stopped = [
            await house.inbox.stop(CHANNEL, ANN, run_id=earlier.id),
            await house.inbox.stop(other, ANN, run_id=live.run.id),
            await house.inbox.stop(replace(CHANNEL, tenant="T2"), ANN, run_id=live.run.id),
            await house.inbox.stop(CHANNEL, ANN, run_id=live.run.id),
        ]
        message = await house.settled(live)

    assert [False, False, False, True] == stopped
    assert MessageState.CANCELLED is message.state


@pytest.mark.parametrize("command", list(Command))
async def test_who_may_not_ask_may_not_command(tmp_path: Path, command: Command) -> None:
    """Bob, whom the route is not for, is refused each of the six, and may not rate; a typed one too."""
    async with House(tmp_path, ScriptedBackend(echo), routes=FOR_ANN) as house:
        run = await run_of(house, await house.say("one"))
        with pytest.raises(NotAllowed):
            await house.inbox.command(pressed(command, user=BOB), run_id=run.id)
        with pytest.raises(NotAllowed):
            await house.inbox.feedback(CHANNEL, BOB, run.id, Rating.BAD)
        typed = await house.say(f"/{command}", user=BOB)
        roles = await seen(house)

    assert Verdict.REFUSED is typed.verdict
    assert ["user", "assistant"] == roles
    assert 1 == len(house.adapter.shown)


async def test_a_draining_gateway_does_nothing(tmp_path: Path) -> None:
    """While it drains, a pressed command is to be tried again."""
    async with House(tmp_path, ScriptedBackend(echo)) as house:
        house.inbox.drain()
        with pytest.raises(StoreUnavailable):
            await house.inbox.command(pressed(Command.HELP))


# Feedback


async def test_feedback_is_kept_and_counted(tmp_path: Path) -> None:
    """A thumb, and later its comment, are one word on the run; the metric counts both."""
    async with House(tmp_path, ScriptedBackend(echo)) as house:
        run = await run_of(house, await house.say("one"))
        kept = [
            await house.inbox.feedback(CHANNEL, ANN, run.id, Rating.BAD),
            await house.inbox.feedback(CHANNEL, ANN, run.id, Rating.BAD, "Too\0 short " + "x" * 5000),
        ]
        (word,) = await house.store.feedback(limit=10)
        metrics = house.telemetry.render().decode()

    assert [True, True] == kept
    assert Feedback(run.id, ANN, Rating.BAD, word.comment, word.at) == word
    assert word.comment.startswith("Too\ufffd short x")
    assert 4000 == len(word.comment)
    assert 'assistant_gateway_feedback_total{rating="bad"} 2.0' in metrics


@pytest.mark.parametrize("where", [{"channel": "C2"}, {"tenant": "T2"}])
async def test_feedback_reaches_no_other_place(tmp_path: Path, where: dict[str, str]) -> None:
    """From another channel or tenant a run's id, even a right one, is unknown; so is a forged one."""
    async with House(tmp_path, ScriptedBackend(echo)) as house:
        run = await run_of(house, await house.say("one"))
        kept = [
            await house.inbox.feedback(replace(CHANNEL, **where), ANN, run.id, Rating.GOOD),
            await house.inbox.feedback(CHANNEL, ANN, "run_forged", Rating.GOOD),
        ]
        words: Sequence[Feedback] = await house.store.feedback(limit=10)

    assert [False, False] == kept
    assert [] == words
