"""Where heads point: the product's detector and pose against rendered heads of which yaw and pitch
are known.

A face becomes a head in two kinds of geometry. `photograph` bends the whole picture around the
head, hair and all: what is around the face is real, but ears and hair are as flat as the picture
was. `skull` takes the face alone and puts it on a modelled skull with ears and neck: what is around
the face is plain, but lies where it would on a head. Both come with the depth that MediaPipe's face
mesh gives, and flatter and deeper, because that depth is an estimate. A head's zero is the average
head's: eyes, mouth and cheeks level, the line from forehead to chin leaning forward by 3 degrees at
its top.

Each head is put somewhere into a picture of 1280 by 720 pixels, in one of several sizes, and found
as the product finds known faces. Angles are relative to the ray from the camera to the head.

    python -m benchmarks.head_pose [--faces FOLDER] [--step 10] [--sizes 36,60,120] [--json]
    [--sheet FILE.png] python -m benchmarks.head_pose --faces FOLDER --fit

The faces are by default those of the demo viewer. `--faces` takes others: pictures of one face
each, turned by less than 15 degrees. `--fit` also prints the points of the model in
`detector.faces.head_pose` that suit these heads best.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.optimize import least_squares
from scipy.spatial import Delaunay

from detector.faces.detector import MediaPipeFaceDetector
from detector.faces.gaze import LEFT_SIDE, RIGHT_SIDE
from detector.faces.head_pose import _HEAD_CM, _solved, head_poses
from detector.settings import DEFAULT_VIEW_ANGLE_DEG, FACE_BOX_M
from detector.sources.recording import Recording
from detector.sources.video_source import DEMO_VIDEO
from detector.types import Box, Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

WIDTH_PX, HEIGHT_PX = 1280, 720
FOCAL_PX = WIDTH_PX / 2 / math.tan(math.radians(DEFAULT_VIEW_ANGLE_DEG) / 2)
REACH_DEG = 40
STEP_DEG = 10
SIZES_PX = (36, 60, 120)
ROLL_DEG = 8.0
"""Standard deviation of the angle by which heads lean."""

MIN_PX, MAX_PX = 20, 400
DEMO_FRAMES = (0, 60, 120)
SUFFIXES = (".jpg", ".jpeg", ".png")

BOX_CM = 100 * FACE_BOX_M
STAGE_BOXES = 2.6
"""Side of the part of the picture that is rendered, in sides of a face box."""

STAGE_PX = 320
"""Side of this part when it is rendered, before it is made smaller."""

MIN_AREA = 0.02
"""Triangles that appear smaller are left out; twice their area in pixels."""

SUBPIXEL_BITS = 4

ASTRAY = 0.35
"""A face whose eyes, nose and mouth are further off than this, in sides of its box, is another one.
"""

OUTLIER_DEG = 5.0
"""Errors well above this count in proportion to their amount instead of its square when points are
fitted.
"""

FIT_TURN_DEG = 50.0
"""Heads turned further than this in all do not count there: they look at no screen near the camera.
"""

TURNS_DEG = (20.0, 45.0)
ANGLES = ("yaw", "pitch", "roll")

# Landmarks of MediaPipe's face mesh.
OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
TOP, CHIN = 10, 152
TEMPLES = (234, 454)
RIGHT_EYE, LEFT_EYE = (33, 133), (263, 362)
MIDDLE = (33, 263, 61, 291)
SKIN = (50, 280, 205, 425, 9, 151)
LEAN_DEG = 3.0

EYES_APART_CM = 6.3
EYES_CM = (0.0, 2.5, 3.5)
TEXTURE_PX_PER_CM = 12.0
RINGS = ((1.06, 1.5), (1.16, 4.5), (1.32, 7.5), (1.7, 10.0), (2.6, 10.0))
"""Around a photographed face: how wide compared with its outline, and how many centimetres further
back.
"""

FURTHEST_BACK_CM = -9.0
SHADES_PX = 64


class Pose(NamedTuple):
    """Yaw, pitch and roll in degrees, as in `detector.types.HeadPose`."""

    yaw: float
    pitch: float
    roll: float = 0.0


SHEET_POSES = tuple(
    Pose(*pose)
    for pose in (
        (-40, 0),
        (-20, 0),
        (0, 0),
        (20, 0),
        (40, 0),
        (0, -40),
        (0, -20),
        (0, 20),
        (0, 40),
        (30, 30),
    )
)


@dataclass(frozen=True)
class Head:
    """A textured surface.

    Attributes:
        vertices: `(n, 3)` centimetres: x to the person's left, y up, z to the front. The face
            mesh's come first.
        pixels: `(n, 2)` where in the texture each is.
        triangles: `(m, 3)` vertices, anticlockwise from outside.
        texture: BGR.
    """

    vertices: NDArray[np.float64]
    pixels: NDArray[np.float64]
    triangles: NDArray[np.int64]
    texture: NDArray[np.uint8]


@dataclass(frozen=True)
class Trial:
    """One rendered head and what was found of it.

    Attributes:
        geometry: Kind of head.
        size_px: Side of its face box, about.
        truth: Its pose.
        points: `(6, 2)` key points in pixels; `None` where it was not found.
    """

    geometry: str
    size_px: int
    truth: Pose
    points: NDArray[np.float64] | None


def rotation(pose: Pose) -> NDArray[np.float64]:
    """Head to camera (x right, y up, z to the camera): roll first, then pitch, then yaw."""
    (sy, sp, sr), (cy, cp, cr) = (f(np.radians(pose)) for f in (np.sin, np.cos))
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    lean = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return np.asarray(turn @ nod @ lean)


def landmarks(pictures: Iterable[NDArray[np.uint8]]) -> list[NDArray[np.float64] | None]:
    """`(468, 3)` points of the face mesh in pixels, x right, y down, z away; `None` where no face
    is found.
    """
    from mediapipe.python.solutions.face_mesh import FaceMesh

    found: list[NDArray[np.float64] | None] = []
    with FaceMesh(static_image_mode=True, max_num_faces=1, min_detection_confidence=0.3) as mesh:
        for picture in pictures:
            height, width = picture.shape[:2]
            faces = mesh.process(np.ascontiguousarray(picture[..., ::-1])).multi_face_landmarks
            points = None
            if faces:
                points = np.array(
                    [(p.x * width, p.y * height, p.z * width) for p in faces[0].landmark]
                )
            found.append(points)
    return found


def upright(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """The landmarks turned to the front, in centimetres, and the centimetres of a pixel."""
    seen = points * (1, -1, -1)
    across = (seen[list(LEFT_SIDE)] - seen[list(RIGHT_SIDE)]).sum(axis=0)
    across /= np.linalg.norm(across)
    up = seen[TOP] - seen[CHIN]
    up -= across * (across @ up)
    up /= np.linalg.norm(up)
    front = np.cross(across, up)
    cos, sin = math.cos(math.radians(LEAN_DEG)), math.sin(math.radians(LEAN_DEG))
    turned = seen @ np.stack([across, cos * up - sin * front, cos * front + sin * up], axis=1)
    right, left = (turned[list(eye)].mean(axis=0) for eye in (RIGHT_EYE, LEFT_EYE))
    scale = EYES_APART_CM / float(np.linalg.norm((left - right)[:2]))
    return (turned - (left + right) / 2) * scale + EYES_CM, scale


def deepened(face: NDArray[np.float64], depth: float) -> NDArray[np.float64]:
    """A face with its depth stretched, the eyes staying where they are."""
    return (face - EYES_CM) * (1, 1, depth) + EYES_CM


def triangulated(face: NDArray[np.float64], rings: Sequence[float]) -> NDArray[np.int64]:
    """Triangles over a face and rings around its outline, from the face unrolled as from a
    cylinder.
    """
    flat = np.stack([np.arctan2(face[:, 0], face[:, 2] + 7) * 9, face[:, 1]], axis=1)
    outline = flat[list(OVAL)]
    middle = outline.mean(axis=0)
    flat = np.vstack([flat, *(middle + (outline - middle) * ring for ring in rings)])
    triangles = np.asarray(Delaunay(flat).simplices, dtype=np.int64)
    (ax, ay), (bx, by) = ((flat[triangles[:, k]] - flat[triangles[:, 0]]).T for k in (1, 2))
    clockwise = ax * by < ay * bx
    triangles[clockwise] = triangles[clockwise][:, ::-1]
    return triangles


def shrunk(
    picture: NDArray[np.uint8], points: NDArray[np.float64], scale: float
) -> tuple[Any, NDArray[np.float64]]:
    """A picture no finer than the renderings, and its landmarks in it."""
    share = min(1.0, TEXTURE_PX_PER_CM * scale)
    if share < 1:
        picture = cv2.resize(picture, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    return picture, points * share


def photograph(picture: NDArray[np.uint8], points: NDArray[np.float64], depth: float) -> Head:
    """The whole picture bent around the head."""
    face, scale = upright(points)
    face = deepened(face, depth)
    picture, points = shrunk(picture, points, scale)
    pixels = points[:, :2]
    edge, edge_pixels = face[list(OVAL)], pixels[list(OVAL)]
    vertices, places = [face], [pixels]
    for ring, back in RINGS:
        around = edge.mean(axis=0) + (edge - edge.mean(axis=0)) * (ring, ring, 1)
        around[:, 2] = np.maximum(edge[:, 2] - back, FURTHEST_BACK_CM)
        vertices.append(around)
        places.append(edge_pixels.mean(axis=0) + (edge_pixels - edge_pixels.mean(axis=0)) * ring)
    triangles = triangulated(face, [ring for ring, _ in RINGS])
    return Head(np.vstack(vertices), np.vstack(places), triangles, picture)


def ellipsoid(
    centre: tuple[float, ...], radii: tuple[float, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Vertices, their light from above and in front (0 to 1), and triangles."""
    rows, columns = 10, 16
    down, around = np.meshgrid(
        np.linspace(0.02, np.pi - 0.02, rows), np.arange(columns) * 2 * np.pi / columns
    )
    unit = np.stack(
        [np.sin(down) * np.sin(around), np.cos(down), np.sin(down) * np.cos(around)], axis=2
    )
    unit = unit.transpose(1, 0, 2).reshape(-1, 3)
    normals = unit / radii
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    triangles = []
    for row, column in product(range(rows - 1), range(columns)):
        here, beside = row * columns + column, row * columns + (column + 1) % columns
        triangles += [(here, here + columns, beside), (beside, here + columns, beside + columns)]
    return (
        unit * radii + centre,
        np.clip(0.6 + normals @ (0, 0.14, 0.376), 0.1, 1.0),
        np.array(triangles),
    )


