"""Workspaces install the app in Slack themselves: over real sockets, with a real store."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from assistant_gateway.adapter import Content
from assistant_gateway.errors import Forbidden
from assistant_gateway.testing.intake import FakeIntake
from assistant_gateway.values import ReplyTarget
from assistant_gateway_slack.adapter import SlackAdapter
from assistant_gateway_slack.install import MOST_USED, USED
from assistant_gateway_slack.installations import SCOPE
from assistant_gateway_slack.settings import INSTALL_PATH, REDIRECT_PATH
from emulators.eventually import eventually
from emulators.slack import Fault, HandClock
from fixtures.slack import running
from fixtures.slack_shop import (
    PUBLIC,
    Brittle,
    Browser,
    Shop,
    brittle_in,
    invite,
    open_shop,
    place,
    services,
    settings_for,
    shop,
    slack_of,
    target,
)


async def kept(shop: Shop) -> set[str]:
    """The workspaces whose installation is on disk."""
    return set(await shop.store.notes(SCOPE))


def exchanges(shop: Shop) -> int:
    """How often Slack was asked for tokens."""
    return len(shop.slack.calls("oauth.v2.access"))


@pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
async def test_two_workspaces_install_it_and_each_is_answered_in_its_own(tmp_path: Path, http: bool) -> None:
    """Both are told that it is done; each question has its tenant, each answer goes in with its own token."""
    async with shop(tmp_path, http=http) as it:
        acme, umbrella = place(it.slack, "Acme2"), place(it.slack, "Umbrella")
        for team, person, channel in (acme, umbrella):
            page = await it.install(team)
            await invite(it.slack, team, channel)
            root = await it.ask(team, channel, person)
            await it.adapter.post(target(team, root), "run.0", Content(f"For {team}"))

            assert (200, True) == (
                page.status,
                f"Installed in {it.slack.world.workspaces[team].name}" in page.text,
            )
            assert [f"For {team}"] == [answer.visible for answer in it.slack.replies(root)]

        await it.slack.settled()
        assert [acme[0], umbrella[0]] == [heard.conversation.tenant for heard in it.heard]
        assert {acme[0], umbrella[0]} == await kept(it)
        assert [acme[0], umbrella[0]] == [call.team for call in it.slack.calls("chat.postMessage")]
        assert all(each.acknowledged_at is not None for each in it.slack.deliveries())


async def test_the_person_is_asked_for_what_the_bot_needs(tmp_path: Path) -> None:
    """The page leads to Slack with id, scopes, our address and a state; the cookie is for that page alone."""
    async with shop(tmp_path, teams=["T1"]) as it:
        page = await it.browser().get(f"{PUBLIC}{INSTALL_PATH}", follow=False)

    asked = parse_qs(urlsplit(page.headers["Location"]).query)
    cookie = page.headers["Set-Cookie"]
    assert 302 == page.status
    assert [f"{PUBLIC}{REDIRECT_PATH}"] == asked["redirect_uri"]
    assert {"chat:write", "app_mentions:read"} <= set(asked["scope"][0].split(","))
    assert [it.slack.app.client_id] == asked["client_id"]
    assert ["T1"] == asked["team"]
    for word in ("HttpOnly", "Max-Age=600", f"Path={REDIRECT_PATH}", "SameSite=Lax", "Secure"):
        assert word in cookie


async def test_a_state_is_good_once_for_ten_minutes_and_in_its_browser(tmp_path: Path) -> None:
    """Six ways to come back that are not the person's own: 400, no code is exchanged, nothing is kept."""
    clock = HandClock()
    async with shop(tmp_path, clock=clock) as it:
        own, other = it.browser(), it.browser()
        back, _ = await own.consent(), await other.consent()
        state = parse_qs(urlsplit(back).query)["state"][0]
        base = f"{PUBLIC}{REDIRECT_PATH}?code=abc"

        refused = [
            await Browser(it.url).get(back),  # no cookie: sent by somebody else
            await other.get(back),  # another browser's cookie
            await own.get(base),
            await own.twin().get(f"{base}&state={state[:-6]}AAAAAA"),
            await own.twin().get(f"{base}&state=%F0%9F%94%91"),
        ]
        late = it.browser()
        back = await late.consent()
        clock.advance(601)
        refused.append(await late.get(back))

        assert [400] * 6 == [page.status for page in refused]
        assert all("Begin again" in page.text for page in refused)
        assert 0 == exchanges(it)
        assert set() == await kept(it)


