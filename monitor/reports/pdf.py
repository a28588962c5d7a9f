"""The report as a PDF on A4: the same page with its print style, set by WeasyPrint."""

from __future__ import annotations

import io
import logging
import warnings
from typing import TYPE_CHECKING, Any

from PIL import ImageFile

from monitor.analytics.errors import ReportError
from monitor.fonts import STACK
from monitor.languages import _
from monitor.palette import MUTED
from monitor.reports.wording import place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.reports.thumbnails import Thumbnails


class PdfUnavailableError(ReportError):
    """PDFs cannot be made on this machine."""


def render_pdf(
    document: dict[str, Any], thumbnails: Mapping[int, Thumbnails] | None = None
) -> bytes:
    """Render a report as PDF. The same document and pictures give the same bytes.

    Raises:
        PdfUnavailableError: WeasyPrint, or a library of the system that it needs, is missing.
    """
    return write_pages(_laid_out(document, thumbnails))


def write_pages(pages: Any) -> bytes:
    """Return the pages that `lay_out` has made as PDF."""
    out = io.BytesIO()
    pages.write_pdf(out, pdf_identifier=b"ad-monitor", pdf_tags=True)
    return out.getvalue()


def _about_the_page(record: logging.LogRecord) -> bool:
    """Drop one error: pictures beside a text that says the same have no description on purpose."""
    return "has no required alt description" not in record.getMessage()


def _laid_out(document: dict[str, Any], thumbnails: Mapping[int, Thumbnails] | None) -> Any:
    """Return the pages as WeasyPrint holds them before writing."""
    from monitor.reports.html import render_html  # noqa: PLC0415 - slow to import

    text = render_html(document, thumbnails, medium="print")
    # WeasyPrint does not hand the page's fonts on to the charts.
    text = text.replace("<svg ", f"<svg font-family='{STACK}' ")
    return lay_out(text, running_lines(place(document), _("Ad reaction report")))


def lay_out(text: str, style: str = "") -> Any:
    """Return the pages of an HTML document as WeasyPrint holds them before writing.

    The document must hold all its fonts and pictures: nothing is fetched.

    Args:
        text: The document.
        style: A further style sheet.

    Raises:
        PdfUnavailableError: WeasyPrint, or a library of the system that it needs, is missing.
    """
    # They report every property that is only for screens, and each subset of a font.
    for name in ("weasyprint", "fontTools"):
        logging.getLogger(name).setLevel(logging.ERROR)
        logging.getLogger(name).addFilter(_about_the_page)
    weasyprint = _weasyprint()
    only_inside = weasyprint.urls.URLFetcher(allowed_protocols={"data"})
    page = weasyprint.HTML(string=text, url_fetcher=only_inside, media_type="print")
    return page.render(
        stylesheets=[weasyprint.CSS(string=style)],
        font_config=weasyprint.text.fonts.FontConfiguration(),
        pdf_tags=True,
    )


def _weasyprint() -> Any:
    strict = ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        with warnings.catch_warnings():
            # A machine without fonts does as well: they come with the page.
            warnings.filterwarnings("ignore", ".*FontConfig.*Expect ugly output")
            import weasyprint  # noqa: PLC0415 - slow, and only PDFs need its libraries
    except (ImportError, OSError) as error:
        reason = " ".join(str(error).split())
        raise PdfUnavailableError(
            "PDFs need WeasyPrint and the text libraries of the system: expected both, received "
            f"“{reason[:200]}”; install them (Debian, Ubuntu: apt install libpango-1.0-0 "
            "libpangoft2-1.0-0 libharfbuzz-subset0) or choose --format html and print it."
        ) from error
    # WeasyPrint makes Pillow accept truncated pictures, everywhere; `serve` decodes strangers'
    # pictures in the same process.
    ImageFile.LOAD_TRUNCATED_IMAGES = strict
    return weasyprint


def running_lines(name: str, kind: str) -> str:
    """Return the style of the foot of every page, and of the head of all but the first.

    Args:
        name: What the document is about; in the head.
        kind: What it is; in the foot.
    """
    small = f"font: 8pt {STACK}, sans-serif; color: {MUTED}"
    return (
        f"@page {{ @bottom-right {{ content: counter(page) ' / ' counter(pages); {small} }} "
        f"@top-right {{ content: {_quoted(name)}; {small} }} "
        f"@bottom-left {{ content: {_quoted(kind)}; {small} }} }} "
        "@page :first { @top-right { content: none } }"
    )


def _quoted(text: str) -> str:
    """Return a text as a string of CSS."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'
