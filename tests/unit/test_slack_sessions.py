"""Sessions: that the agent works is shown as long as it does, and Slack's limits are kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from assistant_gateway.errors import AdapterError, NotAllowed, RateLimited
from assistant_gateway.store.sqlite import SqliteStore
from assistant_gateway.testing.intake import FakeIntake
from assistant_gateway.values import Conversation, Inbound, JsonObject, ReplyTarget, User
from assistant_gateway_slack.errands import RATES, RESERVE
from assistant_gateway_slack.sessions import SCOPE, WORKING, Sessions, titled
from assistant_gateway_slack.settings import SlackSettings
from emulators.eventually import eventually
from emulators.slack import Manifest
from fixtures.slack import Desk, desk

STATUS = "agents.sessions.setStatus"


@pytest.fixture(params=[False, True], ids=["socket", "http"])
async def agent(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """An app with the agent view, in either mode."""
    async with desk(
        http=request.param, manifest=Manifest(view="agent"), view="agent", prompts=("What can you do?",)
    ) as found:
        yield found


async def asked(place: Desk, text: str = "How do\nI cook rice?", *, thread_ts: str = "") -> ReplyTarget:
    """Ann writes a direct message; what its answer needs."""
    before = len(place.heard)
    await place.slack.say(place.slack.direct(place.slack.ann), place.slack.ann, text, thread_ts=thread_ts)
    await eventually(lambda: len(place.heard) > before)
    return target_of(place.heard[-1])


def target_of(heard: Inbound) -> ReplyTarget:
    return ReplyTarget(heard.conversation, heard.message_id, heard.user, heard.reply_to)


def status(place: Desk) -> list[str]:
    """The states of the one session, in order."""
    return [state for session in place.slack.world.sessions.values() for _, state in session.history]


async def test_each_direct_message_begins_a_session(agent: Desk) -> None:
    """Two roots are two topics; a reply in the first one's thread stays there."""
    first = await asked(agent)
    second = await asked(agent, "And potatoes?")
    third = await asked(agent, "How long?", thread_ts=first.conversation.topic)

    assert first.conversation.topic != second.conversation.topic
    assert first.conversation == third.conversation
    assert f"{first.conversation.channel}:{first.conversation.topic}" == first.message_id


async def test_it_works_and_rests(agent: Desk) -> None:
    """`processing` with title and initiator of the first question, then `active`; one call each."""
    target = await asked(agent)

    await agent.adapter.working(target)
    await eventually(lambda: status(agent) == ["processing"])
    await agent.adapter.rested(target)
    await eventually(lambda: status(agent) == ["processing", "active"])

    (session,) = agent.slack.world.sessions.values()
    assert ("How do I cook rice?", agent.slack.ann) == (session.title, session.initiator)
    assert 2 == len(agent.slack.calls(STATUS))


async def test_a_later_question_does_not_rename_a_session(agent: Desk) -> None:
    """People may rename a session; what is asked next in it carries no title."""
    first = await asked(agent)
    later = await asked(agent, "And potatoes?", thread_ts=first.conversation.topic)

    assert "How do I cook rice?" == first.reply_to["title"]
    assert "title" not in later.reply_to


async def test_two_answers_of_a_session_are_one_work(agent: Desk) -> None:
    """The session rests when the last of them is over."""
    first = await asked(agent)
    second = await asked(agent, "And potatoes?", thread_ts=first.conversation.topic)

    for each in (first, second):
        await agent.adapter.working(each)
    await eventually(lambda: "processing" in status(agent))
    await agent.adapter.rested(first)
    await agent.adapter.working(second)
    await eventually(lambda: len(agent.slack.calls(STATUS)) > 1)
    before = set(status(agent))
    await agent.adapter.rested(second)
    await eventually(lambda: status(agent)[-1] == "active")

    assert {"processing"} == before


async def test_slack_s_own_stop_stops_the_answer(agent: Desk) -> None:
    """Pressed while it works: the gateway stops that conversation, for the person who pressed."""
    target = await asked(agent)
    await agent.adapter.working(target)
    await eventually(lambda: status(agent) == ["processing"])
    where = target.conversation

    pressed = await agent.slack.press_stop(agent.slack.ann, where.channel, where.topic)
    await eventually(lambda: agent.intake.stopped)

    assert pressed
    assert [(where, agent.slack.ann)] == [(at, user.id) for at, user in agent.intake.stopped]


async def test_a_stop_where_nothing_works_lets_the_session_rest(agent: Desk) -> None:
    """Left over from a process that died: nothing is stopped, and `active` is told."""
    target = await asked(agent)
    await agent.intake.answer(target.message_id, "Done.")
    await agent.adapter.working(target)
    await eventually(lambda: status(agent) == ["processing"])
    where = target.conversation
    agent.adapter._sessions._answers.clear()  # as after a restart

    await agent.slack.press_stop(agent.slack.ann, where.channel, where.topic)

    await eventually(lambda: status(agent)[-1] == "active")


