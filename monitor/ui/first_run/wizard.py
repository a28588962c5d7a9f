"""The set-up of a new kiosk in its own window: five steps, by keyboard or mouse."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt5.QtCore import QSize, Qt, pyqtSlot
from PyQt5.QtWidgets import QDialog, QHBoxLayout, QLabel, QPushButton, QStackedWidget, QVBoxLayout

from ads.errors import LoadingStoppedError
from monitor.languages import speaking
from monitor.languages.recognition import translated
from monitor.session.first_run import DEMO, Draft, Taking, ads_in, take_ads
from monitor.ui import style
from monitor.ui.application import APPLICATION_NAME, speak
from monitor.ui.busy import BusyBar, Work
from monitor.ui.first_run.steps import (
    AdsStep,
    CameraStep,
    CheckStep,
    NoticeStep,
    PlaceStep,
    Step,
)
from monitor.ui.painting import text_font
from monitor.ui.screens import fitting
from monitor.ui.texts import texts_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PyQt5.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QKeyEvent, QShowEvent

    from monitor.sensor.camera_choice import Camera

MAX_AD_BYTES = 4 << 30
"""Larger media files are never played."""


class SetupWizard(QDialog):
    """Ask for camera, ads, notice, place and password, then show the answers.

    Keys: Tab goes round, Enter continues, Alt with the arrow left goes back, Esc gives up. While
    files are checked, Esc only stops that. Nothing is done in the window's own thread that may take
    longer than a moment.

    Args:
        cameras: Those of this machine.
        language: Of the window.
        ads: Folder of the operator's own ads.
        choose_camera: Shows what the cameras see, and returns the one that was chosen.
        finish: Writes the answers with the password; returns what is wrong, or an empty text.
        needs_password: Whether the console has no account yet.

    Attributes:
        draft: The answers so far.
    """

    def __init__(
        self,
        cameras: Sequence[Camera],
        language: str,
        *,
        ads: Path,
        choose_camera: Callable[[], Camera | None],
        finish: Callable[[Draft, str], str],
        needs_password: bool = True,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.draft = Draft(source=cameras[0].source if cameras else DEMO)
        self._language = language
        speak(language)
        texts = self._texts = texts_for(language)
        self._folder = ads
        self._finish = finish
        self.camera = CameraStep(texts, scale, cameras, choose_camera)
        self.ads = AdsStep(texts, scale, ads)
        self.ads.chosen.connect(self.take_files)
        self.notice = NoticeStep(texts, scale, language)
        self.place = PlaceStep(texts, scale, needs_password=needs_password)
        self.check = CheckStep(texts, scale, lambda: self.camera.answer, ads)
        self.steps: tuple[Step, ...] = (
            self.camera,
            self.ads,
            self.notice,
            self.place,
            self.check,
        )
        self.title, self.problem = QLabel(self), QLabel(self)
        self.back = QPushButton(texts["setup_back"], self)
        self.next = QPushButton(texts["setup_next"], self)
        self.cancel = QPushButton(texts["setup_cancel"], self)
        self.busy = BusyBar(scale, self)
        self._work: Work | None = None
        self._is_taking = False
        self._pages = QStackedWidget(self)
        self._lay_out(scale)
        self.setAcceptDrops(True)
        self.show_step(0)

    @property
    def step(self) -> int:
        """Which of `steps` is shown."""
        return int(self._pages.currentIndex())

    def show_step(self, number: int) -> None:
        """Show a step, and put the keyboard into it."""
        step, is_last = self.steps[number], number == len(self.steps) - 1
        self._pages.setCurrentIndex(number)
        title = self._texts[f"setup_{step.name}_title"]
        self.title.setText(f"{title}  ({number + 1}/{len(self.steps)})")
        self.problem.clear()
        self._show_buttons()
        self.next.setText(self._texts["setup_start" if is_last else "setup_next"])
        step.show_draft(self.draft)
        self.next.setFocus()
        step.focus()

    def _say(self, text: str, *, is_wrong: bool = True) -> None:
        """Say below the step what is wrong, or what is being done."""
        self.problem.setObjectName("wrong" if is_wrong else "soft")
        # The style goes by the name.
        self.problem.setStyleSheet(self.styleSheet())
        self.problem.setText(text)

    def _show_buttons(self) -> None:
        self.back.setEnabled(self.step > 0 and not self.is_busy)
        self.next.setEnabled(not self.is_busy)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        is_back = (Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
        if event is not None and (event.key(), event.modifiers()) == is_back:
            self.go_back()
        else:
            super().keyPressEvent(event)

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        # Without a window manager nobody else gives the window the keyboard.
        self.activateWindow()
        self.steps[self.step].focus()

    @property
    def is_busy(self) -> bool:
        """Whether something is done that the next step has to wait for."""
        return self._work is not None

    @pyqtSlot()
    def go_on(self) -> None:
        """Take the answers of this step and show the next one, or finish."""
        with speaking(self._language):
            wrong = self.steps[self.step].take(self.draft)
            self._say(str(wrong))
        if not wrong and self.step < len(self.steps) - 1:
            self.show_step(self.step + 1)
        elif not wrong:
            password = self.place.password.text()
            self._start(lambda _work: self._finish(self.draft, password), self._on_finished)

    @pyqtSlot(object)
    def _on_finished(self, wrong: object) -> None:
        self._end_work()
        self._say(str(wrong))
        if not wrong:
            self.accept()

    def _start(self, do: Callable[[Work], object], then: Callable[[object], None]) -> None:
        """Do something in a thread; meanwhile the window shows that it works."""

        def speak_and_do(work: Work) -> object:
            with speaking(self._language):
                return do(work)

        self._work = Work(speak_and_do, self)
        self._work.told.connect(self._on_told)
        self._work.ended.connect(then)
        self._pages.setEnabled(False)
        self._show_buttons()
        self.busy.show_share(None)
        self._work.start()

    def _end_work(self) -> None:
        self._work, self._is_taking = None, False
        self.busy.hide()
        self._pages.setEnabled(True)
        self._show_buttons()

    def reject(self) -> None:
        """Close the window; while files are taken, only stop that. What is written is not left."""
        if self._work is None:
            super().reject()
        elif self._is_taking:
            self._work.stopping.set()
            self._say(self._texts["setup_stopping"], is_wrong=False)

    def closeEvent(self, event: QCloseEvent | None) -> None:
        if self._work is not None and self._is_taking:
            self._work.stop()
            self._end_work()
        super().closeEvent(event)

    @pyqtSlot()
    def go_back(self) -> None:
        if self.step > 0 and not self.is_busy:
            self.show_step(self.step - 1)

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        mime = None if event is None else event.mimeData()
        if event is not None and mime is not None and mime.hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        mime = None if event is None else event.mimeData()
        if mime is not None:
            self.take_files([Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()])

    @pyqtSlot(list)
    def take_files(self, files: Sequence[Path]) -> None:
        """Check files, and copy those that can be shown into the folder of the ads.

        It goes on while the window stays alive; files that come meanwhile are left out.
        """
        if self._work is None:
            self._say(self._texts["setup_checking"], is_wrong=False)
            self._is_taking = True
            self._start(partial(self._take, files), self._on_taken)

    def _take(self, dropped: Sequence[Path], work: Work) -> list[str]:
        """Take files in the thread of the work; return what is wrong with some."""
        found, refused = self._takeable(dropped)
        named = [(file.name, file) for file in found]
        refused += take_ads(self._folder, named, work.told.emit, lambda: not work.stopping.is_set())
        return [translated(one) for one in refused[:3]]

    @pyqtSlot(object)
    def _on_told(self, taking: Taking) -> None:
        if self._work is not None and not self._work.stopping.is_set():
            done = {"done": taking.done, "count": taking.of, "name": taking.name}
            self._say(self._texts["setup_checking_file"].format(**done), is_wrong=False)
            self.busy.show_share(taking.share)

    @pyqtSlot(object)
    def _on_taken(self, refused: object) -> None:
        if self._work is None:
            return  # the window was closed
        self._end_work()
        self.ads.show_files()
        self.ads.focus()
        if isinstance(refused, LoadingStoppedError):
            self._say(self._texts["setup_stopped"])
        else:
            self._say("\n".join(refused) if isinstance(refused, list) else str(refused))

    def _takeable(self, dropped: Sequence[Path]) -> tuple[list[Path], list[str]]:
        """Return the files to be taken, those of folders too, and a sentence for each other."""
        found: list[Path] = []
        refused: list[str] = []
        for path in dropped:
            inside = [path]
            if path.is_dir():
                inside = [path / name for name in ads_in(path)]
                if not inside:
                    refused.append(self._texts["setup_empty_folder"].format(name=path.name))
            for file in inside:
                if file.is_file() and file.stat().st_size > MAX_AD_BYTES:
                    refused.append(self._texts["setup_too_large"].format(name=file.name))
                elif file.is_file():
                    found.append(file)
        return found, refused

    def _lay_out(self, scale: float) -> None:
        self.title.setFont(text_font(26 * scale, bold=True))
        self.title.setWordWrap(True)
        self.problem.setObjectName("wrong")
        self.problem.setWordWrap(True)
        self.problem.setTextFormat(Qt.TextFormat.PlainText)
        cancel = self.cancel
        for widget in (self.problem, self.back, self.next, cancel):
            widget.setFont(text_font(style.PANEL_TEXT * scale))
        # Its room stays when it is empty, so nothing jumps.
        self.problem.setMinimumHeight(2 * self.problem.fontMetrics().height())
        cancel.setAutoDefault(False)
        self.back.setAutoDefault(False)
        self.next.setDefault(True)
        cancel.clicked.connect(self.reject)
        self.back.clicked.connect(self.go_back)
        self.next.clicked.connect(self.go_on)
        for step in self.steps:
            self._pages.addWidget(step)
        buttons, whole = QHBoxLayout(), QVBoxLayout(self)
        buttons.addWidget(cancel)
        buttons.addStretch(1)
        buttons.addWidget(self.back)
        buttons.addWidget(self.next)
        pad = round(22 * scale)
        whole.setContentsMargins(pad, pad, pad, pad)
        whole.setSpacing(round(14 * scale))
        whole.addWidget(self.title)
        whole.addWidget(self._pages, 1)
        whole.addWidget(self.problem)
        whole.addWidget(self.busy)
        whole.addLayout(buttons)
        self.setStyleSheet(style.dialog_sheet(scale))
        self.setWindowTitle(f"{APPLICATION_NAME}: {self._texts['setup_title']}")
        self.resize(fitting(QSize(980, 640) * scale))
