"""
Run the emulator by itself, to build a bot offline.

    PYTHONPATH=tests python -m emulators.discord --http-port 8091

The page is at that port; what a bot needs to connect is printed. A bot that knows only Discord's own names is
led here by DNS (or `/etc/hosts`), with `--real-names` and a certificate for those names that it trusts.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl

from emulators.discord.address import HOSTS, REAL
from emulators.discord.emulator import DiscordEmulator
from emulators.discord.intents import PRIVILEGED


async def serve(options: argparse.Namespace) -> None:
    """Run until interrupted."""
    tls = None
    if options.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.certificate, options.key or None)
    discord = DiscordEmulator(
        speed=options.speed,
        limits=not options.no_limits,
        privileged=0 if options.unprivileged else int(PRIVILEGED),
        addresses=REAL if options.real_names else None,
        tls=tls,
    )
    await discord.start(options.host, options.http_port)
    try:
        print(f"The servers: {discord.url}/   what happened: {discord.url}/control/truth", flush=True)
        print(f"api_url={discord.api_url}", flush=True)
        print(f"gateway_url={discord.gateway_url}", flush=True)
        print(f"cdn_url={discord.cdn_url}", flush=True)
        print(f"DISCORD_BOT_TOKEN={discord.bot_token}", flush=True)
        if options.real_names:
            print(f"Lead these names here: {' '.join(HOSTS)}", flush=True)
        await asyncio.Event().wait()
    finally:
        await discord.stop()


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
    try:
        asyncio.run(serve(parser.parse_args()))
    except KeyboardInterrupt:
        print("Bye.")


if __name__ == "__main__":
    main()
