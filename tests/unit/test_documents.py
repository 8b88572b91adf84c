"""Documents become text, in a process of their own that no document can hold up or make too large."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import docx
import pytest

from assistant_gateway.documents import LONGEST, Documents, kind
from assistant_gateway.errors import FileRefused
from assistant_gateway.store import Store
from assistant_gateway.store.connect import open_store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = open_store(f"sqlite:///{tmp_path / 'kept.db'}", allow_network_filesystem=False)
    await store.open()
    yield store
    await store.close()


def a_pdf(*pages: str) -> bytes:
    """A PDF with a line of text on each page, written by hand."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, text in enumerate(pages):
        drawn = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET"
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * number} 0 R >>"
        )
        objects.append(f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream")
    body, offsets = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, start=1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{each}\nendobj\n".encode()
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    tail = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer << /Size {size} /Root 1 0 R >>\n"
    return body + f"{tail}startxref\n{len(body)}\n%%EOF\n".encode()


def a_docx(*paragraphs: str, table: tuple[tuple[str, ...], ...] = ()) -> bytes:
    """A Word document with paragraphs, and a table below them."""
    document = docx.Document()
    for text in paragraphs:
        document.add_paragraph(text)
    if table:
        made = document.add_table(rows=0, cols=len(table[0]))
        for row in table:
            for cell, text in zip(made.add_row().cells, row, strict=True):
                cell.text = text
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


async def test_a_pdf_is_read_page_by_page(store: Store) -> None:
    """Two pages come as two, each under its number."""
    text = await Documents(store).text("f1", a_pdf("Hello Ann", "Hello Bob"))

    assert text == "[Page 1]\nHello Ann\n\n[Page 2]\nHello Bob"


async def test_a_word_document_is_read_with_its_tables(store: Store) -> None:
    """Paragraphs are lines, and a table's rows have bars between their cells."""
    data = a_docx("Prices", "of today", table=(("what", "€"), ("tea", "2")))

    text = await Documents(store).text("f1", data)

    assert text == "Prices\nof today\nwhat | €\ntea | 2"


async def test_a_document_is_read_once(store: Store) -> None:
    """The text is kept with the file's id: the second time, the bytes are not looked at."""
    await Documents(store).text("f1", a_pdf("Hello"))

    again = await Documents(store).text("f1", b"")

    assert again == "[Page 1]\nHello"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"GIF89a", "it is neither PDF nor DOCX"),
        (b"PK\x03\x04 and no archive", "it is neither PDF nor DOCX"),
        (a_pdf(""), "it has no text; it may be a scan"),
        (b"%PDF-1.4\nnothing of the kind", "it is damaged, or too large to be read"),
    ],
)
async def test_what_can_not_be_read_is_told_why(store: Store, data: bytes, why: str) -> None:
    """A picture, a broken archive, an empty page, a damaged file: each has its reason, each time."""
    documents = Documents(store)

    for _ in range(2):
        with pytest.raises(FileRefused, match=why):
            await documents.text("f1", data)


async def test_a_document_that_takes_too_long_is_given_up(store: Store) -> None:
    """After its time, here none at all, the reading process is ended; the next try may go well."""
    with pytest.raises(FileRefused, match="reading it took longer than 0 s"):
        await Documents(store, seconds=0).text("f1", a_pdf("Hello"))

    assert await Documents(store).text("f1", a_pdf("Hello")) == "[Page 1]\nHello"


async def test_a_bomb_is_not_unpacked_into_our_memory(store: Store) -> None:
    """A Word document of 3 MB that unpacks to 640 MB fails in the reading process, at its limit of 512 MB."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("word/document.xml", b" " * (640 << 20))

    with pytest.raises(FileRefused, match="it is damaged, or too large to be read"):
        await Documents(store).text("f1", file.getvalue())


async def test_a_long_document_is_cut_visibly(store: Store) -> None:
    """Of 300,000 characters 200,000 are kept, and the model is told that the rest is left out."""
    text = await Documents(store).text("f1", a_docx("x" * 300_000))

    assert text.startswith("x" * LONGEST)
    assert text[LONGEST:] == "\n[The rest of the document is left out: it is too long.]"


def test_documents_are_told_by_their_bytes() -> None:
    """A PDF, a Word document, an archive and a text: only the first two are documents."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as other:
        other.writestr("a.txt", "a")

    found = [kind(each) for each in (a_pdf("a"), a_docx("a"), archive.getvalue(), b"a")]

    assert found == ["pdf", "docx", None, None]
