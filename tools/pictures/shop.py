"""What a shop's kiosk and a hub of eight screens have recorded, for pictures of full pages.

The numbers are drawn by lot from a fixed seed, with known effects of each ad.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import cv2
import numpy as np

from ads.playlists.loader import load_playlist
from ads.playlists.playlist import DAYS
from db.engine import open_database, writing
from db.hub.screens.registry import Place
from db.read.experiments import Opening
from db.transfer.envelope import pack
from db.write.experiments import store_experiment, store_outcomes
from db.write.records import ModelRecord, PlayEnded, PlayStarted, SessionEnded, SessionRecord
from db.write.session_writer import SessionWriter
from detector.emotion.model_card import read_card
from detector.emotion.model_store import find_model
from monitor.analytics.experiments import draw_blocks
from monitor.reports.experiment_plans import new_plan, planned
from monitor.session.recorder import ad_record
from monitor.version import VERSION
from tests.helpers.experiments import outcomes_of, sales_of
from tests.helpers.kiosk_health import make_health
from tests.helpers.making import reading_record
from tests.helpers.simulated_kiosks import Line, SimulatedKiosk
from tools.pictures import people

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ads.playlists.playlist import Ad
    from db.read.experiments import BlockInfo

SAMPLES = Path(__file__).parents[2] / "ads" / "sample"
OPENED = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
PLAYS, EVERY_S, STEP_S = 240, 135.0, 0.25


class Effect(NamedTuple):
    """How an ad does: its level of smiles and of looking, 0 to 1, and the second of its best."""

    smiles: float
    looks: float
    best_s: float


EFFECTS = {
    "sample-solina": Effect(0.50, 0.80, 2.0),
    "sample-brume": Effect(0.34, 0.66, 1.0),
    "sample-nordlys": Effect(0.38, 0.74, 4.0),
    "sample-fleur": Effect(0.14, 0.40, 1.0),
    "sample-second-chapter": Effect(0.30, 0.60, 3.0),
}


def record_day(database: Path) -> None:
    """Record a day of the sample ads in a new database."""
    ads = load_playlist(SAMPLES / "playlist.yaml").ads
    card = read_card(find_model("compact-3"))
    session = SessionRecord(
        *("run", "Shop 12", "0", OPENED, VERSION),
        settings={"policy": "shuffle", "timezone": "Europe/Berlin"},
        model=ModelRecord(card.name, card.sha256, card.model_dump(mode="json")),
    )
    rng = np.random.default_rng(12)
    engine = open_database(str(database))
    try:
        with SessionWriter(engine, session, full_wait_s=60.0) as writer:
            for record in [*map(ad_record, ads), *_records(rng, ads)]:
                writer.submit(record)
            frames = round(PLAYS * EVERY_S * 10)
            writer.close(SessionEnded(_at(PLAYS * EVERY_S), "finished", frames, 0, 10.0), 120.0)
    finally:
        engine.dispose()


def _records(rng: np.random.Generator, ads: tuple[Ad, ...]) -> Iterator[Any]:
    viewer = 0
    for number in range(1, PLAYS + 1):
        ad, start = ads[int(rng.integers(len(ads)))], EVERY_S * (number - 1)
        yield PlayStarted(number, ad.ad_id, _at(start), "shuffled", 1 / len(ads))
        for _ in range(int(rng.poisson(2.6))):
            viewer += 1
            yield from _readings(rng, ad, viewer, number, start)
        yield PlayEnded(number, _at(start + ad.duration_s), "finished", 1000 * ad.duration_s)


def _readings(
    rng: np.random.Generator, shown: Ad, viewer: int, play: int, start_s: float
) -> Iterator[Any]:
    ad = EFFECTS[shown.ad_id]
    level, habit = rng.normal(0, 0.12), rng.normal(0, 0.15)
    looking = True
    for at_s in np.arange(0.2, shown.duration_s, STEP_S):
        peak = 0.3 * np.exp(-(((at_s - ad.best_s) / 1.2) ** 2))
        happy = float(np.clip(ad.smiles + level + peak + rng.normal(0, 0.08), 0.02, 0.9))
        rest = rng.dirichlet((1.5, 0.6, 0.8, 2.0, 1.5, 10.0)) * (1 - happy)
        p = (*rest[:3].tolist(), happy, *rest[3:].tolist())
        if rng.random() < 0.3:
            looking = bool(rng.random() < ad.looks + habit)
        yield reading_record(
            at=_at(start_s + float(at_s)),
            viewer_number=viewer,
            play_number=play,
            position_ms=1000 * float(at_s),
            probabilities=p,
            valence=p[3] - max(p[0], p[1], p[2], p[4]),
            expressiveness=1 - p[6],
            uncertain=False,
            yaw=None,
            pitch=None,
            roll=None,
            attentive=looking,
            quality=1.0,
            box=(0.4, 0.3, 0.1, 0.18),
        )


def _at(seconds: float) -> datetime:
    return OPENED + timedelta(microseconds=round(seconds * 1e6))


def write_faces(table: Path, count: int = 120) -> None:
    """Write drawn faces in FER2013's form; one label in twelve is wrong."""
    rng = np.random.default_rng(3)
    shows = {3: people.HAPPY, 5: people.SURPRISE, 6: people.NEUTRAL}
    drawn = {
        (person, label): people.portrait(looks, expression)
        for person, looks in enumerate(people.PEOPLE)
        for label, expression in shows.items()
    }
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("emotion", "pixels", "Usage"))
        for number in range(count):
            label = (3, 5, 6)[number % 3]
            face = _crop(drawn[int(rng.integers(len(people.PEOPLE))), label], rng)
            written = (5, 6, 3)[number % 3] if number % 12 == 7 else label
            writer.writerow((written, " ".join(map(str, face.ravel())), "Training"))


