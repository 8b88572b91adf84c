"""A real `serve` process that workspaces install themselves: over a crash, to the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from assistant_gateway_slack.settings import INSTALL_PATH
from e2e.served import Served, serve
from e2e.test_slack import COMPLETE, LONG, PATIENCE, SOLVED, TUTOR, ready
from emulators.slack import Message, SlackEmulator
from fixtures.slack_shop import PUBLIC, Browser, invite, place, slack_of

CONFIG = """
[slack]
base_url = "{api}"
authorize_url = "{authorize}"
public_url = "{public}"
teams = {teams}
[backends.demo]
kind = "demo"
words_per_second = 150
"""


class House:
    """Slack with two workspaces, and gateways that are started for it, one after another."""

    def __init__(self, slack: SlackEmulator, directory: Path) -> None:
        self.slack = slack
        self.places = [place(slack, "Acme2"), place(slack, "Umbrella")]
        self._directory = directory
        teams = [team for team, _, _ in self.places]
        config = CONFIG.format(
            api=slack.api_url, authorize=f"{slack.url}/oauth/v2/authorize", public=PUBLIC, teams=teams
        )
        (directory / "config.toml").write_text(config)
        app = slack.app
        self._environ = {"SLACK_CLIENT_ID": app.client_id, "SLACK_CLIENT_SECRET": app.client_secret}
        self._environ["SLACK_APP_TOKEN"] = app.app_token

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[Served]:
        """A gateway that is connected."""
        async with serve(self._directory, environ=self._environ) as served:
            await ready(served.url)
            yield served

    async def install(self, served: Served, team: str, channel: str) -> int:
        """Somebody installs the app and invites it; the status of the last page."""
        self.slack.consent(team=team)
        page = await Browser(served.url).get(f"{PUBLIC}{INSTALL_PATH}")
        await invite(self.slack, team, channel)
        return page.status

    async def ask(self, team: str, channel: str, person: str, text: str) -> Message:
        """Somebody mentions the bot."""
        bot = self.slack.world.installation(self.slack.app.id, team)
        assert bot is not None
        return await self.slack.say(channel, person, f"<@{bot.bot_user_id}> {text}")

    async def answered(self, question: Message, end: str) -> Message:
        """The answer to *question*, when it ends with *end*."""
        found = await self.slack.until(
            lambda: next((m for m in self.slack.replies(question) if m.visible.endswith(end)), None), PATIENCE
        )
        assert found is not None
        return found


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with slack_of() as slack:
        yield House(slack, tmp_path)


async def test_two_workspaces_install_it_and_a_crash_changes_nothing(house: House) -> None:
    """Both are answered; killed in the middle of both, the next process completes each in its own place."""
    async with house.gateway() as served:
        statuses = [await house.install(served, team, channel) for team, _, channel in house.places]
        short = [await house.ask(team, channel, person, TUTOR) for team, person, channel in house.places]
        for question in short:
            await house.answered(question, SOLVED)
        long = [await house.ask(team, channel, person, LONG) for team, person, channel in house.places]
        await house.slack.until(
            lambda: all(any(len(m.frames) > 2 for m in house.slack.replies(each)) for each in long), PATIENCE
        )
        served.kill()
        await served.process.wait()

    async with house.gateway():
        answers = [await house.answered(question, COMPLETE[-40:]) for question in long]

    teams = [team for team, _, _ in house.places]
    assert [200, 200] == statuses
    assert [COMPLETE] * 2 == [answer.visible for answer in answers]
    assert [1, 1] == [len(house.slack.replies(each)) for each in long]
    assert teams == [answer.installation.team_id for answer in answers if answer.installation is not None]


async def test_what_an_uninstalled_workspace_waits_for_ends_in_the_log(house: House) -> None:
    """Uninstalled while it answers: it ends as undeliverable, and nothing is tried for ever."""
    (team, person, channel), (other, friend, room) = house.places
    async with house.gateway() as served:
        await house.install(served, team, channel)
        await house.install(served, other, room)
        question = await house.ask(team, channel, person, LONG)
        await house.slack.until(lambda: house.slack.replies(question), PATIENCE)
        await house.slack.uninstall(team)
        async with asyncio.timeout(PATIENCE):
            while not any("reply.undeliverable" in line for line in served.errors):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        calls = len(house.slack.calls())
        after = await house.ask(other, room, friend, TUTOR)
        await house.answered(after, SOLVED)
        await house.slack.settled()

        log = "".join(served.errors)
        assert "slack.uninstalled" in log
        assert {other} == {call.team for call in house.slack.calls()[calls:]} - {""}
        assert all(each.acknowledged_at is not None for each in house.slack.deliveries())


async def test_a_workspace_that_is_not_named_gets_nothing(house: House) -> None:
    """The emulator's first workspace is not among `teams`: refused."""
    async with house.gateway() as served:
        house.slack.consent(team=house.slack.team)
        page = await Browser(served.url).get(f"{PUBLIC}{INSTALL_PATH}")

    assert 403 == page.status
