"""What adapters of different platforms share, as somebody's own adapter would use it."""

from __future__ import annotations

import pytest

from assistant_gateway.platforms.bots import KEPT, BotTurns
from assistant_gateway.platforms.files import FileCaps, FileHosts, LeftOut, label
from assistant_gateway.platforms.shapes import number, seconds, table, tables, text
from assistant_gateway.values import Attachment


@pytest.mark.parametrize("odd", [None, True, -1, "1", 1.5, [1, "a", None], {"a": 1}, float("nan")])
def test_json_of_any_shape_is_read(odd: object) -> None:
    """Eight shapes: whoever reads gets what was asked for, or nothing."""
    assert ("1" if odd == "1" else "") == text(odd)
    assert ({"a": 1} if odd == {"a": 1} else {}) == table(odd)
    assert [] == tables(odd)
    assert 0 == number(odd)
    assert isinstance(seconds(odd), float)


def test_bots_are_answered_so_often_in_a_row_in_each_place() -> None:
    """Two of three messages of a bot, once each; a person's word, or another place, begins anew."""
    bots: BotTurns[tuple[str, str]] = BotTurns(2)
    here, there = ("T1", "C1"), ("T1", "C2")

    answered = [bots.allow(here, id, is_bot=True) for id in ("1", "2", "2", "3")]
    elsewhere = bots.allow(there, "4", is_bot=True)
    person = bots.allow(here, "5", is_bot=False)
    again = bots.allow(here, "6", is_bot=True)

    assert [True, True, True, False] == answered
    assert (True, True, True) == (elsewhere, person, again)


def test_places_where_bots_spoke_are_forgotten() -> None:
    """Of 10,001 places the one in which nothing was said for longest begins anew."""
    bots: BotTurns[int] = BotTurns(1)
    for place in range(KEPT + 1):
        bots.allow(place, "1", is_bot=True)

    assert (True, False) == (bots.allow(0, "2", is_bot=True), bots.allow(KEPT, "2", is_bot=True))


async def test_files_that_are_left_out_are_told() -> None:
    """Of four files two are taken: one is too large, and one is more than three."""
    sizes = {"a": 3, "b": 5, "c": 4, "d": 1}
    caps = FileCaps(max_files=3, max_size=4)

    async def fetch(file: str, name: str) -> Attachment:
        caps.check(sizes[file])
        return Attachment(name, "text/plain", bytes(sizes[file]))

    taken, notes = await caps.take(list(sizes), lambda file: file + "\u202e.txt\n", fetch)

    assert ["a.txt", "c.txt"] == [file.name for file in taken]
    assert (
        "The file b.txt was left out: it is larger than 3.81e-06 MB.",
        "The file d.txt was left out: only 3 files of a message are read.",
    ) == notes


async def test_files_have_one_time_limit() -> None:
    """No time is left: both files are left out, and nobody waits."""

    async def fetch(file: str, name: str) -> Attachment:
        raise TimeoutError

    taken, notes = await FileCaps(2, 1, seconds=0.0).take(["a", ""], lambda file: file, fetch)

    assert () == taken
    assert ("a", "file") == tuple(note.split()[2] for note in notes)


def test_files_lie_at_the_platform_alone() -> None:
    """Its file hosts over TLS; the API's own address where that is another one; nothing else."""
    hosts = FileHosts("api.example", frozenset({"files.example"}))
    real, proxied = "https://api.example/v1", "http://127.0.0.1:8000/v1"

    assert hosts.may_be_asked("https://files.example/a", real)
    assert hosts.may_be_asked("http://127.0.0.1:8000/a", proxied)
    for url in (
        "http://files.example/a",
        "https://api.example/a",
        "https://a@files.example/a",
        "http://[",
        "",
    ):
        assert not hosts.may_be_asked(url, real)
    for url in ("https://files.example/a", "http://127.0.0.1:8001/a", "https://127.0.0.1:8000/a"):
        assert not hosts.may_be_asked(url, proxied)


def test_labels_are_short_and_never_empty() -> None:
    """200 characters of 300; "file" for a name without any that can be seen."""
    assert ("x" * 200, "file") == (label("x" * 300), label("\u200b\n"))


def test_what_is_left_out_says_why() -> None:
    """Five MB of at most one."""
    with pytest.raises(LeftOut, match="larger than 1 MB"):
        FileCaps(1, 1 << 20).check(5 << 20)
