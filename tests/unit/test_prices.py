"""What a model call costs: exact in millionths of a dollar, by backend and model."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant_gateway.config import PriceSettings
from assistant_gateway.prices import Prices, cost, dollars
from assistant_gateway.values import Charge, Run, Usage

SOL = PriceSettings(input=2.0, cached_input=0.2, output=10.0)
LUNA = PriceSettings(input=0.1, output=0.5)


def test_a_call_costs_what_the_price_list_says() -> None:
    """1,000 tokens in, 400 of them cached, 100 out, at $2, $0.20 and $10 a million: $0.00228."""
    assert 2_280 == cost(SOL, Usage(1_000, 100, 400))


def test_cached_input_without_a_price_costs_what_other_input_does() -> None:
    """1,000,000 tokens in, all cached, at $0.10 a million: 10 cents."""
    assert 100_000 == cost(LUNA, Usage(1_000_000, 0, 1_000_000))


@pytest.mark.parametrize("usage", [Usage(-5, -5, -5), Usage(0, 0, 100), Usage()])
def test_odd_usage_costs_nothing(usage: Usage) -> None:
    """Negative tokens, and more cached ones than there were, make no credit."""
    assert 0 == cost(SOL, usage)


def test_the_price_at_one_backend_counts_before_the_models() -> None:
    """A model with a price of its own at the backend azure; elsewhere the general one."""
    prices = Prices({"sol": LUNA, "azure": {"sol": SOL}})

    assert Charge("sol", Usage(10, 0), 20) == prices.charge("azure", "sol", Usage(10, 0))
    assert Charge("sol", Usage(10, 0), 1) == prices.charge("main", "sol", Usage(10, 0))


def test_a_model_without_a_price_costs_nothing() -> None:
    """Its tokens are charged all the same; so are those of a model that has the name of a backend."""
    prices = Prices({"azure": {"sol": SOL}})

    assert Charge("other", Usage(10, 5)) == prices.charge("azure", "other", Usage(10, 5))
    assert Charge("azure", Usage(10, 5)) == prices.charge("main", "azure", Usage(10, 5))


def test_a_model_that_nobody_named_is_the_backends_own() -> None:
    """With the backend's default its price counts; without one the backend stands for the model."""
    prices = Prices({"sol": SOL}, {"main": "sol", "demo": ""})

    assert Charge("sol", Usage(10, 0), 20) == prices.charge("main", "", Usage(10, 0))
    assert Charge("demo", Usage(10, 0)) == prices.charge("demo", "", Usage(10, 0))


@given(
    st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**6), st.integers(0, 10**7)), max_size=20),
    st.sampled_from([0.1, 0.2, 0.05, 1.25, 2.0, 10.0, 0.001]),
)
def test_no_sum_drifts(calls: list[tuple[int, int, int]], price: float) -> None:
    """However many calls of a run: its cost is off by half a millionth a call at most, never by more."""
    prices = Prices({"m": PriceSettings(input=price, cached_input=price, output=price)})
    run = Run("r", "t", "default")

    for call in calls:
        run = run.charged(prices.charge("main", "m", Usage(*call)))

    exact = sum((Decimal(str(price)) * (tokens_in + out) for tokens_in, out, _ in calls), Decimal(0))
    assert abs(exact - run.cost) <= Decimal(len(calls)) / 2
    assert sum(tokens_in for tokens_in, _, _ in calls) == run.usage.input_tokens


@pytest.mark.parametrize(
    ("micros", "told"),
    [
        (0, "$0.00"),
        (1, "$0.000001"),
        (2_280, "$0.00228"),
        (50_000, "$0.05"),
        (99_999, "$0.099999"),
        (500_000, "$0.50"),
        (1_234_567_890, "$1,234.57"),
    ],
)
def test_sums_are_told_in_dollars(micros: int, told: str) -> None:
    """Cents, and further digits only where a small sum needs them."""
    assert told == dollars(micros)
