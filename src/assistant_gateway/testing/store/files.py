"""Files come back as they were, notes as they were last saved."""

from __future__ import annotations

from assistant_gateway.store import Store
from assistant_gateway.values import FileRef


class FilePromises:
    """What is kept beside the threads."""

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
