"""The camera's crop of a face against the dataset's: how far apart they are, and which framing
reads faces best.

A FER2013 picture is the crop already, so a camera is played: the face is enlarged, put on a larger
canvas, leaned to one side where asked, and found again by the product's own detector. What is
around the face decides how many are found and is tried first; the boxes then come from the canvas
on which most are, and the pixels from one that goes on with the picture's outermost pixels, as
crops do at the border of a frame.

    python -m benchmarks.framing --data fer2013.csv.xz --votes fer2013new.csv [--model NAME]
    [--sheet FILE.png]
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from detector.emotion.classifier import classify, crop_geometry, load_classifier
from detector.emotion.labels import EMOTIONS
from detector.emotion.preprocessing import CropGeometry, face_crops
from detector.faces.blaze_face import INPUT_PX, BlazeFace
from detector.faces.detector import MediaPipeFaceDetector, Pyramid
from detector.faces.head_pose import head_pose
from detector.faces.tiles import Tile
from detector.types import Box, FaceDetection
from training.datasets.faces import NO_LABEL, majority
from training.datasets.reading import read_dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from detector.emotion.classifier import EmotionClassifier
    from training.datasets.faces import FaceDataset

FACE_PX = 240
FILLS = {
    "replicate": cv2.BORDER_REPLICATE,
    "reflect": cv2.BORDER_REFLECT,
    "grey": cv2.BORDER_CONSTANT,
}
PADDINGS = (0.0, 0.15, 0.3, 0.5, 1.0)
"""Width of the canvas on each side of the face, in sides of the face."""
BOX_CANVAS, PIXEL_CANVAS = ("grey", 0.5), ("replicate", 0.5)
SCALES = (1.00, 1.08, 1.13, 1.18, 1.23, 1.28, 1.35, 1.45)
RAISES = (0.0, 0.05, 0.10, 0.15, 0.20)
ROLLS_DEG = (-30, -20, -10, 0, 10, 20, 30)
FREE_ROLLS_DEG = (0.0, 5.0, 10.0, 15.0)
CALLS = 300


@dataclass(frozen=True)
class Labelled:
    """Faces with both truths.

    Attributes:
        images: `(n, 48, 48)` grey levels.
        majority: `(n,)` index into `EMOTIONS`: FER+ majority.
        original: `(n,)` index into `EMOTIONS`: the first published label.
    """

    images: NDArray[np.uint8]
    majority: NDArray[np.int64]
    original: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)

    def only(self, chosen: Sequence[int]) -> Labelled:
        """Some of the faces."""
        rows = np.asarray(chosen, dtype=int)
        return Labelled(self.images[rows], self.majority[rows], self.original[rows])


def labelled(faces: FaceDataset, count: int, seed: int) -> Labelled:
    """A random choice of the validation rows whose FER+ majority is one of the seven emotions."""
    assert faces.votes is not None, "the vote file is needed"
    labels = majority(faces.votes)
    rows = np.flatnonzero(
        (labels != NO_LABEL) & (labels < len(EMOTIONS)) & (faces.usage == "PublicTest")
    )
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:count])
    return Labelled(faces.images[rows], labels[rows], faces.original[rows])


def canvas(
    face: NDArray[np.uint8], fill: str, padding: float, roll_deg: float = 0.0
) -> NDArray[np.uint8]:
    """What a camera might see: a face in the middle of a BGR picture, leaning clockwise by an
    angle.
    """
    zoom = FACE_PX / face.shape[0]
    side = round(FACE_PX * (1 + 2 * padding))
    cos, sin = zoom * np.cos(np.deg2rad(roll_deg)), zoom * np.sin(np.deg2rad(roll_deg))
    linear = np.array([[cos, -sin], [sin, cos]])
    offset = (side - 1) / 2 - linear.sum(axis=1) * (face.shape[0] - 1) / 2
    grey = cv2.warpAffine(
        face,
        np.hstack([linear, offset[:, None]]),
        (side, side),
        flags=cv2.INTER_CUBIC,
        borderMode=FILLS[fill],
        borderValue=float(face.mean()),
    )
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))


def centred(found: Sequence[FaceDetection], padding: float) -> FaceDetection | None:
    """The most confident detection whose centre lies near that of the canvas; others are
    reflections and streaks.
    """
    near = 0.3 / (1 + 2 * padding)
    faces = [
        face
        for face in found
        if max(abs(face.box.centre[0] - 0.5), abs(face.box.centre[1] - 0.5)) < near
    ]
    return max(faces, key=lambda face: face.confidence, default=None)


def one_pass() -> Callable[[NDArray[np.uint8]], list[FaceDetection]]:
    """The face model once over the whole square picture, as over the region of a known face."""
    model = BlazeFace()

    def find(picture: NDArray[np.uint8]) -> list[FaceDetection]:
        square = Pyramid(picture).cut(Tile(0, 0, picture.shape[0], 0), INPUT_PX)
        return [FaceDetection(*found) for found in model.find(square)]

    return find


def in_tiles() -> Callable[[NDArray[np.uint8]], list[FaceDetection]]:
    """The product's detector on single pictures."""
    return MediaPipeFaceDetector().detect_still


