"""Who was there and for how long: the pipeline against videos of which the truth is known.

    python -m benchmarks.tracking VIDEO TRUTH.json [--scale 0.25 --canvas 1280x720] [--raw]
    python -m benchmarks.tracking VIDEO --enters 3.97 | --leaves 2.41 | --nobody

`TRUTH.json` is a list of `{"id", "x", "y", "enter", "leave"}`: where each face is on average, in
pixels, and from when to when, in seconds. A reading belongs to a face if its centre lies within
`REACH` face sides of that place. Our test faces sway by up to 23 px across and 13 px down, a
detector's box need not sit in the middle of the picture that was pasted, so that it was up to 62 px
off, and neighbours are 256 px apart: 0.6 of 150 px takes all of the one and none of the other. They
come and go from one frame to the next, so by default nothing is forgiven; for a video in which they
fade, `--grace` names the seconds around entering and leaving in which a face is neither demanded
nor counted as false.

Without a file there is one viewer, anywhere in the picture, or nobody. Readings of static faces are
counted apart, as the product does. The measures are CLEAR MOT (Bernardin and Stiefelhagen 2008) and
identity (Ristani et al. 2016), from `motmetrics`.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import math
import statistics
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from detector.analysis import AnalysisSettings, FaceAnalyser
from detector.emotion.classifier import load_classifier
from detector.emotion.labels import EMOTIONS
from detector.errors import DetectorError
from detector.faces.detector import MediaPipeFaceDetector
from detector.sources.opening import open_source
from detector.sources.video_source import SourceSpec
from detector.types import Frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

REACH = 0.6
"""Furthest centre of a reading from the mean place of its face, in sides of the face."""

FACE_PX = 150.0
"""Side of the faces of our test video, in pixels."""

WARM_UP_FRAMES = 10
"""Frames analysed before the clock runs: native libraries plan their memory on the first ones."""

GREY = 128

Place = tuple[float, float]


@dataclass(frozen=True)
class Person:
    """One face of the truth.

    Attributes:
        name: Its number in the truth.
        enters_s: The first moment with it.
        leaves_s: The first moment without it.
        place: Its mean place in pixels; `None` for anywhere.
    """

    name: int
    enters_s: float = 0.0
    leaves_s: float = math.inf
    place: Place | None = None

    def in_view(self, time_s: float, margin_s: float = 0.0) -> bool:
        """Whether it is there, and has been and will be for `margin_s`; if negative, whether it is
        at least near.
        """
        return self.enters_s + margin_s <= time_s < self.leaves_s - margin_s


class Sighting(NamedTuple):
    """One reading: the viewer's number, the centre of the box in pixels, and the label; `None`
    where it is withheld.
    """

    viewer: int
    x: float
    y: float
    label: str | None


@dataclass(frozen=True)
class Shot:
    """What was read in one frame."""

    time_s: float
    sightings: tuple[Sighting, ...]


@dataclass
class Run:
    """One pass over a video.

    Attributes:
        shots: What was read, static faces left out.
        analysis_s: Seconds spent on the pipeline.
        decoding_s: Seconds spent on reading the video.
        static: Readings of static faces.
        withheld: Readings without an emotion, by reason.
    """

    shots: list[Shot] = field(default_factory=list)
    analysis_s: float = 0.0
    decoding_s: float = 0.0
    static: int = 0
    withheld: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Stage:
    """A canvas in the middle of which the video is shown smaller.

    Attributes:
        scale: Share of its size, above 0 to 1.
        size: Width and height of the canvas in pixels; `None` for that of the smaller video.
        background: `grey`, or `noise` for a coarse random texture.
    """

    scale: float = 1.0
    size: tuple[int, int] | None = None
    background: str = "grey"

    def shown(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A picture on the canvas.

        Raises:
            ValueError: It is larger than the canvas.
        """
        height, width = image.shape[:2]
        if self.scale != 1.0:
            shrunk = self._shrunk(width, height)
            image = np.asarray(
                cv2.resize(image, shrunk, interpolation=cv2.INTER_AREA), dtype=np.uint8
            )
        if self.size is None:
            return image
        height, width = image.shape[:2]
        left, top = self._corner(width, height)
        canvas = self._background()
        canvas[top : top + height, left : left + width] = image
        return canvas

    def moved(self, place: Place, width: int, height: int) -> Place:
        """Where a point of a picture of `width` by `height` pixels lies on the canvas."""
        left, top = (0, 0) if self.size is None else self._corner(*self._shrunk(width, height))
        return left + place[0] * self.scale, top + place[1] * self.scale

    def _shrunk(self, width: int, height: int) -> tuple[int, int]:
        return round(width * self.scale), round(height * self.scale)

    def _corner(self, width: int, height: int) -> tuple[int, int]:
        assert self.size is not None
        if width > self.size[0] or height > self.size[1]:
            raise ValueError(
                f"Invalid canvas: expected at least {width}x{height}, the size of the video at this scale, "
                f"received {self.size[0]}x{self.size[1]}; name a larger --canvas or a smaller --scale."
            )
        return (self.size[0] - width) // 2, (self.size[1] - height) // 2

    def _background(self) -> NDArray[np.uint8]:
        assert self.size is not None
        width, height = self.size
        if self.background == "grey":
            return np.full((height, width, 3), GREY, dtype=np.uint8)
        coarse = np.random.default_rng(0).integers(
            0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8
        )
        return np.asarray(
            cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8
        )


