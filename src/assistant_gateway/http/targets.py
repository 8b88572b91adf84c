"""
Read an address that somebody else chose, and judge what can be judged without asking DNS.

What a URL library would mend, normalise or guess is refused instead: a host has to be a plain
ASCII name, a dotted quad or an IPv6 address in brackets. So the host that is judged is, letter
by letter, the host that is reached.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from assistant_gateway.http.addresses import Address, Network, is_public

PORTS = (443, 8443)
LENGTH = 2048  # characters of a URL

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<rest>[/?][!-~]*)?",
    re.IGNORECASE,
)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_INNER = ("localhost", "local", "internal", "lan", "home", "intranet", "private", "corp")


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart; ``address`` is set where the host is a literal."""

    scheme: str
    host: str
    port: int
    address: Address | None = None


class Refused(ValueError):
    """The URL can't be used; the message says why, in words for whoever chose it."""


def read_target(url: str) -> Target:
    """
    Take *url* apart.

    Raises:
        Refused: It is no plain http(s) URL.
    """
    if len(url) > LENGTH:
        raise Refused(f"the URL is longer than {LENGTH} characters")
    if "\\" in url or "#" in url or not all("!" <= character <= "~" for character in url):
        raise Refused("the URL has characters that do not belong there")
    if "@" in url.split("://", 1)[-1].split("/", 1)[0].split("?", 1)[0]:
        raise Refused("the URL has credentials in it")
    match = _URL.fullmatch(url)
    if match is None:
        raise Refused("it is no http(s) URL with a plain host")
    scheme, host = match["scheme"].lower(), match["host"].lower()
    port = int(match["port"] or (443 if scheme == "https" else 80))
    if not 0 < port < 65536:
        raise Refused("the port does not exist")
    if host.startswith("["):
        return Target(scheme, host[1:-1], port, _literal(host[1:-1]))
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        # `127.1`, `2130706433` and `0x7f.1` are loopback to the resolver.
        return Target(scheme, host, port, _literal(host))
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Refused("the host is no plain name")
    return Target(scheme, host, port)


def _literal(text: str) -> Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise Refused("the host is an address in an unusual form") from None


@dataclass(frozen=True, slots=True)
class _Name:
    host: str
    port: int | None


class Allowed:
    """The hosts that may be reached although they are private, loopback or plain http."""

    def __init__(self, entries: Iterable[str]) -> None:
        """
        *entries* are names, ``name:port``, addresses or CIDR ranges.

        Raises:
            ValueError: An entry is none of these.
        """
        self._names: set[_Name] = set()
        self._networks: list[Network] = []
        for entry in entries:
            host, port = _split(entry.strip().lower())
            try:
                network = ipaddress.ip_network(host, strict=False)
            except ValueError:
                if "/" in host or not host:
                    raise ValueError(f'"{entry}" is no host, host:port or range') from None
                self._names.add(_Name(host, port))
            else:
                if port is None:
                    self._networks.append(network)
                else:
                    self._names.add(_Name(str(network.network_address), port))

    def named(self, target: Target) -> bool:
        """Whether the host itself is allowed, whatever it resolves to."""
        host = str(target.address) if target.address is not None else target.host
        by_name = _Name(host, None) in self._names or _Name(host, target.port) in self._names
        return by_name or (target.address is not None and self.covers(target.address))

    def covers(self, address: Address) -> bool:
        """Whether an address lies in an allowed range."""
        return any(address.version == network.version and address in network for network in self._networks)

    @property
    def ranges(self) -> bool:
        """Whether a name may turn out to be allowed by what it resolves to."""
        return bool(self._networks)


def _split(entry: str) -> tuple[str, int | None]:
    """Host and port of an entry; a bare IPv6 address has no port."""
    if entry.startswith("["):
        host, bracket, rest = entry[1:].partition("]")
        port = rest.removeprefix(":")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f'"{entry}" is no [address] and no [address]:port')
    else:
        host, _, port = entry.partition(":")
        if ":" in port:
            return entry, None
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f'"{entry}": the port does not exist')
    return host, int(port) if port else None


def judge(target: Target, allowed: Allowed) -> str:
    """Why *target* is refused, as far as it can be told without DNS; empty when it isn't."""
    if allowed.named(target):
        return ""
    if target.address is not None:
        if not is_public(target.address):
            return "the address is not a public one"
    elif allowed.ranges:
        return ""  # what the name resolves to decides
    elif "." not in target.host or target.host.rpartition(".")[2] in _INNER:
        return "the host is a name of an inner network"
    return judge_plainly(target)


def judge_plainly(target: Target) -> str:
    """Why scheme or port are refused for a host that nobody has allowed."""
    if target.scheme != "https":
        return "the URL is not https"
    if target.port not in PORTS:
        return f"port {target.port} is not allowed, only {' and '.join(map(str, PORTS))}"
    return ""
