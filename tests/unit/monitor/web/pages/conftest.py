"""The application with a classifier that finds what it is told, and a database with two sessions."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from db.engine import open_database, writing
from db.hub.people import accounts
from db.write.records import (
    AdRecord,
    GapStarted,
    ModelRecord,
    PlayEnded,
    PlayStarted,
    ReadingRecord,
    SessionEnded,
    SessionRecord,
)
from db.write.session_writer import SessionWriter
from detector.emotion.labels import EMOTIONS
from detector.emotion.model_card import read_card
from detector.emotion.model_store import shipped_default
from detector.image_analysis import PictureFace
from monitor.settings.models import WebSettings
from monitor.web.app import close_app, create_app
from monitor.web.services import EXTENSION
from tests.helpers.hub_rows import add_screen, fill_screen
from tests.helpers.making import reading_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.engine import Engine

START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def face(
    label: str = "happy", share: float = 0.76, box=(10, 20, 30, 40), uncertain: bool = False
) -> PictureFace:
    rest = (1 - share) / 6
    shares = {name: share if name == label else rest for name in EMOTIONS}
    return PictureFace(box, label, share, shares, uncertain)


class FakeClassifier:
    """Finds the faces it is told, in any picture; remembers the pictures' shapes."""

    def __init__(self, faces: list[PictureFace]) -> None:
        self.found = faces
        self.shapes: list[tuple[int, ...]] = []
        self.closed = False

    def faces_and_crops(self, image):
        self.shapes.append(image.shape)
        return self.found, np.full((len(self.found), 48, 48), 128, dtype=np.uint8)

    def close(self) -> None:
        self.closed = True


def picture(width: int = 80, height: int = 60, ending: str = ".png") -> bytes:
    """A picture in which every pixel differs, so that it stays large."""
    noise = np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return cv2.imencode(ending, noise)[1].tobytes()


def embedded(page: str) -> list[tuple[str, np.ndarray]]:
    """The pictures inside a page: their kinds and pixels."""
    found = re.findall(r'src="data:(image/[a-z]+);base64,([^"]+)"', page)
    return [
        (kind, cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_UNCHANGED))
        for kind, text in found
    ]


def reading(
    at: datetime, viewer: int, happy: float = 0.7, play: int | None = 1, **changes: Any
) -> ReadingRecord:
    rest = (1 - happy) / 6
    values: dict[str, Any] = {
        "at": at,
        "viewer_number": viewer,
        "play_number": play,
        "position_ms": None if play is None else 1000.0,
        "probabilities": tuple(happy if name == "happy" else rest for name in EMOTIONS),
        "valence": happy - rest,
        "expressiveness": 1 - rest,
        "uncertain": False,
        "yaw": 0.0,
        "pitch": 0.0,
        "roll": 0.0,
        "attentive": True,
        "quality": 0.9,
        "box": (0.1, 0.1, 0.2, 0.2),
    }
    return reading_record(**(values | changes))


def write_session(
    database: str,
    site: str,
    start: datetime = START,
    viewers: int = 6,
    happy=(0.8, 0.3),
    ads=("summer", "winter"),
) -> int:
    """A session that is over, whose ads were shown once each to the same number of viewers."""
    engine = open_database(database)
    with SessionWriter(engine, SessionRecord("run", site, "0", start, "0.1.0")) as writer:
        for number, (ad, mood) in enumerate(zip(ads, happy, strict=True), start=1):
            writer.submit(AdRecord(ad, f"The {ad} ad", f"{ad}.mp4", "ab" * 32, "video", 4000))
            began = start + timedelta(seconds=5 * number)
            writer.submit(PlayStarted(number, ad, began, "next", 1.0))
            for step in range(16):
                for viewer in range(viewers):
                    at = began + timedelta(seconds=step / 4)
                    spread = 0.01 * viewer
                    writer.submit(
                        reading(
                            at,
                            100 * number + viewer,
                            mood + spread,
                            number,
                            position_ms=step * 250.0,
                        )
                    )
            writer.submit(PlayEnded(number, began + timedelta(seconds=4), "finished", 4000.0))
        writer.close(
            SessionEnded(start + timedelta(seconds=20), "finished", frames=600, dropped=0, fps=30.0)
        )
    engine.dispose()
    return writer.session_id


