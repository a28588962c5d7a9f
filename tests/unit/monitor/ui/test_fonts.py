from __future__ import annotations

import os
import subprocess
import sys

from PyQt5.QtGui import QFontDatabase

from monitor.ui import fonts


def test_the_family_is_one_that_is_there(qapp):
    assert fonts.choose_family() in set(QFontDatabase().families())
    assert qapp.font().family() == fonts.choose_family()


def test_a_machine_without_fonts_gets_one_that_draws_text(tmp_path):
    config = tmp_path / "fonts.conf"
    config.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig></fontconfig>'
    )
    program = """
from monitor.ui.application import create_application
application = create_application(offscreen=True)
from PyQt5.QtGui import QFontDatabase, QImage, QPainter, QColor
from PyQt5.QtCore import QRectF
from monitor.ui.painting import draw_text
image = QImage(200, 40, QImage.Format.Format_RGB32)
image.fill(0)
painter = QPainter(image)
draw_text(painter, QRectF(0, 0, 200, 40), "Hi", 20, QColor("white"))
painter.end()
lit = sum(QColor(image.pixel(x, y)).lightness() > 128 for x in range(200) for y in range(40))
print(application.font().family(), lit > 20, sep=";")
"""
    environ = dict(os.environ, FONTCONFIG_FILE=str(config), XDG_CACHE_HOME=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "DejaVu Sans;True"
