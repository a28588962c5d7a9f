"""The set-up of a new kiosk in its own window: five steps, by keyboard or mouse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PyQt5.QtCore import QSize, Qt, pyqtSlot
from PyQt5.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QPushButton,
    QRadioButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from ads.media.types import KNOWN_ENDINGS
from detector.sources.passwords import hide_passwords
from monitor.session.first_run import DEMO, NO_CAMERA, Draft, ads_in, is_address, take_ads
from monitor.settings.forms import problem_with
from monitor.settings.time_zone import local_zone, zone_names
from monitor.ui import style
from monitor.ui.application import APPLICATION_NAME
from monitor.ui.painting import text_font
from monitor.ui.texts import languages, texts_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from PyQt5.QtGui import QDragEnterEvent, QDropEvent, QKeyEvent, QShowEvent

    from monitor.sensor.camera_choice import Camera

MAX_AD_BYTES = 4 << 30
"""Larger media files are never played."""

STEPS = ("camera", "ads", "notice", "place", "check")


class SetupWizard(QDialog):
    """Ask for camera, ads, notice, place and password, then show the answers.

    Keys: Tab goes round, Enter continues, Alt with the arrow left goes back, Esc gives up.

    Args:
        cameras: Those of this machine.
        texts: Of the window's language.
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
        texts: Mapping[str, str],
        *,
        ads: Path,
        choose_camera: Callable[[], Camera | None],
        finish: Callable[[Draft, str], str],
        needs_password: bool = True,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.draft = Draft(source=cameras[0].source if cameras else DEMO)
        self._cameras = tuple(cameras)
        self._texts = texts
        self._ads = ads
        self._choose_camera = choose_camera
        self._finish = finish
        self._scale = scale
        self._needs_password = needs_password
        self.pages = QStackedWidget(self)
        self.title, self.problem = QLabel(self), QLabel(self)
        self.back = QPushButton(texts["setup_back"], self)
        self.next = QPushButton(texts["setup_next"], self)
        self._build_camera()
        self._build_ads()
        self._build_notice()
        self._build_place()
        self.summary = QLabel(self)
        self._page(self.summary)
        self._lay_out()
        self.show_step(0)

    @property
    def step(self) -> int:
        """Which of `STEPS` is shown."""
        return int(self.pages.currentIndex())

    def show_step(self, step: int) -> None:
        """Show a step, and put the keyboard into it."""
        self.pages.setCurrentIndex(step)
        name = STEPS[step]
        number = f"{step + 1}/{len(STEPS)}"
        self.title.setText(f"{self._texts[f'setup_{name}_title']}  ({number})")
        self.problem.clear()
        self.back.setEnabled(step > 0)
        self.next.setText(self._texts["setup_start" if name == "check" else "setup_next"])
        if name == "check":
            chosen = self.camera.text()
            if self.network.isChecked():
                chosen = hide_passwords(self.draft.source or "")
            answers = _answers(self.draft, self._texts, chosen, ads_in(self._ads))
            self.summary.setText("\n".join(answers))
            self.next.setFocus()
            return
        _focus(self.pages.currentWidget())

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
        _focus(self.pages.currentWidget())

    @pyqtSlot()
    def go_on(self) -> None:
        """Take the answers of this step and show the next one, or finish."""
        take = (self._take_camera, self._take_ads, self._take_notice, self._take_place)
        if self.step < len(take):
            wrong = take[self.step]()
            if not wrong:
                self.show_step(self.step + 1)
        else:
            wrong = self._finish(self.draft, self.password.text())
            if not wrong:
                self.accept()
        self.problem.setText(wrong)

    @pyqtSlot()
    def go_back(self) -> None:
        if self.step > 0:
            self.show_step(self.step - 1)

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        mime = None if event is None else event.mimeData()
        if event is not None and mime is not None and mime.hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        mime = None if event is None else event.mimeData()
        if mime is not None:
            self.take_files([Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()])

    def take_files(self, files: Sequence[Path]) -> None:
        """Check files, and copy those that can be shown into the folder of the ads."""
        self.problem.setText(self._texts["setup_checking"])
        self.problem.repaint()
        contents = ((file.name, file.read_bytes()) for file in files if _is_takeable(file))
        refused = take_ads(self._ads, contents)
        self._list_ads()
        self.own_ads.setChecked(self.ad_list.count() > 0)
        self.problem.setText("\n".join(refused[:3]))

    def _build_camera(self) -> None:
        texts = self._texts
        self.camera = QRadioButton(self)
        self.look = QPushButton(texts["setup_camera_look"], self)
        self.network = QRadioButton(texts["setup_network"], self)
        self.address = self._line("setup_network")
        self.address.setPlaceholderText("rtsp://camera.local/stream")
        self.address.textEdited.connect(lambda: self.network.setChecked(True))
        self.demo = QRadioButton(texts["setup_demo"], self)
        self.no_camera = QRadioButton(texts["setup_no_camera"], self)
        self._sources = QButtonGroup(self)
        for button in (self.camera, self.network, self.demo, self.no_camera):
            self._sources.addButton(button)
        self.look.clicked.connect(self._on_look)
        hint = self._label("setup_camera_hint")
        network = (self.network, self.address)
        self._page(self.camera, self.look, self.demo, self.no_camera, *network, hint)
        has_camera = bool(self._cameras)
        self.camera.setEnabled(has_camera)
        self.look.setEnabled(has_camera)
        (self.camera if has_camera else self.demo).setChecked(True)
        self._name_camera(self._cameras[0] if has_camera else None)

    def _name_camera(self, camera: Camera | None) -> None:
        self._camera = camera
        name = self._texts["setup_camera_none"]
        if camera is not None:
            name = camera.name or self._texts["picker_camera"].format(index=camera.index)
        self.camera.setText(name)

    @pyqtSlot()
    def _on_look(self) -> None:
        chosen = self._choose_camera()
        if chosen is not None:
            self._name_camera(chosen)
            self.camera.setChecked(True)

    def _take_camera(self) -> str:
        if self.network.isChecked():
            self.draft.source = self.address.text().strip()
            if not is_address(self.draft.source):
                return self._texts["setup_no_address"]
            return problem_with("camera.source", self.draft.source) or ""
        if self.camera.isChecked() and self._camera is not None:
            self.draft.source = self._camera.source
        else:
            self.draft.source = NO_CAMERA if self.no_camera.isChecked() else DEMO
        return ""

    def _build_ads(self) -> None:
        texts = self._texts
        self.samples = QRadioButton(texts["setup_samples"], self)
        self.own_ads = QRadioButton(texts["setup_own_ads"].format(folder=self._ads), self)
        self.ad_list = QListWidget(self)
        self.choose = QPushButton(texts["setup_choose_files"], self)
        self.choose.clicked.connect(self._on_choose)
        self.ad_list.setAccessibleName(texts["setup_ads_title"])
        self._shown = QButtonGroup(self)
        for button in (self.samples, self.own_ads):
            self._shown.addButton(button)
        hint = self._label("setup_ads_hint")
        self._page(self.samples, self.own_ads, self.choose, self.ad_list, hint)
        self._list_ads()
        (self.own_ads if self.ad_list.count() else self.samples).setChecked(True)
        self.setAcceptDrops(True)

    def _list_ads(self) -> None:
        self.ad_list.clear()
        self.ad_list.addItems(ads_in(self._ads))

    @pyqtSlot()
    def _on_choose(self) -> None:
        endings = " ".join(f"*{ending} *{ending.upper()}" for ending in sorted(KNOWN_ENDINGS))
        found, _ = QFileDialog.getOpenFileNames(
            self,
            self._texts["setup_choose_files"],
            str(Path.home()),
            f"{self._texts['setup_media']} ({endings})",
            options=QFileDialog.Option.HideNameFilterDetails,
        )
        if found:
            self.take_files([Path(name) for name in found])

    def _take_ads(self) -> str:
        self.draft.own_ads = self.own_ads.isChecked()
        if self.draft.own_ads and not self.ad_list.count():
            return self._texts["setup_no_ads"]
        return ""

    def _build_notice(self) -> None:
        self.languages = {
            code: QCheckBox(f"{code}: {texts_for(code)['notice']}", self) for code in languages()
        }
        own = [code for code in languages() if texts_for(code) is self._texts] or ["en"]
        self.languages[own[0]].setChecked(True)
        self.url = self._line("setup_url")
        self.required = QCheckBox(self._texts["setup_required"], self)
        label = self._label("setup_url")
        self._page(*self.languages.values(), label, self.url, self.required)

    def _take_notice(self) -> str:
        self.draft.languages = tuple(
            code for code, box in self.languages.items() if box.isChecked()
        )
        self.draft.url = self.url.text().strip()
        self.draft.required = self.required.isChecked()
        return problem_with("notice.url", self.draft.url or None) or ""

    def _build_place(self) -> None:
        self.site = self._line("setup_site")
        self.zone = QComboBox(self)
        self.zone.setEditable(True)
        self.zone.addItems(zone_names())
        self.zone.setCurrentText(local_zone().key)
        self.zone.setAccessibleName(self._texts["setup_zone"])
        self.password, self.again = self._line("setup_password"), self._line("setup_again")
        parts: list[QWidget] = [self._label("setup_site"), self.site]
        parts += [self._label("setup_zone"), self.zone]
        for name, line in (("setup_password", self.password), ("setup_again", self.again)):
            line.setEchoMode(QLineEdit.EchoMode.Password)
            line.setVisible(self._needs_password)
            if self._needs_password:
                parts += [self._label(name), line]
        self._page(*parts)

    def _take_place(self) -> str:
        self.draft.site = " ".join(self.site.text().split())
        self.draft.time_zone = self.zone.currentText().strip()
        if not self.draft.site:
            return self._texts["setup_no_site"]
        zone = problem_with("data.timezone", self.draft.time_zone or None)
        if zone is not None:
            return zone
        if self._needs_password and self.password.text() != self.again.text():
            return self._texts["setup_differ"]
        if self._needs_password and len(self.password.text()) < 12:
            return self._texts["setup_short"]
        return ""

    def _label(self, key: str) -> QLabel:
        label = QLabel(self._texts[key], self)
        label.setWordWrap(True)
        return label

    def _line(self, key: str) -> QLineEdit:
        line = QLineEdit(self)
        line.setAccessibleName(self._texts[key])
        return line

    def _page(self, *parts: QWidget) -> None:
        page = QWidget(self)
        layout = QVBoxLayout(page)
        layout.setSpacing(round(12 * self._scale))
        for part in parts:
            part.setFont(text_font(style.PANEL_TEXT * self._scale))
            layout.addWidget(part)
            if isinstance(part, QLabel):
                part.setWordWrap(True)
        layout.addStretch(1)
        self.pages.addWidget(page)

    def _lay_out(self) -> None:
        scale = self._scale
        self.title.setFont(text_font(26 * scale, bold=True))
        self.title.setWordWrap(True)
        self.problem.setObjectName("wrong")
        self.problem.setWordWrap(True)
        self.problem.setTextFormat(Qt.TextFormat.PlainText)
        cancel = QPushButton(self._texts["setup_cancel"], self)
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
        buttons, whole = QHBoxLayout(), QVBoxLayout(self)
        buttons.addWidget(cancel)
        buttons.addStretch(1)
        buttons.addWidget(self.back)
        buttons.addWidget(self.next)
        pad = round(22 * scale)
        whole.setContentsMargins(pad, pad, pad, pad)
        whole.setSpacing(round(14 * scale))
        whole.addWidget(self.title)
        whole.addWidget(self.pages, 1)
        whole.addWidget(self.problem)
        whole.addLayout(buttons)
        self.setStyleSheet(style_sheet(scale))
        self.setWindowTitle(f"{APPLICATION_NAME}: {self._texts['setup_title']}")
        self.resize(QSize(980, 600) * scale)


