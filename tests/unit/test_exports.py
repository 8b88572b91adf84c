"""The public names are there, and no others are promised."""

from __future__ import annotations

import pytest

import assistant_gateway
import assistant_gateway.testing
import assistant_gateway.tools


@pytest.mark.parametrize("package", [assistant_gateway, assistant_gateway.testing, assistant_gateway.tools])
def test_every_public_name_can_be_imported(package: object) -> None:
    """`__all__` names each once, and each leads to something."""
    names = list(package.__all__)  # type: ignore[attr-defined]

    assert len(set(names)) == len(names)
    assert [name for name in names if getattr(package, name, None) is None] == []


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    """A typing slip in an import says which module lacks which name."""
    with pytest.raises(AttributeError, match=r"'assistant_gateway' has no attribute 'Gatway'"):
        _ = assistant_gateway.Gatway  # type: ignore[attr-defined]
