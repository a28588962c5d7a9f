"""Make `viewer.mp4`, the demo viewer.

The picture is the portrait of the astronaut Eileen Collins, a work of NASA in the public domain
that ships inside scikit-image. MediaPipe's face mesh finds its landmarks; moving the landmarks of
brows, eyes and mouth and bending the picture after them (thin-plate spline) changes the expression.
Run with

    python -m tools.make_viewer [--out FILE]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
from scipy.interpolate import RBFInterpolator

from detector.sources.video_source import DEMO_VIDEO

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH, HEIGHT, FRAME_RATE = 640, 480, 25
GRID_PX = 8
TRANSITION_S = 0.7

# Landmarks of MediaPipe's face mesh, "right" from the person's own point of view.
CORNERS = (61, 291)
UPPER_INNER = (191, 80, 81, 82, 13, 312, 311, 310, 415)
LOWER_INNER = (95, 88, 178, 87, 14, 317, 402, 318, 324)
INNER_CORNERS = (78, 308)
UPPER_OUTER, LOWER_OUTER = (40, 37, 0, 267, 270), (91, 84, 17, 314, 321)
INNER_BROWS, MIDDLE_BROWS, OUTER_BROWS = (55, 285), (52, 282), (46, 276)
UPPER_LIDS, LOWER_LIDS = (159, 386), (145, 374)
EYE_CORNERS = (33, 133, 362, 263)
CHIN = (152, 148, 377)
CHEEKS = (50, 280)
FIXED = (10, 67, 297, 127, 356, 234, 454, 168, 6, 4, 1, 2, 129, 358, 132, 361)
FOLDS = ((129, 203, 206, 216, 212), (358, 423, 426, 436, 432))
LIP_RING = (
    78,
    191,
    80,
    81,
    82,
    13,
    312,
    311,
    310,
    415,
    308,
    324,
    318,
    402,
    317,
    14,
    87,
    178,
    88,
    95,
)


@dataclass(frozen=True)
class Expression:
    """How far the landmarks move, in heights of the face; positive is up, outwards or open.

    Attributes:
        corners_up: Corners of the mouth, upwards.
        corners_out: Corners of the mouth, outwards.
        mouth_open: Lower lip and chin, downwards; negative closes an open mouth, -1 wholly.
        inner_brows_up: Inner ends of the brows.
        outer_brows_up: Outer ends and middles of the brows.
        eyes_open: Lids apart; negative closes.
    """

    corners_up: float = 0.0
    corners_out: float = 0.0
    mouth_open: float = 0.0
    inner_brows_up: float = 0.0
    outer_brows_up: float = 0.0
    eyes_open: float = 0.0

    def mixed(self, other: Expression, share: float) -> Expression:
        """Return this expression with a share of another, 0 to 1."""
        mine, theirs = vars(self), vars(other)
        return Expression(
            **{name: (1 - share) * mine[name] + share * theirs[name] for name in mine}
        )


HAPPY = Expression(corners_up=0.01, corners_out=0.005)
NEUTRAL = Expression(
    corners_up=-0.086, corners_out=-0.043, mouth_open=-1.0, outer_brows_up=-0.018, eyes_open=0.001
)
SAD = Expression(
    corners_up=-0.149,
    corners_out=-0.055,
    mouth_open=-1.0,
    inner_brows_up=0.055,
    outer_brows_up=-0.026,
    eyes_open=-0.011,
)
SURPRISE = Expression(
    corners_up=-0.04,
    corners_out=-0.105,
    mouth_open=0.135,
    inner_brows_up=0.048,
    outer_brows_up=0.046,
    eyes_open=0.022,
)

SCRIPT = ((NEUTRAL, 5.0), (HAPPY, 6.0), (SURPRISE, 5.0), (NEUTRAL, 4.0), (SAD, 6.0), (NEUTRAL, 2.0))
"""Expressions and how long each lasts, in seconds; the last leads back to the first."""


def portrait() -> NDArray[Any]:
    """Return the portrait, scaled to fill the frame: `(480, 640, 3)` RGB."""
    from skimage.data import astronaut  # noqa: PLC0415 (only this script needs scikit-image)

    picture = np.asarray(astronaut())  # type: ignore[no-untyped-call]
    # Head and shoulders: the upper left part of the photograph, in the frame's shape.
    part = picture[0:300, 24:424]
    return cv2.resize(part, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def landmarks(picture: NDArray[Any]) -> NDArray[Any]:
    """Return the face mesh of the portrait: `(468, 2)` pixels.

    Raises:
        RuntimeError: MediaPipe found no face.
    """
    from mediapipe.python.solutions.face_mesh import FaceMesh  # noqa: PLC0415 (slow to import)

    with FaceMesh(static_image_mode=True, max_num_faces=1) as mesh:
        result: Any = mesh.process(picture)
    if not result.multi_face_landmarks:
        raise RuntimeError("MediaPipe found no face in the portrait: expected one.")
    points = result.multi_face_landmarks[0].landmark
    return np.array([(point.x * WIDTH, point.y * HEIGHT) for point in points])


def moved(points: NDArray[Any], expression: Expression) -> dict[int, NDArray[Any]]:
    """Return where an expression moves the landmarks it concerns: index to new place."""
    face = points[152, 1] - points[10, 1]
    to = {index: points[index].copy() for index in (*FIXED, *EYE_CORNERS)}

    def shift(indices: tuple[int, ...], right: float, up: float) -> None:
        for index in indices:
            to[index] = to.get(index, points[index]) + face * np.array([right, -up])

    shift(CORNERS[:1], -expression.corners_out, expression.corners_up)
    shift(CORNERS[1:], expression.corners_out, expression.corners_up)
    shift(INNER_CORNERS[:1], -expression.corners_out, expression.corners_up)
    shift(INNER_CORNERS[1:], expression.corners_out, expression.corners_up)
    shift(CHEEKS, 0.0, expression.corners_up / 3)
    # Corners that move inwards take the lips with them, the more the nearer they are.
    centre_x, half = points[13, 0], (points[308, 0] - points[78, 0]) / 2
    for index in (*UPPER_OUTER, *UPPER_INNER, *LOWER_OUTER, *LOWER_INNER):
        side = (points[index, 0] - centre_x) / half
        shift((index,), expression.corners_out * side, expression.corners_up * side * side)
    if expression.mouth_open < 0:
        for upper, lower in zip(UPPER_INNER, LOWER_INNER, strict=True):
            opening = -expression.mouth_open * (points[lower] - points[upper])
            # Not quite shut: two landmarks in one place would leave the spline without a solution.
            to[upper] = to[upper] + opening * 0.6
            to[lower] = to[lower] - opening * 0.3
        for upper, lower in zip(UPPER_OUTER, LOWER_OUTER, strict=True):
            opening = -expression.mouth_open * (points[14] - points[13])
            to[upper] = to[upper] + opening * 0.55
            to[lower] = to[lower] - opening * 0.2
        shift(CHIN, 0.0, 0.0)
    else:
        shift(LOWER_INNER + LOWER_OUTER, 0.0, -expression.mouth_open)
        shift(UPPER_INNER + UPPER_OUTER, 0.0, expression.mouth_open * 0.08)
        shift(CHIN, 0.0, -expression.mouth_open * 0.75)
    shift(INNER_BROWS, 0.0, expression.inner_brows_up)
    shift(MIDDLE_BROWS, 0.0, (expression.inner_brows_up + expression.outer_brows_up) / 2)
    shift(OUTER_BROWS, 0.0, expression.outer_brows_up)
    shift(UPPER_LIDS, 0.0, expression.eyes_open)
    shift(LOWER_LIDS, 0.0, -expression.eyes_open / 2)
    return to


def with_expression(
    picture: NDArray[Any], points: NDArray[Any], expression: Expression
) -> NDArray[Any]:
    """Bend the portrait into an expression."""
    picture = _smooth_folds(picture, points, -expression.mouth_open)
    to = moved(points, expression)
    border = [(x, y) for x in np.linspace(0, WIDTH - 1, 5) for y in (0, HEIGHT - 1)]
    border += [(x, y) for y in np.linspace(0, HEIGHT - 1, 5)[1:-1] for x in (0, WIDTH - 1)]
    targets = np.vstack([np.array(list(to.values())), np.array(border)])
    sources = np.vstack([points[list(to)], np.array(border)])
    spline = RBFInterpolator(targets, sources - targets, kernel="thin_plate_spline", smoothing=0.3)
    xs, ys = np.arange(0, WIDTH + GRID_PX, GRID_PX), np.arange(0, HEIGHT + GRID_PX, GRID_PX)
    grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2).astype(np.float64)
    offsets = spline(grid).reshape(len(ys), len(xs), 2).astype(np.float32)
    columns, rows = np.meshgrid(
        np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32)
    )
    fine = cv2.remap(offsets, columns / GRID_PX, rows / GRID_PX, cv2.INTER_LINEAR)
    bent = cv2.remap(picture, columns + fine[..., 0], rows + fine[..., 1], cv2.INTER_CUBIC)
    if expression.mouth_open > 0:
        bent = _dark_mouth(bent, points, expression)
    elif expression.mouth_open < 0:
        bent = _lip_line(
            bent, np.array([to[index] for index in UPPER_INNER]), -expression.mouth_open
        )
    return np.asarray(bent, dtype=np.uint8)


def _dark_mouth(
    picture: NDArray[Any], points: NDArray[Any], expression: Expression
) -> NDArray[Any]:
    """Hide stretched teeth behind the shadow of an open mouth."""
    face = points[152, 1] - points[10, 1]
    ring = points[list(LIP_RING)].copy()
    centre_x = points[13, 0]
    lower = np.array([index in {95, 88, 178, 87, 14, 317, 402, 318, 324} for index in LIP_RING])
    width = 1 - 2 * abs(expression.corners_out) * face / (points[308, 0] - points[78, 0])
    ring[:, 0] = centre_x + (ring[:, 0] - centre_x) * width
    depth = np.clip(1 - ((ring[:, 0] - centre_x) / (np.ptp(ring[:, 0]) / 2)) ** 2, 0, 1)
    ring[lower, 1] += face * expression.mouth_open * depth[lower]
    ring[~lower, 1] += face * 0.022
    mask = np.zeros(picture.shape[:2], dtype=np.float32)
    cv2.fillPoly(mask, [np.round(ring).astype(np.int32)], (1.0,), lineType=cv2.LINE_AA)
    strength = min(1.0, expression.mouth_open / 0.05) * 0.93
    mask = cv2.GaussianBlur(mask, (0, 0), 2.0)[..., None] * strength
    shadow = np.array([52, 18, 18], dtype=np.float32)
    return np.asarray(picture * (1 - mask) + shadow * mask, dtype=np.uint8)


def _smooth_folds(picture: NDArray[Any], points: NDArray[Any], closed: float) -> NDArray[Any]:
    """Take the smile's folds out of the cheeks, which a closed mouth does not leave."""
    face = points[152, 1] - points[10, 1]
    mask = np.zeros(picture.shape[:2], dtype=np.float32)
    for fold in FOLDS:
        cv2.polylines(
            mask, [np.round(points[list(fold)]).astype(np.int32)], False, (1.0,), round(face * 0.1)
        )
    mask = (
        cv2.GaussianBlur(mask, (0, 0), face * 0.02)[..., None] * min(1.0, max(0.0, closed)) * 0.85
    )
    skin = cv2.GaussianBlur(picture, (0, 0), face * 0.045)
    return np.asarray(picture * (1 - mask) + skin * mask, dtype=np.uint8)


