"""The sign for the entrance, which carries the notice, as PDF."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import segno
from babel import Locale

from detector.names import is_blank, printable
from monitor.fonts import STACK, fallback_css, font_face_css
from monitor.languages import _, language_codes, listed, ngettext, speaking
from monitor.legal.errors import SignError
from monitor.legal.recipients import recipients
from monitor.legal.rendering import environment
from monitor.reports.pdf import lay_out, write_pages
from monitor.settings.models import RunSettings
from monitor.settings.sources import settings_of
from monitor.ui.notice.web_address import web_address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.legal.recipients import Recipient

MAX_ADDRESS = 300
"""Longer addresses need codes whose dots are too small for a phone at arm's length."""

MIN_CAPITAL_MM = 2.8
"""Smallest capitals of the sentences: the limit of normal sight at two metres, 5 minutes of arc."""

CAPITAL_SHARE = 0.727
"""Height of the font's capitals, of its size."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A size of paper, upright, in millimetres."""

    width_mm: float
    height_mm: float


SHEETS = {
    "a3": Sheet(297, 420),
    "a4": Sheet(210, 297),
    "a5": Sheet(148, 210),
    "letter": Sheet(215.9, 279.4),
}


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign.

    Attributes:
        pdf: The document, of one page.
        languages: Codes of its languages.
        capital_mm: Height of the capitals in its sentences.
    """

    pdf: bytes
    languages: tuple[str, ...]
    capital_mm: float

    @property
    def readable_m(self) -> float:
        """From how many metres its sentences are read with ease: capitals of 7 minutes of arc."""
        return self.capital_mm / 2.0


def print_sign(settings: RunSettings, sheet: str = "a4") -> Sign:
    """Make the sign for a kiosk, as large as the sheet allows.

    Args:
        settings: Of the kiosk. Its languages are those of the notice, else the window's.
        sheet: One of `SHEETS`.

    Raises:
        SignError: A setting is missing or wrong, or the sheet is too small for the text.
        KeyFileError: The file with the hub's key cannot be read.
        PdfUnavailableError: This machine cannot make PDFs.
    """
    languages = settings.notice_languages or (settings.language,)
    _refuse_unknown(languages)
    _refuse_missing(settings)
    found, paper = recipients(settings), SHEETS[sheet]
    largest_mm = 9.0 * paper.width_mm / SHEETS["a4"].width_mm
    sizes = [largest_mm * 0.97**step for step in range(60)]
    sizes = [size for size in sizes if size * CAPITAL_SHARE >= MIN_CAPITAL_MM]
    fitting: tuple[float, Any] | None = None
    low, high = 0, len(sizes)
    while low < high:
        middle = (low + high) // 2
        pages = lay_out(_page(settings, found, languages, paper, sizes[middle]))
        if len(pages.pages) == 1:
            fitting, high = (sizes[middle], pages), middle
        else:
            low = middle + 1
    if fitting is not None:
        unit_mm, pages = fitting
        return Sign(write_pages(pages), tuple(languages), unit_mm * CAPITAL_SHARE)
    about = settings.notice_responsible + settings.notice_contact + settings.notice_officer
    wrong = _(
        "The sign does not fit on %(sheet)s in letters that can be read from two metres: expected "
        "fewer languages (--notice-language) or a shorter address (--notice-responsible); received "
        "%(languages)s, and %(count)s characters about whom to ask.",
        sheet=sheet.upper(),
        languages=listed(languages),
        count=len(about),
    )
    larger = _("A larger sheet (--paper a3) may do as well.")
    raise SignError(wrong if sheet == "a3" else f"{wrong} {larger}")


def missing_settings(settings: RunSettings) -> tuple[str, ...]:
    """Return the keys of the settings that a sign needs and that are not given."""
    needed = {
        "notice.responsible": settings.notice_responsible,
        "notice.contact": settings.notice_contact,
        "notice.url": settings.notice_url,
    }
    return tuple(key for key, value in needed.items() if is_blank(value))


EXAMPLES = {
    "notice.responsible": "Corner Shop Ltd, 12 High Street, Leeds",
    "notice.contact": "privacy@example.com",
    "notice.url": "https://example.com/privacy",
}
"""An example of each setting that a sign needs."""


def _refuse_missing(settings: RunSettings) -> None:
    options = {one.key: one.option for one in settings_of(RunSettings)}
    if missing := missing_settings(settings):
        given = " ".join(f'{options[key]} "{EXAMPLES[key]}"' for key in missing)
        raise SignError(
            _(
                "The sign needs %(missing)s: expected %(given)s, or the same in the section notice "
                "of the settings file.",
                missing=listed(missing),
                given=given,
            )
        )
    if not settings.camera:
        raise SignError(
            _(
                "The camera is switched off (camera.enabled: false), so nobody is measured and no "
                "sign is needed: expected --camera to print one all the same."
            )
        )
    address = web_address(settings.notice_url)
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        is_known = parts.scheme in {"http", "https"} and parts.port != 0
        # Visitors' phones find no page at a name without a dot.
        is_known = is_known and len(re.split("[.:]", host)) > 1 and "" not in host.split(".")
        is_known = is_known and printable(address) == address and not re.search(r"\s", address)
    except ValueError:
        is_known = False
    if not is_known or len(address) > MAX_ADDRESS:
        raise SignError(
            _(
                "Invalid notice.url: expected the address of a web page of at most %(most)s "
                "characters, such as %(example)s, received %(value)s.",
                most=MAX_ADDRESS,
                example=EXAMPLES["notice.url"],
                value=repr(settings.notice_url[:80]),
            )
        )


def _refuse_unknown(languages: Sequence[str]) -> None:
    unknown = [code for code in languages if code not in language_codes()]
    if unknown:
        raise SignError(
            _(
                "The sign has no texts in %(unknown)s: expected --notice-language with some of "
                "%(known)s.",
                unknown=listed(unknown),
                known=listed(language_codes()),
            )
        )


def _page(
    settings: RunSettings,
    found: Sequence[Recipient],
    languages: Sequence[str],
    sheet: Sheet,
    unit_mm: float,
) -> str:
    texts = []
    for code in languages:
        with speaking(code):
            texts.append(_texts(settings, found, code))
    address = web_address(settings.notice_url)
    dots = segno.make_qr(address, error="m", encoding="utf-8")
    shown = {
        "responsible": printable(settings.notice_responsible.strip(), keep="\n"),
        "contact": printable(settings.notice_contact.strip(), keep="\n"),
        "officer": printable(settings.notice_officer.strip(), keep="\n"),
        "url": printable(address.partition("://")[2]),
        "site": printable(settings.site),
    }
    text = environment().get_template("sign.html.j2")
    page = text.render(
        texts=texts,
        code=dots.svg_data_uri(border=4, light="#fff", dark="#000"),
        sheet=sheet,
        unit_mm=unit_mm,
        **shown,
    )
    styles = font_face_css("otf") + fallback_css(page, "otf")
    styles += f"html {{ font-family: {STACK}, sans-serif }}"
    return page.replace("/* fonts */", styles)


def _texts(settings: RunSettings, found: Sequence[Recipient], code: str) -> dict[str, Any]:
    """Return what the sign says, in the language of the moment."""
    days = settings.retention_days
    facts = {
        "measured": [
            _(
                "We measure how many people look at the screen, for how long, and which "
                "expressions their faces show, to learn how ads are received."
            )
        ],
        "pictures": [_("No picture is kept, and nobody is recognised.")],
        "kept": [
            ngettext(
                "Single readings are deleted after %(num)s day; sums for reports are kept.",
                "Single readings are deleted after %(num)s days; sums for reports are kept.",
                days,
            )
            if days
            else _("Readings and sums for reports are kept without a time limit.")
        ],
        "sent": [_sent(one) for one in found]
        or [_("The readings stay on the computer of this screen.")],
    }
    if settings.measure_hours:
        hours = [hours.replace("-", "\N{EN DASH}") for hours in settings.measure_hours]
        facts["measured"].append(_("Measured: %(hours)s.", hours=listed(hours)))
    return {
        "code": code,
        "direction": Locale(code).text_direction,
        "kicker": _("AI system for emotion recognition"),
        "title": _("A camera here reads facial expressions"),
        "facts": facts,
        "responsible": _("Responsible"),
        "contact": _("Contact"),
        "officer": _("Data protection officer"),
        "more": _("More about privacy"),
        "rights": _(
            "You have the right to access, correction, erasure and objection, and may complain to "
            "a data protection authority."
        ),
    }


def _sent(recipient: Recipient) -> str:
    host = printable(recipient.host)
    if recipient.gets == "readings":
        return _("The readings are stored at %(host)s, without pictures.", host=host)
    if recipient.gets == "sums":
        return _(
            "Sums of each stay in front of the screen, and the number of viewers at the moment and "
            "their mood, go to %(host)s; pictures and single readings do not.",
            host=host,
        )
    if recipient.gets == "cells":
        return _(
            "Sums over several viewers, and the number of viewers at the moment and their mood, go "
            "to %(host)s; pictures and single readings do not.",
            host=host,
        )
    return _(
        "The number of viewers at the moment and their mood go to %(host)s; pictures do not.",
        host=host,
    )
