"""
The process that reads one document: `python -m assistant_gateway.documents.reader pdf < file > text`.

It ends with 0 and the text (UTF-8), with 3 where a password is needed, 4 where the library is not
installed, and otherwise where the document can't be read within its limits of time and memory.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator

CPU = 25  # seconds
MEMORY = 1 << 29  # bytes
LONGEST = 200_000  # characters
LOCKED, NO_LIBRARY = 3, 4  # exit codes


def pdf(data: bytes) -> Iterator[str]:
    """The text of a PDF, page by page."""
    import pypdf

    document = pypdf.PdfReader(io.BytesIO(data))
    if document.is_encrypted and not document.decrypt(""):
        sys.exit(LOCKED)
    for number, page in enumerate(document.pages, start=1):
        text = page.extract_text().strip()
        if text:
            yield f"[Page {number}]\n{text}\n\n"


def docx(data: bytes) -> Iterator[str]:
    """The text of a Word document: paragraphs, and tables row by row, in their order."""
    import docx
    from docx.table import Table

    for block in docx.Document(io.BytesIO(data)).iter_inner_content():
        if isinstance(block, Table):
            for row in block.rows:
                yield " | ".join(cell.text.replace("\n", " ") for cell in row.cells) + "\n"
            yield "\n"
        else:
            yield f"{block.text}\n"


def main() -> None:
    """Read the document on standard input."""
    _limit()
    logging.disable()
    try:
        pieces = {"pdf": pdf, "docx": docx}[sys.argv[1]](sys.stdin.buffer.read())
        text, left = [], LONGEST
        for piece in pieces:
            text.append(piece[:left])
            left -= len(piece)
            if left <= 0:
                text.append("\n[The rest of the document is left out: it is too long.]")
                break
    except ModuleNotFoundError:
        sys.exit(NO_LIBRARY)
    sys.stdout.buffer.write("".join(text).encode("utf-8", "replace"))


def _limit() -> None:
    try:
        import resource
    except ModuleNotFoundError:  # there is no such thing on Windows; the time limit of the caller holds
        return
    resource.setrlimit(resource.RLIMIT_CPU, (CPU, CPU))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


if __name__ == "__main__":
    main()
