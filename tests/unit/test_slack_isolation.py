"""Nothing of one workspace is ever reachable from another, not even where all ids are the same."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from assistant_gateway.adapter import Content
from assistant_gateway.errors import AdapterError, Forbidden, OutcomeUnknown
from assistant_gateway.values import Conversation, FileRef, ReplyTarget, User
from assistant_gateway_slack.said import EVENT_TYPE
from emulators.eventually import eventually
from emulators.slack import SlackEmulator
from fixtures.slack_shop import Shop, invite, place, shop

CHANNEL, USER, TS = "C0SAME", "U0SAME", "1795348800.000100"


def payload(slack: SlackEmulator, team: str, **event: object) -> dict[str, object]:
    """An event as Slack wraps it, in a channel, by a person and at a time that both workspaces have."""
    bot = slack.world.installation(slack.app.id, team)
    assert bot is not None
    said = {"type": "app_mention", "channel": CHANNEL, "user": USER, "ts": TS, "text": "Hello"}
    return {
        "type": "event_callback",
        "team_id": team,
        "event_id": slack.world.mint("Ev"),
        "event_time": int(time.time()),
        "authorizations": [{"team_id": team, "user_id": bot.bot_user_id, "is_bot": True}],
        "event": {**said, **event},
    }


def same(team: str) -> ReplyTarget:
    """Where the question was asked: but for the workspace the same place."""
    return ReplyTarget(Conversation("slack", team, CHANNEL, TS), f"{CHANNEL}:{TS}", User(USER), {"ts": TS})


async def installed(it: Shop) -> tuple[tuple[str, str, str], tuple[str, str, str]]:
    """Two workspaces with the app: workspace, person and channel of each."""
    places = place(it.slack, "Acme2"), place(it.slack, "Umbrella")
    for team, _, channel in places:
        await it.install(team)
        await invite(it.slack, team, channel)
    return places


async def test_the_same_ids_in_two_workspaces_are_two_questions(tmp_path: Path) -> None:
    """Channel, person, ts and event are equal: two messages, each with its own tenant, none a repetition."""
    async with shop(tmp_path) as it:
        (acme, _, _), (umbrella, _, _) = await installed(it)
        for _ in range(3):
            for team in (acme, umbrella):
                await it.slack.deliver(payload(it.slack, team, client_msg_id="same"))
        await it.slack.settled()

        assert {acme, umbrella} == {heard.conversation.tenant for heard in it.heard}
        assert 2 == len(it.heard)


async def test_an_echo_is_heard_in_its_own_workspace_alone(tmp_path: Path) -> None:
    """The key of a post in one workspace finds nothing in the same channel of the other."""
    async with shop(tmp_path) as it:
        (acme, _, _), (umbrella, _, _) = await installed(it)
        bot = it.slack.world.installation(it.slack.app.id, acme)
        assert bot is not None
        metadata = {"event_type": EVENT_TYPE, "event_payload": {"reply_key": "run.0"}}
        echo = payload(it.slack, acme, type="message", bot_id=bot.bot_id, metadata=metadata)
        await it.slack.deliver(echo)
        await it.slack.settled()

        assert TS == await it.adapter.find(same(acme), "run.0")
        with pytest.raises(OutcomeUnknown):  # the channel is in neither, so history can't tell
            await it.adapter.find(same(umbrella), "run.0")


async def test_another_workspaces_echo_is_not_ours(tmp_path: Path) -> None:
    """A post that bears the other installation's bot id proves nothing, whoever it was delivered for."""
    async with shop(tmp_path) as it:
        (acme, _, _), (umbrella, _, _) = await installed(it)
        bot = it.slack.world.installation(it.slack.app.id, acme)
        assert bot is not None
        metadata = {"event_type": EVENT_TYPE, "event_payload": {"reply_key": "run.0"}}
        event = payload(it.slack, umbrella, type="message", bot_id=bot.bot_id, metadata=metadata)
        await it.slack.deliver(event)
        await it.slack.settled()

        for team in (acme, umbrella):
            with pytest.raises(OutcomeUnknown):
                await it.adapter.find(same(team), "run.0")


async def test_no_call_reaches_another_workspaces_channel(tmp_path: Path) -> None:
    """Post, edit, delete and look: with the right channel and the wrong workspace, all are refused."""
    async with shop(tmp_path) as it:
        (acme, person, channel), (umbrella, _, _) = await installed(it)
        root = await it.ask(acme, channel, person)
        there = ReplyTarget(Conversation("slack", acme, channel, root.ts), "m", User(person), {"ts": root.ts})
        post = await it.adapter.post(there, "run.0", Content("Hello"))
        await it.slack.until(lambda: it.slack.replies(root))
        elsewhere = ReplyTarget(
            Conversation("slack", umbrella, channel, root.ts), "m", User(person), {"ts": root.ts}
        )
        nowhere = ReplyTarget(Conversation("slack", "T0NONE", channel, root.ts), "m", User(person), {})

        with pytest.raises(Forbidden, match="channel_not_found"):
            await it.adapter.post(elsewhere, "run.1", Content("Leak"))
        for call in (it.adapter.edit(elsewhere, post, Content("Leak")), it.adapter.delete(elsewhere, post)):
            with pytest.raises(AdapterError):
                await call
        with pytest.raises(OutcomeUnknown):
            await it.adapter.find(elsewhere, "run.0")
        with pytest.raises(Forbidden, match="not installed"):
            await it.adapter.post(nowhere, "run.2", Content("Leak"))
        assert ["Hello"] == [answer.visible for answer in it.slack.replies(root)]


