"""`slack manifest`: what Slack must be told about the app, before there are any tokens."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from pydantic import ValidationError

from assistant_gateway.cli.start import config_file
from assistant_gateway.config.document import read_document
from assistant_gateway.config.problems import Problems
from assistant_gateway.config.schema import shapes
from assistant_gateway_slack.manifest import manifest
from assistant_gateway_slack.settings import SlackFeatures


def slack(arguments: argparse.Namespace) -> int:
    features = _features(config_file(arguments))
    made = manifest(features, name=arguments.name, url=arguments.url or "")
    print(json.dumps(made, indent=2, ensure_ascii=False))
    print("paste it at https://api.slack.com/apps: Create New App, From a manifest", file=sys.stderr)
    return 0


def _features(path: Path | None) -> SlackFeatures:
    """
    What the configuration file says of the app; the rest of it need not be complete yet.

    Raises:
        ConfigError: It can't be read, or something of this is wrong.
    """
    document = read_document(path) if path is not None else None
    table = document.table.get("slack") if document is not None else None
    given = table if isinstance(table, dict) else {}
    said = {key: value for key, value in given.items() if key in SlackFeatures.model_fields}
    try:
        return SlackFeatures.model_validate(said)
    except ValidationError as error:
        problems = Problems(document)
        problems.add_invalid(("slack",), error, said, shapes(SlackFeatures))
        problems.raise_if_any()
        raise  # unreachable: a refused table has at least one problem
