"""The technical file on the site: that of the shipped model, with the default settings."""

from __future__ import annotations

from datetime import datetime

from detector.emotion.model_card import read_card
from detector.emotion.model_store import shipped_default
from monitor.legal.formats import to_markdown
from monitor.legal.technical_file import technical_file
from monitor.settings.models import RunSettings


def technical_file_text() -> str:
    """Return the technical file as Markdown, without its title."""
    today = datetime.now().astimezone().date()
    paper = technical_file(RunSettings(), read_card(shipped_default()), today)
    return to_markdown(paper).decode().partition("\n\n")[2]
