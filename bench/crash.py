"""
Kill a gateway many times and print what broke: `python bench/crash.py --kills 200`.

Kills it N times at random and N times at fail points and stops it N/5 times under load, then runs
the four adapters that break a promise on purpose, which the checker has to notice. Needs the
development dependencies.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from crash.campaign import Campaign, Plan, carry_out
from crash.check import INVARIANTS
from crash.controls import CONTROLS

HEADER = "| campaign | kills | said / acked | answers | effects | drained | start p50 / p95 | broken |"


def row(name: str, campaign: Campaign) -> str:
    """One line of the table."""
    record, counts = campaign.record, campaign.checked.counts
    acked = sum(said.acked is not None for said in record.said)
    kills = sum(many for point, many in campaign.kills.items() if point != "not reached")
    answers = len(record.posts) + len(record.callbacks)
    executed = sum(effect.executed for effect in record.effects)
    drained = "never" if campaign.drained is None else f"{campaign.drained:.1f} s"
    starts = f"{statistics.median(campaign.starts):.2f} / {campaign.slow_start:.2f} s"
    broken = ", ".join(f"{name} {many}" for name, many in counts.items()) or "nothing"
    cells = (name, kills, f"{len(record.said)} / {acked}", answers, executed, drained, starts, broken)
    return f"| {' | '.join(map(str, cells))} |"


def details(campaign: Campaign) -> str:
    """What the table has no room for."""
    lines = [f"  kills: {dict(campaign.kills)}", f"  pending: {campaign.pending}"]
    lines += [
        f"  files and threads: {campaign.handles}, exits {campaign.exit_codes}, {campaign.seconds:.0f} s",
        f"  model calls {len(campaign.record.asked)}, dropped connections {campaign.record.dropped}",
    ]
    for name, found in campaign.checked.broken.items():
        lines += [f"  {name} ({INVARIANTS[name]}): {what[:300]}" for what in found[:5]]
    return "\n".join(lines)


async def main(options: argparse.Namespace) -> int:
    """Run everything; 1 when a promise was broken or a defect went unnoticed."""
    seed = options.seed if options.seed is not None else int(time.time())
    plans = {
        "random kills": Plan(seed, random_kills=options.kills),
        "fail points": Plan(seed + 1, point_kills=options.kills),
        "stops under load": Plan(seed + 2, stops=max(1, options.kills // 5)),
    }
    print(f"seed {seed}\n\n{HEADER}\n|---|---|---|---|---|---|---|---|", flush=True)
    failed = False
    told = []
    for name, plan in plans.items() if options.kills else ():
        campaign = await _run(plan, options.keep, name)
        failed |= bool(campaign.checked.counts) or campaign.drained is None
        print(row(name, campaign), flush=True)
        told.append(f"{name}:\n{details(campaign)}")
    for name, control in CONTROLS.items() if options.controls else ():
        campaign = await _run(control.plan(seed), options.keep, name)
        failed |= not control.breaks & campaign.checked.counts.keys()
        print(row(f"control: {name}", campaign), flush=True)
        told.append(f"{name}:\n{details(campaign)}")
    print("", *told, sep="\n")
    return int(failed)


async def _run(plan: Plan, keep: Path | None, name: str) -> Campaign:
    if keep is None:
        with tempfile.TemporaryDirectory() as passing:
            return await carry_out(plan, Path(passing))
    directory = keep / name.replace(" ", "-")
    directory.mkdir(parents=True)
    return await carry_out(plan, directory)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="of each mode")
    parser.add_argument("--seed", type=int, help="repeats a run's choices; its timing differs")
    parser.add_argument("--keep", type=Path, help="a new directory for databases and logs")
    parser.add_argument("--no-controls", dest="controls", action="store_false")
    sys.exit(asyncio.run(main(parser.parse_args())))