def _focus(page: QWidget | None) -> None:
    """Put the keyboard into the first part of a page that takes it."""
    for part in () if page is None else page.findChildren(QWidget):
        is_chosen = not isinstance(part, QRadioButton) or part.isChecked()
        if part.focusPolicy() & Qt.FocusPolicy.TabFocus and part.isEnabled() and is_chosen:
            part.setFocus()
            break


def _answers(
    draft: Draft, texts: Mapping[str, str], camera: str, own_ads: Sequence[str]
) -> list[str]:
    """Return the answers for the last step, a line for each step before it."""
    sources = {DEMO: texts["setup_demo"], NO_CAMERA: texts["setup_no_camera"]}
    shown = ", ".join(own_ads[:8]) if draft.own_ads else texts["setup_samples"]
    return [
        f"{texts['setup_camera_title']}: {sources.get(draft.source or '', camera)}",
        f"{texts['setup_ads_title']}: {shown}",
        f"{texts['setup_notice_title']}: {', '.join(draft.languages)}  {draft.url}",
        f"{texts['setup_place_title']}: {draft.site}, {draft.time_zone}",
    ]


def _is_takeable(file: Path) -> bool:
    return file.is_file() and file.stat().st_size <= MAX_AD_BYTES


def style_sheet(scale: float) -> str:
    """Return how the wizard looks: the window's colours, in sizes that follow the screen."""
    pad, mark, text = round(8 * scale), round(16 * scale), style.TEXT.name()
    border = f"border: {round(2 * scale)}px solid"
    radius = f"border-radius: {round(8 * scale)}px;"
    return f"""
        QDialog, QWidget {{ background: {style.INK.name()}; color: {text}; }}
        QLabel#wrong {{ color: {style.WARNING.name()}; }}
        QListWidget, QPushButton, QLineEdit, QComboBox {{
            background: #1B212C; color: {text}; {border} #3A4354; {radius}
            padding: {pad}px; outline: 0;
        }}
        QPushButton {{ padding: {pad}px {2 * pad}px; }}
        QPushButton:disabled, QRadioButton:disabled {{ color: #7C8799; }}
        QPushButton:default:enabled {{ background: #24415A; }}
        QRadioButton, QCheckBox {{ padding: {pad}px; {border} transparent; {radius} }}
        QRadioButton::indicator, QCheckBox::indicator {{
            width: {mark}px; height: {mark}px; {border} #7C8799; background: #1B212C;
        }}
        QRadioButton::indicator {{ border-radius: {mark // 2 + round(2 * scale)}px; }}
        QRadioButton::indicator:checked, QCheckBox::indicator:checked {{
            background: {style.GOOD.name()}; border-color: {text};
        }}
        QListWidget:focus, QPushButton:focus, QLineEdit:focus, QComboBox:focus,
        QRadioButton:focus, QCheckBox:focus {{ {border} {style.WARNING.name()}; }}
    """