def build_analyser(
    model: str | None = None, smoothing_delay_s: float | None = None
) -> FaceAnalyser:
    """The whole pipeline as the product builds it, on the processor.

    Args:
        model: Name of a model or path of a `.keras` file. Defaults to the shipped one.
        smoothing_delay_s: Delay of the smoothed probabilities; 0 gives the raw ones. Defaults to
            the product's.
    """
    settings = (
        AnalysisSettings()
        if smoothing_delay_s is None
        else AnalysisSettings(smoothing_delay_s=smoothing_delay_s)
    )
    return FaceAnalyser(MediaPipeFaceDetector(), load_classifier(model, "cpu"), settings)


def people_of(truth: Path) -> list[Person]:
    """The faces of a truth file.

    Raises:
        ValueError: It is not such a file.
    """
    try:
        return [
            Person(
                int(face["id"]),
                float(face["enter"]),
                float(face["leave"]),
                (float(face["x"]), float(face["y"])),
            )
            for face in json.loads(truth.read_text(encoding="utf-8"))
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{truth} holds no truth: expected a JSON list of objects with id, x, y, enter and leave, "
            f"received {type(error).__name__}: {error}; check the file."
        ) from error


def distances(
    people: Sequence[Person], sightings: Sequence[Sighting], reach_px: float
) -> NDArray[np.float64]:
    """How far each sighting is from each person.

    Returns:
        `(people, sightings)` pixels between a sighting and the person's mean place; NaN beyond
        `reach_px`, and 0 for a person who may be anywhere.
    """
    apart = np.zeros((len(people), len(sightings)))
    for row, person in enumerate(people):
        if person.place is not None:
            for column, seen in enumerate(sightings):
                distance = math.dist(person.place, (seen.x, seen.y))
                apart[row, column] = distance if distance <= reach_px else math.nan
    return apart


def judged(
    shot: Shot, people: Sequence[Person], reach_px: float, grace_s: float = 0.0
) -> tuple[list[Person], list[Sighting]]:
    """The people whom a frame must show, and the sightings that count, be they right or false.

    A sighting whose nearest person is just coming or going is left out.
    """
    near = [person for person in people if person.in_view(shot.time_s, -grace_s)]
    demanded = [person.in_view(shot.time_s, grace_s) for person in near]
    apart = np.nan_to_num(distances(near, shot.sightings, reach_px), nan=math.inf)
    counted = []
    for column, seen in enumerate(shot.sightings):
        nearest = int(apart[:, column].argmin()) if near else -1
        if nearest < 0 or demanded[nearest] or math.isinf(apart[nearest, column]):
            counted.append(seen)
    return list(itertools.compress(near, demanded)), counted


