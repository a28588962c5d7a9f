"""Make the notice that is shown alone before measuring begins, as the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.ui.notice.notice_screen import NoticeScreen
from monitor.ui.texts import texts_for

if TYPE_CHECKING:
    from monitor.settings.models import RunSettings


def make_notice_screen(settings: RunSettings) -> NoticeScreen:
    """Make the window of the notice, in the languages of the notice, else in the kiosk's."""
    languages = settings.notice_languages or (settings.language,)
    return NoticeScreen(
        [texts_for(code) for code in languages],
        settings.notice_url,
        settings.notice_seconds,
        texts_for(settings.language),
    )
