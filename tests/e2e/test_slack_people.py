"""A real `serve` process: the slash command, the agent view with its sessions, Stop, and a crash."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from assistant_gateway.backends.demo_texts import long_text
from assistant_gateway_slack.buttons import FEEDBACK, REGENERATE, STOP
from assistant_gateway_slack.clicks import THANKS
from assistant_gateway_slack.markup import inert
from assistant_gateway_slack.settings import PATH
from e2e.served import Served, serve
from emulators.slack import Manifest, Message, SlackEmulator
from emulators.slack.world import Session

TUTOR = "I need to solve the equation 3x + 11 = 14. Can you help me?"
SOLVED = "both sides are equal."
LONG = "Write something long with code and a table"
COMPLETE = inert(long_text(3))
PATIENCE = 60.0  # seconds; only what hangs needs more


class Agent:
    """An app with the agent view, and gateways that are started for it one after another."""

    def __init__(self, slack: SlackEmulator, directory: Path, *, http: bool) -> None:
        self.slack = slack
        self._directory = directory
        self._http = http
        self.direct = slack.direct(slack.ann)
        (directory / "config.toml").write_text(
            f'[slack]\nbase_url = "{slack.api_url}"\nview = "agent"\nprompts = ["What can you do?"]\n'
            '[backends.demo]\nkind = "demo"\nwords_per_second = 200\n'
        )

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[Served]:
        """A gateway that is connected."""
        tokens = {"SLACK_BOT_TOKEN": self.slack.bot_token}
        if self._http:
            tokens["SLACK_SIGNING_SECRET"] = self.slack.signing_secret
        else:
            tokens["SLACK_APP_TOKEN"] = self.slack.app_token
        async with serve(self._directory, environ=tokens) as served:
            if self._http:
                self.slack.use_request_url(f"{served.url}{PATH}")
            async with aiohttp.ClientSession() as http:
                await self.slack.until(lambda: self.slack.calls("auth.test"), PATIENCE)
                async with http.get(f"{served.url}/healthz") as alive:
                    assert alive.status == 200
            if not self._http:
                await self.slack.until(lambda: self.slack.service.sockets.connections, PATIENCE)
            yield served

    async def answer(self, question: Message, end: str) -> Message:
        """The answer in the thread of *question*, when it ends with *end*."""
        found = await self.slack.until(
            lambda: next((m for m in self.slack.replies(question) if m.visible.endswith(end)), None), PATIENCE
        )
        assert found is not None
        return found

    def session(self, question: Message) -> Session | None:
        """The session that a question began."""
        return self.slack.world.sessions.get((self.slack.app.id, question.channel, question.ts))

    async def shows(self, question: Message, status: str) -> Session:
        """The session, when it has that status."""

        def shown() -> Session | None:
            session = self.session(question)
            return session if session is not None and session.status == status else None

        found = await self.slack.until(shown, PATIENCE)
        assert found is not None
        return found


@pytest.fixture(params=[False, True], ids=["socket", "http"])
async def agent(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Agent]:
    async with SlackEmulator(Manifest(view="agent"), ack_deadline=3.0) as slack:
        yield Agent(slack, tmp_path, http=request.param)


async def test_a_slash_command_is_answered_in_its_thread(agent: Agent) -> None:
    """The bot says who asks what, answers below it, and goes on there without being mentioned."""
    slack = agent.slack
    async with agent.gateway():
        sent = await slack.command(slack.ann, slack.general, "/assistant", "My name is Ann.")
        await sent.done.wait()
        (root,) = [
            each for each in slack.messages(slack.general, thread_ts="") if each.installation is not None
        ]
        await slack.until(lambda: slack.replies(root), PATIENCE)
        await slack.say(slack.general, slack.ann, "What is my name?", thread_ts=root.ts)
        await slack.until(lambda: any("Ann" in each.visible for each in slack.replies(root)[1:]), PATIENCE)
        helped = await slack.command(slack.ann, slack.general, "/assistant", "help")
        await helped.done.wait()

    assert "ann asks:My name is Ann." == root.visible
    assert "`/retry`" in str(helped.answer["text"])
    assert sent.acknowledged_at is not None


async def test_a_session_works_as_long_as_its_answer_is_made(agent: Agent) -> None:
    """A direct message begins a session with a title; it works until the answer is complete, then rests."""
    slack = agent.slack
    async with agent.gateway():
        question = await slack.say(agent.direct, slack.ann, LONG)
        session = await agent.shows(question, "processing")
        await agent.answer(question, COMPLETE[-40:])
        await agent.shows(question, "active")

    assert (LONG, slack.ann) == (session.title, session.initiator)
    assert not [call for call in slack.calls() if call.status == 429]


async def test_slack_s_stop_ends_the_answer(agent: Agent) -> None:
    """Pressed while the answer grows: it ends early, says so, and the session rests."""
    slack = agent.slack
    async with agent.gateway():
        question = await slack.say(agent.direct, slack.ann, LONG)
        await agent.shows(question, "processing")
        await slack.until(lambda: slack.replies(question), PATIENCE)
        pressed = await slack.press_stop(slack.ann, agent.direct, question.ts)
        await agent.shows(question, "active")

    (answer,) = slack.replies(question)
    assert pressed
    assert len(answer.visible) < len(COMPLETE)


async def test_a_killed_gateway_leaves_no_session_working(agent: Agent) -> None:
    """Killed while it works, the next process completes the answer, and the session rests."""
    slack = agent.slack
    async with agent.gateway() as served:
        question = await slack.say(agent.direct, slack.ann, LONG)
        await agent.shows(question, "processing")
        await slack.until(lambda: slack.replies(question), PATIENCE)
        served.kill()
        await served.process.wait()
    left = agent.session(question)
    assert left is not None
    assert "processing" == left.status

    async with agent.gateway():
        await agent.answer(question, COMPLETE[-40:])
        await agent.shows(question, "active")


async def test_an_edit_while_it_waits_changes_what_is_answered(agent: Agent) -> None:
    """The second of two questions is edited before its turn: its new words are answered."""
    slack = agent.slack
    async with agent.gateway():
        first = await slack.say(agent.direct, slack.ann, LONG)
        await agent.shows(first, "processing")
        second = await slack.say(agent.direct, slack.ann, "What is my nam?", thread_ts=first.ts)
        await slack.until(lambda: slack.world.ephemerals, PATIENCE)
        await slack.edit(agent.direct, second.ts, TUTOR)
        await agent.answer(first, SOLVED)

    assert ["1 ahead of you: your message is answered after it."] == [
        each.text for each in slack.world.ephemerals
    ]


def button(message: Message, action_id: str) -> bool:
    """Whether a message carries a button."""
    return f"'{action_id}'" in str(message.blocks)


async def test_the_buttons_do_what_they_say(agent: Agent) -> None:
    """Stop ends the answer and goes; Regenerate answers again, once; a thumb is thanked for."""
    slack = agent.slack
    async with agent.gateway():
        question = await slack.say(slack.general, slack.ann, f"<@{slack.bot_user}> {LONG}")
        growing = await slack.until(
            lambda: next((each for each in slack.replies(question) if button(each, STOP)), None), PATIENCE
        )
        assert growing is not None
        await slack.click(slack.ann, slack.general, growing.ts, STOP)
        await slack.until(lambda: not button(growing, STOP) and button(growing, FEEDBACK), PATIENCE)
        stopped = growing.visible
        await slack.click(slack.ann, slack.general, growing.ts, FEEDBACK, value=rating(growing))
        await slack.until(lambda: THANKS in told(slack), PATIENCE)
        await slack.click(slack.ann, slack.general, growing.ts, REGENERATE)
        again = await agent.answer(question, COMPLETE[-40:])

    assert len(stopped) < len(COMPLETE)
    assert growing is not again
    assert not button(again, STOP)
    assert 2 == len(slack.replies(question))


def rating(message: Message) -> str:
    """The value of the thumb up below a message."""
    (run_id,) = set(re.findall(r"'good:([^']+)'", str(message.blocks)))
    return f"good:{run_id}"


def told(slack: SlackEmulator) -> list[str]:
    """What was told to people alone."""
    return [each.text for each in slack.world.ephemerals]
