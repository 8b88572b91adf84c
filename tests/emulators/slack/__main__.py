"""
Run the emulator by itself, to build a bot offline.

    PYTHONPATH=tests python -m emulators.slack --http-port 8090

The page is at that port; what a bot needs to connect is printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from emulators.alone import run_alone
from emulators.slack.emulator import SlackEmulator
from emulators.slack.manifest import Manifest


def told(slack: SlackEmulator) -> Iterable[str]:
    """Where it is, and what a bot needs to connect."""
    yield f"The workspace: {slack.url}/   what happened: {slack.url}/control/truth"
    yield f"base_url={slack.api_url}"
    yield f"SLACK_BOT_TOKEN={slack.bot_token}"
    yield f"SLACK_APP_TOKEN={slack.app_token}"
    yield f"SLACK_SIGNING_SECRET={slack.signing_secret}"


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m emulators.slack", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--http-port", type=int, default=8090, help="0 takes a free one")
    parser.add_argument("--speed", type=float, default=1.0, help="how fast Slack's time runs")
    parser.add_argument("--request-url", default="", help="post events there; without it: Socket Mode")
    parser.add_argument("--view", choices=("agent", "assistant", "none"), default="agent")
    parser.add_argument("--no-quotas", action="store_true", help="enforce no rate limits")
    options = parser.parse_args()
    manifest = Manifest(request_url=options.request_url, view=options.view)
    slack = SlackEmulator(manifest, speed=options.speed, quotas=not options.no_quotas)
    run_alone(slack, options.host, options.http_port, told)


if __name__ == "__main__":
    main()
