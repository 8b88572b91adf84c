"""`slack manifest`: what Slack must be told about the app."""

from __future__ import annotations

import argparse
import json
import sys

from assistant_gateway_slack.manifest import manifest


def slack(arguments: argparse.Namespace) -> int:
    print(json.dumps(manifest(name=arguments.name, url=arguments.url or ""), indent=2, ensure_ascii=False))
    print("paste it at https://api.slack.com/apps: Create New App, From a manifest", file=sys.stderr)
    return 0
