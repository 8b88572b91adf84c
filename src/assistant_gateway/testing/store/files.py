"""Files come back as they were, notes as they were last saved, and what isn't there is told so."""

from __future__ import annotations

from assistant_gateway.store import Store
from assistant_gateway.testing.store.samples import accepted, said, take
from assistant_gateway.values import FileRef


class FilePromises:
    """What is kept beside the threads, and what was never kept."""

    async def test_files_and_notes_are_kept(self, store: Store) -> None:
        """Bytes come back as they were, a note as it was last saved; what isn't there is None."""
        file = FileRef("f1", "a.bin", "application/octet-stream", 3)
        twin = FileRef("f2", "b.bin", "text/plain", 3)

        await store.save_file(file, b"\x00\xff\x01")
        await store.save_file(twin, b"\x00\xff\x01")
        await store.save_note("backend", "t1", {"id": "r1"})
        await store.save_note("backend", "t1", {"id": "r2", "n": [1, 2.5, None, True]})

        assert (file, b"\x00\xff\x01") == await store.file("f1")
        assert (twin, b"\x00\xff\x01") == await store.file("f2")
        assert {"id": "r2", "n": [1, 2.5, None, True]} == await store.note("backend", "t1")
        assert (None, None, None) == (
            await store.file("f3"),
            await store.note("backend", "t2"),
            await store.note("b", "ackendt1"),
        )

    async def test_notes_are_read_by_scope_and_forgotten_one_by_one(self, store: Store) -> None:
        """Two of a scope come back, not the third of another; one that is forgotten is gone for good."""
        await store.save_note("slack:installs", "T1", {"n": 1})
        await store.save_note("slack:installs", "T2", {"n": 2})
        await store.save_note("slack:states", "T1", {"n": 3})

        both = await store.notes("slack:installs")
        await store.forget_note("slack:installs", "T1")
        await store.forget_note("slack:installs", "T3")

        assert {"T1": {"n": 1}, "T2": {"n": 2}} == both
        assert {"T2": {"n": 2}} == await store.notes("slack:installs")
        assert {"n": 3} == await store.note("slack:states", "T1")
        assert {} == await store.notes("slack:none")

    async def test_what_is_not_there_is_told_so(self, store: Store) -> None:
        """The id of another tenant or adapter is unknown; a new message has no journal and no followers."""
        message = accepted(await take(store, said("m1")))

        found = [
            await store.message(message.id + 1000),
            await store.find_message("fake", "T2", "m1"),
            await store.find_message("other", "T1", "m1"),
            await store.journal(message.id),
            await store.journal(message.id + 1000),
            await store.run("nobody's"),
        ]
        empty = [
            await store.merged(message.id),
            await store.run_items("nobody's"),
            await store.calls("nobody's"),
            await store.posts("nobody's"),
        ]

        assert [None] * 6 == found
        assert [[]] * 4 == empty
