"""``python -m assistant_gateway`` is the command ``assistant-gateway``."""

from __future__ import annotations

import sys

from assistant_gateway.cli import main

if __name__ == "__main__":
    sys.exit(main())
