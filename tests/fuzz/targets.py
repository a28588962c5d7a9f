"""The fuzz targets: each parser as a function of bytes that may raise documented errors only.

A target is entered once and gives that function; what it needs (folders, a database, the web page)
lives until it is left.
"""

from __future__ import annotations

import io
import json
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from ads.errors import AdsError, PlaylistError
from ads.playlists.loader import load_playlist
from ads.simulation.audience import read_audience
from detector.emotion.model_card import read_card
from detector.errors import ModelLoadError, ZonesError
from detector.faces.zones import Zones
from detector.types import AnalysedFrame, Box, FaceReading, HeadPose
from monitor.logs import only_errors
from monitor.sensor.live import SensorHealth
from monitor.sensor.messages import (
    Ended,
    FrameRead,
    HealthReport,
    ProtocolError,
    Ready,
    read_message,
    write_message,
)
from monitor.settings.zones_file import read_zones
from tests.fuzz.web import web
from training.datasets.fer2013 import read_fer2013
from training.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    Function = Callable[[bytes], None]

PLAYLIST = b"""\
timezone: Europe/Berlin
cross_fade_s: 0.5
ads:
  - &first
    id: summer-01
    file: ok.png
    name: Summer drinks
    duration_s: 8
    weight: 2
    moods: [sad, neutral]
    days: [mon, tue]
    hours: ["08:00-12:00", "22:00-02:00"]
    max_per_hour: 20
    brand_at_s: [5.5]
    priority: 3
    takeover: true
    price_per_thousand_s: 1.5
  - <<: *first
    id: second
    file: other.mp4
"""

ZONES = b"""\
zones:
  - kind: ignore
    name: mirror
    box: [0.8, 0, 0.2, 0.6]
  - kind: count
    points: [[0, 0.5], [0.25, 0.5], [0.25, 1], [0, 1]]
  - {kind: measure, box: [0.1, 0.1, 0.5, 0.5]}
"""

AUDIENCE = b"""\
parts:
  - name: morning
    hours: "08:00-12:00"
    moods: {sad: 4, neutral: 4, happy: 2}
    groups: {nobody: 2, one: 5, few: 2, many: 1}
ads:
  - id: comfort
    taste: {sad: 0.45, other: 0.05}
    moods: [sad]
"""

_FACE = " ".join(str(step % 256) for step in range(48 * 48)).encode()
FACES = b"emotion,pixels,Usage\n3," + _FACE + b",Training\n4," + _FACE + b",PublicTest\n"
VOTES = (
    b"Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
    b"Training,a.png,4,0,0,1,3,2,0,0,0,0\nPublicTest,b.png,6,0,1,1,0,0,0,0,2,0\n"
)
BETWEEN_FILES = b"\n%%\n"
"""Parts the dataset from the votes in one input."""


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        yield Path(name)


@contextmanager
def playlist() -> Iterator[Function]:
    """Playlists: YAML, as `load_playlist` reads it, beside one picture and one broken clip."""
    with only_errors("ads"), _folder() as folder:
        Image.new("RGB", (8, 8)).save(folder / "ok.png")
        (folder / "other.mp4").write_bytes(b"no clip")
        path = folder / "playlist.yaml"

        def run(content: bytes) -> None:
            path.write_bytes(content)
            with suppress(PlaylistError):
                load_playlist(path)

        yield run


@contextmanager
def zones() -> Iterator[Function]:
    """Zones: YAML, and the mask that they make."""
    with _folder() as folder:
        path = folder / "zones.yaml"

        def run(content: bytes) -> None:
            path.write_bytes(content)
            with suppress(ZonesError):
                Zones(read_zones(path)).kind_at((0.3, 0.4))

        yield run


@contextmanager
def audience() -> Iterator[Function]:
    """Described audiences: YAML."""
    with _folder() as folder:
        path = folder / "audience.yaml"

        def run(content: bytes) -> None:
            path.write_bytes(content)
            with suppress(AdsError):
                read_audience(path)

        yield run


@contextmanager
def dataset() -> Iterator[Function]:
    """FER2013's table and the votes beside it, plain and under the names of packed files."""
    endings = (".csv", ".csv", ".csv", ".csv.gz", ".csv.xz", ".csv.bz2", ".zip")
    with _folder() as folder:

        def run(content: bytes) -> None:
            faces, _, votes = content[1:].partition(BETWEEN_FILES)
            ending = endings[content[0] % len(endings)] if content else ".csv"
            path, votes_path = folder / f"fer2013{ending}", folder / "fer2013new.csv"
            path.write_bytes(faces)
            votes_path.write_bytes(votes)
            with suppress(DatasetError):
                read_fer2013(path, votes_path if votes else None)

        yield run


