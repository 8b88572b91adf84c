"""The numbers that Prometheus reads."""

from __future__ import annotations

import asyncio

from assistant_gateway.adapter import Verdict
from assistant_gateway.store import Counts
from assistant_gateway.telemetry import SERIES, Telemetry
from assistant_gateway.values import MessageState, RunStatus, Usage


def numbers(telemetry: Telemetry) -> dict[str, float]:
    """Every sample that is not zero, by its name and labels."""
    lines = [line for line in telemetry.render().decode().splitlines() if not line.startswith("#")]
    samples = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
    return {
        name.removeprefix("assistant_gateway_"): value
        for name, value in samples.items()
        if value and "_created" not in name and "_bucket" not in name
    }


def test_a_message_is_counted_by_what_became_of_it() -> None:
    """Two accepted, one duplicate and one refused message are three series; only accepted ones are timed."""
    telemetry = Telemetry()

    telemetry.accepted("slack", Verdict.ACCEPTED, 0.25)
    telemetry.accepted("slack", Verdict.ACCEPTED, 0.75)
    telemetry.accepted("slack", Verdict.DUPLICATE, 9.0)
    telemetry.accepted("webhook", Verdict.REFUSED, 9.0)

    assert {
        'messages_total{adapter="slack",verdict="accepted"}': 2.0,
        'messages_total{adapter="slack",verdict="duplicate"}': 1.0,
        'messages_total{adapter="webhook",verdict="refused"}': 1.0,
        'accept_seconds_count{adapter="slack"}': 2.0,
        'accept_seconds_sum{adapter="slack"}': 1.0,
    } == numbers(telemetry)


def test_a_run_is_counted_with_its_steps_tokens_and_tools() -> None:
    """One run of two steps, one with tokens, for $1.50; and two calls of a tool, of which one failed."""
    telemetry = Telemetry()

    telemetry.run_started("default")
    telemetry.first_text("default", 0.5)
    telemetry.step_done("default", Usage(100, 20, 60), 1_500_000)
    telemetry.step_done("default", None, 0)
    telemetry.tool_called("get_weather", True)
    telemetry.tool_called("get_weather", False)
    telemetry.run_done("default", RunStatus.COMPLETED, 2.0)

    assert {
        'runs_started_total{assistant="default"}': 1.0,
        'first_text_seconds_count{assistant="default"}': 1.0,
        'first_text_seconds_sum{assistant="default"}': 0.5,
        'steps_total{assistant="default"}': 2.0,
        'tokens_total{assistant="default",direction="input"}': 100.0,
        'tokens_total{assistant="default",direction="output"}': 20.0,
        'tokens_total{assistant="default",direction="cached"}': 60.0,
        'cost_usd_total{assistant="default"}': 1.5,
        'tool_calls_total{ok="true",tool="get_weather"}': 1.0,
        'tool_calls_total{ok="false",tool="get_weather"}': 1.0,
        'runs_total{assistant="default",status="completed"}': 1.0,
        'run_seconds_count{assistant="default"}': 1.0,
        'run_seconds_sum{assistant="default"}': 2.0,
    } == numbers(telemetry)


def test_the_platforms_and_the_house_are_counted() -> None:
    """Posts, edits, waits and dead letters by adapter; the store's states, its age, and whether it writes."""
    telemetry = Telemetry()

    telemetry.posted("slack")
    telemetry.edited("slack")
    telemetry.edited("slack")
    telemetry.rate_limited("slack")
    telemetry.dead_lettered("slack")
    telemetry.live_runs(3)
    telemetry.store_wrote(True)
    telemetry.store_counts(Counts({MessageState.READY: 4}, oldest_waiting=7.5, deliveries_dead=1))

    assert {
        'posts_total{adapter="slack"}': 1.0,
        'edits_total{adapter="slack"}': 2.0,
        'rate_limited_total{adapter="slack"}': 1.0,
        'dead_letters_total{adapter="slack"}': 1.0,
        "runs_live": 3.0,
        "store_up": 1.0,
        'messages_in_state{state="ready"}': 4.0,
        "oldest_waiting_seconds": 7.5,
        'deliveries{state="dead"}': 1.0,
    } == numbers(telemetry)


def test_invented_names_do_not_make_the_series_grow() -> None:
    """A model that calls 1,000 invented tools makes 200 series and one called `other`."""
    telemetry = Telemetry()

    for number in range(1000):
        telemetry.tool_called(f"tool_{number}", True)
    telemetry.tool_called('evil"} 1\nfake 1', True)

    found = numbers(telemetry)
    assert SERIES + 1 == len(found)
    assert 801.0 == found['tool_calls_total{ok="true",tool="other"}']


def test_two_gateways_do_not_mix_their_numbers() -> None:
    """Each has its own registry."""
    one, other = Telemetry(), Telemetry()

    one.posted("slack")

    assert {} == numbers(other)
    assert 1 == len(numbers(one))


async def test_a_blocked_event_loop_is_noticed() -> None:
    """The lag is measured as long as the watch runs, and stays a number."""
    telemetry = Telemetry(lag_every=0.01)
    watching = asyncio.create_task(telemetry.watch_loop())

    async with asyncio.timeout(10):
        while "event_loop_lag_seconds" not in numbers(telemetry):  # noqa: ASYNC110  nothing tells of it
            await asyncio.sleep(0)
    watching.cancel()

    assert 0 < numbers(telemetry)["event_loop_lag_seconds"] < 10
