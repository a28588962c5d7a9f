"""Papers as files: Word documents and HTML to go on writing, Markdown, and PDF."""

from __future__ import annotations

import io
import re
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from detector.names import printable
from monitor.fonts import STACK, fallback_css, font_face_css
from monitor.languages import _, speaking
from monitor.legal.errors import PaperError
from monitor.legal.files import write_new
from monitor.legal.paper import Heading, Items, Paper, Question, Table, Text
from monitor.legal.rendering import environment

if TYPE_CHECKING:
    from pathlib import Path

    from docx.document import Document


SPELLING = {"en": "en-GB", "de": "de-DE"}
"""Language of a Word document's spelling checker, by that of the paper."""


def write_paper(paper: Paper, path: Path, *, replace: bool = False) -> None:
    """Write a paper in the format that the ending of the file names.

    Args:
        paper: The paper.
        path: A file that ends in .docx, .html, .md or .pdf.
        replace: Whether a file that is there is replaced.

    Raises:
        PaperError: The ending is another, or the file is there or cannot be written.
        PdfUnavailableError: This machine cannot make PDFs.
    """
    render = FORMATS.get(path.suffix.lower().lstrip("."))
    if render is None:
        raise PaperError(
            f"Invalid file: expected one that ends in {', '.join(f'.{name}' for name in FORMATS)}, "
            f"received {path.name!r}."
        )
    write_new(path, render(paper), replace=replace)


def to_markdown(paper: Paper) -> bytes:
    """Return a paper as Markdown."""
    paper, number, lines = _printable(paper), 0, []
    with speaking(paper.language):
        lines += [f"# {_plain(paper.title)}", "", _plain(paper.about), ""]
        for block in paper.blocks:
            if isinstance(block, Heading):
                lines.append(f"{'#' * (block.level + 1)} {_plain(block.text)}")
            elif isinstance(block, Text):
                lines.append(_plain(block.text))
            elif isinstance(block, Items):
                lines += [f"- {_plain(item)}" for item in block.items]
            elif isinstance(block, Table):
                lines.append(_row(block.head))
                lines.append("|---" * len(block.head) + "|")
                lines += [_row(row) for row in block.rows]
            else:
                number += 1
                lines.append(f"> **{_to_answer(number)}** {_plain(block.text)}")
            lines.append("")
    return "\n".join(lines).rstrip().encode() + b"\n"


def to_html(paper: Paper) -> bytes:
    """Return a paper as one HTML file that loads nothing."""
    return _page(paper, "woff2").encode()


def to_pdf(paper: Paper) -> bytes:
    """Return a paper as PDF on A4.

    Raises:
        PdfUnavailableError: This machine cannot make PDFs.
    """
    from monitor.reports.pdf import lay_out, running_lines, write_pages  # noqa: PLC0415 (slow)

    paper = _printable(paper)
    return write_pages(lay_out(_page(paper, "otf"), running_lines(paper.about, paper.title)))


def to_docx(paper: Paper) -> bytes:
    """Return a paper as a Word document."""
    import docx  # noqa: PLC0415 - slow to import
    from docx.oxml.ns import qn  # noqa: PLC0415

    paper, number = _printable(paper), 0
    document = docx.Document()
    document.core_properties.title = paper.title
    document.core_properties.author = ""
    document.core_properties.language = paper.language
    for spelling in document.styles.element.xpath("//w:rPrDefault//w:lang"):
        spelling.set(qn("w:val"), SPELLING.get(paper.language, paper.language))
    with speaking(paper.language):
        document.add_heading(paper.title, 0)
        document.add_paragraph(paper.about)
        for block in paper.blocks:
            if isinstance(block, Heading):
                document.add_heading(block.text, block.level)
            elif isinstance(block, Text):
                document.add_paragraph(block.text)
            elif isinstance(block, Items):
                for item in block.items:
                    document.add_paragraph(item, "List Bullet")
            elif isinstance(block, Table):
                _add_table(document, block)
            else:
                number += 1
                _add_question(document, _to_answer(number), block)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


FORMATS = {"docx": to_docx, "html": to_html, "md": to_markdown, "pdf": to_pdf}
"""What makes a file, by its ending."""


def _page(paper: Paper, suffix: str) -> str:
    paper = _printable(paper)
    with speaking(paper.language):
        numbers = iter(range(1, paper.questions + 1))
        page = (
            environment()
            .get_template("paper.html.j2")
            .render(
                paper=paper,
                kinds=[(type(block).__name__, block) for block in paper.blocks],
                to_answer=lambda: _to_answer(next(numbers)),
            )
        )
    styles = font_face_css(suffix) + fallback_css(page, suffix)
    return page.replace("/* fonts */", styles + f":root {{ --fonts: {STACK}, sans-serif }}")


def _to_answer(number: int) -> str:
    return _("To answer %(number)s:", number=number)


def _add_table(document: Document, table: Table) -> None:
    added = document.add_table(rows=1, cols=len(table.head), style="Light Grid Accent 1")
    for cell, text in zip(added.rows[0].cells, table.head, strict=True):
        cell.text = text
    for row in table.rows:
        for cell, text in zip(added.add_row().cells, row, strict=True):
            cell.text = text
    document.add_paragraph()


def _add_question(document: Document, label: str, question: Question) -> None:
    from docx.enum.text import WD_COLOR_INDEX  # noqa: PLC0415

    paragraph = document.add_paragraph()
    marked = paragraph.add_run(f"{label} {question.text}")
    marked.bold = True
    marked.font.highlight_color = WD_COLOR_INDEX.YELLOW
    document.add_paragraph("\N{HORIZONTAL ELLIPSIS}")


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(_plain(cell) for cell in cells)} |"


def _plain(text: str) -> str:
    """Escape what Markdown would take for markup."""
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", " ".join(text.split()))


def _printable(value: Any) -> Any:
    """Return a paper, or a part of one, with texts that are safe to show."""
    if isinstance(value, str):
        return printable(str(value))
    if isinstance(value, tuple):
        return tuple(_printable(part) for part in value)
    if is_dataclass(value) and not isinstance(value, type):
        return type(value)(
            **{one.name: _printable(getattr(value, one.name)) for one in fields(value)}
        )
    return value
