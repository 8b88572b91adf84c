"""Files that an assistant makes: bounds, names, and types that their bytes tell."""

from __future__ import annotations

import pytest

from assistant_gateway import items
from assistant_gateway.backend import MADE_FILE_SIZE
from assistant_gateway.errors import FileRefused
from assistant_gateway.made import MadeFiles
from assistant_gateway.values import FileRef

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16


class Shelf:
    """Keeps files in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    async def keep(self, file: FileRef, data: bytes) -> None:
        self.files[file.id] = data


@pytest.mark.parametrize(
    ("name", "told", "data", "kind"),
    [
        ("plot.png", "image/png", PNG, "image/png"),
        ("page.html", "text/html", PNG, "image/png"),
        ("plot.png", "image/png", b"<!doctype html><script>", "text/plain"),
        ("drawing.svg", "image/svg+xml", b"<svg onload='x'/>", "text/plain"),
        ("a.csv", "", b"a,b\n1,2\n", "text/csv"),
        ("a.json", "application/x-msdownload", b"{}", "application/json"),
        ("a.csv", "text/csv", b"a\0b", "application/octet-stream"),
        ("a.txt", "text/plain", b"\xff\xfe\x00x", "application/octet-stream"),
        ("a.pdf", "", b"%PDF-1.7\n\xe2\xe3", "application/pdf"),
        (
            "a.xlsx",
            "",
            b"PK\x03\x04\0\0",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
        ("a.exe", "", b"MZ\x90\0", "application/octet-stream"),
    ],
)
async def test_a_file_is_what_its_bytes_say(name: str, told: str, data: bytes, kind: str) -> None:
    """Whatever name and type a provider tells; nothing that a browser would run."""
    shelf = Shelf()

    file = await MadeFiles(shelf.keep).save(name, told, data)

    assert (name, kind, len(data)) == (file.name, file.content_type, file.size)
    assert {file.id: data} == shelf.files


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/cron.d/x", "x"),
        ("C:\\Windows\\a.png", "a.png"),
        ("/abs/a.png", "a.png"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("a\nb\x00.txt", "a b .txt"),
        ("", "file.png"),
        ("/", "file.png"),
        ("x" * 5000, "x" * 120),
    ],
)
async def test_a_name_is_a_label(name: str, kept: str) -> None:
    """No path, no directions, one line, at most 120 characters; the id is ours and random."""
    shelf = Shelf()

    file = await MadeFiles(shelf.keep).save(name, "", PNG)

    assert kept == file.name
    assert file.id.startswith("file_")
    assert 5 + 24 == len(file.id)


async def test_a_run_makes_ten_files() -> None:
    """The eleventh is refused and not kept."""
    shelf = Shelf()
    made = MadeFiles(shelf.keep)

    for _ in range(10):
        await made.save("a.png", "", PNG)
    with pytest.raises(FileRefused, match="10 files"):
        await made.save("a.png", "", PNG)

    assert 10 == len(shelf.files)


async def test_files_have_a_size() -> None:
    """Nothing empty, nothing above 20 MB, and 50 MB for all files of a run, those before a crash included."""
    shelf = Shelf()
    made = MadeFiles(shelf.keep)
    made.count(FileRef("f0", "old.bin", "application/octet-stream", 15_000_000))
    big = bytes(MADE_FILE_SIZE)

    with pytest.raises(FileRefused, match="empty"):
        await made.save("a", "", b"")
    with pytest.raises(FileRefused, match="too large"):
        await made.save("a", "", big + b"x")
    await made.save("a", "", big)
    with pytest.raises(FileRefused, match="too large"):
        await made.save("b", "", big)

    assert [20_000_000] == [len(data) for data in shelf.files.values()]


def test_an_item_tells_of_its_file() -> None:
    """What is put on the thread for a file gives the file back; other items have none."""
    file = FileRef("file_1", "a.png", "image/png", 24)

    assert file == items.file_of(items.made_file(file))
    assert items.file_of(items.user_message("Look", [file])) is None