def motmetrics() -> Any:
    """The library with the measures.

    Raises:
        SystemExit: It is not installed.
    """
    try:
        return importlib.import_module("motmetrics")
    except ImportError as error:
        raise SystemExit(
            f"The tracking measures need the library motmetrics, which cannot be imported ({error}): "
            "install it with: pip install motmetrics"
        ) from error


MEASURES = {
    "recall": "recall",
    "precision": "precision",
    "id_switches": "num_switches",
    "idf1": "idf1",
    "mota": "mota",
    "fragmentations": "num_fragmentations",
    "missed": "num_misses",
    "false": "num_false_positives",
}
"""Our names and the library's."""


def scores(
    shots: Sequence[Shot], people: Sequence[Person], reach_px: float, grace_s: float = 0.0
) -> dict[str, float | int | None]:
    """`MEASURES` of a run, and viewers and faces per frame as they are and as they should be.

    A measure that is not defined, such as recall where nobody was to be seen, is `None`.
    """
    library = motmetrics()
    events = library.MOTAccumulator(auto_id=True)
    demanded = counted = 0
    for shot in shots:
        present, seen = judged(shot, people, reach_px, grace_s)
        demanded += len(present)
        counted += len(seen)
        events.update(
            [person.name for person in present],
            [one.viewer for one in seen],
            distances(present, seen, reach_px),
        )
    found = library.metrics.create().compute(
        events, metrics=list(MEASURES.values()), return_dataframe=False
    )
    # The library calls a ratio of nothing to nothing 0.
    undefined = set()
    if not demanded:
        undefined |= {"recall", "mota"}
    if not counted:
        undefined.add("precision")
    if not demanded and not counted:
        undefined.add("idf1")
    measures = {
        name: None if name in undefined else _plain(found[theirs])
        for name, theirs in MEASURES.items()
    }
    return measures | {
        "faces_per_frame": counted / max(1, len(shots)),
        "true_faces_per_frame": demanded / max(1, len(shots)),
    }


def _plain(value: Any) -> float | int | None:
    number = float(value)
    if not math.isfinite(number):
        return None
    return int(number) if isinstance(value, (int, np.integer)) else number


@dataclass(frozen=True)
class Presence:
    """How well the time in view of one person was measured.

    Attributes:
        name: Number of the person.
        viewers: How many viewers it was counted as.
        start_error_s: First reading of the one of them who was longest at this place, minus the
            first frame with the person; `None` if there is no viewer.
        end_error_s: The same of the last ones.
    """

    name: int
    viewers: int
    start_error_s: float | None
    end_error_s: float | None


def presences(shots: Sequence[Shot], people: Sequence[Person], reach_px: float) -> list[Presence]:
    """The presence of every person who was in view in at least one frame."""
    spans: dict[int, tuple[float, float]] = {}
    for shot in shots:
        for seen in shot.sightings:
            spans[seen.viewer] = (spans.get(seen.viewer, (shot.time_s,))[0], shot.time_s)
    found = []
    for person in people:
        times = [shot.time_s for shot in shots if person.in_view(shot.time_s)]
        if not times:
            continue
        held: Counter[int] = Counter()
        for shot in shots:
            if person.in_view(shot.time_s):
                near = ~np.isnan(distances([person], shot.sightings, reach_px))[0]
                held.update(seen.viewer for seen in itertools.compress(shot.sightings, near))
        if held:
            first, last = spans[held.most_common(1)[0][0]]
            found.append(Presence(person.name, len(held), first - times[0], last - times[-1]))
        else:
            found.append(Presence(person.name, 0, None, None))
    return found


