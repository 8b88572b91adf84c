"""
What models cost: tokens in, money out, in whole millionths of a US dollar.

A price is in dollars for a million tokens, so it is in millionths for one. Each model call is rounded
once, to the nearest millionth; from there on whole numbers are added, and no sum ever drifts.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal

from assistant_gateway.config import PriceSettings
from assistant_gateway.values import Charge, Usage

MICRO = 1_000_000  # millionths of a dollar in a dollar


class Prices:
    """
    The price list of a configuration.

    Args:
        prices: By model, or by backend and model; the backend's own price counts first.
        defaults: The model that a backend takes where an assistant names none.
    """

    def __init__(
        self,
        prices: Mapping[str, PriceSettings | Mapping[str, PriceSettings]],
        defaults: Mapping[str, str] | None = None,
    ) -> None:
        self._prices = prices
        self._defaults = defaults or {}

    def charge(self, backend: str, model: str, usage: Usage) -> Charge:
        """What a model call is charged; one whose model has no price costs nothing."""
        model = model or self._defaults.get(backend) or backend
        price = self._price(backend, model)
        return Charge(model, usage, 0 if price is None else cost(price, usage))

    def _price(self, backend: str, model: str) -> PriceSettings | None:
        of_backend = self._prices.get(backend)
        if isinstance(of_backend, Mapping) and model in of_backend:
            return of_backend[model]
        price = self._prices.get(model)
        return price if isinstance(price, PriceSettings) else None


def cost(price: PriceSettings, usage: Usage) -> int:
    """Millionths of a dollar for a model call; cached tokens are input tokens, at their own price."""
    cached = min(max(0, usage.cached_tokens), max(0, usage.input_tokens))
    fresh = max(0, usage.input_tokens) - cached
    cached_input = price.input if price.cached_input is None else price.cached_input
    total = (
        _decimal(price.input) * fresh
        + _decimal(cached_input) * cached
        + _decimal(price.output) * max(0, usage.output_tokens)
    )
    return int(total.to_integral_value(ROUND_HALF_EVEN))


def dollars(micros: int) -> str:
    """Millionths of a dollar for people: cents, and as many further digits as a small sum needs."""
    amount = Decimal(micros) / MICRO
    if abs(amount) >= Decimal("0.1") or not micros:
        return f"${amount:,.2f}"
    return f"${amount:.6f}".rstrip("0").ljust(5, "0")


def _decimal(price: float) -> Decimal:
    return Decimal(repr(price))  # as it was written: 0.1 is a tenth
