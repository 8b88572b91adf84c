"""The page about delivery names its tests, and they are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crash.check import INVARIANTS
from crash.fuse import POINTS

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/explanation/delivery.md").read_text()
NAMED = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_each_promise_has_its_test(file: str, name: str) -> None:
    """Each of the tests that the page names exists where it says."""
    assert re.search(rf"def {name}\(", (ROOT / file).read_text())


def test_the_page_knows_every_invariant_and_counts_the_fail_points() -> None:
    """9 invariants and 20 fail points, on the page as in the code."""
    assert set(INVARIANTS) == set(re.findall(r"^\| (I\d) \|", PAGE, re.MULTILINE))
    assert f"{len(POINTS)} fail points" in PAGE
