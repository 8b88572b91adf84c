"""
All measurements, one after another: `uv run --group dev python bench`.

Takes a few minutes on an idle machine; every part can be run alone. `bench/crash.py`, which
kills a gateway hundreds of times, is not among them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PARTS = ("gateway", "deltas", "backend", "store", "threads", "replies")


def main() -> int:
    """Run every part; how many failed."""
    failed = 0
    for part in PARTS:
        print(f"== {part}", flush=True)
        script = Path(__file__).with_name(f"{part}.py")
        failed += subprocess.run([sys.executable, str(script)], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
