"""What people think of answers, and what the answers have used."""

from __future__ import annotations

from dataclasses import replace

from assistant_gateway.store import Store, Used
from assistant_gateway.testing.store.samples import (
    answer,
    answered,
    asks,
    begin,
    claimed,
    said,
    take,
)
from assistant_gateway.values import (
    Answer,
    Command,
    Conversation,
    Feedback,
    Rating,
    RunStatus,
    Usage,
    User,
)

CHANNEL = Conversation("fake", "T1", "C1")
ANN, BOB = User("U1", "Ann"), User("U2", "Bob")


class FeedbackPromises:
    """What the verbs of ratings and of usage promise."""

    async def test_a_later_word_replaces_an_earlier_one(self, store: Store) -> None:
        """Two people rate an answer; one changes his mind and keeps his comment, until he empties it."""
        run = await answered(store, 1)
        kept = [
            await store.rate(CHANNEL, ANN, run.id, Rating.GOOD, "Nice"),
            await store.rate(CHANNEL, BOB, run.id, Rating.BAD, None),
            await store.rate(CHANNEL, ANN, run.id, Rating.BAD, None),
        ]
        both = [replace(word, at=0.0) for word in await store.thread_feedback(run.thread_id)]
        await store.rate(CHANNEL, ANN, run.id, Rating.BAD, "")

        newest = await store.feedback(limit=1)

        assert [True] * 3 == kept
        assert {
            Feedback(run.id, ANN, Rating.BAD, "Nice"),
            Feedback(run.id, BOB, Rating.BAD),
        } == set(both)
        assert [Feedback(run.id, ANN, Rating.BAD)] == [replace(word, at=0.0) for word in newest]
        assert 2 == len(await store.feedback(limit=10, rating=Rating.BAD))
        assert [] == await store.feedback(limit=10, rating=Rating.GOOD)

    async def test_only_answers_of_the_channel_can_be_rated(self, store: Store) -> None:
        """Not from another tenant, channel or adapter; not what goes on, a command's, or no run at all."""
        run = await answered(store, 1)
        await take(store, said("m2", channel="C2"))
        unfinished = await begin(store, await claimed(store))
        await take(store, asks("m3", Command.HELP))
        help_claim = await claimed(store)
        words = await begin(store, help_claim)
        await store.conclude(help_claim, words, Answer("/help", RunStatus.COMPLETED), [], "")

        refused = [
            await store.rate(place, ANN, id, Rating.GOOD, None)
            for place, id in (
                (replace(CHANNEL, tenant="T2"), run.id),
                (replace(CHANNEL, channel="C2"), run.id),
                (replace(CHANNEL, adapter="other"), run.id),
                (replace(CHANNEL, channel="C2"), unfinished.id),
                (CHANNEL, words.id),
                (CHANNEL, "run_of_nobody"),
            )
        ]

        assert [False] * 6 == refused
        assert await store.rate(replace(CHANNEL, topic="any"), ANN, run.id, Rating.GOOD, None)

    async def test_what_was_used_is_summed_by_thread_and_by_person(self, store: Store) -> None:
        """Two runs of Ann's in a channel and one in another; commands and other tenants do not count."""
        run = await answered(store, 1, usage=Usage(10, 5, 2))
        await answered(store, 2, usage=Usage(1, 1, 0))
        await take(store, said("m3", channel="C2"))
        await answer(store, await claimed(store), "q", "a", usage=Usage(100, 50, 0))
        await take(store, said("m4", tenant="T2"))
        await answer(store, await claimed(store), "q", "a", usage=Usage(7, 7, 7))
        await take(store, asks("m5", Command.USAGE))
        await begin(store, await claimed(store))

        assert Used(2, Usage(11, 6, 2)) == await store.thread_usage(run.thread_id)
        assert Used(3, Usage(111, 56, 2)) == await store.tenant_usage("fake", "T1", since=0.0, users=["U1"])
        assert Used() == await store.tenant_usage("fake", "T1", since=4e9, users=["U1"])
        assert Used() == await store.tenant_usage("fake", "T1", since=0.0, users=["U2"])
        assert Used() == await store.thread_usage("nobody's")
