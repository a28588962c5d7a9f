"""The window's font comes with the package: the window looks the same whatever the machine has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PyQt5.QtCore import QCoreApplication
from PyQt5.QtGui import QFontDatabase, QFontInfo, QRawFont

from monitor.fonts import FAMILY
from monitor.ui import application
from monitor.ui.painting import text_font
from monitor.ui.texts import languages, texts_for

DRAW = """
import hashlib
import numpy as np
from monitor.ui.application import create_application
application = create_application(offscreen=True)
from monitor.ui.bridge import LiveBridge
from monitor.ui.window import KioskWindow, NoticeOptions
from tests.unit.monitor.ui.conftest import FakePlayer
for size in ((1280, 720), (720, 1280)):
    for language in ("en", "de"):
        window = KioskWindow(FakePlayer(), LiveBridge(), language=language,
                             notice=NoticeOptions(["de", "en"], "e.org/p"))
        window.resize(*size)
        # Not the start: something moves there.
        window.ad_view.show_message(window.texts["idle"], window.texts["idle_hint"])
        pictures = [window.grab()]
        window.help_card.show()
        pictures.append(window.grab())
        window.help_card.hide()
        window.notice.grab()
        for picture in pictures:
            image = picture.toImage()
            bits = image.constBits()
            bits.setsize(image.sizeInBytes())
            print(image.width(), image.height(), hashlib.sha256(bytes(bits)).hexdigest())
        window.close()
"""


def drawn_with_fonts_of(folder: Path | None, tmp_path: Path) -> str:
    """What a new process draws with the fonts of one folder; `None` for the machine's own."""
    environ = dict(os.environ, QT_QPA_PLATFORM="offscreen", XDG_CACHE_HOME=str(tmp_path))
    if folder is not None:
        config = tmp_path / f"{folder.name}.conf"
        config.write_text(
            '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">'
            f"<fontconfig><dir>{folder}</dir></fontconfig>"
        )
        environ["FONTCONFIG_FILE"] = str(config)
    done = subprocess.run(
        [sys.executable, "-c", DRAW],
        env=environ,
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_window_is_the_same_with_any_fonts_and_with_none(tmp_path):
    import matplotlib

    empty = tmp_path / "no-fonts"
    empty.mkdir()
    others = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    without = drawn_with_fonts_of(empty, tmp_path)
    assert (
        len(set(without.split("\n"))) == 9
    )  # eight pictures, all different, and the last line's end
    assert drawn_with_fonts_of(others, tmp_path) == without
    assert drawn_with_fonts_of(None, tmp_path) == without


def test_the_application_draws_in_the_packaged_family(qapp):
    assert qapp.font().family() == FAMILY
    for bold in (False, True):
        info = QFontInfo(text_font(20, bold=bold))
        assert (info.family(), info.bold()) == (FAMILY, bold)


@pytest.mark.parametrize("bold", [False, True])
def test_the_family_has_every_character_of_the_window(qapp, bold):
    font = QRawFont.fromFont(text_font(20, bold=bold))
    texts = "".join(text for code in languages() for text in texts_for(code).values())
    assert [sign for sign in sorted(set(texts)) if not font.supportsCharacter(sign)] == []
    for other in "ÀĐßşẞ Ωψάλ Жшщёї €…·↑↓→\N{EN DASH}\N{MINUS SIGN}\N{WORD JOINER}":
        assert font.supportsCharacter(other), other


def test_a_missing_file_is_logged_and_the_system_s_fonts_are_used(
    qapp, monkeypatch, tmp_path, caplog
):
    monkeypatch.setattr(application, "font_file", lambda weight: tmp_path / f"{weight}.otf")
    assert application.load_font().family() == FAMILY
    assert "Cannot load the font" in caplog.text
    assert QFontDatabase().families()


def test_qts_own_words_are_in_the_language_of_the_window(qapp):
    for language, word in (("en", "Cancel"), ("de", "Abbrechen"), ("en", "Cancel")):
        application.speak(language)
        assert QCoreApplication.translate("QPlatformTheme", "Cancel") == word