def lost_targets(page: str) -> set[str]:
    """The fragments that links of a page lead to, without an element of that id."""
    return set(re.findall(r'href="#([^"]+)"', page)) - set(re.findall(r'\bid="([^"]+)"', page))


@pytest.fixture
def hub(client, database):
    """A client of a hub: sessions 1 and 2 at screens, 3 of a kiosk without one."""
    for number in range(3):
        write_session(database, "Foyer", START + timedelta(days=number), viewers=1)
    engine = open_database(database)
    for session, name, where in (
        (1, "Till", {"site": "Berlin", "group_name": "North", "tags": ["food"]}),
        (2, "Door", {"site": "Bonn", "group_name": "<West>", "tags": ["food", "a&b"]}),
    ):
        fill_screen(engine, session, add_screen(engine, name, **where))
    engine.dispose()
    return client


def write_weeks(database: str, site: str) -> None:
    """Six sessions, a week apart, in which viewers are happier before the summer ad."""
    for week in range(6):
        happy = (0.8 - 0.02 * week, 0.3 + 0.03 * (week % 3))
        write_session(database, site, START + timedelta(weeks=week), happy=happy)


class Running:
    """A session that is being written at this moment."""

    def __init__(self, database: str, site: str = "Live Hall", source: str = "0") -> None:
        self._engine = open_database(database)
        now = datetime.now(UTC)
        card = read_card(shipped_default())
        model = ModelRecord(card.name, card.sha256, card.model_dump(mode="json"))
        session = SessionRecord("run", site, source, now, "0.1.0", model=model)
        self.writer = SessionWriter(self._engine, session)
        self.writer.submit(
            AdRecord("summer", "Summer <drinks>", "summer.mp4", "ab" * 32, "video", 8000)
        )
        self.writer.submit(PlayStarted(1, "summer", now, "next", 1.0))
        self.id = self.writer.session_id

    def see(self, viewers: int, happy: float = 0.7, **changes: Any) -> None:
        now = datetime.now(UTC)
        for viewer in range(viewers):
            self.writer.submit(reading(now, viewer, happy, **changes))
        assert self.writer.flush()

    def gap(self, cause: str, detail: str = "") -> None:
        self.writer.submit(GapStarted(datetime.now(UTC), cause, detail))
        assert self.writer.flush()

    def end(self) -> None:
        self.writer.close(SessionEnded(datetime.now(UTC), "finished"))
        self._engine.dispose()


@pytest.fixture
def database(tmp_path: Path) -> str:
    return str(tmp_path / "kiosk.db")


@pytest.fixture
def make_app(database: str) -> Iterator[Callable[..., Flask]]:
    """Make an application that finds the given faces; closed at the end."""
    made: list[Flask] = []

    def make(
        faces: list[PictureFace] | None = None, classifier: Any = None, **settings: Any
    ) -> Flask:
        chosen = classifier or FakeClassifier([face()] if faces is None else faces)
        app = create_app(WebSettings(**({"database": database} | settings)), lambda: chosen)
        made.append(app)
        return app

    yield make
    for app in made:
        close_app(app)


@pytest.fixture
def client(make_app: Callable[..., Flask]) -> FlaskClient:
    return make_app().test_client()


@pytest.fixture
def running(database: str) -> Iterator[Running]:
    session = Running(database)
    yield session
    session.end()


def worker_of(app: Flask):
    return app.extensions[EXTENSION].worker


@pytest.fixture
def engine(app: Flask, tmp_path: Path) -> Iterator[Engine]:
    """The hub's database."""
    engine = open_database(str(tmp_path / "hub.db"))
    yield engine
    engine.dispose()


@pytest.fixture
def as_(app: Flask, engine: Engine) -> Callable[[str], FlaskClient]:
    """Return the browser of somebody with a role."""

    def log_in(role: str) -> FlaskClient:
        now, browser = datetime.now(UTC), app.test_client()
        with writing(engine) as connection:
            token, _ = accounts.invite(connection, f"the {role}", role, now)
            account = accounts.set_password(connection, token, "unused", now)
            cookie = accounts.begin_login(connection, account, now)
        browser.set_cookie("ad_monitor_hub", cookie)
        return browser

    return log_in


@pytest.fixture
def admin(as_: Callable[[str], FlaskClient]) -> FlaskClient:
    return as_("admin")


@pytest.fixture
def operator(as_: Callable[[str], FlaskClient]) -> FlaskClient:
    return as_("operator")
