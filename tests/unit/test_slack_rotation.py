"""Tokens that live twelve hours are replaced before they expire, once, and never lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr

from assistant_gateway.adapter import Content
from assistant_gateway.errors import Forbidden
from assistant_gateway.values import ReplyTarget
from assistant_gateway_slack.api import Api
from assistant_gateway_slack.installations import Installation, Installations
from assistant_gateway_slack.keys import kept_key
from assistant_gateway_slack.vault import Vault
from assistant_gateway_slack.web import Web
from emulators.eventually import eventually
from emulators.slack import Fault, HandClock, Manifest, SlackEmulator
from fixtures.slack_shop import Brittle, Shop, brittle_in, invite, open_shop, place, slack_of, target

ROTATES = Manifest(view="none", rotates_tokens=True)
HOURS = 3600.0


class Late:
    """A renewal that hears of the new token only after the old one was refused."""

    def __init__(self) -> None:
        self.brings: Callable[[], None] = lambda: None

    async def keep_alive(self) -> None:
        pass

    async def catch_up(self) -> None:
        self.brings()


def refreshes(slack: SlackEmulator) -> int:
    """How often Slack was asked for the next token."""
    asked = slack.calls("oauth.v2.access")
    return sum(call.arguments.get("grant_type") == "refresh_token" for call in asked)


async def asked(shop: Shop) -> ReplyTarget:
    """A question in a workspace that has just installed the app."""
    team, person, channel = place(shop.slack, "Acme2")
    await shop.install(team)
    await invite(shop.slack, team, channel)
    return target(team, await shop.ask(team, channel, person))


async def on_disk(shop: Shop, directory: Path, team: str) -> Installation:
    """The installation as the next process would find it."""
    key = kept_key(str(directory), make=False)
    assert key is not None
    found = await Installations(shop.store, Vault([key])).of(team)
    assert found is not None
    return found


async def renewed(shop: Shop, directory: Path, team: str) -> Installation:
    """The installation, as soon as the newest token is on disk."""
    async with asyncio.timeout(10):
        while True:
            kept = await on_disk(shop, directory, team)
            if kept.bot_token.get_secret_value() == shop.token(team):
                return kept
            await asyncio.sleep(0.01)


async def test_a_token_is_replaced_two_hours_before_it_expires(tmp_path: Path) -> None:
    """After 9 h nothing happens, after 10 h there is one refresh; the new pair is on disk and in use."""
    clock, notes = HandClock(), list[Brittle]()
    async with (
        slack_of(ROTATES, clock=clock) as slack,
        open_shop(slack, tmp_path, tick=0.02, notes=brittle_in(notes)) as it,
    ):
        where = await asked(it)
        team = where.conversation.tenant
        first = it.token(team)
        clock.advance(9 * HOURS)
        looks = notes[0].looks
        await eventually(lambda: notes[0].looks >= looks + 2)
        early = refreshes(slack)
        clock.advance(HOURS + 1)
        await eventually(lambda: refreshes(slack))
        await it.adapter.post(where, "run.0", Content("Hello"))
        clock.advance(11 * HOURS)  # the first token has expired by now
        await eventually(lambda: refreshes(slack) == 2)
        await it.adapter.post(where, "run.1", Content("Hello again"))

        kept = await renewed(it, tmp_path, team)
        assert 0 == early
        assert first != it.token(team)
        assert kept.expires_at == clock.now() + 12 * HOURS


async def test_many_calls_with_a_token_at_its_end_make_one_refresh(tmp_path: Path) -> None:
    """A gateway that slept past the end: twenty posts at once wait for one new token, none fails."""
    clock = HandClock()
    async with slack_of(ROTATES, clock=clock) as slack, open_shop(slack, tmp_path) as it:
        slack.quotas.enforced = False
        where = await asked(it)
        clock.advance(13 * HOURS)

        await asyncio.gather(*(it.adapter.post(where, f"run.{n}", Content(str(n))) for n in range(20)))

        assert 1 == refreshes(slack)
        assert 20 == len([call for call in slack.calls("chat.postMessage") if call.ok])


async def test_a_caller_who_goes_away_does_not_cut_the_refresh_short(tmp_path: Path) -> None:
    """The post is cancelled while Slack makes the next token; the pair is kept all the same."""
    clock = HandClock()
    async with slack_of(ROTATES, clock=clock) as slack, open_shop(slack, tmp_path) as it:
        where = await asked(it)
        team = where.conversation.tenant
        clock.advance(13 * HOURS)
        slack.fault(Fault("slow", "oauth.v2.access", seconds=5))
        posting = asyncio.create_task(it.adapter.post(where, "run.0", Content("Hello")))
        await eventually(lambda: clock.waiting)
        posting.cancel()
        await asyncio.gather(posting, return_exceptions=True)
        clock.advance(5)
        await it.adapter.close()

        assert it.token(team) == (await on_disk(it, tmp_path, team)).bot_token.get_secret_value()
        assert 1 == refreshes(slack)


@pytest.mark.parametrize("kind", ["accept_then_500", "accept_then_drop", "accept_then_html", "broken_json"])
async def test_when_the_answer_is_lost_the_refresh_is_made_again(tmp_path: Path, kind: str) -> None:
    """Slack gave a pair that never arrived; within its grace it gives another one for the same token."""
    clock = HandClock()
    async with (
        slack_of(ROTATES, clock=clock, refresh_grace=60.0) as slack,
        open_shop(slack, tmp_path, tick=0.02) as it,
    ):
        where = await asked(it)
        team = where.conversation.tenant
        slack.fault(Fault(kind, "oauth.v2.access"))  # type: ignore[arg-type]
        clock.advance(10 * HOURS + 1)
        await eventually(lambda: refreshes(slack) == 1)
        await it.adapter.post(where, "run.0", Content("The old one serves"))
        clock.advance(6)  # seconds until the next try
        await eventually(lambda: refreshes(slack) == 2)
        await it.adapter.post(where, "run.1", Content("The new one, too"))

        await renewed(it, tmp_path, team)
        assert 2 == refreshes(slack)


async def test_a_pair_that_can_not_be_kept_is_not_used_and_not_asked_for_again(tmp_path: Path) -> None:
    """The disk is full for a moment: one refresh, the old token meanwhile, the new one once it is kept."""
    clock, notes = HandClock(), list[Brittle]()
    async with (
        slack_of(ROTATES, clock=clock) as slack,
        open_shop(slack, tmp_path, tick=0.02, notes=brittle_in(notes)) as it,
    ):
        where = await asked(it)
        team = where.conversation.tenant
        first = it.token(team)
        notes[0].broken = True
        clock.advance(10 * HOURS + 1)
        await eventually(lambda: refreshes(slack) == 1)
        await it.adapter.post(where, "run.0", Content("Hello"))
        meanwhile = await on_disk(it, tmp_path, team)
        notes[0].broken = False
        clock.advance(6)

        await renewed(it, tmp_path, team)
        assert first == meanwhile.bot_token.get_secret_value()
        assert 1 == refreshes(slack)


async def test_after_a_crash_between_slack_and_the_disk_the_next_process_goes_on(tmp_path: Path) -> None:
    """The pair died with the process; the used refresh token is tried at once, within Slack's grace."""
    clock = HandClock()
    async with slack_of(ROTATES, clock=clock, refresh_grace=60.0) as slack:
        async with open_shop(slack, tmp_path) as it:
            where = await asked(it)
            old = await on_disk(it, tmp_path, where.conversation.tenant)
        clock.advance(11 * HOURS)
        assert old.refresh_token is not None
        await _refresh_at_slack(slack, old.refresh_token)  # what the crash left behind
        clock.advance(20)
        async with open_shop(slack, tmp_path, tick=0.02) as it:
            await eventually(lambda: refreshes(slack) == 2)
            clock.advance(11 * HOURS)
            await eventually(lambda: refreshes(slack) == 3)
            await it.adapter.post(where, "run.0", Content("Hello"))

            assert [True] * 2 == [call.ok for call in slack.calls("oauth.v2.access")[-2:]]


