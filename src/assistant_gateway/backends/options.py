"""What an assistant's options add to a request: anything of the provider's, but not what is the gateway's."""

from __future__ import annotations

from collections.abc import Sequence, Set

from assistant_gateway.errors import BackendRefused
from assistant_gateway.values import JsonObject, JsonValue


def check_options(options: JsonObject, reserved: Set[str]) -> None:
    """
    Refuse options that set one of the *reserved* fields.

    Raises:
        BackendRefused: They do.
    """
    forbidden = sorted(reserved & options.keys())
    if forbidden:
        raise BackendRefused(f"the assistant's options may not set {', '.join(forbidden)}: the gateway does")


def listed(value: JsonValue) -> Sequence[JsonValue]:
    """The values of an option that may be one or several."""
    return value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
