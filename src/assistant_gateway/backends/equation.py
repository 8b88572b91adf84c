"""
Find a linear equation in what somebody wrote.

Both sides may hold any number of terms; the sides are gathered to a·x + b = c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

_NUMBER = r"\d{1,15}(?:\.\d{1,15})?(?: ?/ ?\d{1,15})?"
_TERM = rf"(?:{_NUMBER} ?[*·×]? ?[a-z]\b|{_NUMBER}|[a-z]\b(?: ?/ ?\d{{1,15}})?)"
_SIDE = rf"[-+]? ?{_TERM}(?: ?[-+] ?{_TERM}){{0,20}}"
_EQUATION = re.compile(rf"(?<![\w.])({_SIDE}) ?= ?({_SIDE})(?![\w=])")
_ONE_TERM = re.compile(
    rf"(?P<sign>[-+]?) ?(?:(?P<number>{_NUMBER})? ?[*·×]? ?(?P<letter>[a-z])?(?: ?/ ?(?P<divisor>\d+))?)"
)


@dataclass(frozen=True, slots=True)
class LinearEquation:
    """a·x + b = c, as it was *written* with the variable's *letter*."""

    a: Fraction
    b: Fraction
    c: Fraction
    letter: str
    written: str


def find_equation(text: str) -> LinearEquation | None:
    """The first linear equation with one variable in *text*."""
    plain = " ".join(text.lower().replace("−", "-").replace("–", "-").split())
    for match in _EQUATION.finditer(plain):
        left, right = _sum(match[1]), _sum(match[2])
        if left is None or right is None:
            continue
        letters = {letter for letter in (left[2], right[2]) if letter}
        if len(letters) == 1:
            return LinearEquation(left[0] - right[0], left[1], right[1], letters.pop(), match[0].strip())
    return None


def _sum(side: str) -> tuple[Fraction, Fraction, str] | None:
    """A side's factor of the variable, its rest, and the variable; None where there are two of them."""
    factor, rest, variable = Fraction(0), Fraction(0), ""
    for term in _ONE_TERM.finditer(side):
        number, letter = term["number"], term["letter"]
        if not number and not letter:
            continue
        try:
            value = Fraction(number.replace(" ", "")) if number else Fraction(1)
            value /= Fraction(term["divisor"] or 1)
        except ZeroDivisionError:
            return None
        value = -value if term["sign"] == "-" else value
        if letter and variable not in ("", letter):
            return None
        if letter:
            factor, variable = factor + value, letter
        else:
            rest += value
    return factor, rest, variable
