"""Pictures in folders; unreadable and truncated ones are skipped and counted."""

from __future__ import annotations

import logging
import re
import time
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from PIL import Image

from detector.emotion.labels import EMOTIONS
from detector.emotion.preprocessing import middle_square
from detector.names import is_system_file, printable
from detector.sources.image_decoder import upright
from training.datasets.faces import ROLES, FaceDataset, require_two_classes, role_of
from training.datasets.report import ReadingReport, SkippedError, counted
from training.datasets.splits import SHARES, SPLIT_SEED, stratified_split
from training.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from detector.emotion.preprocessing import CropGeometry

    FaceFinder = Callable[[NDArray[np.uint8]], NDArray[np.uint8] | None]

logger = logging.getLogger(__name__)

PICTURE_ENDINGS = ".png .jpg .jpeg .jpe .jfif .bmp .gif .webp .avif .tif .tiff .pgm .ppm"
MAX_FILE_BYTES = 64 << 20
MAX_PIXELS = 50_000_000
OBLONG = 1.3
"""Sides further apart than this are those of a photograph (4:3, 3:2, 16:9), seldom of a face."""
"""More than any camera's picture of a face; larger claims would fill the memory."""

_SYNONYMS = {
    "angry": ("anger",),
    "disgust": ("disgusted",),
    "fear": ("afraid", "fearful", "scared"),
    "happy": ("happiness", "joy"),
    "sad": ("sadness",),
    "surprise": ("surprised", "suprise"),  # the second as misspelt in a published set
    "neutral": ("neutrality",),
}


class _ClassFolder(NamedTuple):
    split: str
    label: str
    path: Path


def emotion_of(name: str) -> str | None:
    """Return the emotion of a class folder's name (`Anger`, `0_angry`: `angry`), or `None`."""
    word = re.sub(r"^[\d\W_]+|[\W_]+$", "", name).lower()
    return next((name for name, words in _SYNONYMS.items() if word in (name, *words)), None)


def innermost(folder: Path) -> Path:
    """Return the folder with the class or split folders, entering folders of a single folder.

    Archives often unpack to a folder within a folder.
    """
    for _ in range(4):
        below = [part for part in entries(folder) if part.is_dir()]
        if len(below) != 1 or role_of(below[0].name) or emotion_of(below[0].name):
            break
        inside = entries(below[0])
        if not any(part.is_dir() for part in inside) and not tables(inside):
            break
        folder = below[0]
    return folder


def tables(files: Iterable[Path]) -> list[Path]:
    """Return the files that may be FER2013's table: CSV, plain or packed."""
    return [file for file in files if re.search(r"\.csv(\.(xz|gz|bz2|zip))?$", file.name, re.I)]


def read_folders(
    folder: Path,
    *,
    side_px: int = 48,
    seed: int = SPLIT_SEED,
    face_finder: FaceFinder | None = None,
    to_train: bool = False,
) -> FaceDataset:
    """Read a folder `split/class/picture` or `class/picture` as squares of `side_px`.

    Names of class folders are matched to the emotions; others become further classes. Without split
    folders, every class is divided 72 / 14 / 14 by the seed. Split folders without one for
    validation give it 14 of 86 of their training pictures. `face_finder` takes a BGR picture and
    returns the grey crop of its face, or `None`; by default the middle of each picture is used.
    Rows are sorted by split, class and file name. Raises `DatasetError` without a class folder or a
    usable picture; `to_train`, also with one class folder only, before any picture is read.
    """
    if not 16 <= side_px <= 512:
        raise DatasetError(
            f"Invalid side of pictures: expected 16 to 512 pixels, received {side_px}."
        )
    log = ReadingReport("file")
    folders = _class_folders(folder, log)
    names = {part.label for part in folders}
    if to_train:
        require_two_classes(names, folder)
    classes = (*(EMOTIONS if names & set(EMOTIONS) else ()), *sorted(names - set(EMOTIONS)))
    folders.sort(
        key=lambda part: (
            ROLES.index(role_of(part.split) or ROLES[0]),
            part.split,
            classes.index(part.label),
            part.path.name,
        )
    )
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    usage: list[str] = []
    paths: list[str] = []
    with warnings.catch_warnings():
        # Pillow warns of large and odd pictures; the limits below decide.
        warnings.simplefilter("ignore")
        for part in folders:
            files = entries(part.path)
            found = []
            for file in files:
                try:
                    found.append(_face(file, side_px, face_finder, log))
                    paths.append(printable(file.relative_to(folder).as_posix()))
                except SkippedError as error:
                    log.skip(error.reason, f"{file.relative_to(folder)}: {error}")
            images += found
            labels += [classes.index(part.label)] * len(found)
            usage += [part.split] * len(found)
            if not found:
                usable, name = " that can be used" if files else "", part.path.relative_to(folder)
                log.note(f"The class folder {name} holds no picture{usable}.")
    if not images:
        report = " ".join(log.sentences())
        raise DatasetError(f"{folder} holds no picture that can be used. {report}")
    log.read = len(images)
    original = np.array(labels, dtype=np.int64)
    splits = _with_all_roles(np.array(usage, dtype=object), original, seed, log)
    return FaceDataset(
        np.stack(images), original, None, splits.astype(np.str_), classes, log, np.array(paths)
    )


