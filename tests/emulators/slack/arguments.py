"""
What a call says: JSON, a form or the query string, as slack_sdk sends them.

slack_sdk 3.47 sends posts, edits, streams and sessions as JSON, but `chat.delete`, `reactions.*`,
`conversations.*`, `users.*`, `files.*` and `assistant.threads.setTitle` in the query string; there and in
forms lists and objects are JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from emulators.shapes import Json
from emulators.slack.refusal import Refusal, pointed


class Arguments:
    """The arguments of one call; null is the same as not given."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self.values = {name: value for name, value in values.items() if value is not None}

    def has(self, name: str) -> bool:
        """Whether *name* was given."""
        return name in self.values

    def text(self, name: str, default: str = "") -> str:
        """The text of *name*; numbers become text."""
        value = self.values.get(name, default)
        if isinstance(value, bool | list | dict):
            raise pointed("invalid_arguments", f"/{name}", "must be a string")
        return str(value)

    def required(self, name: str, refusal: str = "invalid_arguments") -> str:
        """
        The text of *name*.

        Raises:
            Refusal: It is missing or empty.
        """
        text = self.text(name)
        if text:
            return text
        if refusal == "invalid_arguments":
            messages = [f"[ERROR] missing required field: {name}"]
            raise Refusal(refusal, response_metadata={"messages": messages})
        raise Refusal(refusal)

    def flag(self, name: str, default: bool = False) -> bool:
        """Whether *name* is true, in any of the spellings."""
        value = self.values.get(name, default)
        return str(value).lower() in ("true", "1")

    def number(self, name: str, default: int) -> int:
        """
        The whole number of *name*.

        Raises:
            Refusal: It is none.
        """
        try:
            return int(self.text(name, str(default)))
        except ValueError:
            raise pointed("invalid_arguments", f"/{name}", "must be an integer") from None

    def parsed(self, name: str, refusal: str) -> object:
        """
        The JSON of *name*; None when it was not given.

        Raises:
            Refusal: It is text, and not JSON.
        """
        value = self.values.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            parsed: object = json.loads(value)
        except ValueError:
            raise Refusal(refusal) from None
        return parsed

    def objects(self, name: str, refusal: str) -> list[Json] | None:
        """
        The list of JSON objects of *name*; None when it was not given.

        Raises:
            Refusal: It is something else.
        """
        value = self.parsed(name, refusal)
        if value is None:
            return None
        if not isinstance(value, list):
            raise pointed(refusal, f"/{name}", "must provide an array")
        for index, each in enumerate(value):
            if not isinstance(each, dict):
                raise pointed(refusal, f"/{name}/{index}", "must provide an object")
        return list(value)

    def object(self, name: str, refusal: str) -> Json | None:
        """
        The JSON object of *name*; None when it was not given.

        Raises:
            Refusal: It is something else.
        """
        value = self.parsed(name, refusal)
        if value is None or isinstance(value, dict):
            return value
        raise Refusal(refusal)
