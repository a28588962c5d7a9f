"""The steps of the set-up in the window: each is a page that takes its answers into the draft."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt5.QtCore import Qt, pyqtSignal, pyqtSlot
from PyQt5.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from ads.media.types import KNOWN_ENDINGS
from detector.sources.passwords import hide_passwords
from monitor.languages import languages as named_languages
from monitor.session.first_run import DEMO, NO_CAMERA, ads_in, is_address, remove_ad
from monitor.settings.forms import problem_with
from monitor.settings.time_zone import local_zone, zone_names
from monitor.ui import style
from monitor.ui.painting import text_font
from monitor.ui.texts import languages, texts_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from monitor.sensor.camera_choice import Camera
    from monitor.session.first_run import Draft
    from monitor.ui.texts import Texts

MIN_PASSWORD = 12


class Step(QWidget):
    """A page of the set-up.

    Args:
        name: In the keys of its texts.
        texts: Of the window's language.
        scale: Factor for all sizes.
    """

    def __init__(self, name: str, texts: Texts, scale: float) -> None:
        super().__init__()
        self.name = name
        self._texts = texts
        self._scale = scale
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(round(10 * scale))

    def show_draft(self, draft: Draft) -> None:
        """Show the answers so far, where the page does."""

    def take(self, _draft: Draft) -> str:
        """Write the answers into the draft; return what is wrong, or an empty text."""
        return ""

    def focus(self) -> None:
        """Put the keyboard into the first part that takes it."""
        for part in self.findChildren(QWidget):
            is_chosen = not isinstance(part, QRadioButton) or part.isChecked()
            if part.focusPolicy() & Qt.FocusPolicy.TabFocus and part.isEnabled() and is_chosen:
                part.setFocus()
                break

    def _add(self, *parts: QWidget) -> None:
        """Add the parts of the page, from top to bottom."""
        for part in parts:
            part.setFont(text_font(style.PANEL_TEXT * self._scale))
            self._layout.addWidget(part)
        self._layout.addStretch(1)

    def _label(self, text: str, *, soft: bool = False) -> QLabel:
        label = QLabel(text)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        label.setObjectName("soft" if soft else "")
        return label

    def _line(self, key: str) -> QLineEdit:
        line = QLineEdit()
        line.setAccessibleName(self._texts[key])
        return line

    def _choice(self, *buttons: QRadioButton) -> QButtonGroup:
        group = QButtonGroup(self)
        for button in buttons:
            group.addButton(button)
        return group


class CameraStep(Step):
    """Which camera sees the people, or none.

    Args:
        cameras: Those of this machine.
        choose: Shows what the cameras see, and returns the one that was chosen.
    """

    def __init__(
        self,
        texts: Texts,
        scale: float,
        cameras: Sequence[Camera],
        choose: Callable[[], Camera | None],
    ) -> None:
        super().__init__("camera", texts, scale)
        self._choose = choose
        self.camera = QRadioButton()
        self.look = QPushButton(texts["setup_camera_look"])
        self.demo = QRadioButton(texts["setup_demo"])
        self.no_camera = QRadioButton(texts["setup_no_camera"])
        self.network = QRadioButton(texts["setup_network"])
        self.address = self._line("setup_network")
        self.address.setPlaceholderText("rtsp://camera.local/stream")
        self.address.textEdited.connect(lambda: self.network.setChecked(True))
        self._group = self._choice(self.camera, self.demo, self.no_camera, self.network)
        self.look.clicked.connect(self._on_look)
        is_there = bool(cameras)
        hint = self._label(
            texts["setup_camera_hint" if is_there else "setup_camera_connect"], soft=True
        )
        self.camera.setEnabled(is_there)
        self.look.setVisible(is_there)
        parts = [self.camera, *([self.look] if is_there else []), self.demo, self.no_camera]
        self._add(*parts, self.network, self.address, hint)
        (self.camera if is_there else self.demo).setChecked(True)
        self._name(cameras[0] if is_there else None)

    @property
    def answer(self) -> str:
        """The chosen source in words, without passwords."""
        if self.network.isChecked():
            return hide_passwords(self.address.text().strip())
        chosen = self._group.checkedButton()
        return "" if chosen is None else chosen.text()

    def take(self, draft: Draft) -> str:
        """Take the source."""
        if self.network.isChecked():
            draft.source = self.address.text().strip()
            if not is_address(draft.source):
                return self._texts["setup_no_address"]
            return problem_with("camera.source", draft.source) or ""
        if self.camera.isChecked() and self._camera is not None:
            draft.source = self._camera.source
        else:
            draft.source = NO_CAMERA if self.no_camera.isChecked() else DEMO
        return ""

    def _name(self, camera: Camera | None) -> None:
        self._camera = camera
        name = self._texts["setup_camera_none"]
        if camera is not None:
            name = camera.name or self._texts["picker_camera"].format(index=camera.index)
        self.camera.setText(name)

    @pyqtSlot()
    def _on_look(self) -> None:
        chosen = self._choose()
        if chosen is not None:
            self._name(chosen)
            self.camera.setChecked(True)


class AdsStep(Step):
    """The samples, or the operator's own ads in a folder.

    Signals:
        chosen: Paths of files to be taken as ads.
    """

    chosen = pyqtSignal(list)

    def __init__(self, texts: Texts, scale: float, folder: Path) -> None:
        super().__init__("ads", texts, scale)
        self._folder = folder
        self.samples = QRadioButton(texts["setup_samples"])
        self.own_ads = QRadioButton(texts["setup_own_ads"])
        self._group = self._choice(self.samples, self.own_ads)
        self.choose = QPushButton(texts["setup_choose_files"])
        self.choose.clicked.connect(self._on_choose)
        self.list = QListWidget()
        self.list.setAccessibleName(texts["setup_ads_title"])
        self.list.setSelectionMode(QListWidget.SelectionMode.ExtendedSelection)
        self.list.itemSelectionChanged.connect(self._on_selected)
        self.remove = QPushButton(texts["setup_remove"])
        self.remove.setEnabled(False)
        self.remove.clicked.connect(self._on_remove)
        hint = self._label(texts["setup_ads_hint"].format(folder=folder), soft=True)
        buttons = QWidget()
        row = QHBoxLayout(buttons)
        row.setContentsMargins(0, 0, 0, 0)
        for button in (self.choose, self.remove):
            button.setFont(text_font(style.PANEL_TEXT * scale))
            row.addWidget(button)
        self._add(self.samples, self.own_ads, buttons, self.list, hint)
        # The list has the room that is left, instead of the space below the page.
        self._layout.setStretchFactor(self.list, 1)
        self._layout.setStretch(self._layout.count() - 1, 0)
        self.show_files()
        if not self.list.count():
            self.samples.setChecked(True)

    def show_files(self) -> None:
        """List the ads in the folder, and choose them if there are any."""
        self.list.clear()
        self.list.addItems(ads_in(self._folder))
        self.own_ads.setChecked(self.list.count() > 0)

    def take(self, draft: Draft) -> str:
        """Take which ads are shown."""
        draft.own_ads = self.own_ads.isChecked()
        return self._texts["setup_no_ads"] if draft.own_ads and not self.list.count() else ""

    @pyqtSlot()
    def _on_selected(self) -> None:
        self.remove.setEnabled(bool(self.list.selectedItems()))

    @pyqtSlot()
    def _on_remove(self) -> None:
        for item in self.list.selectedItems():
            remove_ad(self._folder, item.text())
        self.show_files()

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
            self.chosen.emit([Path(name) for name in found])


class NoticeStep(Step):
    """The languages of the notice, where to read more, and whether it is required.

    Args:
        language: Of the window.
    """

    def __init__(self, texts: Texts, scale: float, language: str) -> None:
        super().__init__("notice", texts, scale)
        names = named_languages()
        self.languages = {code: QCheckBox(names.get(code, code)) for code in languages()}
        self.languages[language].setChecked(True)
        self.url = self._line("setup_url")
        self.required = QCheckBox(texts["setup_required"])
        parts: list[QWidget] = []
        for code, box in self.languages.items():
            box.setAccessibleDescription(texts_for(code)["notice"])
            parts += [box, self._explanation(texts_for(code)["notice"])]
        parts += [self._label(texts["setup_url"]), self.url, self.required]
        self._add(*parts, self._explanation(texts["setup_required_hint"]))

    def _explanation(self, text: str) -> QLabel:
        """Make a label that stands below the words of a box."""
        label = self._label(text, soft=True)
        label.setIndent(round(34 * self._scale))
        return label

    def take(self, draft: Draft) -> str:
        """Take how people are informed."""
        draft.languages = tuple(code for code, box in self.languages.items() if box.isChecked())
        draft.url = self.url.text().strip()
        draft.required = self.required.isChecked()
        return problem_with("notice.url", draft.url or None) or ""


class PlaceStep(Step):
    """The name of the site, its time zone, and the password for its pages.

    Args:
        needs_password: Whether the console has no account yet.
    """

    def __init__(self, texts: Texts, scale: float, *, needs_password: bool) -> None:
        super().__init__("place", texts, scale)
        self._needs_password = needs_password
        self.site = self._line("setup_site")
        self.zone = QComboBox()
        self.zone.setEditable(True)
        self.zone.addItems(zone_names())
        self.zone.setCurrentText(local_zone().key)
        self.zone.setAccessibleName(texts["setup_zone"])
        self.password, self.again = self._line("setup_password"), self._line("setup_again")
        parts: list[QWidget] = [self._label(texts["setup_site"]), self.site]
        parts += [self._label(texts["setup_zone"]), self.zone]
        for key, line in (("setup_password", self.password), ("setup_again", self.again)):
            line.setEchoMode(QLineEdit.EchoMode.Password)
            if needs_password:
                parts += [self._label(texts[key]), line]
        self._add(*parts)

    def take(self, draft: Draft) -> str:
        """Take place and password."""
        draft.site = " ".join(self.site.text().split())
        draft.time_zone = self.zone.currentText().strip()
        if not draft.site:
            return self._texts["setup_no_site"]
        if problem_with("data.timezone", draft.time_zone or None) is not None:
            return self._texts["setup_no_zone"]
        if self._needs_password and self.password.text() != self.again.text():
            return self._texts["setup_differ"]
        if self._needs_password and len(self.password.text()) < MIN_PASSWORD:
            return self._texts["setup_short"]
        return ""


class CheckStep(Step):
    """The answers, before they are written.

    Args:
        camera: Returns the chosen source in words.
        folder: Of the operator's own ads.
    """

    def __init__(self, texts: Texts, scale: float, camera: Callable[[], str], folder: Path) -> None:
        super().__init__("check", texts, scale)
        self._camera = camera
        self._folder = folder
        self.summary = QLabel()
        self.summary.setWordWrap(True)
        self._add(self.summary, self._label(texts["setup_check_hint"], soft=True))

    def show_draft(self, draft: Draft) -> None:
        """List the answers, one below each title."""
        texts, names = self._texts, named_languages()
        own_ads = ads_in(self._folder)
        shown = ", ".join(own_ads[:8]) + (" …" if len(own_ads) > 8 else "")
        notice = [", ".join(names.get(code, code) for code in draft.languages), draft.url]
        notice += [texts["setup_check_notice"]] if draft.required else []
        answers = {
            "camera": self._camera(),
            "ads": shown if draft.own_ads else texts["setup_samples"],
            "notice": " · ".join(filter(None, notice)),
            "place": f"{draft.site}, {draft.time_zone}",
        }
        soft, gap = style.TEXT_SOFT.name(), round(14 * self._scale)
        self.summary.setText(
            "".join(
                f'<p style="margin: 0 0 {gap}px 0"><span style="color: {soft}">'
                f"{html.escape(texts[f'setup_{name}_title'])}</span><br>{html.escape(answer)}</p>"
                for name, answer in answers.items()
            )
        )

    def focus(self) -> None:
        """Leave the keyboard to the button that starts."""
