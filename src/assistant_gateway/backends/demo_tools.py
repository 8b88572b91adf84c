"""
Two tools to try function calls with: a solver of linear equations, and a made-up weather.

They need no network and always say the same about the same.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction

from assistant_gateway.errors import ToolError
from assistant_gateway.tools import tool

_SKIES = ("sunny", "partly cloudy", "cloudy", "foggy", "rainy", "windy", "stormy", "snowy")
_LARGEST = 1e15  # above it a float no longer holds every whole number


@tool(idempotent=True)
def solve_linear_equation(a: float, b: float, c: float) -> dict[str, str | list[str]]:
    """
    Solve the equation a·x + b = c for x, step by step.

    Args:
        a: The factor of x.
        b: What is added to a·x.
        c: The right-hand side.
    """
    if max(abs(a), abs(b), abs(c)) > _LARGEST:
        raise ToolError("The numbers are too large to be solved exactly.")
    factor, added, right = map(_meant, (a, b, c))
    equation = f"{_term(factor)}{_signed(added)} = {exact(right)}"
    if factor == 0:
        result = "every number" if added == right else "no number"
        return {
            "equation": equation,
            "steps": [f"x falls away: {exact(added)} = {exact(right)}"],
            "x": result,
        }
    steps = []
    rest = right - added
    if added:
        verb = f"Subtract {exact(added)} from" if added > 0 else f"Add {exact(-added)} to"
        steps.append(f"{verb} both sides: {_term(factor)} = {exact(rest)}")
    x = rest / factor
    if factor != 1:
        steps.append(f"Divide both sides by {exact(factor)}: x = {exact(x)}")
    return {"equation": equation, "steps": steps, "x": exact(x)}


@tool(idempotent=True)
def get_weather(city: str) -> dict[str, str | int]:
    """
    Tell a city's weather. It is made up from the city's name: always the same, never measured.

    Args:
        city: The city's name.
    """
    name = " ".join(city.split())[:80]
    if not name:
        raise ToolError("Which city?")
    digest = hashlib.sha256(name.casefold().encode("utf-8", "replace")).digest()
    temperature = digest[0] % 36 - 5
    skies = _SKIES if temperature < 3 else _SKIES[:-1]
    return {
        "city": name,
        "sky": skies[digest[1] % len(skies)],
        "temperature_celsius": temperature,
        "note": "made up from the city's name, not measured",
    }


def _meant(number: float) -> Fraction:
    # Through text, for 0.1 stands for one tenth here; 0.3333333333333333 stands for a third.
    value = Fraction(str(number))
    return value if value.denominator <= 10**9 else value.limit_denominator(10**6)


def exact(number: Fraction) -> str:
    """The number without rounding: ``3``, ``-0.25``, ``1/3``."""
    denominator = number.denominator
    for prime in (2, 5):
        while denominator % prime == 0:
            denominator //= prime
    if number.denominator == 1:
        return str(number.numerator)
    return f"{float(number):.15g}" if denominator == 1 else f"{number.numerator}/{number.denominator}"


def _term(factor: Fraction) -> str:
    if abs(factor) == 1:
        return "x" if factor == 1 else "-x"
    return f"({exact(factor)})x" if "/" in exact(factor) else f"{exact(factor)}x"


def _signed(number: Fraction) -> str:
    return "" if number == 0 else f" {'+' if number > 0 else '-'} {exact(abs(number))}"
