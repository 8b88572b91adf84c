"""A backend that fails is left alone for a while; a chain goes on with the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from assistant_gateway.breaker import FAILURES, FIRST_REST, LONGEST_REST, Breakers
from assistant_gateway.errors import BackendError, BackendRefused, BackendUnavailable, ContextOverflow
from assistant_gateway.testing.backend import ScriptedBackend
from assistant_gateway.testing.clock import run_virtual


class Health:
    """What was told about backends."""

    def __init__(self) -> None:
        self.told: dict[str, bool] = {}

    def backend_health(self, backend: str, healthy: bool) -> None:
        self.told[backend] = healthy


class Chain:
    """Two backends, first and second, and what is known of them."""

    def __init__(self) -> None:
        self.health = Health()
        self.breakers = Breakers(self.health)
        self.backends = [ScriptedBackend(name="first"), ScriptedBackend(name="second")]

    def order(self) -> list[str]:
        return [backend.name for backend in self.breakers.order(self.backends)]

    def fail(self, error: BackendError, *, times: int = 1) -> None:
        for _ in range(times):
            self.breakers.failed(self.backends[0], error)


def in_virtual_time(test: Callable[[Chain], Coroutine[None, None, None]]) -> None:
    """Run *test* on a clock that only waiting moves."""

    async def main() -> None:
        await test(Chain())

    run_virtual(main())


def test_a_backend_that_fails_three_times_is_asked_last() -> None:
    """After 2 failures in a row the order is as configured; after 3 the first comes last, for 15 s."""

    async def test(chain: Chain) -> None:
        chain.fail(BackendUnavailable("away"), times=FAILURES - 1)
        before = chain.order()
        chain.fail(BackendUnavailable("away"))
        after = chain.order()
        await asyncio.sleep(FIRST_REST)
        later = chain.order()

        assert ["first", "second"] == before
        assert ["second", "first"] == after
        assert ["first", "second"] == later
        assert {"first": False} == chain.health.told

    in_virtual_time(test)


def test_one_run_tries_it_while_the_others_go_on() -> None:
    """When its rest is over, one run asks it first; until that one knows more, the next does not."""

    async def test(chain: Chain) -> None:
        chain.fail(BackendUnavailable("away"), times=FAILURES)
        await asyncio.sleep(FIRST_REST)
        probe, other = chain.order(), chain.order()
        chain.breakers.served(chain.backends[0])

        assert (["first", "second"], ["second", "first"]) == (probe, other)
        assert ["first", "second"] == chain.order()
        assert {"first": True} == chain.health.told

    in_virtual_time(test)


def test_each_failed_trial_doubles_its_rest() -> None:
    """15 s, 30 s, 60 s … and never more than 300 s."""

    async def test(chain: Chain) -> None:
        chain.fail(BackendUnavailable("away"), times=FAILURES - 1)
        rests = []
        for _ in range(7):
            chain.fail(BackendUnavailable("away"))
            rests.append(await rest(chain))

        assert [15.0, 30.0, 60.0, 120.0, 240.0, LONGEST_REST, LONGEST_REST] == rests

    async def rest(chain: Chain) -> float:
        for seconds in range(1000):
            if chain.order()[0] == "first":
                return seconds
            await asyncio.sleep(1.0)
        raise AssertionError("it never comes back")

    in_virtual_time(test)


def test_who_asks_us_to_wait_is_left_alone_at_once() -> None:
    """A rate limit of 40 s counts from the first time, and for 40 s."""

    async def test(chain: Chain) -> None:
        chain.fail(BackendUnavailable("slow down", retry_after=40.0))
        now = chain.order()
        await asyncio.sleep(39.0)
        soon = chain.order()
        await asyncio.sleep(1.0)

        assert [["second", "first"]] * 2 == [now, soon]
        assert ["first", "second"] == chain.order()

    in_virtual_time(test)


def test_a_request_that_is_too_large_is_no_fault_of_the_backend() -> None:
    """10 overflows in a row change nothing, 3 refusals do; an answer in between begins a new count."""

    async def test(chain: Chain) -> None:
        chain.fail(ContextOverflow("too large"), times=10)
        large = chain.order()
        chain.fail(BackendRefused("no such key"), times=FAILURES - 1)
        chain.breakers.served(chain.backends[0])
        chain.fail(BackendRefused("no such key"), times=FAILURES - 1)
        mended = chain.order()
        chain.fail(BackendRefused("no such key"))

        assert ["first", "second"] == large == mended
        assert ["second", "first"] == chain.order()

    in_virtual_time(test)


def test_when_all_are_away_all_are_asked() -> None:
    """With both left alone the order is the configured one: nobody is turned away unasked."""

    async def test(chain: Chain) -> None:
        for backend in chain.backends:
            for _ in range(FAILURES):
                chain.breakers.failed(backend, BackendUnavailable("away"))

        assert ["first", "second"] == chain.order()

    in_virtual_time(test)
