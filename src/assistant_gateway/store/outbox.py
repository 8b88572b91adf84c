"""Deliveries to other people's endpoints, as plain functions on the database."""

from __future__ import annotations

from assistant_gateway.adapter import Delivery, EndpointFault
from assistant_gateway.store.database import Database


def enqueue(db: Database, delivery: Delivery) -> bool:
    """Keep a delivery; False when it is kept already."""
    return bool(
        db.run(
            "add_delivery",
            source=delivery.source,
            id=delivery.id,
            url=delivery.url,
            attempts=delivery.attempts,
            next_at=delivery.next_at,
            state=delivery.state.value,
            error=delivery.error,
            created_at=delivery.created_at or db.now(),
            body=delivery.body,
        )
    )


def record(db: Database, delivery: Delivery) -> None:
    """Keep the outcome of a try."""
    db.run(
        "record_delivery",
        source=delivery.source,
        id=delivery.id,
        attempts=delivery.attempts,
        next_at=delivery.next_at,
        state=delivery.state.value,
        error=delivery.error,
    )


def set_fault(db: Database, source: str, url: str, fault: EndpointFault | None) -> None:
    """Remember, or forget, what is wrong with an endpoint."""
    if fault is None:
        db.run("forget_fault", source=source, url=url)
        return
    db.run(
        "save_fault",
        source=source,
        url=url,
        failing_since=fault.failing_since,
        disabled=fault.disabled,
        reason=fault.reason,
    )