@contextmanager
def messages() -> Iterator[Function]:
    """What the sensor's process sends through its pipe."""

    def run(content: bytes) -> None:
        stream = io.BytesIO(content)
        with suppress(ProtocolError):
            while (message := read_message(stream)) is not None:
                # What was accepted can be used as the kiosk uses it.
                if isinstance(message, FrameRead):
                    for reading in message.frame.readings:
                        reading.label(tuple(map(str, range(len(reading.probabilities or ())))))

    yield run


@contextmanager
def card() -> Iterator[Function]:
    """Model cards: the JSON document beside a model."""
    with _folder() as folder:
        model = folder / "model.keras"
        model.write_bytes(b"no model")

        def run(content: bytes) -> None:
            model.with_suffix(".json").write_bytes(content)
            with suppress(ModelLoadError):
                read_card(model)

        yield run


def _sent() -> bytes:
    """One message of each kind."""
    share = 1 / 7
    reading = FaceReading(
        1,
        5,
        Box(0.1, 0.2, 0.3, 0.4),
        (share,) * 7,
        0.1,
        0.9,
        False,
        HeadPose(1.0, 2.0, 3.0),
        True,
        0.8,
    )
    stream = io.BytesIO()
    for message in (
        Ready("the demo viewer", 25.0, 100, True, "cpu"),
        FrameRead(AnalysedFrame(1, 5, 64, 36, (reading,))),
        HealthReport(SensorHealth("running", frames=3)),
        Ended(5, 3),
    ):
        write_message(stream, message)
    return stream.getvalue()


def _card() -> bytes:
    known: dict[str, Any] = {
        "name": "m",
        "labels": ["a", "b"],
        "input_side_px": 48,
        "crop_scale": 1.2,
    }
    known |= {
        "crop_raise": 0.1,
        "temperature": 1.0,
        "uncertain_below": 0.4,
        "sha256": "00",
        "limits": ["none"],
    }
    return json.dumps(known).encode()


TARGETS: dict[str, Callable[[], AbstractContextManager[Function]]] = {
    "playlist": playlist,
    "zones": zones,
    "audience": audience,
    "dataset": dataset,
    "web": web,
    "messages": messages,
    "card": card,
}

SEEDS: dict[str, list[bytes]] = {
    "playlist": [PLAYLIST, b"ads: [{file: ok.png, duration_s: 3}]"],
    "zones": [ZONES],
    "audience": [AUDIENCE],
    "dataset": [
        b"\0" + FACES,
        b"\0" + FACES + BETWEEN_FILES + VOTES,
        b'\0emotion,pixels,Usage\n"3","1 2",Training\n',
    ],
    "web": [bytes([step]) + bytes(range(step, step + 60)) for step in range(0, 180, 6)],
    "messages": [_sent()],
    "card": [_card()],
}

WORDS: dict[str, list[bytes]] = {
    "playlist": [
        *b"timezone cross_fade_s ads id file name duration_s weight moods days hours".split(),
        *b"max_per_hour brand_at_s priority takeover price_per_thousand_s ok.png".split(),
        *b"other.mp4 .. 1e400 .inf .nan 24:00 2024-13-41 *first &first <<: - ? |".split(),
        *b"!!int !!float !!timestamp !!binary !!set !!omap !!python/name:os.system".split(),
    ],
    "zones": [
        *b"zones kind ignore count measure points box name".split(),
        *b"[[ ]] 0.5 1e-9 -1 .nan !!float & * <<:".split(),
    ],
    "audience": [
        *b"parts hours moods groups ads id taste other".split(),
        *b"nobody one few many 08:00-12:00 zone start".split(),
    ],
    "dataset": [
        b"emotion",
        b"pixels",
        b"Usage",
        b"Training",
        b"PrivateTest",
        b"NF",
        b"unknown",
        b'"',
        BETWEEN_FILES,
    ],
    "web": [
        b"../",
        b"%2e%2e",
        b"http://",
        b"127.0.0.1",
        b"application/json",
        b"multipart/form-data",
        b"\r\n\r\n",
    ],
    "messages": [
        *b'"type" "readings" "size" "preview" "sequence" "captured_ns"'.split(),
        *b"[ ] { } null 1e999 -1".split(),
    ],
    "card": b'"labels" "temperature" 1e999 null [ ] { } "sha256"'.split(),
}
