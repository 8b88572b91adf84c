"""
Who has used how much: a row for each person, day (UTC), assistant and model.

A run enters once, in the write that ends it, so that neither a crash nor a second try counts anything
twice; and asking what a person or a tenant has used reads days, not runs.
"""

from __future__ import annotations

from collections.abc import Collection

from assistant_gateway.store import Used, rows
from assistant_gateway.store.database import Database
from assistant_gateway.store.text import dumps
from assistant_gateway.values import Charge, Run

DAY = 86_400  # seconds


def day(time: float) -> int:
    """The UTC day of a time in epoch seconds, counted from 1970-01-01."""
    return int(time // DAY)


def enter(db: Database, run: Run) -> None:
    """A run has ended: what it has used is in the ledger from now on. A second time changes nothing."""
    if not db.run("enter_run", run=run.id):
        return
    for number, charge in enumerate(run.charges or (Charge(run.model, run.usage),)):
        add(db, run.id, charge, runs=1 if number == 0 else 0)


def add(db: Database, run_id: str, charge: Charge, *, runs: int = 0) -> None:
    """Put what a run has used into the ledger, today."""
    used = rows.used_values(Used(runs, charge.usage, charge.cost))
    today = day(db.now())
    db.run("add_to_ledger", run=run_id, day=today, model=charge.model, **used)
    db.run("add_to_tenant_ledger", run=run_id, day=today, **used)


def charge(db: Database, run_id: str, used: Charge) -> None:
    """Count what a run has used beside its own steps; one that goes on enters the ledger with it."""
    row = db.one("run", id=run_id)
    if row is None:
        return
    db.run("save_run", **rows.run_values(rows.run(row).charged(used)))
    if db.value("is_entered", run=run_id):
        add(db, run_id, used)


def tenant_usage(
    db: Database,
    adapter: str,
    tenant: str,
    since: float,
    users: Collection[str] | None,
    assistant: str | None,
) -> Used:
    """What was used in a tenant since the beginning of a day, runs under way included."""
    first = day(since)
    among = None if users is None else dumps(list(users))
    if among is None:
        ended = db.one("tenant_usage", adapter=adapter, tenant=tenant, day=first, assistant=assistant)
    else:
        ended = db.one(
            "users_usage", adapter=adapter, tenant=tenant, day=first, assistant=assistant, users=among
        )
    under_way = db.one(
        "open_usage",
        adapter=adapter,
        tenant=tenant,
        since=first * DAY,
        assistant=assistant,
        users=among,
    )
    assert ended is not None
    assert under_way is not None
    return rows.used(ended) + rows.used(under_way)