async def test_the_same_way_back_installs_once(tmp_path: Path) -> None:
    """The second use of a state is refused, also by the next process and with the cookie of the first."""
    async with slack_of() as slack:
        async with open_shop(slack, tmp_path) as it:
            browser = it.browser()
            back = await browser.consent()
            before = browser.twin()
            first, second = await browser.get(back), await before.twin().get(back)
        async with open_shop(slack, tmp_path) as it:
            third = it.browser()
            third.cookies = before.cookies
            last = await third.get(back)
            count = exchanges(it)

    assert [200, 400, 400] == [first.status, second.status, last.status]
    assert 1 == count


async def test_who_cancels_is_told_so(tmp_path: Path) -> None:
    """A plain page, no exchange, nothing kept."""
    async with shop(tmp_path) as it:
        it.slack.consent(agrees=False)
        page = await it.browser().get(f"{PUBLIC}{INSTALL_PATH}")

        assert (200, True) == (page.status, "Not installed" in page.text)
        assert (0, set()) == (exchanges(it), await kept(it))


async def test_only_the_workspaces_that_are_named_may_install(tmp_path: Path) -> None:
    """Another one is refused; the token that Slack gave for it is given back at once."""
    async with shop(tmp_path, teams=["T_NOBODY"]) as it:
        team, _, _ = place(it.slack, "Stranger")
        page = await it.install(team)

        assert (403, True) == (page.status, "not for your workspace" in page.text)
        assert set() == await kept(it)
        assert 1 == len(it.slack.calls("auth.revoke"))
        assert it.slack.world.installation(it.slack.app.id, team) is None


async def test_a_whole_organisation_is_refused(tmp_path: Path) -> None:
    """An org-wide installation ends on a page that says what to do, and its token is given back."""
    async with shop(tmp_path) as it:
        it.slack.consent(organisation="E1")
        page = await it.browser().get(f"{PUBLIC}{INSTALL_PATH}")

        assert (403, True) == (page.status, "each workspace by itself" in page.text)
        assert set() == await kept(it)
        assert 1 == len(it.slack.calls("auth.revoke"))


async def test_a_crowd_at_the_door_does_not_fill_the_store(tmp_path: Path) -> None:
    """With 1,000 states used in ten minutes the next person is asked to come back; old ones are forgotten."""
    clock = HandClock()
    async with shop(tmp_path, clock=clock) as it:
        for number in range(MOST_USED):
            await it.store.save_note(USED, str(number), {"at": clock.now()})
        full = await it.install(it.slack.team)
        clock.advance(601)
        free = await it.install(it.slack.team)

        assert (503, 200) == (full.status, free.status)
        assert 1 == len(await it.store.notes(USED))


async def test_when_nothing_can_be_kept_nothing_is_exchanged(tmp_path: Path) -> None:
    """The disk is full: the person is told, and the code stays unused."""
    made = list[Brittle]()
    async with slack_of() as slack, open_shop(slack, tmp_path, notes=brittle_in(made)) as it:
        made[0].broken = True
        page = await it.install(slack.team)

        assert (503, True) == (page.status, "Nothing can be kept" in page.text)
        assert 0 == exchanges(it)


@pytest.mark.parametrize("kind", ["error", "http", "refuse", "accept_then_500", "broken_json"])
async def test_when_slack_does_not_confirm_nothing_is_installed(tmp_path: Path, kind: str) -> None:
    """The person is told, and may begin again."""
    async with shop(tmp_path) as it:
        it.slack.fault(Fault(kind, "oauth.v2.access", error="invalid_code"))  # type: ignore[arg-type]
        page = await it.browser().get(f"{PUBLIC}{INSTALL_PATH}")
        again = await it.install(it.slack.team)

        assert (502, True) == (page.status, "did not confirm" in page.text)
        assert 200 == again.status


async def test_the_pages_run_nothing_and_leak_nothing(tmp_path: Path) -> None:
    """A workspace's name is text; no script, no referrer, no cache; the code is not on the page."""
    async with shop(tmp_path) as it:
        team, _, _ = place(it.slack, "<script>alert(1)</script>")
        it.slack.consent(team=team)
        browser = it.browser()
        page = await browser.get(f"{PUBLIC}{INSTALL_PATH}")

        code = parse_qs(urlsplit(browser.seen[-1]).query)["code"][0]
        assert "<script>" not in page.text
        assert "&lt;script&gt;" in page.text
        assert code not in page.text
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert "no-referrer" == page.headers["Referrer-Policy"]
        assert "no-store" == page.headers["Cache-Control"]
        assert {} == browser.cookies


