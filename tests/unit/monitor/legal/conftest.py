"""A kiosk whose operator has said who is responsible."""

from __future__ import annotations

import pytest

from detector.emotion.model_card import read_card
from detector.emotion.model_store import shipped_default
from monitor.reports import pdf
from monitor.settings.models import RunSettings


@pytest.fixture(scope="session")
def settings(tmp_path_factory) -> RunSettings:
    return RunSettings(
        database=str(tmp_path_factory.mktemp("data") / "kiosk.db"),
        notice_responsible="Corner Shop Ltd, 12 High Street, Leeds",
        notice_contact="privacy@corner-shop.example",
        notice_url="corner-shop.example/privacy",
    )


@pytest.fixture
def weasyprint():
    try:
        pdf._weasyprint()
    except pdf.PdfUnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def card():
    return read_card(shipped_default())
