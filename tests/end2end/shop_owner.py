"""A person at the window of a new kiosk: sets it up with keys and mouse, watches, and quits.

The kiosk starts anew in the middle, so a `sitecustomize` in its path calls `sit_down` in each of
its processes that has the window. ADS names the person's own ads, and SEEN a file that notes when
what was first on the screen, in seconds of the monotonic clock.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from PyQt5.QtCore import QCoreApplication, Qt, QTimer
from PyQt5.QtTest import QTest
from PyQt5.QtWidgets import QApplication, QFileDialog, QLineEdit

from monitor.ui import application as application_module
from monitor.ui.first_run.wizard import SetupWizard
from monitor.ui.waiting_screen import StartScreen
from monitor.ui.window import KioskWindow

LONG_ENOUGH = "four unrelated words here"


class ShopOwner:
    """Looks at the windows a few times a second, and does what comes next."""

    def __init__(self) -> None:
        self._ads = os.environ["ADS"].split(os.pathsep)
        self._file = Path(os.environ["SEEN"])
        self._seen = json.loads(self._file.read_text()) if self._file.exists() else {}

    def look(self) -> None:
        # Armed first: a dialog opens a loop of its own within what is done here.
        QTimer.singleShot(100, self.look)
        if _shown(StartScreen) is not None:
            self._note("start again" if "answers" in self._seen else "start")
        if (dialog := _shown(QFileDialog)) is not None:
            line = dialog.findChild(QLineEdit)
            QTest.keyClicks(line, " ".join(f'"{ad}"' for ad in self._ads))
            QTest.keyClick(line, Qt.Key.Key_Return)
        elif (wizard := _shown(SetupWizard)) is not None:
            self._answer(wizard)
        elif (window := _shown(KioskWindow)) is not None and window.ad_view.has_picture:
            self._watch(window)

    def _answer(self, wizard: SetupWizard) -> None:
        if wizard.step == 0:
            QTest.mouseClick(wizard.camera.demo, Qt.MouseButton.LeftButton)
        elif wizard.step == 1 and wizard.ads.list.count() < len(self._ads):
            QTest.mouseClick(wizard.ads.choose, Qt.MouseButton.LeftButton)
            return
        elif wizard.step == 3:
            QTest.keyClicks(wizard.place.site, "Shop 12")
            for line in (wizard.place.password, wizard.place.again):
                QTest.mouseClick(line, Qt.MouseButton.LeftButton)
                QTest.keyClicks(line, LONG_ENOUGH)
        elif wizard.step == 4:
            self._note("answers")
        QTest.keyClick(wizard, Qt.Key.Key_Return)

    def _watch(self, window: KioskWindow) -> None:
        if window.setup_card.isVisible():
            self._note("card")
            QTest.keyClick(window, Qt.Key.Key_S)
        elif "answers" in self._seen:
            self._note("ads")
            if window.overlay.was_seen:
                self._note("measured")
                QTest.keyClick(window, Qt.Key.Key_Q)

    def _note(self, what: str) -> None:
        if what not in self._seen:
            self._seen[what] = time.monotonic()
            self._file.write_text(json.dumps(self._seen))


def _shown(kind):
    windows = QApplication.topLevelWidgets()
    return next((one for one in windows if isinstance(one, kind) and one.isVisible()), None)


def sit_down() -> None:
    """Look at the application as soon as there is one."""
    create, owner = application_module.create_application, ShopOwner()

    def create_and_look(**options):
        is_new = QCoreApplication.instance() is None
        application = create(**options)
        if is_new:
            owner.look()
        return application

    application_module.create_application = create_and_look