def detections(
    faces: Labelled,
    find: Callable[[NDArray[np.uint8]], list[FaceDetection]],
    place: tuple[str, float] = BOX_CANVAS,
    roll_deg: float = 0.0,
) -> list[FaceDetection | None]:
    """What a detector finds of each face."""
    return [centred(find(canvas(face, *place, roll_deg)), place[1]) for face in faces.images]


def roll_of(found: FaceDetection) -> float:
    """The roll that the product measures, on a square canvas, in degrees."""
    return head_pose(found.keypoints, 1, 1).roll


def eye_line(found: FaceDetection) -> float:
    """The angle of the line through the eyes, in degrees."""
    across, down = found.keypoints[1] - found.keypoints[0]
    return float(np.degrees(np.arctan2(down, across)))


def verdicts(classifier: EmotionClassifier, crops: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The most probable emotion of each crop, as an index into `EMOTIONS`."""
    scores = [classify(classifier, crops[start : start + 64]) for start in range(0, len(crops), 64)]
    return np.concatenate(scores).argmax(axis=1)


def accuracy(classifier: EmotionClassifier, crops: NDArray[np.uint8], faces: Labelled) -> str:
    """Percent right against the FER+ majority and against the original labels."""
    said = verdicts(classifier, crops)
    return (
        f"{100 * (said == faces.majority).mean():.1f} / {100 * (said == faces.original).mean():.1f}"
    )


def median_spread(values: Sequence[float] | NDArray[np.float64]) -> str:
    """Median and half the width of the middle 68%."""
    low, middle, high = np.percentile(values, (16, 50, 84))
    return f"{middle:.3f} ± {(high - low) / 2:.3f}"


def geometry_row(found: Sequence[FaceDetection | None], padding: float) -> list[str]:
    """Share found, then the dataset's crop in terms of the boxes."""
    faces = [face for face in found if face is not None]
    if not faces:
        return ["0.000", *[""] * 7]
    size = 1 + 2 * padding  # of the canvas, in sides of the dataset's crop
    sides = np.array([(face.box.width + face.box.height) / 2 * size for face in faces])
    centres = np.array([face.box.centre for face in faces]) - 0.5
    eyes = np.array([face.keypoints[:2] - 0.5 for face in faces]) * size
    return [
        f"{len(faces) / len(found):.3f}",
        median_spread(1 / sides),
        median_spread(centres[:, 1] * size / sides),
        median_spread(centres[:, 0] * size / sides),
        median_spread([eye_line(face) for face in faces]),
        median_spread(eyes.mean(axis=1)[:, 1] + 0.5),
        median_spread(np.linalg.norm(eyes[:, 1] - eyes[:, 0], axis=1)),
        f"{np.median([face.confidence for face in faces]):.2f}",
    ]


def table(title: str, columns: Sequence[str], rows: Iterator[list[str]]) -> Table:
    """A table of figures, the first column its names."""
    made = Table(title=title, title_justify="left", box=None)
    for number, column in enumerate(columns):
        made.add_column(column, justify="right" if number else "left")
    for row in rows:
        made.add_row(*row)
    return made


def geometry_tables(faces: Labelled) -> Iterator[Table]:
    """What the face model finds on which canvas, and where its box lies."""
    columns = (
        "",
        "found",
        "crop / box",
        "raise",
        "to the right",
        "eye line, °",
        "eyes' height",
        "eyes apart",
        "sure",
    )

    def rows(find: Callable[[NDArray[np.uint8]], list[FaceDetection]]) -> Iterator[list[str]]:
        for fill in FILLS:
            for padding in PADDINGS:
                place = (fill, padding)
                yield [f"{fill} {padding}", *geometry_row(detections(faces, find, place), padding)]

    title = f"Canvas, {len(faces)} faces: median ± half of the middle 68%"
    yield table(title, columns, rows(one_pass()))


def cut(
    pictures: Sequence[NDArray[np.uint8]],
    found: Sequence[FaceDetection],
    geometry: CropGeometry,
    measure: Callable[[FaceDetection], float],
) -> NDArray[np.uint8]:
    """The product's crop of the one face of each picture."""
    crops = [
        face_crops(picture, [face.box], geometry, [measure(face)])
        for picture, face in zip(pictures, found, strict=True)
    ]
    return np.concatenate(crops)


def found_only(
    faces: Labelled, seen: Sequence[FaceDetection | None], roll_deg: float = 0.0
) -> tuple[Labelled, list[FaceDetection], list[NDArray[np.uint8]]]:
    """The faces that were found, where, and their pictures."""
    kept = faces.only([index for index, face in enumerate(seen) if face is not None])
    pictures = [canvas(face, *PIXEL_CANVAS, roll_deg) for face in kept.images]
    return kept, [face for face in seen if face is not None], pictures


def gap_table(classifier: EmotionClassifier, faces: Labelled) -> Table:
    """Accuracy of the dataset's crop and of the product's on the same faces, by the model that
    found them.
    """
    own = crop_geometry(classifier.card)

    def rows() -> Iterator[list[str]]:
        for name, find in (("one pass", one_pass()), ("in tiles", in_tiles())):
            kept, found, pictures = found_only(faces, detections(faces, find))
            plain = np.stack([cv2.resize(face, (own.side_px, own.side_px)) for face in kept.images])
            right = [
                verdicts(classifier, crops) == kept.majority
                for crops in (plain, cut(pictures, found, own, roll_of))
            ]
            yield [
                name,
                str(len(kept)),
                accuracy(classifier, plain, kept),
                accuracy(classifier, cut(pictures, found, own, roll_of), kept),
                f"{int((right[0] & ~right[1]).sum())} / {int((right[1] & ~right[0]).sum())}",
            ]

    title = f"Accuracy, % (FER+ majority / original), scale {own.scale}, raise {own.raise_by}"
    columns = (
        "found by",
        "faces",
        "dataset's crop",
        "camera's crop",
        "right in one only (majority)",
    )
    return table(title, columns, rows())


def framing_table(classifier: EmotionClassifier, faces: Labelled) -> Table:
    """Accuracy by scale and raise, squares upright."""
    own = crop_geometry(classifier.card)
    kept, found, pictures = found_only(faces, detections(faces, one_pass()))

    def rows() -> Iterator[list[str]]:
        for scale in SCALES:
            framings = [CropGeometry(own.side_px, scale, raised) for raised in RAISES]
            yield [
                f"{scale:.2f}",
                *(
                    accuracy(classifier, cut(pictures, found, framing, lambda _: 0.0), kept)
                    for framing in framings
                ),
            ]

    title = f"Accuracy, % (FER+ majority / original), by scale (down) and raise (across), {len(kept)} faces"
    return table(title, ("", *(f"{raised:.2f}" for raised in RAISES)), rows())


def roll_table(classifier: EmotionClassifier, faces: Labelled, sheet: Path | None) -> Table:
    """Accuracy of leaning heads, with squares that stay upright and squares that lean with them."""
    own = crop_geometry(classifier.card)
    find = one_pass()
    faces, upright, _ = found_only(faces, detections(faces, find))
    tiles: list[NDArray[np.uint8]] = [faces.images]

    def rows() -> Iterator[list[str]]:
        for roll in ROLLS_DEG:
            seen = detections(faces, find, roll_deg=roll)
            before = [first for first, now in zip(upright, seen, strict=True) if now is not None]
            kept, found, pictures = found_only(faces, seen, roll)
            squares = {
                "upright": cut(pictures, found, own, lambda _: 0.0),
                "eye line": cut(pictures, found, own, eye_line),
            } | {
                free: cut(pictures, found, replace(own, free_roll_deg=free), roll_of)
                for free in FREE_ROLLS_DEG
            }
            tiles.extend((squares["upright"], squares[own.free_roll_deg]))
            yield [
                str(roll),
                f"{len(kept) / len(faces):.3f}",
                *(
                    median_spread(
                        [
                            measure(now) - measure(first) - roll
                            for first, now in zip(before, found, strict=True)
                        ]
                    )
                    for measure in (roll_of, eye_line)
                ),
                *(
                    accuracy(classifier, squares[name], kept)
                    for name in ("upright", *FREE_ROLLS_DEG, "eye line")
                ),
            ]

    columns = ("roll, °", "found", "error of the pose, °", "of the eye line, °", "upright")
    leans = (
        *(f"free {free:g}°" for free in FREE_ROLLS_DEG),
        f"free {own.free_roll_deg:g}°, eye line",
    )
    title = f"Accuracy, % (FER+ majority / original), by roll, {len(faces)} faces"
    made = table(title, (*columns, *leans), rows())
    if sheet is not None:
        lines = [np.hstack(list(crops[:20])) for crops in tiles]
        cv2.imwrite(str(sheet), cv2.resize(np.vstack(lines), None, fx=1.5, fy=1.5))
    return made


def cost_table() -> Table:
    """What a crop costs in a 1280 x 720 picture, leaning against upright."""
    picture = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), dtype=np.uint8)

    def spent(box_px: int, rolls: list[float] | None) -> float:
        boxes = [Box(0.4, 0.3, box_px / 1280, box_px / 720)]
        times = []
        for _ in range(CALLS):
            start = time.perf_counter()
            face_crops(picture, boxes, rolls=rolls)
            times.append(time.perf_counter() - start)
        return 1e6 * float(np.median(times))

    def rows() -> Iterator[list[str]]:
        for box_px in (40, 80, 150, 300):
            upright, leaning = spent(box_px, None), spent(box_px, [30.0])
            yield [f"{box_px} px", f"{upright:.0f}", f"{leaning:.0f}", f"{leaning / upright:.2f}"]

    return table(
        "Cost of a crop, µs, by side of the box", ("", "upright", "leaning 30°", "ratio"), rows()
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description="Compare the camera's framing of faces with FER2013's."
    )
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv, plain or packed")
    parser.add_argument(
        "--votes", type=Path, required=True, help="fer2013new.csv with the FER+ votes"
    )
    parser.add_argument("--model", help="name or .keras file; default: the shipped one")
    parser.add_argument("--faces", type=int, default=700)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--sheet",
        type=Path,
        help="picture to write: the dataset's crops, then by roll upright, leaning",
    )
    options = parser.parse_args()
    faces = labelled(read_dataset(options.data, options.votes), options.faces, options.seed)
    report(faces, load_classifier(options.model, "cpu"), options.sheet)


def report(faces: Labelled, classifier: EmotionClassifier, sheet: Path | None = None) -> None:
    """Measure everything and print it."""
    console = Console()
    console.print(cost_table())
    console.print(gap_table(classifier, faces))
    console.print(roll_table(classifier, faces, sheet))
    console.print(framing_table(classifier, faces))
    for made in geometry_tables(faces.only(range(min(len(faces), 300)))):
        console.print(made)


if __name__ == "__main__":
    main()