async def test_codes_and_tokens_reach_no_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Through four installations, three of them failing, with all loggers at DEBUG: neither, anywhere."""
    caplog.set_level(logging.DEBUG)
    codes = []
    async with shop(tmp_path) as it:
        it.slack.fault(Fault("error", "oauth.v2.access", error="invalid_code"))
        it.slack.fault(Fault("broken_json", "oauth.v2.access"))
        it.slack.fault(Fault("error", "auth.test", after=1, error="fatal_error"))
        for _ in range(4):
            browser = it.browser()
            await browser.get(f"{PUBLIC}{INSTALL_PATH}")
            codes.append(parse_qs(urlsplit(browser.seen[-1]).query)["code"][0])
        tokens = {*it.slack.bot.revoked, it.slack.bot.bot_token}

    told = capsys.readouterr()
    said = told.out + told.err + caplog.text
    assert (4, 4) == (len(set(codes)), len(tokens))
    assert "slack.not_installed" in said
    assert "slack.not_authorised" in said
    assert [] == [secret for secret in (*codes, *tokens) if secret in said]


async def test_what_is_kept_is_sealed(tmp_path: Path) -> None:
    """No file of the store holds the token; the key's file is for its owner alone."""
    async with shop(tmp_path) as it:
        await it.install(it.slack.team)
        token = it.token(it.slack.team)

        files = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    assert {"gateway.db", "slack-encryption.key"} <= set(files)
    assert not any(token.encode() in content for content in files.values())
    assert 0o600 == (tmp_path / "slack-encryption.key").stat().st_mode & 0o777


async def test_a_new_installation_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    """Installed again, the old token is worthless; posts go on without a restart and without a loss."""
    async with shop(tmp_path) as it:
        team, person, channel = place(it.slack, "Acme2")
        await it.install(team)
        await invite(it.slack, team, channel)
        root = await it.ask(team, channel, person)
        first = it.token(team)
        post = await it.adapter.post(target(team, root), "run.0", Content("Hel"))
        await it.install(team)
        await it.adapter.edit(target(team, root), post, Content("Hello"))

        assert first != it.token(team)
        assert ["Hello"] == [answer.visible for answer in it.slack.replies(root)]
        assert {team} == await kept(it)


async def test_an_uninstalled_workspace_is_forgotten_and_no_longer_served(tmp_path: Path) -> None:
    """Its row goes; posts are refused for good, its events are acknowledged and lead to nothing."""
    async with shop(tmp_path) as it:
        team, person, channel = place(it.slack, "Acme2")
        await it.install(team)
        await invite(it.slack, team, channel)
        root = await it.ask(team, channel, person)
        calls = len(it.slack.calls("chat.postMessage"))
        await it.slack.uninstall(team)
        await it.slack.settled()

        with pytest.raises(Forbidden):
            await it.adapter.post(target(team, root), "run.0", Content("Hello"))
        with pytest.raises(Forbidden):
            await it.adapter.find(target(team, root), "run.0")
        assert set() == await kept(it)
        assert calls == len(it.slack.calls("chat.postMessage"))
        assert all(each.acknowledged_at is not None for each in it.slack.deliveries())


async def test_an_end_that_comes_late_does_not_end_a_new_installation(tmp_path: Path) -> None:
    """Uninstalled, installed again a minute later, and then the old event arrives: it goes on."""
    clock = HandClock()
    async with shop(tmp_path, clock=clock) as it:
        team, person, channel = place(it.slack, "Acme2")
        await it.install(team)
        await it.slack.uninstall(team)
        await it.slack.settled()
        late = [each.payload for each in it.slack.deliveries() if each.payload["team_id"] == team]
        clock.advance(60)
        await it.install(team)
        for payload in late:
            await it.slack.deliver(payload)
        await it.slack.settled()
        await invite(it.slack, team, channel)
        await it.ask(team, channel, person)

        assert 2 == len(late)
        assert {team} == await kept(it)


async def test_people_who_revoke_their_own_tokens_end_nothing(tmp_path: Path) -> None:
    """`tokens_revoked` with user tokens, or another bot's, leaves the installation alone."""
    async with shop(tmp_path) as it:
        team, person, channel = place(it.slack, "Acme2")
        await it.install(team)
        await invite(it.slack, team, channel)
        for tokens in (
            {"oauth": [person]},
            {"oauth": [person], "bot": []},
            {"bot": ["U0OTHER"]},
            {"bot": "all"},
        ):
            event = {"type": "tokens_revoked", "tokens": tokens}
            await it.slack.deliver({"type": "event_callback", "team_id": team, "event": event})
        await it.slack.settled()
        await it.ask(team, channel, person)

        assert {team} == await kept(it)


async def test_events_of_a_workspace_that_has_not_installed_it_lead_to_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The emulator's first workspace has the app, but not from us: acknowledged, logged, nothing accepted."""
    async with shop(tmp_path) as it:
        await it.slack.say(it.slack.general, it.slack.ann, f"<@{it.slack.bot_user}> Hello")
        await it.slack.settled()

        assert [] == it.heard
        assert all(len(each.attempts) == 1 for each in it.slack.deliveries())
        assert "the app is not installed there" in capsys.readouterr().out


