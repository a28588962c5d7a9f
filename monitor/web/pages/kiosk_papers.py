"""The notice for the entrance and the papers for the law, as downloads, for administrators."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from flask import Blueprint, Response, render_template, request

from monitor.languages import language, languages, lazy, speaking
from monitor.legal.errors import SignError
from monitor.legal.recipients import recipients
from monitor.legal.sign import SHEETS, missing_settings, print_sign
from monitor.reports.pdf import PdfUnavailableError
from monitor.settings.from_hub import read_hub_settings
from monitor.settings.models import RunSettings
from monitor.settings.sources import SettingsError, SettingsFile, Sources, load
from monitor.ui.texts import default_language
from monitor.uplink.key_file import KeyFileError
from monitor.web.request.problems import ProblemError
from monitor.web.request.rights import for_people, requires
from monitor.web.services import services

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.web.kiosk_console import Console

SHEET_WORDS = {"a4": "A4", "a3": "A3", "a5": "A5", "letter": lazy("US letter")}

FORMAT_WORDS = {
    "docx": lazy("Word document"),
    "html": lazy("Web page"),
    "md": lazy("Markdown text"),
    "pdf": "PDF",
}

TYPES = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "html": "text/html; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "pdf": "application/pdf",
}


def paper_pages(console: Console) -> Blueprint:
    """Return the page with the papers of a console's kiosk, and their downloads."""
    blueprint = Blueprint("kiosk_papers", __name__, url_prefix="/papers")

    @blueprint.get("")
    @for_people
    @requires()
    def page() -> str:
        """Show which papers there are, and what the settings lack for the notice."""
        try:
            settings = _settings(console)
            recipients(settings)
        except (SettingsError, KeyFileError) as error:
            return _page(problem=str(error))
        return _page(missing_settings(settings), settings.notice_languages)

    @blueprint.get("/notice.pdf")
    @for_people
    @requires()
    def notice() -> Response | tuple[str, int]:
        """Send the notice."""
        asked = tuple(dict.fromkeys(request.args.getlist("language")))
        known = tuple(code for code in asked if code in languages())
        with services().reports.taken():
            try:
                settings = _settings(console)
                chosen = known or settings.notice_languages or (language(),)
                sign = print_sign(
                    settings.model_copy(update={"notice_languages": chosen}),
                    _asked("paper", SHEETS, "a4"),
                )
            except (SignError, SettingsError, KeyFileError) as error:
                return _page(problem=str(error)), 400
            except PdfUnavailableError as error:
                raise ProblemError(503, "format_unavailable", str(error)) from error
        return _download(sign.pdf, "notice.pdf", "pdf")

    @blueprint.get("/impact-assessment")
    @for_people
    @requires()
    def assessment() -> Response | tuple[str, int]:
        """Send the template for the impact assessment."""
        return _paper(console, "impact-assessment")

    @blueprint.get("/technical-file")
    @for_people
    @requires()
    def technical_file() -> Response | tuple[str, int]:
        """Send the technical file."""
        return _paper(console, "technical-file")

    return blueprint


def _page(missing: Sequence[str] = (), chosen: Sequence[str] = (), *, problem: str = "") -> str:
    return render_template(
        "kiosk_papers.html",
        missing=missing,
        problem=problem,
        chosen=[code for code in chosen if code in languages()] or [language()],
        sheets=SHEET_WORDS,
        formats=FORMAT_WORDS,
    )


def _settings(console: Console) -> RunSettings:
    """Return the settings with which the kiosk of a console starts next.

    Raises:
        SettingsError: The settings file is wrong.
    """
    order = console.order
    file = SettingsFile(order.settings_file) if order.settings_file.is_file() else None
    hub = read_hub_settings(str(order.database))
    made = load(RunSettings, Sources(order.options, file, hub=hub), language=default_language())
    return made.model_copy(update={"database": str(order.database), "console": True})


def _paper(console: Console, name: str) -> Response | tuple[str, int]:
    from detector.emotion.model_card import read_card  # noqa: PLC0415 (rarely needed)
    from detector.emotion.model_store import find_model  # noqa: PLC0415
    from detector.errors import ModelLoadError  # noqa: PLC0415
    from monitor.legal.assessment import impact_assessment  # noqa: PLC0415
    from monitor.legal.formats import FORMATS  # noqa: PLC0415 (slow to import)
    from monitor.legal.technical_file import technical_file  # noqa: PLC0415

    fill = {"impact-assessment": impact_assessment, "technical-file": technical_file}[name]
    ending = _asked("format", FORMATS, "docx")
    with services().reports.taken():
        try:
            settings = _settings(console)
            card = read_card(find_model(settings.model))
            with speaking(_asked("language", languages(), language())):
                paper = fill(settings, card, datetime.now().astimezone().date())
        except (SettingsError, KeyFileError, ModelLoadError) as error:
            return _page(problem=str(error)), 400
        try:
            content = FORMATS[ending](paper)
        except PdfUnavailableError as error:
            raise ProblemError(503, "format_unavailable", str(error)) from error
    return _download(content, f"{name}.{ending}", ending)


def _asked(name: str, known: Mapping[str, object], default: str) -> str:
    """Return a parameter of the request if it is a known one."""
    value = request.args.get(name, default)
    return value if value in known else default


def _download(content: bytes, name: str, ending: str) -> Response:
    return Response(
        content,
        content_type=TYPES[ending],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