@contextmanager
def opened_face_finder(geometry: CropGeometry, *, wanted: bool) -> Iterator[FaceFinder | None]:
    """Yield what cuts faces out as the camera's pipeline does, or `None` unless it is wanted.

    It logs every ten seconds how many pictures were searched.
    """
    if not wanted:
        yield None
        return
    from detector.image_analysis import FaceCutter  # noqa: PLC0415 (MediaPipe)

    with FaceCutter(geometry) as cutter:
        yield _counting(cutter.largest)


def _counting(finder: FaceFinder) -> FaceFinder:
    logger.info("Finding the faces in the photographs: up to half a second for each")
    searched, said_s = 0, time.monotonic()

    def find(picture: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        nonlocal searched, said_s
        if time.monotonic() - said_s >= 10:
            said_s = time.monotonic()
            logger.info("%s searched so far", counted(searched, "photograph"))
        searched += 1
        return finder(picture)

    return find


def read_pictures(
    folder: Path, *, side_px: int = 48, face_finder: FaceFinder | None = None
) -> tuple[NDArray[np.uint8], ReadingReport]:
    """Read all pictures in a folder and the folders in it, as in `read_folders`, without labels."""
    log = ReadingReport("file")
    faces = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        if is_system_file(file.name):
            continue
        try:
            faces.append(_face(file, side_px, face_finder, log))
        except SkippedError as error:
            log.skip(error.reason, f"{file.relative_to(folder)}: {error}")
    if not faces:
        report = " ".join(log.sentences())
        raise DatasetError(f"{folder} holds no picture that can be used. {report}")
    log.read = len(faces)
    return np.stack(faces), log


def _with_all_roles(
    usage: NDArray[np.object_], labels: NDArray[np.int64], seed: int, log: ReadingReport
) -> NDArray[np.object_]:
    """Draw splits for rows without one, or validation rows from a training split without them."""
    if usage[0] == "":
        shares = " / ".join(f"{100 * share:.0f}" for share in SHARES)
        log.note(f"The folder has no splits: its classes were dealt {shares} by the seed {seed}.")
        return np.array(ROLES, dtype=object)[stratified_split(labels, SHARES, seed)]
    roles = [role_of(split) for split in usage]
    training = np.array([role == "training" for role in roles])
    if training.any() and "validation" not in roles:
        rows = np.flatnonzero(training)
        held_out = SHARES[1] / (SHARES[0] + SHARES[1])
        drawn = stratified_split(labels[rows], (1 - held_out, held_out), seed) == 1
        usage[rows[drawn]] = "validation"
        log.note(
            f"The folder has no split for validation: {int(drawn.sum()):,} of the {len(rows):,} "
            f"training pictures were drawn for it by the seed {seed}."
        )
    return usage


def _class_folders(folder: Path, log: ReadingReport) -> list[_ClassFolder]:
    """Return the class folders of all splits; their split is empty if there are no splits."""
    below = [part for part in entries(folder) if part.is_dir()]
    splits = [
        part
        for part in below
        if role_of(part.name) and any(inner.is_dir() for inner in entries(part))
    ]
    if splits:
        for name in sorted({part.name for part in below} - {part.name for part in splits}):
            log.note(f"The folder {name} was left out: it is no split that holds class folders.")
        found = [
            _named(part, split.name, log)
            for split in splits
            for part in entries(split)
            if part.is_dir()
        ]
        held = {(part.split, part.label) for part in found}
        for split in splits:
            for label in sorted({part.label for part in found}):
                if (split.name, label) not in held:
                    log.note(f"The split {split.name} has no class folder for {label}.")
    else:
        found = [_named(part, "", log) for part in below]
    if not found:
        hint = "; name the folder above the class folders."
        if any(part.name.lower().startswith("fer2013.csv") for part in entries(folder)):
            hint = ", or the path of the fer2013.csv in it."
        raise DatasetError(
            f"{folder} has no class folders: expected split/class/picture or class/picture{hint}"
        )
    return found


def _named(part: Path, split: str, log: ReadingReport) -> _ClassFolder:
    label = emotion_of(part.name)
    if label is not None and label != part.name.lower():
        log.note(f"The class folder {part.name} was read as {label}.")
    return _ClassFolder(split, label or printable(part.name), part)


def entries(folder: Path) -> list[Path]:
    """Return what is in a folder, sorted, without system files.

    Raises:
        DatasetError: The folder cannot be read.
    """
    try:
        return sorted(entry for entry in folder.iterdir() if not is_system_file(entry.name))
    except OSError as error:
        raise DatasetError(
            f"Cannot read the folder {folder}: {error.strerror}. Check its path and rights."
        ) from error


def _face(
    file: Path, side_px: int, face_finder: FaceFinder | None, log: ReadingReport
) -> NDArray[np.uint8]:
    if not file.is_file():
        raise SkippedError("folders or special files among the pictures", "expected a picture file")
    if file.suffix.lower() not in PICTURE_ENDINGS.split():
        raise SkippedError(
            "files that are no pictures",
            f"expected one of {PICTURE_ENDINGS}, received {file.suffix!r}",
        )
    picture = _decoded(file, colour=face_finder is not None)
    if face_finder is not None:
        found = face_finder(picture)
        if found is None or found.size == 0:
            raise SkippedError("pictures in which no face was found", "expected a face")
        picture = found
    else:
        log.oblong += max(picture.shape) > OBLONG * min(picture.shape)
    return middle_square(picture, side_px)


def _decoded(file: Path, *, colour: bool) -> NDArray[np.uint8]:
    """Return `(height, width)` grey levels, or `(height, width, 3)` BGR."""
    try:
        size = file.stat().st_size
        if size == 0:
            raise SkippedError("empty files", "expected a picture, received 0 bytes")
        if size > MAX_FILE_BYTES:
            raise SkippedError(
                "files that are too large",
                f"expected at most {MAX_FILE_BYTES:,} bytes, received {size:,}",
            )
        with Image.open(file) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise SkippedError(
                    "pictures with too many pixels",
                    f"expected at most {MAX_PIXELS:,}, received {width} x {height}",
                )
            if min(width, height) < 8:
                raise SkippedError(
                    "pictures that are too small",
                    f"expected sides of 8 pixels and more, received {width} x {height}",
                )
            image.load()
            return _levels(image, colour=colour)
    except SkippedError:
        raise
    except Exception as error:  # damaged files make decoders fail in any way
        raise SkippedError(
            "damaged or truncated pictures",
            f"expected a whole picture ({str(error)[:120] or type(error).__name__})",
        ) from error


def _levels(image: Image.Image, *, colour: bool) -> NDArray[np.uint8]:
    image = upright(image)
    if image.mode == "F" or image.mode.startswith("I"):
        deep = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=65535.0)
        # 16 bits per pixel, unless all values fit into 8; floating point may also end at 1.
        is_unit = image.mode == "F" and deep.max() <= 1
        scale = 1 / 255 if is_unit else 257.0 if deep.max() > 255 else 1.0
        image = Image.fromarray(np.clip(deep / scale + 0.5, 0, 255).astype(np.uint8))
    if not colour and image.mode == "L":
        return np.array(image, dtype=np.uint8)
    rgb = np.asarray(image.convert("RGB"), dtype=np.uint8)
    how = cv2.COLOR_RGB2BGR if colour else cv2.COLOR_RGB2GRAY
    return np.asarray(cv2.cvtColor(rgb, how), dtype=np.uint8)