async def test_a_file_is_fetched_with_its_own_workspaces_token(tmp_path: Path) -> None:
    """A file of one workspace that is named in an event of the other is left out."""
    async with shop(tmp_path) as it:
        (acme, person, channel), (umbrella, _, _) = await installed(it)
        file = it.slack.upload(person, "plan.txt", b"secret plan")
        await it.slack.say(channel, person, f"<@{_bot(it, acme)}> Look", files=[file])
        await eventually(lambda: it.heard)
        theirs = next(each.event["files"] for each in it.slack.deliveries("message"))
        await it.slack.deliver(payload(it.slack, umbrella, files=theirs))
        await eventually(lambda: len(it.heard) == 2)

        own, other = it.heard
        assert [b"secret plan"] == [each.data for each in own.attachments]
        assert () == other.attachments
        assert "was left out" in other.text


async def test_a_name_that_slack_tells_one_workspace_is_not_known_in_the_other(tmp_path: Path) -> None:
    """Ann's name is hers in her workspace; under the same id the other asks for itself, in vain."""
    async with shop(tmp_path) as it:
        (acme, person, channel), (umbrella, _, _) = await installed(it)
        await it.ask(acme, channel, person)
        await it.slack.deliver(payload(it.slack, umbrella, user=person))
        await eventually(lambda: len(it.heard) == 2)

        own, other = (heard.user for heard in it.heard)
        assert (person, person) == (own.id, other.id)
        assert ("acme2-ann", "") == (own.name, other.name)
        assert (False, True) == (own.is_external, other.is_external)


async def test_every_budget_is_one_workspaces_own(tmp_path: Path) -> None:
    """No scope of one workspace occurs among those of another."""
    async with shop(tmp_path) as it:
        budgets = it.adapter.budgets
        scopes = [
            {
                budget.scope
                for call in (
                    budgets(same(team), "post"),
                    budgets(same(team), "edit"),
                    budgets(same(team), "delete"),
                )
                for budget in call
            }
            for team in ("T1", "T2")
        ]

        assert set() == scopes[0] & scopes[1]
        assert all(scopes)


async def test_what_is_put_below_an_answer_in_one_workspace_is_still_to_be_put_in_the_other(
    tmp_path: Path,
) -> None:
    """The same post id and the same file in two workspaces: each gets its own upload, with its own token."""
    async with shop(tmp_path) as it:
        places = await installed(it)
        it.intake.stored["f1"] = b"data"
        for team, person, channel in places:
            root = await it.ask(team, channel, person)
            where = Conversation("slack", team, channel, root.ts)
            file = FileRef("f1", "plan.txt", "text/plain", 4)
            content = Content("Here", final=True, files=(file,))
            await it.adapter.post(ReplyTarget(where, "m", User(person), {"ts": root.ts}), "run.0", content)

        teams = [team for team, _, _ in places]
        assert teams == [call.team for call in it.slack.calls("files.completeUploadExternal")]


@pytest.mark.parametrize(
    "outer",
    [
        {"team_id": None, "authorizations": []},
        {"team_id": ["T1"], "authorizations": None},
        {"team_id": {}, "authorizations": [{"team_id": 7}]},
        {"team_id": "T0NONE", "authorizations": [{"team_id": "T0NONE", "is_enterprise_install": True}]},
        {"team_id": "../T1", "authorizations": "T1"},
        {"team_id": "x" * 5000, "authorizations": [{}]},
    ],
    ids=range(6),
)
async def test_an_event_without_a_workspace_of_ours_leads_to_nothing(
    tmp_path: Path, outer: dict[str, object]
) -> None:
    """Acknowledged once, nothing accepted."""
    async with shop(tmp_path) as it:
        (acme, _, _), _ = await installed(it)
        await it.slack.deliver(payload(it.slack, acme) | outer)
        await it.slack.settled()

        assert [] == it.heard
        assert [1] == [len(each.attempts) for each in it.slack.deliveries("app_mention")]


async def test_in_a_shared_channel_the_authorised_workspace_is_asked_and_not_the_authors(
    tmp_path: Path,
) -> None:
    """Slack Connect: ``team_id`` may be the author's; who is authorised says whose the question is."""
    async with shop(tmp_path) as it:
        (acme, _, _), (umbrella, _, _) = await installed(it)
        event = payload(it.slack, acme, user_team=umbrella, source_team=umbrella)
        await it.slack.deliver(event | {"team_id": umbrella, "is_ext_shared_channel": True})
        await it.slack.settled()

        (heard,) = it.heard
        assert (acme, True) == (heard.conversation.tenant, heard.user.is_external)


def _bot(it: Shop, team: str) -> str:
    bot = it.slack.world.installation(it.slack.app.id, team)
    assert bot is not None
    return bot.bot_user_id