async def test_a_refusal_is_told_hours_ahead_and_mended_by_a_new_installation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without grace: the log says so, the old token serves to its end, then people install it again."""
    clock = HandClock()
    async with slack_of(ROTATES, clock=clock) as slack, open_shop(slack, tmp_path, tick=0.02) as it:
        where = await asked(it)
        team = where.conversation.tenant
        old = await on_disk(it, tmp_path, team)
        assert old.refresh_token is not None
        await _refresh_at_slack(slack, old.refresh_token)
        clock.advance(10 * HOURS + 1)
        await eventually(lambda: refreshes(slack) == 2)
        await it.adapter.post(where, "run.0", Content("Hello"))
        told = capsys.readouterr().out
        clock.advance(2 * HOURS)
        await it.install(team)
        await invite(slack, team, where.conversation.channel)
        await it.adapter.post(where, "run.1", Content("Hello"))

        assert "slack.token_not_renewed" in told
        assert "invalid_refresh_token" in told
        assert "seconds_left=7199" in told


async def test_a_pair_that_another_process_got_is_taken_over(tmp_path: Path) -> None:
    """Two processes share the store: one refresh for both."""
    clock = HandClock()
    async with slack_of(ROTATES, clock=clock) as slack, open_shop(slack, tmp_path) as it:
        where = await asked(it)
        team = where.conversation.tenant
        old = await on_disk(it, tmp_path, team)
        assert old.refresh_token is not None
        key = kept_key(str(tmp_path), make=False)
        assert key is not None
        given = await _refresh_at_slack(slack, old.refresh_token)
        theirs = Installation(
            team,
            SecretStr(str(given["access_token"])),
            SecretStr(str(given["refresh_token"])),
            clock.now() + 12 * HOURS,
            old.installed_at,
            old.me,
        )
        await Installations(it.store, Vault([key])).keep(theirs)
        clock.advance(11.99 * HOURS)
        await it.adapter.post(where, "run.0", Content("Hello"))

        assert 1 == refreshes(slack)
        assert 1 == len(slack.calls("chat.postMessage"))


async def test_one_of_two_tokens_revoked_ends_no_installation(tmp_path: Path) -> None:
    """With token rotation Slack may revoke the older token: while ours is good, nothing is forgotten."""
    clock = HandClock()
    async with slack_of(ROTATES, clock=clock) as slack, open_shop(slack, tmp_path) as it:
        where = await asked(it)
        team = where.conversation.tenant
        bot = slack.world.installation(slack.app.id, team)
        assert bot is not None
        event = {"type": "tokens_revoked", "tokens": {"bot": [bot.bot_user_id]}}
        payload: dict[str, object] = {"type": "event_callback", "team_id": team, "event": event}
        await slack.deliver(payload)
        await slack.settled()
        still = set(await it.store.notes("slack:installations"))
        bot.revoked.add(bot.bot_token)
        await slack.deliver(payload)
        await slack.settled()

        assert {team} == still
        assert {} == await it.store.notes("slack:installations")


async def test_a_call_that_met_the_change_of_tokens_is_made_again() -> None:
    """Refused with the old token while the new one came: made once more; without a new one, refused."""
    async with slack_of() as slack:
        api, old = Api(slack.api_url), SecretStr(slack.bot_token)
        slack.install(slack.app, slack.team)
        late = Late()
        web = Web(api, old, renewal=late)
        with pytest.raises(Forbidden):
            await web.ask_identity()
        late.brings = lambda: web.use(SecretStr(slack.bot_token))
        me = await web.ask_identity()
        await api.close()

    assert slack.team == me.team_id
    assert ["token_revoked", "token_revoked", ""] == [
        str(call.answer.get("error", "")) for call in slack.calls("auth.test")
    ]


async def _refresh_at_slack(slack: SlackEmulator, token: SecretStr) -> Mapping[str, object]:
    """Use a refresh token up, as a process did that told nobody."""
    api = Api(slack.api_url)
    form = {"grant_type": "refresh_token", "refresh_token": token.get_secret_value()}
    try:
        return await api.grant(slack.app.client_id, SecretStr(slack.app.client_secret), form)
    finally:
        await api.close()