def label_changes(shots: Sequence[Shot]) -> float | None:
    """How often the label of a viewer changes, per minute and viewer; `None` without labels.

    Readings whose emotion is withheld are passed over.
    """
    labels: dict[int, list[tuple[float, str]]] = defaultdict(list)
    for shot in shots:
        for seen in shot.sightings:
            if seen.label is not None:
                labels[seen.viewer].append((shot.time_s, seen.label))
    minutes = sum(told[-1][0] - told[0][0] for told in labels.values()) / 60
    changes = sum(
        now[1] != then[1] for told in labels.values() for then, now in itertools.pairwise(told)
    )
    return changes / minutes if minutes > 0 else None


def watch(video: str, analyser: FaceAnalyser, stage: Stage, frames: int | None = None) -> Run:
    """Analyse the first `frames` of a video, or all of it, on a stage; the stage's own work is not
    timed.
    """
    run = Run()
    with open_source(SourceSpec.parse(video), lossless=True) as source:
        while frames is None or len(run.shots) < frames:
            start = time.perf_counter()
            frame = source.read()
            run.decoding_s += time.perf_counter() - start
            if frame is None:
                break
            frame = Frame(stage.shown(frame.image), frame.captured_ns, frame.sequence)
            start = time.perf_counter()
            analysed = analyser.analyse(frame)
            run.analysis_s += time.perf_counter() - start
            audience = [reading for reading in analysed.readings if not reading.static]
            run.static += len(analysed.readings) - len(audience)
            run.withheld.update(
                reading.withheld for reading in audience if reading.withheld is not None
            )
            centres = [reading.box.centre for reading in audience]
            run.shots.append(
                Shot(
                    frame.captured_ns / 1e9,
                    tuple(
                        Sighting(
                            reading.viewer,
                            x * analysed.width,
                            y * analysed.height,
                            reading.label(EMOTIONS),
                        )
                        for reading, (x, y) in zip(audience, centres, strict=True)
                    ),
                )
            )
    return run


def report(
    run: Run, raw: Run | None, people: Sequence[Person], reach_px: float, grace_s: float
) -> dict[str, Any]:
    """Everything that was measured, for JSON."""
    count = len(run.shots)
    found = presences(run.shots, people, reach_px)
    both = run.analysis_s + run.decoding_s
    return {
        "frames": count,
        **scores(run.shots, people, reach_px, grace_s),
        "people": len(found),
        "viewers": len({seen.viewer for shot in run.shots for seen in shot.sightings}),
        "start_error_s": errors([one.start_error_s for one in found]),
        "end_error_s": errors([one.end_error_s for one in found]),
        "presence": [vars(one) for one in found],
        "label_changes_per_minute": label_changes(run.shots),
        "raw_label_changes_per_minute": None if raw is None else label_changes(raw.shots),
        "static_readings": run.static,
        "withheld_readings": dict(run.withheld),
        "fps": count / run.analysis_s if count else None,
        "fps_with_decoding": count / both if count else None,
    }


def errors(seconds: Sequence[float | None]) -> dict[str, float | None]:
    """Median, and the one furthest from 0."""
    known = [value for value in seconds if value is not None]
    if not known:
        return {"median": None, "worst": None}
    return {"median": statistics.median(known), "worst": max(known, key=abs)}


