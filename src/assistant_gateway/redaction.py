"""
Take secrets out of texts: those that are known, and whatever looks like one.

Used for everything that leaves the process for a person's eyes: log lines, tracebacks, the
shown configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

SHOWN = "[redacted]"
_SHORTEST = 4  # characters; a shorter "secret" would cut holes into ordinary words

_PATTERNS = re.compile(
    r"""
      \bxox[a-z]-[\w.-]+                                  # Slack bot, user, refresh tokens
    | \bxapp-[\w-]+                                       # Slack app tokens
    | \bsk-[\w-]{8,}                                      # OpenAI keys
    | \bwhsec_[\w+/=-]+                                   # Standard Webhooks secrets
    | \b[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}              # Discord bot tokens
    | \bhooks\.slack\.com/[\w/-]+                         # Slack webhook addresses are secrets themselves
    """,
    re.VERBOSE,
)
_AFTER = re.compile(
    r"""
      (?P<bearer>\bBearer\s+)(?=\S{6})[^\s"',;]+
    | (?P<named>\b(?:code|[\w-]*token|[\w-]*secret|password|passwd|api[_-]?key|client_secret)=)[^\s&"',;]+
    | (?P<login>://[^/\s:@]*:)[^@/\s]+(?=@)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_KEY = re.compile(r"(?:^|[_-])(?:token|secret|password|authorization|api_?key|signature)$", re.IGNORECASE)


class Redaction:
    """
    Replaces secrets by ``[redacted]``.

    Args:
        secrets: Texts that must not be shown wherever they occur.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {form for secret in secrets for form in _forms(secret) if len(form) >= _SHORTEST}
        # The longest first: a secret may begin with another one.
        longest = sorted(known, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, longest))) if longest else None

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._known is not None:
            text = self._known.sub(SHOWN, text)
        return _AFTER.sub(lambda match: f"{match[match.lastgroup or 0]}{SHOWN}", _PATTERNS.sub(SHOWN, text))

    def field(self, name: str, value: object) -> object:
        """The value of a field; nothing of it where the name says that it is a secret."""
        return SHOWN if value and _KEY.search(name) else self.value(value)

    def value(self, value: object) -> object:
        """Texts, tables and lists without secrets; whatever else is there is shown by its `repr`."""
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return self.text(value)
            case Mapping():
                return {self.text(str(key)): self.field(str(key), member) for key, member in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.value(member) for member in value]
            case _:
                return self.text(repr(value))


def _forms(secret: str) -> tuple[str, ...]:
    """A secret as it is, and the key inside a ``whsec_…``."""
    return (secret, secret.removeprefix("whsec_"))
