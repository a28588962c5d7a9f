"""The notice and the papers of a console's kiosk, as downloads."""

from __future__ import annotations

import io

import docx
import pytest

from db.hub.tables.people import ROLES
from monitor.legal.formats import FORMATS
from monitor.legal.sign import SHEETS, Sign
from monitor.reports.pdf import PdfUnavailableError
from monitor.settings.console_order import ConsoleOrder
from monitor.web.kiosk_console import Console
from monitor.web.pages import kiosk_papers

WHOLE = """
notice:
  responsible: Corner Shop Ltd <b>Leeds</b>
  contact: privacy@example.com
  url: https://example.com/privacy
data:
  retention_days: 14
"""
ADDRESSES = ("/papers", "/papers/notice.pdf", "/papers/impact-assessment", "/papers/technical-file")


@pytest.fixture
def console(tmp_path):
    order = ConsoleOrder(
        database=tmp_path / "kiosk.db",
        settings_file=tmp_path / "kiosk.yaml",
        options={"min_viewers": 7},
    )
    return Console(order)


@pytest.fixture
def printed(monkeypatch):
    asked = []

    def draw(settings, sheet):
        asked.append((settings, sheet))
        return Sign(b"%PDF-", settings.notice_languages, 4.0)

    monkeypatch.setattr(kiosk_papers, "print_sign", draw)
    return asked


@pytest.mark.usefixtures("printed")
def test_only_administrators_get_them(app, as_, console):
    console.order.settings_file.write_text(WHOLE)
    for role in ROLES:
        client = as_(role)
        for address in ADDRESSES:
            expected = 200 if role == "admin" else 403
            assert client.get(address).status_code == expected, (role, address)
    assert app.test_client().get("/papers").status_code in {303, 401}


def test_a_new_kiosk_says_what_its_settings_lack(admin):
    page = admin.get("/papers").text
    for key in ("notice.responsible", "notice.contact", "notice.url"):
        assert f"<code>{key}</code>" in page
    assert "/settings/notice" in page
    assert 'name="paper"' not in page
    refused = admin.get("/papers/notice.pdf")
    assert refused.status_code == 400
    assert "The sign needs notice.responsible" in refused.text
    assert 'href="/papers"' in admin.get("/settings").text


def test_the_notice_has_the_settings_of_the_kiosk(admin, console, printed):
    console.order.settings_file.write_text(WHOLE)
    assert 'name="paper"' in admin.get("/papers").text
    sent = admin.get("/papers/notice.pdf?paper=a3&language=de&language=en&language=xx")
    assert sent.data == b"%PDF-"
    assert sent.content_type == "application/pdf"
    assert sent.headers["Content-Disposition"] == 'attachment; filename="notice.pdf"'
    [(settings, sheet)] = printed
    assert (settings.notice_languages, sheet) == (("de", "en"), "a3")
    assert (settings.retention_days, settings.min_viewers) == (14, 7)
    assert settings.database == str(console.order.database)


def test_without_a_choice_the_notice_speaks_the_language_of_the_page(admin, console, printed):
    console.order.settings_file.write_text(WHOLE)
    admin.get("/papers/notice.pdf?paper=b9", headers={"Accept-Language": "de"})
    [(settings, sheet)] = printed
    assert (settings.notice_languages, sheet) == (("de",), "a4")


@pytest.mark.parametrize("name", ["impact-assessment", "technical-file"])
def test_a_paper_is_sent_in_each_format_and_language(admin, console, name):
    console.order.settings_file.write_text(WHOLE)
    words = admin.get(f"/papers/{name}?language=de&format=docx")
    assert words.headers["Content-Disposition"] == f'attachment; filename="{name}.docx"'
    document = docx.Document(io.BytesIO(words.data))
    assert any(one.text.startswith("Zu beantworten 1:") for one in document.paragraphs)
    text = admin.get(f"/papers/{name}?format=md").text
    assert "To answer 1:" in text
    assert "14 days" in text
    page = admin.get(f"/papers/{name}?format=html")
    assert page.headers["Content-Disposition"].startswith("attachment")
    assert "<b>Leeds" not in page.text


def test_a_broken_settings_file_is_said_on_the_page(admin, console):
    console.order.settings_file.write_text("notice:\n  secons: 3\n  [")
    page = admin.get("/papers")
    assert page.status_code == 200
    assert 'role="alert"' in page.text
    for address in ADDRESSES[1:]:
        assert admin.get(address).status_code == 400


def test_a_machine_without_weasyprint_says_so(admin, console, monkeypatch):
    console.order.settings_file.write_text(WHOLE)

    def lacking(*_):
        raise PdfUnavailableError("PDFs need WeasyPrint")

    monkeypatch.setattr(kiosk_papers, "print_sign", lacking)
    monkeypatch.setitem(FORMATS, "pdf", lacking)
    for address in ("notice.pdf", "impact-assessment?format=pdf"):
        assert admin.get(f"/papers/{address}").status_code == 503


def test_every_sheet_and_format_has_a_word():
    assert set(kiosk_papers.SHEET_WORDS) == set(SHEETS)
    assert set(kiosk_papers.FORMAT_WORDS) == set(kiosk_papers.TYPES) == set(FORMATS)