def _lip_line(picture: NDArray[Any], lips: NDArray[Any], closed: float) -> NDArray[Any]:
    """Draw the line where closed lips meet, which also covers what is left of the teeth."""
    mask = np.zeros(picture.shape[:2], dtype=np.float32)
    line = np.round(lips * 8).astype(np.int32)
    cv2.polylines(mask, [line], False, (1.0,), 3, cv2.LINE_AA, 3)
    mask = cv2.GaussianBlur(mask, (0, 0), 1.0)[..., None] * max(0.0, closed - 0.4) / 0.6
    shade = np.array([140, 70, 66], dtype=np.float32)
    return np.asarray(picture * (1 - mask) + shade * mask, dtype=np.uint8)


def expression_at(time_s: float) -> Expression:
    """Return the scripted expression at a time, with soft transitions and regular blinks."""
    start = 0.0
    previous = SCRIPT[-1][0]
    now = previous
    for expression, lasts_s in SCRIPT:
        if time_s < start + lasts_s:
            progress = min(1.0, (time_s - start) / TRANSITION_S)
            now = previous.mixed(expression, progress * progress * (3 - 2 * progress))
            break
        start += lasts_s
        previous = expression
    blink = max(0.0, 1 - abs((time_s % 3.7) - 1.9) / 0.12)
    return now.mixed(Expression(**{**vars(now), "eyes_open": -0.03}), blink)


