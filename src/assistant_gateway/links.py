"""
Links in Markdown whose words name another place than the one that they lead to.

What a model writes may come from somebody else's page: `[bank.example](https://thief.example)` has to
show where it leads.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

# An inline link or image: "!", label, address.
LINK = re.compile(
    r"(!?)\[((?:[^\[\]\n\\]|\\.)*)\]\([ \t]*<?([^\s<>()]*(?:\([^\s<>()]*\)[^\s<>()]*)*)>?"
    r"(?:[ \t]+(?:\"[^\"\n]*\"|'[^'\n]*'))?[ \t]*\)"
)
_ADDRESS = re.compile(r"(?:https?://)?((?:[\w-]+\.)+[a-z]{2,})(?=[/:?#\s]|$)", re.IGNORECASE)


def host(target: str) -> str:
    """The host that an address leads to, without ``www.``; empty where it can't be told."""
    try:
        return (urlsplit(target).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def misleads(label: str, target: str) -> bool:
    """Whether a link's label looks like an address that is not where it leads."""
    named = {found[1].lower().removeprefix("www.") for found in _ADDRESS.finditer(label)}
    return bool(named) and named != {host(target)}