async def test_who_may_not_stop_is_told(agent: Desk) -> None:
    """The gateway refuses: one private note in the session's thread."""
    target = await asked(agent)
    await agent.adapter.working(target)
    await eventually(lambda: status(agent) == ["processing"])

    async def refuse(conversation: Conversation, user: User, *, run_id: str = "") -> bool:
        raise NotAllowed("Not you.")

    agent.intake.stop = refuse  # type: ignore[method-assign]
    await agent.slack.press_stop(agent.slack.ann, target.conversation.channel, target.conversation.topic)
    await eventually(lambda: agent.slack.world.ephemerals)

    assert ["Not you."] == [each.text for each in agent.slack.world.ephemerals]


async def test_prompts_are_offered_once_at_the_top(agent: Desk) -> None:
    """Two openings of the Messages tab cost one call, without a thread; the Home tab costs none."""
    await agent.slack.open_home(agent.slack.ann, "home")
    for _ in range(2):
        await agent.slack.open_home(agent.slack.ann)
    await eventually(lambda: agent.slack.calls("assistant.threads.setSuggestedPrompts"))
    await agent.settled()

    channel = agent.slack.world.channels[agent.slack.direct(agent.slack.ann)]
    assert [{"title": "What can you do?", "message": "What can you do?"}] == channel.prompts
    assert 1 == len(agent.slack.calls("assistant.threads.setSuggestedPrompts"))


async def test_what_somebody_looks_at_is_known_to_tools(agent: Desk) -> None:
    """The channel beside the talk comes with the next message, for tools; not before it was looked at."""
    before = await asked(agent)
    await agent.slack.look_at(agent.slack.ann, agent.slack.general)
    await agent.settled()
    await asked(agent)

    assert before.message_id == agent.heard[0].message_id
    assert [{}, {"looking_at": agent.slack.general}] == [dict(each.metadata) for each in agent.heard]


async def test_without_a_view_nothing_of_it_is_told() -> None:
    """The default: direct messages are one conversation, and no status is set."""
    async with desk() as place:
        target = await asked(place)
        await place.adapter.working(target)
        await place.adapter.rested(target)
        await place.slack.open_home(place.slack.ann)
        await place.settled()

        assert "" == target.conversation.topic
        assert not [call for call in place.slack.calls() if call.method.startswith(("agents.", "assistant."))]


async def test_an_app_without_the_feature_is_asked_once() -> None:
    """`feature_disabled` ends it: one call, one line in the log, and answers go on."""
    async with desk(view="agent") as place:
        for text in ("one", "two"):
            target = await asked(place, text)
            await place.adapter.working(target)
            await eventually(lambda: place.slack.calls(STATUS))
            await place.adapter.rested(target)
        await place.settled()

        assert ["feature_disabled"] == [call.answer["error"] for call in place.slack.calls(STATUS)]


# The older container


async def test_the_older_container_has_prompts_status_and_title() -> None:
    """Opened: prompts in its thread; asked: its title, a status that goes again."""
    async with desk(
        manifest=Manifest(view="assistant"), view="assistant", prompts=("What can you do?",)
    ) as place:
        root = await place.slack.open_assistant(place.slack.ann, looking_at=place.slack.general)
        await eventually(lambda: place.slack.calls("assistant.threads.setSuggestedPrompts"))
        target = await asked(place, thread_ts=root.ts)
        await place.adapter.working(target)
        await eventually(lambda: WORKING in status(place))
        await place.adapter.rested(target)
        await eventually(lambda: status(place)[-1] == "active")

        (session,) = place.slack.world.sessions.values()
        assert root.ts == target.conversation.topic
        assert "How do I cook rice?" == session.title
        assert {"looking_at": place.slack.general} == place.heard[0].metadata


# Limits and faults


class Slack:
    """Notes what is told, fails as it is told to, and answers when it is let."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.faults: list[AdapterError] = []
        self.open = asyncio.Event()
        self.open.set()

    async def call(self, tenant: str, method: str, body: JsonObject) -> Mapping[str, object]:
        await self.open.wait()
        self.told.append((f"{body['channel_id']}:{body['thread_ts']}", str(body["status"])))
        if self.faults:
            raise self.faults.pop(0)
        return {"ok": True}


class Clock:
    """Seconds that only a test moves on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def sessions(
    slack: Slack,
    store: SqliteStore | None = None,
    intake: FakeIntake | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Sessions]:
    """Sessions of an app with the agent view that are told to *slack*."""
    settings = SlackSettings.model_validate({"bot_token": "xoxb-1", "app_token": "xapp-1", "view": "agent"})
    made = Sessions(settings, slack.call, store, clock=clock or Clock())
    task = asyncio.create_task(made.run(intake or FakeIntake()))
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def target(number: int = 1, topic: str = "") -> ReplyTarget:
    where = Conversation("slack", "T1", "D1", topic or f"{number}.000001")
    return ReplyTarget(where, f"D1:{number}.000001", User("U1"))