def frames() -> list[NDArray[Any]]:
    """Return all frames of the video: RGB, with a slow sway of the head and shoulders."""
    picture = portrait()
    points = landmarks(picture)
    length_s = sum(lasts_s for _, lasts_s in SCRIPT)
    made = []
    for number in range(round(length_s * FRAME_RATE)):
        phase = 2 * np.pi * number / (length_s * FRAME_RATE)
        bent = with_expression(picture, points, expression_at(number / FRAME_RATE))
        sway = cv2.getRotationMatrix2D(
            (WIDTH / 2, HEIGHT), 1.6 * np.sin(5 * phase), 1.04 + 0.01 * np.sin(3 * phase)
        )
        sway[:, 2] = sway[:, 2] + (6 * np.sin(4 * phase), 3 * np.sin(7 * phase))
        made.append(cv2.warpAffine(bent, sway, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE))
    return made


def main() -> None:
    """Write the video."""
    parser = argparse.ArgumentParser(description="Make the demo viewer.")
    parser.add_argument("--out", type=Path, default=DEMO_VIDEO)
    out: Path = parser.parse_args().out
    with av.open(str(out), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream(
            "libx264", rate=FRAME_RATE, options={"crf": "24", "preset": "slow"}
        )
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = Fraction(1, FRAME_RATE)
        stream.codec_context.thread_count = 1  # the same bytes on every machine
        for rgb in frames():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode())


if __name__ == "__main__":
    main()
