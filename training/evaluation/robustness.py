"""How a model performs on pictures degraded in one way at a time, cropped as the kiosk does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from detector.emotion.preprocessing import CropGeometry, face_crops
from detector.types import Box
from training.datasets.appearance import turned, with_glasses, with_hand, with_hat, with_mask
from training.datasets.landmarks import find_landmarks
from training.evaluation.evaluate import predict, restricted, select

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from detector.emotion.classifier import EmotionClassifier
    from training.datasets.faces import FaceDataset
    from training.evaluation.evaluate import Against

    Grey = NDArray[np.uint8]
    Random = np.random.Generator
    Degrade = Callable[..., Grey]

SEED = 20261121


def resized(image: Grey, side_px: float, _rng: Random) -> Grey:
    """Return the face as a crop of so many pixels."""
    side = round(side_px)
    how = cv2.INTER_AREA if side <= image.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (side, side), interpolation=how), dtype=np.uint8)


def blurred(image: Grey, sigma_px: float, _rng: Random) -> Grey:
    """Return the face out of focus: a Gaussian, its sigma in pixels of a 48 px face."""
    if sigma_px == 0:
        return image
    sigma = sigma_px * image.shape[0] / 48
    soft = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(soft, dtype=np.uint8)


def darkened(image: Grey, gain: float, rng: Random) -> Grey:
    """Return the face with a share of the light; the sensor's noise of 2 grey levels stays."""
    if gain == 1:
        return image
    return _rounded(image * gain + rng.normal(0, 2.0, image.shape))


def compressed(image: Grey, quality: float, _rng: Random) -> Grey:
    """Return the face compressed as JPEG."""
    packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, round(quality)])[1]
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)


def noisy(image: Grey, deviation: float, rng: Random) -> Grey:
    """Return the face with Gaussian noise of a standard deviation in grey levels."""
    return image if deviation == 0 else _rounded(image + rng.normal(0, deviation, image.shape))


def rolled(image: Grey, angle_deg: float, rng: Random) -> Grey:
    """Return the head tilted to a random side, filling with the border."""
    if angle_deg == 0:
        return image
    side = image.shape[0]
    angle = angle_deg if rng.random() < 0.5 else -angle_deg
    turn = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), angle, 1.0)
    turned = cv2.warpAffine(
        image, turn, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(turned, dtype=np.uint8)


class Condition(NamedTuple):
    """A way to degrade pictures: its name, the values measured, and the function.

    The function gets a picture, a value and a random generator, and with `by_landmarks` the
    landmarks of the face. A value that changes nothing gives the plain picture.
    """

    name: str
    values: tuple[float, ...]
    degrade: Degrade
    by_landmarks: bool = False


CONDITIONS = {
    "face_side_px": Condition("side of the face's crop in pixels", (24, 36, 48, 96), resized),
    "blur_px": Condition("blur: sigma in pixels, at 48 px", (0, 0.5, 1, 1.5, 2, 3), blurred),
    "low_light_gain": Condition("light: share that is left", (1, 0.5, 0.25, 0.1), darkened),
    "jpeg_quality": Condition("JPEG quality", (80, 40, 20), compressed),
    "noise_sd": Condition("noise: deviation in grey levels", (0, 5, 10, 20), noisy),
    "roll_deg": Condition("roll of the head in degrees", (0, 10, 20, 30), rolled),
    "yaw_deg": Condition("turn of the head to a side in degrees", (0, 15, 30, 45), turned, True),
    "glasses": Condition("glasses: 1 dark frame, 2 dark lenses", (0, 1, 2), with_glasses, True),
    "mask": Condition("mask over nose and mouth", (0, 1), with_mask, True),
    "hand": Condition("hand before mouth and cheek", (0, 1), with_hand, True),
    "hat": Condition("hat down to the brows", (0, 1), with_hat, True),
}


def by_condition(
    classifier: EmotionClassifier,
    faces: FaceDataset,
    against: Against = "majority",
    labels: Sequence[str] | None = None,
    *,
    limit: int | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Return the accuracy under each condition of `CONDITIONS`; see `evaluate`.

    At most `limit` rows are drawn by a fixed seed. Each value has an entry `{"value", "n",
    "accuracy"}`. Conditions that are drawn by landmarks are measured on the faces that have some,
    and left out where none has.
    """
    known = classifier.card.labels
    selection = select(faces, against, labels, known)
    chosen = np.arange(len(selection))
    if limit is not None and limit < len(selection):
        chosen = np.sort(np.random.default_rng(SEED).choice(len(selection), limit, replace=False))
    images, truth = faces.images[selection.rows[chosen]], selection.truth[chosen]
    landmarks = find_landmarks(images)
    geometry = CropGeometry(classifier.card.input_side_px, scale=1.0, raise_by=0.0)
    whole = [Box(0.0, 0.0, 1.0, 1.0)]

    def hits(condition: Condition, value: float, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        rng = np.random.default_rng(SEED)
        crops = []
        for row in rows:
            by = (landmarks.points[row],) if condition.by_landmarks else ()
            degraded = condition.degrade(images[row], value, rng, *by)
            crops.append(face_crops(degraded, whole, geometry)[0])
        scores = restricted(predict(classifier, np.array(crops)), known, selection.labels)
        return np.asarray(scores.argmax(axis=1) == truth[rows])

    neutral = {"face_side_px": images.shape[1], "low_light_gain": 1}  # 0 for the others
    plain: NDArray[np.bool_] | None = None
    found: dict[str, list[dict[str, Any]]] = {}
    for name, condition in CONDITIONS.items():
        rows = np.flatnonzero(landmarks.known) if condition.by_landmarks else np.arange(len(images))
        if len(rows) == 0:
            continue
        found[name] = []
        for value in condition.values:
            unchanged = value == neutral.get(name, 0)
            if unchanged and plain is None:
                plain = hits(condition, value, np.arange(len(images)))
            right = plain[rows] if unchanged and plain is not None else hits(condition, value, rows)
            entry = {"value": value, "n": len(rows), "accuracy": float(right.mean())}
            found[name].append(entry)
    return found


def _rounded(values: NDArray[np.float64]) -> Grey:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