def _crop(drawn: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Cut a face as the data set has them: 48 pixels, grey, and none like another."""
    x, y = (round((axis + rng.uniform(-4, 4)) * people.UNIT_PX) for axis in people.CENTRE)
    half = round(rng.uniform(48, 58) * people.UNIT_PX)
    face = drawn[y - half : y + half, x - half : x + half]
    opacity = face[:, :, 3:] / 255
    flat = (face[:, :, :3] * opacity + rng.uniform(90, 220) * (1 - opacity)) * rng.uniform(0.7, 1)
    grey = cv2.cvtColor(flat.astype(np.uint8), cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (48, 48), interpolation=cv2.INTER_AREA), dtype=np.uint8)


EXPERIMENT, RISE = "Summer sells", 0.15


def run_experiment(database: Path) -> None:
    """Record an experiment at the first site of the hub: it has run for 12 days, and sales rise."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    begin = datetime.combine(now - timedelta(days=12), time(), ZoneInfo("Europe/Berlin"))
    site, rng = STATIONS[0].site, np.random.default_rng(7)
    made = new_plan(
        treatment=["sample-solina"],
        control=[],
        sites=[site],
        measure="sales",
        relevant=0.1,
        stopping="always_valid",
        block_min=60,
        wash_out_min=5,
        opening=Opening("08:00-20:00", DAYS, "Europe/Berlin"),
        since=begin,
        until=None,
        now=begin,
        seed=7,
        name=EXPERIMENT,
        hypothesis="Solina sells lemonade",
        uid="5e" * 16,
    )
    past = draw_blocks(replace(made, starts_at=begin - timedelta(days=28), ends_at=begin))
    engine = open_database(str(database))
    try:
        with writing(engine) as connection:
            store_outcomes(connection, outcomes_of(past, sales_of(past, rng, noise=0.12)), begin)
        made, blocks, _ = planned(engine, made, begin, open_end=True)
        over = [block for block in blocks if block.ends_at <= now]
        sold = sales_of(over, rng, lift=RISE, noise=0.12)
        with writing(engine) as connection:
            store_experiment(connection, made, blocks)
            store_outcomes(connection, outcomes_of(over, sold), now)
        session = SessionRecord("run", site, "0", over[0].starts_at, VERSION)
        ads = load_playlist(SAMPLES / "playlist.yaml").ads
        with SessionWriter(engine, session, full_wait_s=60.0) as writer:
            for record in [*map(ad_record, ads), *_plays_in(over, ads)]:
                writer.submit(record)
            writer.close(SessionEnded(now, "finished", 0, 0, 10.0), 120.0)
    finally:
        engine.dispose()


def _plays_in(blocks: list[BlockInfo], ads: tuple[Ad, ...]) -> Iterator[Any]:
    """Yield a play every quarter of an hour, in each block only of ads that it may show."""
    number = 0
    for block in blocks:
        shown = [ad for ad in ads if block.arm == "treatment" or ad.ad_id != "sample-solina"]
        for turn in range(4):
            number += 1
            ad, start = shown[turn % len(shown)], block.starts_at + turn * timedelta(minutes=15)
            yield PlayStarted(number, ad.ad_id, start, "shuffled", 1 / len(shown))
            end = start + timedelta(seconds=ad.duration_s)
            yield PlayEnded(number, end, "finished", 1000 * ad.duration_s)


class Station(NamedTuple):
    """A screen of the hub; without viewers it was never seen."""

    name: str
    site: str
    group: str
    ad: str = ""
    viewers: int | None = None
    camera: str = "ok"


STATIONS = (
    Station("Entrance", "Berlin, Main Street", "North", "Solina, summer drink", 12),
    Station("Till 3", "Berlin, Main Street", "North", "Brume Coffee", 7),
    Station("Window", "Berlin, Main Street", "North", "Solina, summer drink", 0),
    Station("Bakery", "Hamburg, Harbour", "North", "Brume Coffee", 3, "lost"),
    Station("Entrance", "Hamburg, Harbour", "North", "Nordlys, weekend flights", 21),
    Station("Entrance", "Lyon, Part-Dieu", "South", "Second Chapter, used books", 9),
    Station("Food court", "Lyon, Part-Dieu", "South", "Brume Coffee", 34),
    Station("Platform 2", "Lyon, Part-Dieu", "South"),
)


def send_stations(database: Path, hub: str) -> None:
    """Let the kiosks of the screens say to a running hub how they are."""
    engine, line = open_database(str(database)), Line(hub)
    try:
        for number, one in enumerate(STATIONS):
            kiosk = SimulatedKiosk(number)
            kiosk.join(engine, Place(one.name, one.site, one.group, venue_type="retail"))
            if one.viewers is not None:
                status, answer = line.send(kiosk, pack(kiosk.envelope(health=_health(one))))
                if status != 200:
                    raise RuntimeError(f"The hub refused a kiosk: {answer}")
    finally:
        line.close()
        engine.dispose()


def _health(one: Station) -> dict[str, object]:
    now = datetime.now(UTC)
    said = "the camera was unplugged" if one.camera == "lost" else ""
    health = make_health(
        program_version=VERSION,
        ad={"id": one.ad.partition(",")[0].lower(), "name": one.ad},
        viewers=one.viewers,
        attentive=round(0.7 * (one.viewers or 0)),
        camera={"state": one.camera, "since": now, "detail": said},
    )
    return health.model_dump(mode="json")