def skull(picture: NDArray[np.uint8], points: NDArray[np.float64], depth: float) -> Head:
    """The face alone on a modelled skull with neck and ears, in its own colours."""
    face, scale = upright(points)
    face = deepened(face, depth)
    picture, points = shrunk(picture, points, scale)
    height, width = picture.shape[:2]
    pixels = points[:, :2]
    soft = cv2.blur(picture, (5, 5))

    def colour(place: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = np.clip(place, 0, (width - 1, height - 1)).astype(int)
        return np.asarray(soft[y, x], dtype=np.float64)

    skin = np.median([colour(pixels[spot]) for spot in SKIN], axis=0)
    hair = colour(pixels[TOP] + 0.16 * (pixels[TOP] - pixels[CHIN]))
    texture = np.zeros((height + SHADES_PX, max(width, 2 * SHADES_PX), 3), dtype=np.uint8)
    texture[:height, :width] = picture
    shades = np.linspace(0, 1, SHADES_PX)[:, None, None]
    texture[height:, :SHADES_PX] = skin * shades
    texture[height:, SHADES_PX : 2 * SHADES_PX] = hair * shades

    triangles = triangulated(face, (1.06,))
    vertices, places, surfaces = [face], [pixels], [triangles[(triangles < len(face)).all(axis=1)]]
    half = np.abs(face[list(TEMPLES), 0]).mean()
    _, level, back = face[list(TEMPLES)].mean(axis=0)
    parts = [
        ((0.0, face[TOP, 1] - 9.0, back - 5.5), (half + 0.1, 11.5, 10.0), True),
        ((0.0, -14.0, back - 3.5), (6.0, 9.0, 6.0), False),
        ((0.0, -4.0, back - 1.5), (half - 0.4, 6.0, 4.5), False),
        *(
            ((side * (half + 0.45), level + 0.3, back - 1.6), (0.55, 3.1, 1.6), False)
            for side in (-1, 1)
        ),
    ]
    count = len(face)
    for centre, radii, hairy in parts:
        surface, light, faces = ellipsoid(centre, radii)
        haired = hairy & (surface[:, 1] > level - 3)
        column = np.where(haired, 1.5 * SHADES_PX, 0.5 * SHADES_PX)
        vertices.append(surface)
        places.append(np.stack([column, height + 1 + light * (SHADES_PX - 3)], axis=1))
        surfaces.append(faces + count)
        count += len(surface)
    return Head(np.vstack(vertices), np.vstack(places), np.vstack(surfaces), texture)


GEOMETRIES: dict[str, tuple[Callable[..., Head], float]] = {
    "photograph": (photograph, 1.0),
    "photograph, flatter": (photograph, 0.9),
    "photograph, deeper": (photograph, 1.1),
    "skull": (skull, 1.0),
    "skull, flatter": (skull, 0.9),
    "skull, deeper": (skull, 1.1),
}


class Covering(NamedTuple):
    """Which triangle of a head is seen where.

    Attributes:
        numbers: `(side_px, side_px)` places in `triangles`; -1 where there is none.
        triangles: Numbers of the head's triangles that face the camera, the furthest first.
    """

    numbers: NDArray[np.int32]
    triangles: NDArray[np.int64]


def covered(
    head: Head, places: NDArray[np.float64], far: NDArray[np.float64], side_px: int
) -> Covering:
    """Find the triangles that are seen in a square picture; see `painted`."""
    corners = places[head.triangles]
    (ax, ay), (bx, by) = ((corners[:, k] - corners[:, 0]).T for k in (1, 2))
    kept = np.flatnonzero(ax * by - ay * bx < -MIN_AREA)  # y is downwards: these face the camera
    kept = kept[np.argsort(-far[head.triangles[kept]].mean(axis=1))]
    numbers = np.full((side_px, side_px), -1, dtype=np.int32)
    for number, corner in enumerate(np.round(corners[kept] * 2**SUBPIXEL_BITS).astype(np.int32)):
        cv2.fillConvexPoly(numbers, corner, number, shift=SUBPIXEL_BITS)
    return Covering(numbers, kept)


def painted(head: Head, places: NDArray[np.float64], covering: Covering, grey: int) -> Any:
    """A head's triangles in a square picture, the furthest first.

    Args:
        head: The head.
        places: `(n, 2)` pixels at which its vertices appear.
        covering: Which of its triangles are seen.
        grey: Level of the background.
    """
    numbers, kept = covering
    corners, texels = places[head.triangles[kept]], head.pixels[head.triangles[kept]]
    # From a pixel to its place in the texture; pixels on an edge may lie a little outside the
    # triangle.
    maps = np.linalg.solve(np.concatenate([corners, np.ones((len(kept), 3, 1))], axis=2), texels)
    y, x = np.nonzero(numbers >= 0)
    shown = numbers[y, x]
    by_x, by_y, offset = maps.transpose(1, 0, 2)
    sources = x[:, None] * by_x[shown] + y[:, None] * by_y[shown] + offset[shown]
    sources = np.clip(sources, texels.min(axis=1)[shown], texels.max(axis=1)[shown])
    looked_up = np.full((*numbers.shape, 2), -1, dtype=np.float32)
    looked_up[y, x] = sources
    background = (grey, grey, grey)
    return cv2.remap(
        head.texture,
        looked_up,
        None,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=background,
    )


class Scene(NamedTuple):
    """A picture of one head.

    Attributes:
        image: BGR.
        expected: Where a tracker would expect the face.
        middle: Where eyes and mouth are, in pixels.
    """

    image: NDArray[np.uint8]
    expected: Box
    middle: NDArray[np.float64]


def scene(head: Head, pose: Pose, size_px: float, random: np.random.Generator) -> Scene:
    """A head somewhere in a picture.

    Args:
        head: The head.
        pose: Relative to the ray from the camera to the head.
        size_px: Side of its face box, about.
        random: Chooses the place and the background.
    """
    margin = min(size_px * 0.8, HEIGHT_PX / 2)
    at = random.uniform((margin, margin), (WIDTH_PX - margin, HEIGHT_PX - margin))
    grey = int(random.integers(40, 220))
    depth = BOX_CM * FOCAL_PX / size_px
    x, y = (at - (WIDTH_PX / 2, HEIGHT_PX / 2)) * (1, -1) / FOCAL_PX
    to_camera = Pose(
        math.degrees(math.atan2(-x, 1)), math.degrees(math.atan2(-y, math.hypot(x, 1)))
    )
    placed = head.vertices @ (rotation(to_camera) @ rotation(pose)).T + np.array([x, y, -1]) * depth
    places = FOCAL_PX * np.stack([placed[:, 0], -placed[:, 1]], axis=1) / -placed[:, 2:] + (
        WIDTH_PX / 2,
        HEIGHT_PX / 2,
    )

    side = round(size_px * STAGE_BOXES)
    corner = np.round(at - side / 2).astype(int)
    zoom = max(1.0, STAGE_PX / side)
    fine_px = round(side * zoom)
    # Centres of pixels stay centres of pixels.
    fine = (places - corner + 0.5) * (fine_px / side) - 0.5
    covering = covered(head, fine, np.linalg.norm(placed, axis=1), fine_px)
    stage = painted(head, fine, covering, grey)
    if fine_px != side:
        stage = cv2.resize(stage, (side, side), interpolation=cv2.INTER_AREA)
    image = np.full((HEIGHT_PX, WIDTH_PX, 3), grey, dtype=np.uint8)
    left, top = np.maximum(corner, 0)
    right, bottom = np.minimum(corner + side, (WIDTH_PX, HEIGHT_PX))
    image[top:bottom, left:right] = stage[
        top - corner[1] : bottom - corner[1], left - corner[0] : right - corner[0]
    ]

    middle = places[list(MIDDLE)].mean(axis=0)
    box_px = size_px * random.uniform(0.95, 1.05)
    x, y = middle + random.uniform(-0.05, 0.05, 2) * size_px - box_px / 2
    expected = Box(x / WIDTH_PX, y / HEIGHT_PX, box_px / WIDTH_PX, box_px / HEIGHT_PX)
    return Scene(image, expected, middle)


def points_found(
    detector: MediaPipeFaceDetector, shown: Scene, size_px: float, number: int
) -> NDArray[np.float64] | None:
    """The key points, in pixels, of the most confident face at the head's place."""
    for face in detector.detect(Frame(shown.image, number * 33_000_000, number), [shown.expected]):
        points = face.keypoints * (WIDTH_PX, HEIGHT_PX)
        if np.linalg.norm(points[:4].mean(axis=0) - shown.middle) < ASTRAY * size_px:
            return np.asarray(points)
    return None


def trials(
    faces: Sequence[tuple[NDArray[np.uint8], NDArray[np.float64]]],
    poses: Sequence[Pose],
    sizes_px: Sequence[int] = SIZES_PX,
    geometries: Sequence[str] = tuple(GEOMETRIES),
    seed: int = 0,
) -> list[Trial]:
    """Show every face in every geometry and pose, the sizes in turn, to the product's detector.

    Args:
        faces: Pictures with their landmarks.
        poses: Poses to show.
        sizes_px: Sides of the face boxes, about.
        geometries: Names of `GEOMETRIES`.
        seed: Of the places and backgrounds.
    """
    random = np.random.default_rng(seed)
    made = []
    with MediaPipeFaceDetector() as detector:
        for (picture, points), geometry in product(faces, geometries):
            build, depth = GEOMETRIES[geometry]
            head = build(picture, points, depth)
            # Each size meets poses of all kinds.
            for turn, number in enumerate(random.permutation(len(poses))):
                size_px = sizes_px[turn % len(sizes_px)]
                shown = scene(head, poses[number], size_px, random)
                found = points_found(detector, shown, size_px, len(made))
                made.append(Trial(geometry, size_px, poses[number], found))
    return made


def grid(step_deg: int, reach_deg: int = REACH_DEG, seed: int = 0) -> list[Pose]:
    """Every pair of yaw and pitch, the heads leaning to a side as people do."""
    angles = range(-reach_deg, reach_deg + 1, step_deg)
    rolls = np.random.default_rng(seed).normal(0, ROLL_DEG, len(angles) ** 2)
    return [
        Pose(yaw, pitch, roll)
        for (yaw, pitch), roll in zip(product(angles, angles), rolls.tolist(), strict=True)
    ]


def errors_of(made: Sequence[Trial]) -> NDArray[np.float64]:
    """`(n, 3)` degrees by which yaw, pitch and roll of the heads found are off."""
    found = [trial for trial in made if trial.points is not None]
    if not found:
        return np.empty((0, 3))
    poses = head_poses([trial.points for trial in found if trial.points is not None], 1, 1)
    return np.subtract(poses, [trial.truth for trial in found])


def figures(made: Sequence[Trial]) -> dict[str, Any]:
    """How many heads were found, and how far off their poses are: the mean amount, and the mean."""
    errors = errors_of(made)
    document: dict[str, Any] = {"heads": len(made), "found": len(errors)}
    for name, column in zip(ANGLES, errors.T, strict=True):
        document[f"{name}_mae"] = float(np.abs(column).mean()) if len(column) else None
        document[f"{name}_bias"] = float(column.mean()) if len(column) else None
    return document


def turn_of(pose: Pose) -> float:
    """The angle in degrees between where a head points and the camera."""
    return math.degrees(
        math.acos(math.cos(math.radians(pose.yaw)) * math.cos(math.radians(pose.pitch)))
    )


def grouped(made: Sequence[Trial], key: Callable[[Trial], Any]) -> dict[Any, list[Trial]]:
    """Trials by what they have in common, in the order in which it first appears."""
    groups: dict[Any, list[Trial]] = {}
    for trial in made:
        groups.setdefault(key(trial), []).append(trial)
    return groups


def report(made: Sequence[Trial]) -> dict[str, dict[str, dict[str, Any]]]:
    """The figures by geometry, by size, by yaw, by pitch, and by how far heads are turned in all;
    `all` is the last.
    """
    kinds = grouped(made, lambda trial: trial.geometry)
    sizes = sorted(grouped(made, lambda trial: trial.size_px).items())
    yaws = sorted(grouped(made, lambda trial: trial.truth.yaw).items())
    pitches = sorted(grouped(made, lambda trial: trial.truth.pitch).items())
    turns = {
        f"up to {most:.0f}°": [trial for trial in made if turn_of(trial.truth) <= most]
        for most in TURNS_DEG
    }
    return {
        "geometry": {name: figures(group) for name, group in kinds.items()},
        "size": {f"{size} px": figures(group) for size, group in sizes},
        "yaw": {f"{yaw:+.0f}°": figures(group) for yaw, group in yaws},
        "pitch": {f"{pitch:+.0f}°": figures(group) for pitch, group in pitches},
        "turn": {name: figures(group) for name, group in {**turns, "all": list(made)}.items()},
    }


def fitted(made: Sequence[Trial]) -> NDArray[np.float64]:
    """The model's points, in centimetres, with which the heads found get the poses nearest to the
    truth.

    Symmetrical, with the eyes where the present ones are: the solution depends neither on the place
    nor on the size.
    """
    found = [
        trial for trial in made if trial.points is not None and turn_of(trial.truth) <= FIT_TURN_DEG
    ]
    points = np.array([trial.points for trial in found])[:, : len(_HEAD_CM)] * (1, -1)
    truth = np.array([trial.truth for trial in found])

    def head(free: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.vstack([_HEAD_CM[:2], np.column_stack([(0, 0), free.reshape(2, 2)])])

    def residuals(free: NDArray[np.float64]) -> NDArray[np.float64]:
        shape = head(free)
        solved = np.array(_solved(points, np.linalg.pinv(shape - shape.mean(axis=0))))
        return ((solved - truth) / OUTLIER_DEG).ravel()

    return head(least_squares(residuals, _HEAD_CM[2:, 1:].ravel(), loss="soft_l1").x)


def pictures_of(folder: Path | None) -> list[tuple[str, NDArray[np.uint8]]]:
    """The pictures of a folder, or frames of the demo viewer.

    Raises:
        SystemExit: The folder holds no picture.
    """
    if folder is None:
        with Recording(DEMO_VIDEO) as source:
            frames = [source.read() for _ in range(max(DEMO_FRAMES) + 1)]
        return [
            (f"frame {number}", frame.image)
            for number in DEMO_FRAMES
            if (frame := frames[number]) is not None
        ]
    read = [
        (path.name, cv2.imread(str(path)))
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in SUFFIXES
    ]
    pictures = [(name, picture) for name, picture in read if picture is not None]
    if not pictures:
        raise SystemExit(
            f"{folder} holds no picture: expected at least one of {', '.join(SUFFIXES)}."
        )
    return pictures


def faces_of(folder: Path | None = None) -> list[tuple[NDArray[np.uint8], NDArray[np.float64]]]:
    """Pictures with the landmarks of their faces; those without a face are named and left out.

    Args:
        folder: With the pictures. Defaults to the demo viewer.

    Raises:
        SystemExit: There is no picture or no face.
    """
    named = pictures_of(folder)
    faces = []
    for (name, picture), points in zip(
        named, landmarks([picture for _, picture in named]), strict=True
    ):
        if points is None:
            print(f"{name}: no face found, left out", file=sys.stderr)
        else:
            faces.append((picture, points))
    if not faces:
        raise SystemExit("No face was found: expected pictures of one face each, from the front.")
    return faces


def sheet_of(faces: Sequence[tuple[NDArray[np.uint8], NDArray[np.float64]]]) -> NDArray[np.uint8]:
    """What the first face's heads look like: a row for each geometry, with the key points found."""
    random, side = np.random.default_rng(0), 240
    rows = []
    with MediaPipeFaceDetector() as detector:
        for build, depth in GEOMETRIES.values():
            head = build(*faces[0], depth)
            tiles = []
            for pose in SHEET_POSES:
                shown = scene(head, pose, 120, random)
                points = points_found(
                    detector, shown, 120, len(rows) * len(SHEET_POSES) + len(tiles)
                )
                for x, y in () if points is None else np.round(points).astype(int).tolist():
                    cv2.circle(shown.image, (x, y), 2, (0, 255, 0), -1)
                tiles.append(cv2.getRectSubPix(shown.image, (side, side), shown.middle.tolist()))
            rows.append(np.hstack(tiles))
    return np.vstack(rows)


def tables(document: dict[str, dict[str, dict[str, Any]]]) -> list[Table]:
    """The report for people."""
    made = []
    for title, rows in document.items():
        table = Table(
            title=f"Degrees off by {title}: mean amount (mean)", title_justify="left", box=None
        )
        for name in ("", "heads", "found", *ANGLES):
            table.add_column(name, justify="right" if name else "left", no_wrap=True)
        for name, values in rows.items():
            cells = [cell(values[f"{angle}_mae"], values[f"{angle}_bias"]) for angle in ANGLES]
            table.add_row(name, str(values["heads"]), str(values["found"]), *cells)
        made.append(table)
    return made


def cell(amount: float | None, mean: float | None) -> str:
    """Two figures as they are printed."""
    return "-" if amount is None or mean is None else f"{amount:.1f} ({mean:+.1f})"


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Measure head poses against rendered heads of known pose."
    )
    parser.add_argument(
        "--faces",
        type=Path,
        metavar="FOLDER",
        help="pictures of one face each; default: demo viewer",
    )
    parser.add_argument("--step", type=int, default=STEP_DEG, help="degrees between the poses")
    parser.add_argument(
        "--sizes", default=",".join(map(str, SIZES_PX)), help="sides of the face boxes, in pixels"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="only draw some heads")
    parser.add_argument(
        "--fit", action="store_true", help="also print the points that suit these heads best"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if not 1 <= options.step <= REACH_DEG:
        parser.error(f"argument --step: expected 1 to {REACH_DEG}, received {options.step}")
    if options.faces is not None and not options.faces.is_dir():
        parser.error(f"argument --faces: expected a folder, received {options.faces}")
    parts = options.sizes.split(",")
    if not all(part.isdecimal() and MIN_PX <= int(part) <= MAX_PX for part in parts):
        parser.error(
            f"argument --sizes: expected numbers from {MIN_PX} to {MAX_PX}, received {options.sizes!r}"
        )
    options.sizes = tuple(map(int, parts))
    return options


def main() -> None:
    """Measure and print."""
    options = options_of()
    faces = faces_of(options.faces)
    if options.sheet is not None:
        cv2.imwrite(str(options.sheet), sheet_of(faces))
        return
    made = trials(faces, grid(options.step, seed=options.seed), options.sizes, seed=options.seed)
    document: dict[str, Any] = report(made)
    points = fitted(made).round(2).tolist() if options.fit else None
    if options.json:
        print(
            json.dumps(document if points is None else {**document, "points_cm": points}, indent=1)
        )
        return
    console = Console()
    for table in tables(document):
        console.print(table)
    if points is not None:
        console.print("Points that suit these heads best, cm:", *points, sep="\n")


if __name__ == "__main__":
    main()
