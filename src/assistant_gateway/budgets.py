"""
Budgets: how much people may use in a day or a month, and what they are told about it.

Who has used up a budget is answered politely and at once, and no model is asked until the next period
begins; a run that uses up the last of it ends after the step it is in. A soft limit only says so, once
in each period. What was used is read from the ledger each time, so that nothing has to be remembered here.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from assistant_gateway.config import BudgetSettings
from assistant_gateway.prices import MICRO, dollars
from assistant_gateway.store import Store
from assistant_gateway.values import Conversation, Message, Run, User

NOTES = "budget:"  # how the scopes of notes begin, each followed by the first day of its period


@dataclass(frozen=True, slots=True)
class Spender:
    """Whose use is counted: a person in a tenant, asking an assistant."""

    adapter: str
    tenant: str
    user_id: str
    assistant: str

    @classmethod
    def of(cls, conversation: Conversation, user: User, assistant: str) -> Spender:
        return cls(conversation.adapter, conversation.tenant, user.id, assistant)

    @classmethod
    def of_message(cls, message: Message) -> Spender:
        """Who asked a message's question."""
        return cls.of(message.inbound.conversation, message.inbound.user, message.routed.assistant)


@dataclass(frozen=True, slots=True)
class _Period:
    begins: datetime
    ends: datetime

    @classmethod
    def at(cls, now: datetime, length: str) -> _Period:
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        if length == "day":
            return cls(today, today + timedelta(days=1))
        first = today.replace(day=1)
        return cls(first, (first + timedelta(days=31)).replace(day=1))


class Budgets:
    """
    The budgets of a configuration, over the ledger.

    Args:
        clock: Epoch seconds.
    """

    def __init__(
        self, store: Store, budgets: Sequence[BudgetSettings], *, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._budgets = budgets
        self._clock = clock

    async def refusal(self, spender: Spender) -> str:
        """What is said instead of an answer; empty while nothing is used up."""
        used_up = []
        for budget in self._for(spender):
            if budget.hard is not None and await self._used(budget, spender) >= _whole(budget, budget.hard):
                used_up.append((self._period(budget).ends, budget))
        if not used_up:
            return ""
        ends, budget = max(used_up, key=lambda found: found[0])
        limit = _amount(budget, _whole(budget, budget.hard or 0))
        return f"{_name(budget)} ({limit}) is used up. It begins anew on {_date(ends)}, 00:00 UTC."

    async def notices(self, spender: Spender, run: Run) -> tuple[str, ...]:
        """
        What is said below the answer of *run*, which is about to be kept; once in a period of each budget.

        Asked again for the same run, it says the same.
        """
        said = []
        for budget in self._for(spender):
            if budget.soft is None:
                continue
            scope = f"{NOTES}{self._period(budget).begins:%Y-%m-%d}"
            key = _key(budget, spender)
            noted = await self._store.note(scope, key)
            if noted is not None and noted.get("run") != run.id:
                continue
            used = await self._used(budget, spender) + await self._not_kept(budget, run)
            if used < _whole(budget, budget.soft):
                continue
            # Two answers of one person may get here at once; one of them says it.
            noted = noted or await self._store.add_note(scope, key, {"run": run.id})
            if noted.get("run") == run.id:
                said.append(_running_low(budget, used))
        return tuple(said)

    async def left(self, spender: Spender) -> list[str]:
        """A line for each budget: what is left of it."""
        lines = []
        for budget in self._for(spender):
            used = await self._used(budget, spender)
            limit = _whole(budget, budget.hard or budget.soft or 0)
            left = _amount(budget, max(0, limit - used))
            until = f"until {_date(self._period(budget).ends)}"
            lines.append(f"{_name(budget)}: {left} of {_amount(budget, limit)} left, {until}")
        return lines

    def _for(self, spender: Spender) -> list[BudgetSettings]:
        return [budget for budget in self._budgets if _is_for(budget, spender)]

    def _period(self, budget: BudgetSettings) -> _Period:
        return _Period.at(datetime.fromtimestamp(self._clock(), UTC), budget.period)

    async def _used(self, budget: BudgetSettings, spender: Spender) -> int:
        """Tokens, or millionths of a dollar."""
        used = await self._store.tenant_usage(
            spender.adapter,
            spender.tenant,
            since=self._period(budget).begins.timestamp(),
            users=[spender.user_id] if budget.per == "user" else budget.users,
            assistant=budget.assistant,
        )
        return used.usage.total_tokens if budget.unit == "tokens" else used.cost

    async def _not_kept(self, budget: BudgetSettings, run: Run) -> int:
        """What *run* has used and the store doesn't know of yet."""
        kept = await self._store.run(run.id) or Run(run.id, run.thread_id, run.assistant)
        if budget.unit == "tokens":
            return run.usage.total_tokens - kept.usage.total_tokens
        return run.cost - kept.cost


def _is_for(budget: BudgetSettings, spender: Spender) -> bool:
    return (
        budget.adapter in (None, spender.adapter)
        and budget.tenant in (None, spender.tenant)
        and budget.assistant in (None, spender.assistant)
        and (budget.users is None or spender.user_id in budget.users)
    )


def _key(budget: BudgetSettings, spender: Spender) -> str:
    """Names a budget and a person; a budget that was changed is another one."""
    words = (budget.model_dump_json(), spender.adapter, spender.tenant, spender.user_id)
    return hashlib.sha256("\0".join(words).encode("utf-8", "replace")).hexdigest()[:32]


def _whole(budget: BudgetSettings, limit: float) -> int:
    """A limit in tokens, or in millionths of a dollar."""
    return round(Decimal(repr(limit)) * (1 if budget.unit == "tokens" else MICRO))


def _amount(budget: BudgetSettings, amount: int) -> str:
    return f"{amount:,} tokens" if budget.unit == "tokens" else dollars(amount)


def _name(budget: BudgetSettings) -> str:
    whose = "Your budget" if budget.per == "user" else "The shared budget"
    what = f" for the assistant {budget.assistant}" if budget.assistant else ""
    return f"{whose}{what} {'today' if budget.period == 'day' else 'this month'}"


def _running_low(budget: BudgetSettings, used: int) -> str:
    limit = _whole(budget, budget.hard or budget.soft or 0)
    return f"{_name(budget)}: {_amount(budget, used)} of {_amount(budget, limit)} are used."


def _date(time: datetime) -> str:
    return f"{time.day} {time:%B %Y}"
