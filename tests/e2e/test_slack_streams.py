"""A real `serve` process that streams into an emulated workspace, and is killed in the midst of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import aiohttp
import pytest

from assistant_gateway.backends.demo_texts import long_text
from assistant_gateway_slack.markup import inert
from assistant_gateway_slack.said import EVENT_TYPE
from e2e.served import Served, serve
from emulators.slack import Fault, Manifest, Message, SlackEmulator

LONG = "Write something long with code and a table"
COMPLETE = inert(long_text(3))
PATIENCE = 60.0  # seconds; only what hangs needs more


class Workspace:
    """The emulator in the agent view, and gateways in one directory, one after another."""

    def __init__(self, slack: SlackEmulator, directory: Path) -> None:
        self.slack = slack
        self._directory = directory
        (directory / "config.toml").write_text(
            f'[slack]\nbase_url = "{slack.api_url}"\nview = "agent"\n'
            '[backends.demo]\nkind = "demo"\nwords_per_second = 150\n'
        )
        self._environ = {"SLACK_BOT_TOKEN": slack.bot_token, "SLACK_APP_TOKEN": slack.app_token}

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[Served]:
        """A gateway that is connected."""
        async with serve(self._directory, environ=self._environ) as served:
            async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as session:
                while True:
                    async with session.get(f"{served.url}/readyz") as answer:
                        if answer.status == 200:
                            break
                    await asyncio.sleep(0.02)
            yield served

    async def ask(self) -> Message:
        """Ann writes in her direct messages."""
        return await self.slack.say(self.slack.direct(self.slack.ann), self.slack.ann, LONG)

    async def settled(self, question: Message) -> list[Message]:
        """The answer's messages, when all of it is there, no stream is open and the session rests."""

        def done() -> list[Message]:
            found = self.slack.replies(question)
            streams = [each.stream for each in found if each.stream is not None]
            sessions = self.slack.world.sessions.values()
            is_over = all(stream.state == "completed" for stream in streams) and all(
                session.status == "active" for session in sessions
            )
            whole = "".join(each.visible for each in found)
            return found if is_over and whole.split() == COMPLETE.split() else []

        return await self.slack.until(done, PATIENCE)


@pytest.fixture
async def workspace(tmp_path: Path) -> AsyncIterator[Workspace]:
    manifest = Manifest(view="agent", metadata_events=frozenset({EVENT_TYPE}))
    async with SlackEmulator(manifest, ack_deadline=2.0) as slack:
        yield Workspace(slack, tmp_path)


async def test_an_answer_is_streamed(workspace: Workspace) -> None:
    """Each state is a beginning of the next one, nothing is edited, and the buttons come with the end."""
    async with workspace.gateway():
        question = await workspace.ask()
        (answer,) = await workspace.settled(question)

    texts = [frame.text for frame in answer.frames]
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert len(texts) >= 3
    assert "chat.startStream" == answer.via
    assert [] == workspace.slack.calls("chat.update")
    assert "assistant_regenerate" in str(answer.blocks)


async def test_a_killed_gateway_ends_the_stream_that_it_began(workspace: Workspace) -> None:
    """The next process stops it and completes the same message: one answer, none open, the session rests."""
    async with workspace.gateway() as served:
        question = await workspace.ask()
        begun = await workspace.slack.until(
            lambda: next((m for m in workspace.slack.replies(question) if len(m.frames) > 2), None), PATIENCE
        )
        served.kill()
        await served.process.wait()
    assert begun is not None
    unfinished = begun.visible

    async with workspace.gateway():
        answers = await workspace.settled(question)

    assert len(unfinished) < len(COMPLETE)
    assert [begun] == answers
    assert 1 == len(workspace.slack.calls("chat.startStream"))


async def test_a_stream_whose_start_died_with_the_gateway_is_found(workspace: Workspace) -> None:
    """Slack began it and never said so, the process was killed: it is found without a key, and completed."""
    workspace.slack.fault(Fault("accept_then_hang", "chat.startStream"))
    async with workspace.gateway() as served:
        question = await workspace.ask()
        (begun,) = await workspace.slack.until(lambda: workspace.slack.replies(question), PATIENCE)
        served.kill()
        await served.process.wait()

    async with workspace.gateway():
        answers = await workspace.settled(question)

    assert [begun] == answers
    assert 1 == len(workspace.slack.calls("chat.startStream"))