async def test_what_is_outdated_is_never_told() -> None:
    """While Slack is slow an answer begins and ends: the next word is about what is then."""
    slack = Slack()
    async with sessions(slack) as made:
        slack.open.clear()
        made.working(target(1))
        await asyncio.sleep(0)
        for number in (2, 3):
            made.working(target(number))
        made.rested(target(2))
        slack.open.set()
        await eventually(lambda: len(slack.told) == 2)

    assert ["D1:1.000001", "D1:3.000001"] == [place for place, _ in slack.told]


async def test_no_more_is_told_than_slack_takes() -> None:
    """Of 60 answers in a minute 35 are shown as working, the rest is kept for their ends; none is 429."""
    slack, clock = Slack(), Clock()
    async with sessions(slack, clock=clock) as made:
        for number in range(60):
            made.working(target(number))
        await eventually(lambda: len(slack.told) == RATES[STATUS] - RESERVE)
        for number in range(60):
            made.rested(target(number))
        await eventually(lambda: len(slack.told) == RATES[STATUS])
        clock.now += 61
        made.settle(target(1000).conversation)
        await eventually(lambda: len(slack.told) == 2 * (RATES[STATUS] - RESERVE) + 1)

    shown = [place for place, state in slack.told if state == "processing"]
    rested = [place for place, state in slack.told if state == "active"]
    assert 35 == len(shown)
    assert set(shown) < set(rested)


async def test_slack_s_own_limit_is_waited_for() -> None:
    """429 with 30 s: nothing is told for 30 s, and then what is true by then."""
    slack, clock = Slack(), Clock()
    slack.faults = [RateLimited(30)]
    async with sessions(slack, clock=clock) as made:
        made.working(target())
        await eventually(lambda: slack.told)
        made.rested(target())
        await asyncio.sleep(0)
        before = list(slack.told)
        clock.now += 31
        made.working(target(2))
        await eventually(lambda: len(slack.told) == 3)

    assert [("D1:1.000001", "processing")] == before
    assert ("D1:1.000001", "active") == slack.told[1]


async def test_the_end_is_told_again_when_it_fails() -> None:
    """Three refusals of `active`: it is told a fourth time; of `processing` nobody hears again."""
    slack, clock = Slack(), Clock()
    async with sessions(slack, clock=clock) as made:
        made.working(target())
        await eventually(lambda: slack.told)
        slack.faults = [AdapterError("internal_error")] * 3
        made.rested(target())
        for tries in range(2, 6):
            await eventually(lambda told=tries: len(slack.told) == told)  # type: ignore[misc]
            clock.now += 60
            made.settle(target().conversation)

    assert ["processing", "active", "active", "active", "active"] == [state for _, state in slack.told]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(tmp_path / "gateway.db")
    await made.open()
    yield made
    await made.close()


async def test_a_crash_leaves_no_session_working(store: SqliteStore) -> None:
    """Killed after the answer and before `active`: the next process tells it, and forgets the note."""
    slack, intake = Slack(), FakeIntake()
    inbound = Inbound(target().conversation, target().message_id, User("U1"), "Hello")
    await intake.accept(inbound)
    async with sessions(slack, store, intake) as made:
        made.working(target())
        await eventually(lambda: slack.told)
    await intake.answer(inbound.message_id, "Done.")

    async with sessions(slack, store, intake):
        await eventually(lambda: len(slack.told) == 2)
        await gone(store)

    assert ["processing", "active"] == [state for _, state in slack.told]


async def test_an_answer_that_goes_on_elsewhere_is_left_working(store: SqliteStore) -> None:
    """Its message is not answered yet: the next process does not take its session down."""
    slack, intake = Slack(), FakeIntake()
    await intake.accept(Inbound(target().conversation, target().message_id, User("U1"), "Hello"))
    async with sessions(slack, store, intake) as made:
        made.working(target())
        await eventually(lambda: slack.told)

    async with sessions(slack, store, intake) as made:
        made.working(target(2))
        await eventually(lambda: len(slack.told) == 2)

    assert ["processing", "processing"] == [state for _, state in slack.told]
    assert 2 == len(await store.notes(SCOPE))


async def gone(store: SqliteStore) -> None:
    async with asyncio.timeout(10):
        while True:
            if not await store.notes(SCOPE):
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("question", "title"),
    [("Hello", "Hello"), ("a\n b  c", "a b c"), ("x" * 60, "x" * 60), ("x" * 61, "x" * 59 + "…"), ("", "")],
)
def test_a_title_is_one_short_line(question: str, title: str) -> None:
    """At most 60 characters, of the 200 that Slack takes."""
    assert title == titled(question)
