"""Who answers where, and who shares a memory with whom."""

from __future__ import annotations

from itertools import combinations

import pytest

from assistant_gateway.config import AssistantSettings, Config, RouteSettings
from assistant_gateway.routing import Refusal, Router
from assistant_gateway.values import Busy, Conversation, Inbound, Lane, Routed, User


def inbound(
    adapter: str = "slack", tenant: str = "T1", channel: str = "C1", topic: str = "", user: str = "U1"
) -> Inbound:
    return Inbound(Conversation(adapter, tenant, channel, topic), "m1", User(user, name="Ann"), "Hello")


def router(*routes: RouteSettings) -> Router:
    names = {route.assistant for route in routes}
    return Router(Config(assistants={name: AssistantSettings() for name in names}, routes=routes))


def assistant(router: Router, message: Inbound) -> str:
    """The assistant that answers; empty when nobody does."""
    routed = router.route(message)
    return routed.assistant if isinstance(routed, Routed) else ""


def lane(router: Router, message: Inbound) -> Lane:
    routed = router.route(message)
    assert isinstance(routed, Routed)
    return routed.lane


def test_without_routes_everything_goes_to_the_default_assistant() -> None:
    """Any message of any adapter is answered by `default`, one thread per topic, queueing."""
    routed = router().route(inbound(topic="171.1"))

    assert Routed(Lane("slack", "T1", "C1", "171.1"), "default", Busy.QUEUE) == routed


def test_the_first_route_that_matches_wins() -> None:
    """Of three routes the channel's own comes first, then the workspace's, then the one for all of Slack."""
    routes = router(
        RouteSettings(adapter="slack", tenant="T1", channel="C1", assistant="first"),
        RouteSettings(adapter="slack", tenant="T1", assistant="second"),
        RouteSettings(adapter="slack", assistant="third"),
    )

    answering = [
        assistant(routes, inbound()),
        assistant(routes, inbound(channel="C2")),
        assistant(routes, inbound(tenant="T2")),
        assistant(routes, inbound(adapter="discord")),
    ]

    assert ["first", "second", "third", "default"] == answering


def test_a_place_that_no_route_is_for_goes_to_the_default_assistant() -> None:
    """A route for C1 changes nothing for C2."""
    routes = router(RouteSettings(channel="C1", assistant="special"))

    assert "default" == assistant(routes, inbound(channel="C2"))


def test_a_place_whose_routes_are_for_others_is_refused() -> None:
    """Who is not named is told so in words for people, and does not fall through to the default assistant."""
    refusal = router(RouteSettings(channel="C1", users=("U2",))).route(inbound())

    assert Refusal("You are not among the people who may ask here.") == refusal


def test_a_route_with_users_is_for_those_users_alone() -> None:
    """Others fall through to the next route; an id matches exactly, and a name never does."""
    routes = router(
        RouteSettings(users=("U1", "U2"), assistant="staff"), RouteSettings(assistant="everybody")
    )

    answering = {user: assistant(routes, inbound(user=user)) for user in ("U1", "U2", "u1", "U11", "Ann", "")}

    assert {"U1": "staff", "U2": "staff"} == {
        user: name for user, name in answering.items() if name == "staff"
    }
    assert {"staff", "everybody"} == set(answering.values())


def test_an_empty_list_of_users_is_for_nobody() -> None:
    """users = [] is no open door."""
    assert "" == assistant(router(RouteSettings(users=())), inbound(user=""))


def test_a_route_says_how_it_is_answered() -> None:
    """Policy, instructions and tools of the route are told with the decision."""
    route = RouteSettings(busy=Busy.MERGE, instructions="Be brief.", tools=("get_*",), thread="channel")

    routed = router(route).route(inbound(topic="171.1"))

    assert Routed(Lane("slack", "T1", "C1"), "default", Busy.MERGE, "Be brief.", ("get_*",)) == routed


@pytest.mark.parametrize(
    ("thread", "expected"),
    [
        ("topic", Lane("slack", "T1", "C1", topic="171.1")),
        ("channel", Lane("slack", "T1", "C1")),
        ("user", Lane("slack", "T1", "C1", member="U1")),
    ],
)
def test_a_thread_policy_folds_conversations_into_lanes(thread: str, expected: Lane) -> None:
    """topic keeps all four words, channel drops the topic, user drops it too and adds the person."""
    route = RouteSettings.model_validate({"thread": thread})

    assert expected == lane(router(route), inbound(topic="171.1"))


@pytest.mark.parametrize("thread", ["topic", "channel", "user"])
def test_places_that_look_alike_share_nothing(thread: str) -> None:
    """Ten places that a joined, folded or normalised key would mix up have ten lanes."""
    routes = router(RouteSettings.model_validate({"thread": thread}))
    alike = [
        inbound(tenant="T1/C", channel="1"),
        inbound(tenant="T1", channel="C/1"),
        inbound(tenant="T1", channel="c/1"),
        inbound(tenant="T1", channel="é"),
        inbound(tenant="T1", channel="e\u0301"),
        inbound(tenant="T1", channel="C1 "),
        inbound(tenant="", channel="T1"),
        inbound(tenant="T1", channel=""),
        inbound(adapter="discord"),
        inbound(adapter="slack"),
    ]

    lanes = [lane(routes, message) for message in alike]

    assert [] == [pair for pair in combinations(lanes, 2) if pair[0] == pair[1]]


def test_a_persons_lane_is_never_a_channels() -> None:
    """A person called like a topic does not land in the topic's lane."""
    per_user, per_topic = router(RouteSettings(thread="user")), router(RouteSettings(thread="topic"))

    assert lane(per_user, inbound(user="171.1")) != lane(per_topic, inbound(topic="171.1"))


def test_a_route_matches_ids_exactly() -> None:
    """Case, blanks and composed letters make other ids."""
    routes = router(RouteSettings(channel="Cé", assistant="special"))

    answering = {
        channel: assistant(routes, inbound(channel=channel)) for channel in ("Cé", "cé", "Ce\u0301", "Cé ")
    }

    assert {"Cé": "special", "cé": "default", "Ce\u0301": "default", "Cé ": "default"} == answering