async def test_after_a_restart_nobody_is_asked_who_the_bot_is_for_an_event(tmp_path: Path) -> None:
    """Two workspaces: one `auth.test` each at the start of the next process, and none for ten events."""
    async with slack_of() as slack:
        places = [place(slack, "Acme2"), place(slack, "Umbrella")]
        async with open_shop(slack, tmp_path) as it:
            for team, _, channel in places:
                await it.install(team)
                await invite(slack, team, channel)
        before = len(slack.calls("auth.test"))
        async with open_shop(slack, tmp_path) as it:
            for number in range(5):
                for team, person, channel in places:
                    await it.ask(team, channel, person, str(number))
            await eventually(lambda: len(slack.calls("auth.test")) == before + 2)
            await slack.settled()
            tenants = {heard.conversation.tenant for heard in it.heard}

    assert {team for team, _, _ in places} == tenants
    assert before + 2 == len(slack.calls("auth.test"))


async def test_a_workspace_that_ended_while_nobody_listened_is_forgotten_at_the_start(tmp_path: Path) -> None:
    """Slack repeats its event for six minutes only; the next process finds the token worthless."""
    async with slack_of() as slack:
        async with open_shop(slack, tmp_path) as it:
            await it.install(slack.team)
        slack.bot.ended = "uninstalled"
        async with open_shop(slack, tmp_path) as it:
            await slack.until(lambda: len(slack.calls("auth.test")) >= 2)
            await slack.until(lambda: it.adapter.unready() == "")
            await _until_kept(it, set())


async def test_another_process_hears_of_installations_and_of_their_end(tmp_path: Path) -> None:
    """Two processes share the store: one installs, both serve; one hears of the end, both stop."""
    async with slack_of() as slack, open_shop(slack, tmp_path) as it, services(it.store, tmp_path) as given:
        other = SlackAdapter(settings_for(slack), given, tick=0.02)
        async with running(other, FakeIntake()):
            team, person, channel = place(slack, "Acme2")
            await it.install(team)
            await invite(slack, team, channel)
            root = await slack.say(channel, person, "Hello")
            await other.post(target(team, root), "run.0", Content("Hello"))
            await slack.uninstall(team)
            await slack.settled()
            await _until_kept(it, set())
            for adapter in (it.adapter, other):
                async with asyncio.timeout(5):
                    await _refused_for_good(adapter, target(team, root))

            assert ["Hello"] == [answer.visible for answer in slack.replies(root)]


async def test_who_is_no_longer_named_is_no_longer_served(tmp_path: Path) -> None:
    """A workspace that `teams` leaves out after a restart is kept, but gets and gives nothing."""
    async with slack_of() as slack:
        team, person, channel = place(slack, "Acme2")
        async with open_shop(slack, tmp_path) as it:
            await it.install(team)
            await invite(slack, team, channel)
            root = await it.ask(team, channel, person)
        async with open_shop(slack, tmp_path, teams=[slack.team]) as it:
            await slack.say(channel, person, f"<@{slack.bot_user}> Hello")
            await slack.settled()

            with pytest.raises(Forbidden):
                await it.adapter.post(target(team, root), "run.0", Content("Hello"))
            assert [] == it.heard
            assert {team} == await kept(it)


async def test_the_bot_tokens_workspace_is_served_beside_those_that_install(tmp_path: Path) -> None:
    """One of our own by its token, one that installed the app: each in its own."""
    async with slack_of() as slack, open_shop(slack, tmp_path, bot_token=SecretStr(slack.bot_token)) as it:
        team, person, channel = place(slack, "Acme2")
        await it.install(team)
        await invite(slack, team, channel)
        here = await it.ask(slack.team, slack.general, slack.ann)
        there = await it.ask(team, channel, person)
        await it.adapter.post(target(slack.team, here), "run.0", Content("Here"))
        await it.adapter.post(target(team, there), "run.1", Content("There"))

        assert [slack.team, team] == [heard.conversation.tenant for heard in it.heard]
        assert [slack.team, team] == [call.team for call in slack.calls("chat.postMessage")]


async def _until_kept(shop: Shop, teams: set[str]) -> None:
    async with asyncio.timeout(5):
        while await kept(shop) != teams:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def _refused_for_good(adapter: SlackAdapter, where: ReplyTarget) -> None:
    """Return when a post is refused as `Forbidden`."""
    while True:
        try:
            await adapter.find(where, "run.9")
        except Forbidden:
            return
        await asyncio.sleep(0.01)