def cell(value: Any) -> str:
    """A figure as the tables show it."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {cell(part)}" for name, part in value.items()) or "-"
    return str(value)


def tables(document: dict[str, Any]) -> list[Table]:
    """The report for people: the figures, then the presence of each person."""
    figures = Table(title="Tracking", title_justify="left", box=None, show_header=False)
    figures.add_column()
    figures.add_column(justify="right")
    for name, value in document.items():
        if name != "presence":
            figures.add_row(name.replace("_", " "), cell(value))
    if not document["presence"]:
        return [figures]
    presence = Table(title="Presence", title_justify="left", box=None)
    for column in ("person", "viewers", "start, s", "end, s"):
        presence.add_column(column, justify="right")
    for one in document["presence"]:
        presence.add_row(*(cell(value) for value in one.values()))
    return [figures, presence]


def canvas_size(text: str) -> tuple[int, int]:
    """`WIDTHxHEIGHT` as two numbers.

    Raises:
        argparse.ArgumentTypeError: It is something else.
    """
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) for part in parts):
        raise argparse.ArgumentTypeError(
            f"expected WIDTHxHEIGHT such as 1280x720, received {text!r}"
        )
    return int(parts[0]), int(parts[1])


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Measure the pipeline against videos of known truth."
    )
    parser.add_argument("video")
    parser.add_argument("truth", type=Path, nargs="?", help="JSON list of id, x, y, enter, leave")
    parser.add_argument(
        "--enters", type=float, metavar="S", help="one viewer, from the first frame at or after S"
    )
    parser.add_argument(
        "--leaves", type=float, metavar="S", help="one viewer, in no frame at or after S"
    )
    parser.add_argument("--nobody", action="store_true", help="no viewer at all")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="show the video smaller: share of its size"
    )
    parser.add_argument(
        "--canvas", type=canvas_size, metavar="WxH", help="paste it in the middle of a picture"
    )
    parser.add_argument("--background", choices=("grey", "noise"), default="grey")
    parser.add_argument(
        "--face-px", type=float, default=FACE_PX, help="side of the faces in the video"
    )
    parser.add_argument(
        "--grace", type=float, default=0.0, metavar="S", help="forgiven around entering and leaving"
    )
    parser.add_argument(
        "--raw", action="store_true", help="a second pass for the labels without smoothing"
    )
    parser.add_argument("--frames", type=int, help="only the first ones")
    parser.add_argument("--model", help="name or .keras file; default: the shipped one")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    one_viewer = options.enters is not None or options.leaves is not None
    if (options.truth is not None) + one_viewer + options.nobody != 1:
        parser.error(
            "expected the truth in one way: TRUTH.json, or --enters and --leaves, or --nobody"
        )
    if not 0 < options.scale <= 1:
        parser.error(f"argument --scale: expected a number above 0 to 1, received {options.scale}")
    try:
        options.people = truth_of(options)
    except ValueError as error:
        parser.error(str(error))
    return options


def truth_of(options: argparse.Namespace) -> list[Person]:
    """The people whom the command line names, in pixels of the video."""
    if options.nobody:
        return []
    if options.truth is not None:
        return people_of(options.truth)
    return [
        Person(0, options.enters or 0.0, math.inf if options.leaves is None else options.leaves)
    ]


def on_stage(people: Sequence[Person], stage: Stage, width: int, height: int) -> list[Person]:
    """The same people where the canvas shows them, from a video of `width` by `height` pixels."""
    return [
        person
        if person.place is None
        else Person(
            person.name, person.enters_s, person.leaves_s, stage.moved(person.place, width, height)
        )
        for person in people
    ]


def main() -> None:
    """Measure and print."""
    options = options_of()
    motmetrics()
    stage = Stage(options.scale, options.canvas, options.background)
    try:
        with open_source(SourceSpec.parse(options.video), lossless=True) as source:
            first = source.read()
        assert first is not None
        height, width = first.image.shape[:2]
        people = on_stage(options.people, stage, width, height)
        watch(options.video, build_analyser(options.model), stage, WARM_UP_FRAMES)
        runs = []
        for delay_s in (None, 0.0) if options.raw else (None,):
            analyser = build_analyser(options.model, delay_s)
            runs.append(watch(options.video, analyser, stage, options.frames))
            analyser.close()
    except (DetectorError, ValueError) as error:
        raise SystemExit(str(error)) from error
    raw = runs[1] if options.raw else None
    document = report(runs[0], raw, people, REACH * options.face_px * options.scale, options.grace)
    if options.json:
        print(json.dumps({"video": Path(options.video).name, **document}, indent=1))
        return
    console = Console()
    for table in tables(document):
        console.print(table)


if __name__ == "__main__":
    main()
