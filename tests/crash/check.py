"""
What must never be, read off the world's record.

The checker knows the gateway only by what it did to the world. Each invariant has a name and a
list of what broke it; a good run breaks none.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from crash.record import Asked, CalledBack, Posted, Record, Said

INVARIANTS = {
    "I1": "acknowledged messages without a final answer",
    "I2": "messages with more than one answer",
    "I3": "posts, streams and sessions left unfinished",
    "I4": "answers in the wrong place or to another message",
    "I5": "answers out of the order of acceptance",
    "I6": "effects that happened twice",
    "I7": "effects that the model was not told about",
    "I8": "posts and callbacks that belong to nothing",
    "I9": "answers made again after they were complete",
}
_KEY = re.compile(r"(run_[0-9a-f]+)\.(\d+)")
_NAMED = re.compile(r"\[(?:end:)?(\d+)\.\d+\]")
_FAILED = re.compile(r"(?:^| )⚠️ [^⚠]+ \(`e-[0-9a-f]+`\)$")


@dataclass(slots=True)
class Checked:
    """The verdict: what broke, by invariant."""

    broken: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in INVARIANTS})

    @property
    def counts(self) -> dict[str, int]:
        """How often each invariant was broken, those that were."""
        return {name: len(found) for name, found in self.broken.items() if found}


def check(record: Record) -> Checked:
    """Look for everything that must never be."""
    return _Check(record).run()


class _Check:
    def __init__(self, record: Record) -> None:
        self._record = record
        self._checked = Checked()
        self._said = {said.id: said for said in record.said}
        self._asked: dict[int, list[Asked]] = defaultdict(list)
        for asked in record.asked:
            self._asked[asked.number].append(asked)
        self._posts: dict[str, list[Posted]] = defaultdict(list)
        for post in record.posts:
            self._posts[post.answers].append(post)
        self._callbacks: dict[str, list[CalledBack]] = defaultdict(list)
        for callback in record.callbacks:
            self._callbacks[json.loads(callback.body)["data"]["id"]].append(callback)

    def run(self) -> Checked:
        for said in self._record.said:
            if said.platform == "chat":
                self._chat(said)
            else:
                self._webhook(said)
        self._order()
        self._effects()
        self._strangers()
        self._again()
        for what in self._record.left_open:
            self._break("I3", what)
        return self._checked

    def _break(self, invariant: str, what: str) -> None:
        self._checked.broken[invariant].append(what)

    # Answers

    def _chat(self, said: Said) -> None:
        posts = self._posts[said.id]
        standing = [post for post in posts if post.deleted is None]
        if not standing:
            if said.acked is not None:
                self._break("I1", f"{said.id}: nothing was posted")
        elif not self._is_final(said, _words(standing)):
            self._break("I3", f"{said.id}: {[post.text for post in standing]}")
            if said.acked is not None:
                self._break("I1", f"{said.id}: the answer is not complete")
        twice = [key for key, many in Counter(post.key for post in posts).items() if many > 1]
        runs = {post.key.partition(".")[0] for post in posts}
        if twice or len(runs) > 1:
            self._break("I2", f"{said.id}: {twice or sorted(runs)}")
        for post in posts:
            self._names(said, post.conversation, *(shown.text for shown in post.shown))

    def _webhook(self, said: Said) -> None:
        callbacks = self._callbacks[said.id]
        if said.acked is not None and not callbacks:
            self._break("I1", f"{said.id}: nothing was called back")
        different = {(callback.id, callback.body) for callback in callbacks}
        if len(different) > 1:
            self._break("I2", f"{said.id}: {sorted(id for id, _ in different)}")
        for callback in callbacks:
            told = json.loads(callback.body)
            data = told["data"]
            if told["type"] == "message.answered":
                final = data["text"] in self._wholes(said)
            else:
                final = data["error"] is not None and self._is_cut(said, data["text"])
            if not final:
                self._break("I1", f"{said.id}: {callback.body}")
            self._names(said, data["conversation"], data["text"])

    def _is_final(self, said: Said, words: str) -> bool:
        """Whether *words* are the whole of something that the model said, or what was left of it and why."""
        note = _FAILED.search(words)
        if note is not None:
            left = words[: note.start()]
            return any(
                asked.cut and _spaced(asked.whole).startswith(left) for asked in self._asked[said.number]
            )
        return words in map(_spaced, self._wholes(said))

    def _wholes(self, said: Said) -> set[str]:
        return {asked.whole for asked in self._asked[said.number] if not asked.cut and not asked.call_id}

    def _is_cut(self, said: Said, text: str) -> bool:
        """An answer may end early only where the model did."""
        return any(asked.cut and asked.whole.startswith(text) for asked in self._asked[said.number])

    def _names(self, said: Said, conversation: str, *texts: str) -> None:
        if conversation != said.conversation:
            self._break("I4", f"{said.id}: answered in {conversation}")
        others = {int(name) for text in texts for name in _NAMED.findall(text)} - {said.number}
        if others:
            self._break("I4", f"{said.id}: is told about {sorted(others)}")

    # Order

    def _order(self) -> None:
        """Nothing of the next message begins before the last of the one before it."""
        conversations: dict[str, list[Said]] = defaultdict(list)
        for said in self._record.said:
            if said.acked is not None and self._asked[said.number]:
                conversations[said.conversation].append(said)
        for told in conversations.values():
            for before, after in pairwise(told):
                if max(self._ticks(before)) > self._asked[after.number][0].tick:
                    self._break("I5", f"{before.id} was not over when {after.id} began")

    def _ticks(self, said: Said) -> Iterator[int]:
        yield from (asked.tick for asked in self._asked[said.number])
        for post in self._posts[said.id]:
            yield from (shown.tick for shown in post.shown)

    # Effects

    def _effects(self) -> None:
        executed = Counter(
            (effect.number, bool(effect.key)) for effect in self._record.effects if effect.executed
        )
        for (number, keyed), many in executed.items():
            if many > 1:
                self._break("I6", f"m{number}: {many} {'keyed effects' if keyed else 'calls'}")
            if not keyed and not self._is_told(number):
                self._break("I7", f"m{number}")

    def _is_told(self, number: int) -> bool:
        return any(
            told.call_id.startswith(f"call_{number}_") and ("done" in told.output or "unknown" in told.output)
            for told in self._record.told
        )

    # The rest

    def _strangers(self) -> None:
        owners: dict[str, str] = {}
        for post in self._record.posts:
            if not _KEY.fullmatch(post.key) or post.answers not in self._said:
                self._break("I8", f"{post.id}: {post.key} answers {post.answers}")
            elif owners.setdefault(post.key, post.answers) != post.answers:
                self._break("I8", f"{post.id}: {post.key} answered {owners[post.key]} before")
        for callback in self._record.callbacks:
            if not callback.verified or json.loads(callback.body)["data"]["id"] not in self._said:
                self._break("I8", f"callback {callback.id}: verified is {callback.verified}")

    def _again(self) -> None:
        """Nothing is asked and nothing changes once the answer was on disk."""
        for id, said in self._said.items():
            ends = [callback.tick for callback in self._callbacks[id]]
            for post in self._posts[id]:
                ends += [shown.tick for shown in post.shown if shown.final]
            if ends and any(asked.tick > min(ends) for asked in self._asked[said.number]):
                self._break("I9", f"{id}: asked again after it was shown complete")
        for death in self._record.deaths:
            if death.text is None:
                continue
            id = f"m{death.number}"
            if any(asked.tick > death.tick for asked in self._asked[death.number]):
                self._break("I9", f"{id}: asked again after {death.point}")
            if not self._shows(id, death.text):
                self._break("I9", f"{id}: another text than at {death.point}")

    def _shows(self, id: str, text: str) -> bool:
        if self._said[id].platform == "webhook":
            return any(json.loads(callback.body)["data"]["text"] == text for callback in self._callbacks[id])
        standing = [post for post in self._posts[id] if post.deleted is None]
        return _words(standing).startswith(_spaced(text))


def _words(posts: Iterable[Posted]) -> str:
    """What posts show together; the blanks at which an answer was split are shown by none."""
    return _spaced(" ".join(post.text for post in sorted(posts, key=_part)))


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _part(post: Posted) -> int:
    found = _KEY.fullmatch(post.key)
    return int(found[2]) if found else 0
