"""`config show`: all settings as they are in force, without secrets."""

from __future__ import annotations

import argparse
import json

from assistant_gateway.cli.start import configured
from assistant_gateway.redaction import Redaction


def config(arguments: argparse.Namespace) -> int:
    settings = configured(arguments)
    redaction = Redaction(settings.secret_values())
    print(json.dumps(redaction.value(settings.model_dump(mode="python")), indent=2, ensure_ascii=False))
    return 0
