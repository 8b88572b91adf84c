"""
Deliver callbacks: signed, again and again until they are taken, and never faster than asked.

What is to be delivered lies in the outbox and survives a restart. A slow endpoint holds up
nobody but itself. An endpoint that says 410, or that has failed for five days, is disabled:
its deliveries are dead until somebody drives them again with `redeliver`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import structlog

from assistant_gateway.adapter import Delivery, DeliveryState, Egress, EndpointFault, Outbox
from assistant_gateway.errors import AdapterError, Forbidden, StoreError, StoreUnavailable
from assistant_gateway_webhook.schedule import is_given_up, next_try, retry_after
from assistant_gateway_webhook.settings import Source
from assistant_gateway_webhook.signature import sign

AT_ONCE = 64  # tries under way in all
PER_HOST = 4  # tries under way to one host
WINDOW = 256  # deliveries that are looked at together; more than there are tries
LONGEST_SLEEP = 30.0  # seconds; another process may have put something into the outbox
REPLY_SECONDS = 30.0  # for an endpoint to answer
GONE = 410


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How a try ended: ``error`` is empty when it was taken."""

    error: str = ""
    is_gone: bool = False
    is_forbidden: bool = False
    retry_after: float | None = None


class Callbacks:
    """The delivery loop; *clock* gives epoch seconds, *chance* a number between 0 and 1."""

    def __init__(
        self,
        sources: Sequence[Source],
        egress: Egress,
        *,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._sources = {source.name: source for source in sources}
        self._egress = egress
        self._clock = clock
        self._chance = chance
        self._news = asyncio.Event()
        self._flying: dict[str, str] = {}  # host by delivery id
        self._log = structlog.get_logger()

    def wake(self) -> None:
        """Something was enqueued: look at once."""
        self._news.set()

    async def run(self, outbox: Outbox) -> None:
        """Deliver what is due until cancelled."""
        async with asyncio.TaskGroup() as tries:
            while True:
                self._news.clear()
                try:
                    for source in self._sources.values():
                        await self._start_due(tries, outbox, source)
                    pause = await self._pause(outbox)
                except StoreUnavailable as error:
                    self._log.warning("callback.store_unavailable", reason=str(error))
                    pause = 5.0
                await self._sleep(pause)

    async def redeliver(self, outbox: Outbox, id: str) -> None:
        """
        Drive a dead delivery again from its first try, and take its endpoint for working.

        Raises:
            LookupError: There is no dead delivery with this id.
        """
        dead = await outbox.deliveries(state=DeliveryState.DEAD, limit=100_000)
        delivery = next((delivery for delivery in dead if delivery.id == id), None)
        if delivery is None:
            raise LookupError(f"there is no dead delivery {id}")
        await outbox.set_endpoint_fault(delivery.source, delivery.url, None)
        await outbox.record(
            replace(delivery, state=DeliveryState.PENDING, attempts=0, next_at=self._clock(), error="")
        )
        self.wake()

    async def _start_due(self, tries: asyncio.TaskGroup, outbox: Outbox, source: Source) -> None:
        while len(self._flying) < AT_ONCE:
            # However many wait for a host that is busy: what waits behind them costs no more to find.
            due = await outbox.due(source.name, self._clock(), WINDOW, besides=self._busy())
            for delivery in due:
                self._start(tries, outbox, source, delivery)
            if len(due) < WINDOW:
                return

    def _busy(self) -> set[str]:
        """The hosts that have as many tries under way as one may have."""
        return {host for host, tries in Counter(self._flying.values()).items() if tries >= PER_HOST}

    def _start(self, tries: asyncio.TaskGroup, outbox: Outbox, source: Source, delivery: Delivery) -> None:
        host = urlsplit(delivery.url).netloc.lower()
        if delivery.id in self._flying or len(self._flying) >= AT_ONCE or host in self._busy():
            return
        self._flying[delivery.id] = host
        tries.create_task(self._deliver(outbox, source, delivery), name=f"callback-{delivery.id}")

    async def _deliver(self, outbox: Outbox, source: Source, delivery: Delivery) -> None:
        try:
            fault = await outbox.endpoint_fault(source.name, delivery.url)
            if fault is not None and fault.disabled:
                await self._bury(outbox, delivery, f"the endpoint is disabled: {fault.reason}")
                return
            outcome = await self._try(source, delivery)
            delivery = replace(delivery, attempts=delivery.attempts + 1)
            # Other deliveries to the endpoint may have ended in the meantime.
            fault = await outbox.endpoint_fault(source.name, delivery.url)
            if not outcome.error:
                await self._taken(outbox, delivery, fault)
            else:
                await self._refused(outbox, delivery, fault, outcome)
        except StoreUnavailable as error:
            # What was tried is tried again: the receiver knows it by its id.
            self._log.warning("callback.store_unavailable", id=delivery.id, reason=str(error))
            await asyncio.sleep(5.0)
        except Exception:
            # A fault of ours in one delivery must not end the others, nor come back with every restart.
            self._log.exception("callback.broken", **_fields(delivery))
            try:
                await self._bury(outbox, delivery, "it could not be sent; the log has more under its id")
            except StoreError:
                await asyncio.sleep(5.0)
        finally:
            del self._flying[delivery.id]
            self.wake()

    async def _try(self, source: Source, delivery: Delivery) -> _Outcome:
        timestamp = int(self._clock())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(source.signing_keys, delivery.id, timestamp, delivery.body),
        }
        try:
            answer = await self._egress.request(
                "POST", delivery.url, headers=headers, body=delivery.body, timeout=REPLY_SECONDS, max_body=0
            )
        except Forbidden as error:
            return _Outcome(f"refused: {error}", is_forbidden=True)
        except AdapterError as error:
            return _Outcome(str(error))
        if 200 <= answer.status < 300:
            return _Outcome()
        wait = retry_after(answer.headers.get("Retry-After"), self._clock())
        return _Outcome(f"status {answer.status}", answer.status == GONE, retry_after=wait)

    async def _taken(self, outbox: Outbox, delivery: Delivery, fault: EndpointFault | None) -> None:
        await outbox.record(replace(delivery, state=DeliveryState.DELIVERED, error=""))
        if fault is not None and not fault.disabled:
            await outbox.set_endpoint_fault(delivery.source, delivery.url, None)
        self._log.info("callback.delivered", **_fields(delivery))

    async def _refused(
        self, outbox: Outbox, delivery: Delivery, fault: EndpointFault | None, outcome: _Outcome
    ) -> None:
        if outcome.is_forbidden:
            await self._bury(outbox, delivery, outcome.error)
            return
        now = self._clock()
        since = fault.failing_since if fault is not None else now
        if outcome.is_gone or is_given_up(since, now):
            await self._disable(outbox, delivery, EndpointFault(since, disabled=True, reason=outcome.error))
            return
        if fault is None:
            await outbox.set_endpoint_fault(
                delivery.source, delivery.url, EndpointFault(now, reason=outcome.error)
            )
        at = next_try(delivery.attempts, now, retry_after=outcome.retry_after, chance=self._chance())
        if at is None:
            await self._bury(outbox, delivery, outcome.error)
            return
        await outbox.record(replace(delivery, next_at=at, error=outcome.error))
        self._log.warning(
            "callback.failed", error=outcome.error, again_in=round(at - now, 1), **_fields(delivery)
        )

    async def _disable(self, outbox: Outbox, delivery: Delivery, fault: EndpointFault) -> None:
        """Stop all deliveries to an endpoint."""
        await outbox.set_endpoint_fault(delivery.source, delivery.url, fault)
        self._log.error("callback.endpoint_disabled", reason=fault.reason, **_fields(delivery))
        await self._bury(outbox, delivery, fault.reason)
        for other in await outbox.deliveries(delivery.source, DeliveryState.PENDING, limit=100_000):
            if other.url == delivery.url and other.id not in self._flying:
                await self._bury(outbox, other, f"the endpoint is disabled: {fault.reason}")

    async def _bury(self, outbox: Outbox, delivery: Delivery, reason: str) -> None:
        await outbox.record(replace(delivery, state=DeliveryState.DEAD, error=reason))
        self._log.error("callback.dead", error=reason, **_fields(delivery))

    async def _pause(self, outbox: Outbox) -> float:
        """Seconds until the next delivery is due."""
        times = [at for name in self._sources if (at := await outbox.next_due(name)) is not None]
        pause = min(times, default=self._clock() + LONGEST_SLEEP) - self._clock()
        # What is due and did not start is under way, or waits for its host: that ends with a wake.
        return min(pause, LONGEST_SLEEP) if pause > 0 else 1.0

    async def _sleep(self, seconds: float) -> None:
        # Not `wait_for`: before Python 3.12 it loses a cancellation that meets the news.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()


def _fields(delivery: Delivery) -> dict[str, object]:
    """What a log line may tell: a URL's path and query can hold somebody's secrets."""
    return {
        "id": delivery.id,
        "source": delivery.source,
        "host": urlsplit(delivery.url).netloc.rpartition("@")[2],
        "attempts": delivery.attempts,
    }
