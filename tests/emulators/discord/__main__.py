"""
Run the emulator by itself, to build a bot offline.

    PYTHONPATH=tests python -m emulators.discord --http-port 8091

The page is at that port; what a bot needs to connect is printed. A bot that knows only Discord's own names is
led here by DNS (or `/etc/hosts`), with `--real-names` and a certificate for those names that it trusts.
"""

from __future__ import annotations

import argparse
import ssl
from collections.abc import Iterable

from emulators.alone import run_alone
from emulators.discord.address import HOSTS, REAL
from emulators.discord.emulator import DiscordEmulator
from emulators.discord.intents import PRIVILEGED


def emulator_of(options: argparse.Namespace) -> DiscordEmulator:
    """The emulator that was asked for."""
    tls = None
    if options.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.certificate, options.key or None)
    return DiscordEmulator(
        speed=options.speed,
        limits=not options.no_limits,
        privileged=0 if options.unprivileged else int(PRIVILEGED),
        addresses=REAL if options.real_names else None,
        tls=tls,
    )


def told(discord: DiscordEmulator) -> Iterable[str]:
    """Where it is, and what a bot needs to connect."""
    yield f"The servers: {discord.url}/   what happened: {discord.url}/control/truth"
    yield f"api_url={discord.api_url}"
    yield f"gateway_url={discord.gateway_url}"
    yield f"cdn_url={discord.cdn_url}"
    yield f"DISCORD_BOT_TOKEN={discord.bot_token}"
    if discord.addresses == REAL:
        yield f"Lead these names here: {' '.join(HOSTS)}"


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m emulators.discord", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--http-port", type=int, default=8091, help="0 takes a free one")
    parser.add_argument("--speed", type=float, default=1.0, help="how fast Discord's time runs")
    parser.add_argument("--no-limits", action="store_true", help="enforce no rate limits")
    parser.add_argument("--unprivileged", action="store_true", help="without the privileged intents")
    parser.add_argument("--certificate", default="", help="serve TLS with this PEM file")
    parser.add_argument("--key", default="", help="its key, if that is in a file of its own")
    parser.add_argument("--real-names", action="store_true", help="call itself discord.com and so on")
    options = parser.parse_args()
    run_alone(emulator_of(options), options.host, options.http_port, told)


if __name__ == "__main__":
    main()
