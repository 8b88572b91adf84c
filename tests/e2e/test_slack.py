"""A real `serve` process in an emulated workspace: the answer grows, and a crash changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from assistant_gateway.backends.demo_texts import long_text
from assistant_gateway_slack.markup import inert
from assistant_gateway_slack.settings import PATH
from e2e.served import Served, serve
from emulators.slack import Fault, Manifest, Message, SlackEmulator

TUTOR = "I need to solve the equation 3x + 11 = 14. Can you help me?"
SOLVED = "both sides are equal."
LONG = "Write something long with code and a table"
COMPLETE = inert(long_text(3))
PATIENCE = 60.0  # seconds; only what hangs needs more


class Workspace:
    """The emulator, and gateways that are started for it in one directory, one after another."""

    def __init__(self, slack: SlackEmulator, directory: Path, mode: str) -> None:
        self.slack = slack
        self._directory = directory
        self._mode = mode
        (directory / "config.toml").write_text(
            f'[slack]\nbase_url = "{slack.api_url}"\n[backends.demo]\nkind = "demo"\nwords_per_second = 150\n'
        )
        self._environ = {"SLACK_BOT_TOKEN": slack.bot_token}
        if mode == "http":
            self._environ["SLACK_SIGNING_SECRET"] = slack.signing_secret
        else:
            self._environ["SLACK_APP_TOKEN"] = slack.app_token

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[Served]:
        """A gateway that is connected."""
        async with serve(self._directory, environ=self._environ) as served:
            if self._mode == "http":
                self.slack.use_request_url(f"{served.url}{PATH}")
            await ready(served.url)
            yield served

    async def ask(self, text: str, *, thread_ts: str = "", mention: bool = True) -> Message:
        """Ann writes in #general."""
        slack = self.slack
        words = f"<@{slack.bot_user}> {text}" if mention else text
        return await slack.say(slack.general, slack.ann, words, thread_ts=thread_ts)

    async def answered(self, question: Message, end: str, *, replies: int = 1) -> Message:
        """The answer to *question*, when it ends with *end*."""

        def done() -> Message | None:
            found = self.slack.replies(question)
            return found[-1] if len(found) >= replies and found[-1].visible.endswith(end) else None

        found = await self.slack.until(done, PATIENCE)
        assert found is not None
        return found


async def ready(url: str) -> None:
    """Return when the gateway says that it is ready."""
    async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{url}/readyz") as answer:
                if answer.status == 200:
                    return
            await asyncio.sleep(0.02)


@pytest.fixture(params=["socket", "http"])
async def workspace(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Workspace]:
    async with SlackEmulator(Manifest(view="none"), ack_deadline=2.0) as slack:
        yield Workspace(slack, tmp_path, request.param)


async def test_a_mention_is_answered_by_a_post_that_grows(workspace: Workspace) -> None:
    """One post in the question's thread begins with the answer's first words, grows, and ends complete."""
    async with workspace.gateway():
        question = await workspace.ask(TUTOR)
        answer = await workspace.answered(question, SOLVED)
        await workspace.slack.settled()

    texts = [frame.text for frame in answer.frames]
    assert [answer] == workspace.slack.replies(question)
    assert "x = 1" in answer.visible
    assert len(texts) >= 2
    assert texts == sorted(texts, key=len)
    assert not answer.unfurled
    assert all(each.acknowledged_at is not None for each in workspace.slack.deliveries())


async def test_a_follow_up_is_answered_without_a_mention_also_after_a_restart(workspace: Workspace) -> None:
    """The thread is known from the store: a new process answers its next message, and no other thread's."""
    async with workspace.gateway():
        question = await workspace.ask("My name is Ann.")
        await workspace.answered(question, "")

    async with workspace.gateway():
        other = await workspace.ask("Nothing for the bot here.", mention=False)
        await workspace.ask("A remark.", thread_ts=other.ts, mention=False)
        await workspace.ask("What is my name?", thread_ts=question.ts, mention=False)
        answer = await workspace.slack.until(
            lambda: next((m for m in workspace.slack.replies(question)[1:] if "Ann" in m.visible), None),
            PATIENCE,
        )

    assert answer is not None
    assert [] == workspace.slack.replies(other)


async def test_a_killed_gateway_finishes_the_post_that_it_began(workspace: Workspace) -> None:
    """Killed while the answer grows, the next process completes the same post; nothing is said twice."""
    async with workspace.gateway() as served:
        question = await workspace.ask(LONG)
        begun = await workspace.slack.until(
            lambda: next((m for m in workspace.slack.replies(question) if len(m.frames) > 2), None), PATIENCE
        )
        served.kill()
        await served.process.wait()
    assert begun is not None
    unfinished = begun.visible

    async with workspace.gateway():
        await workspace.slack.until(lambda: begun.visible == COMPLETE, PATIENCE)

    assert len(unfinished) < len(COMPLETE)
    assert [begun] == workspace.slack.replies(question)


async def test_a_post_whose_outcome_died_with_the_gateway_is_found_again(workspace: Workspace) -> None:
    """Slack took the post and never said so, the process was killed: the next one finds it and goes on."""
    workspace.slack.fault(Fault("accept_then_hang", "chat.postMessage"))
    async with workspace.gateway() as served:
        question = await workspace.ask(TUTOR)
        await workspace.slack.until(lambda: workspace.slack.replies(question), PATIENCE)
        served.kill()
        await served.process.wait()

    async with workspace.gateway():
        answer = await workspace.answered(question, SOLVED)

    assert [answer] == workspace.slack.replies(question)
    assert 1 == len(workspace.slack.calls("chat.postMessage"))
