"""Attention: the product's parts on rendered viewers who look at known targets.

A photographed face becomes a head as in `benchmarks.head_pose`, and gets eyes: two spheres behind
the lids with sclera, iris, pupil and the reflection of a lamp, which turn to a target. The lids
follow them up and down. Skin, irises, light, noise and JPEG vary.

The viewers stand 1, 2 and 4 m from a screen of 100 by 56 cm with a camera in the middle of its
upper edge; the pictures are 1280, 1920 and 3840 pixels wide. They look at places all over the
screen, half its width beside it, or half its height above or below it. Their heads turn all the
way, partly, or not at all (only if the face has at least 80 px and the eyes turn by at most 25
degrees). Photographs of faces turned by more than 15 degrees are left out: their heads are crooked.

    python -m benchmarks.attention [--faces FOLDER] [--each 1] [--seed 0] [--json]
    [--sheet FILE.png]

Each picture is one decision, with nothing averaged over time. Films of every viewer before every
camera, at 15 pictures a second and with the sway of a standing head, show what the product decides
after half a second, and whether it flickers: looks that wander over the screen, and looks at one
place beside it. A fixed cone of 30 by 20 degrees around the camera is
given for comparison. The faces are by default those of the demo viewer in several skin tones; see
`benchmarks.head_pose` for others.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.head_pose import (
    BOX_CM,
    FOCAL_PX,
    GEOMETRIES,
    WIDTH_PX,
    Head,
    Pose,
    covered,
    faces_of,
    painted,
    rotation,
)
from detector.faces.attention import (
    MAX_PITCH_DEG,
    MAX_YAW_DEG,
    Attention,
    LookSchedule,
    ViewerGaze,
)
from detector.faces.detector import MediaPipeFaceDetector
from detector.faces.gaze import GazeReader, head_axes
from detector.faces.head_pose import angles_of, head_pose
from detector.faces.screen import Direction, ScreenView
from detector.settings import CameraMount
from detector.types import Box, Frame, HeadPose

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from detector.types import FaceDetection

SCREEN_CM = (100.0, 56.25)
SHOTS = (
    *((100, (1280, 720)), (100, (1920, 1080))),
    *((200, (1280, 720)), (200, (1920, 1080))),
    *((400, (1280, 720)), (400, (1920, 1080)), (400, (3840, 2160))),
)
"""Centimetres from the screen, and width and height of the picture."""

FOCAL_WIDTHS = FOCAL_PX / WIDTH_PX
"""Focal length of the default camera, in widths of the picture."""

FOLLOWING = {"head follows": 1.0, "head follows partly": 0.6, "eyes only": 0.0}
EYES_REACH_DEG = 25.0
EYES_ONLY_PX = 80.0
MOST_TURNED_DEG = 15.0

# Eyes, in centimetres.
BALL_CM, IRIS_CM, PUPIL_CM, CORNEA_CM, CORNEA_AHEAD_CM = 1.2, 0.585, 0.2, 0.78, 0.53
LID_CM = 0.1

# Around each eye in the face mesh, from the outer corner below to the inner one and back above.
RINGS = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
)
FOLDS = ((247, 30, 29, 27, 28, 56, 190), (467, 260, 259, 257, 258, 286, 414))
"""Above the upper lids, from outside to inside."""

MOUNT = CameraMount(above_cm=SCREEN_CM[1] / 2)

IRISES = ((60, 80, 110), (30, 50, 80), (150, 130, 90), (20, 30, 45))
SCLERA = np.array([198.0, 205.0, 214.0])
SKINS = ((1.0, 1.0, 1.0), (0.8, 0.86, 0.92), (0.5, 0.6, 0.72), (0.3, 0.38, 0.48))
"""Factors of blue, green and red that turn the demo viewer into others."""

STAGE_PX = 480
ON, BESIDE, ABOVE, BELOW = KINDS = ("on the screen", "beside it", "above it", "below it")
SHEET_LOOKS = ((0, 0, 0), (0, 20, 0), (0, -20, 0), (0, 0, 15), (0, 0, -25), (25, 0, 0), (25, 25, 0))


class Viewer(NamedTuple):
    """A head with eyes.

    Attributes:
        head: Its surface; the face mesh's vertices come first.
        eyes: `(2, 3)` centres of the eyeballs, right and left, in centimetres as the head's.
        iris: Colour of the irises, BGR.
    """

    head: Head
    eyes: NDArray[np.float64]
    iris: tuple[int, int, int]


class Look(NamedTuple):
    """What a viewer does.

    Attributes:
        place: `(3,)` centimetres from the camera: right, up, out of the scene.
        target: What the eyes look at, likewise.
        head: Rotation from the head's axes to the camera's.
        lamp: `(3,)` direction of the light that the eyes reflect, as the head's axes.
    """

    place: NDArray[np.float64]
    target: NDArray[np.float64]
    head: NDArray[np.float64]
    lamp: NDArray[np.float64]


@dataclass(frozen=True)
class Trial:
    """One look, and the decision on it.

    Attributes:
        distance_cm: From the screen.
        size_px: Approximate side of the face box.
        following: How the head follows, one of `FOLLOWING`.
        kind: Where the target is, one of `KINDS`.
        decided_by: "eyes", "head", or "nothing" where no face was found.
        attentive: The decision.
        in_cone: The decision of a fixed cone around the camera.
        error: Degrees by which the reading of the eyes is off, seen from the camera; `None` where
            they were not read.
    """

    distance_cm: int
    size_px: float
    following: str
    kind: str
    decided_by: str
    attentive: bool = False
    in_cone: bool = False
    error: Direction | None = None


def viewer_of(head: Head, iris: tuple[int, int, int], random: np.random.Generator) -> Viewer:
    """Put eyeballs behind the lids; depth and height vary a little between people."""
    face = head.vertices
    eyes = []
    for ring in RINGS:
        upper, lower = face[ring[12]], face[ring[4]]
        half = np.linalg.norm(upper - lower) / 2
        x = (face[ring[0], 0] + face[ring[8], 0]) / 2
        depth = (upper[2] + lower[2]) / 2 - LID_CM - math.sqrt(BALL_CM**2 - half**2)
        eyes.append((x, (upper[1] + lower[1]) / 2 - 0.05, depth))
    return Viewer(head, np.array(eyes) + (0, random.normal(0, 0.03), random.normal(0, 0.06)), iris)


def with_lids(viewer: Viewer, pitch_deg: float) -> NDArray[np.float64]:
    """The vertices with the lids moved as the eyes look up or down."""
    vertices = viewer.head.vertices.copy()
    bend = np.sin(np.pi * np.arange(1, 8) / 8) ** 0.7
    for ring, fold, eye in zip(RINGS, FOLDS, viewer.eyes, strict=True):
        upper, lower = list(ring[:8:-1]), list(ring[1:8])
        for points, share in ((upper, 0.75), (list(fold), 0.35), (lower, 0.25)):
            turn = np.radians(pitch_deg * share * bend)
            cos, sin = np.cos(turn), np.sin(turn)
            x, y, z = (viewer.head.vertices[points] - eye).T
            vertices[points] = np.stack([x, y * cos + z * sin, z * cos - y * sin], axis=1) + eye
        above = vertices[upper]
        above[:, 1] = np.maximum(above[:, 1], vertices[lower][:, 1])
        vertices[upper] = above
    return vertices


def eye_colours(
    viewer: Viewer, look: Look, number: int, rays: NDArray[np.float64]
) -> NDArray[np.float64]:
    """`(n, 3)` BGR of an eye along `(n, 3)` unit rays from the camera."""
    centre = look.place + look.head @ viewer.eyes[number]
    ahead = look.target - centre
    ahead = ahead / np.linalg.norm(ahead)
    surface, hit = _sphere(rays, centre, BALL_CM)
    outwards = (surface - centre) / BALL_CM
    cos = np.clip(outwards @ ahead, -1.0, 1.0)
    from_axis = np.where(cos > 0, np.sqrt(1 - cos**2) * BALL_CM, np.inf)
    in_head = outwards @ look.head
    # The lids' shadow lies on the upper part, and the corners are darker.
    shade = 0.75 + 0.25 * np.clip(in_head[:, 2], 0, 1) - 0.25 * np.clip(1.3 * in_head[:, 1], 0, 1)
    around = np.arctan2(outwards[:, 1] - ahead[1], outwards[:, 0] - ahead[0])
    inner = np.minimum(from_axis / IRIS_CM, 1.0)
    grain = 1 + 0.18 * np.sin(23 * around + 5 * inner) + 0.1 * np.sin(51 * around)
    grain *= (0.75 + 0.35 * inner) * np.where(inner > 0.88, 0.6, 1.0)
    colours = SCLERA * shade[:, None]
    for radius, soft, shown in (
        (IRIS_CM, 0.05, np.array(viewer.iris) * (grain * shade)[:, None]),
        (PUPIL_CM, 0.03, np.full((len(rays), 3), 12.0)),
    ):
        share = np.clip((radius - from_axis) / soft, 0, 1)[:, None]
        colours = colours * (1 - share) + shown * share
    cornea, wet = _sphere(rays, centre + CORNEA_AHEAD_CM * ahead, CORNEA_CM)
    half = look.head @ (look.lamp / np.linalg.norm(look.lamp)) - rays
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    normal = (cornea - centre - CORNEA_AHEAD_CM * ahead) / CORNEA_CM
    gleam = np.where(wet, np.clip((normal * half).sum(axis=1), 0, 1) ** 400, 0)
    flesh = SCLERA * (0.44, 0.44, 0.58)
    return np.where(hit[:, None], colours + 200 * gleam[:, None], flesh)


def _sphere(
    rays: NDArray[np.float64], centre: NDArray[np.float64], radius: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Where rays from the camera meet a sphere first, and whether they do."""
    along = rays @ centre
    inside = along**2 - (centre @ centre - radius**2)
    return rays * (along - np.sqrt(np.maximum(inside, 0)))[:, None], inside > 0


class Shot(NamedTuple):
    """A picture of one viewer.

    Attributes:
        image: BGR.
        expected: Where a tracker would expect the face.
        middle: Where eyes and mouth are, in pixels.
    """

    image: NDArray[np.uint8]
    expected: Box
    middle: NDArray[np.float64]


def shot(viewer: Viewer, look: Look, size: tuple[int, int], random: np.random.Generator) -> Shot:
    """Photograph a viewer, in a picture of this width and height."""
    focal = FOCAL_WIDTHS * size[0]
    principal = np.array(size) / 2
    ahead = look.head.T @ (look.target - look.place - look.head @ viewer.eyes.mean(axis=0))
    pitch = math.degrees(math.asin(ahead[1] / np.linalg.norm(ahead)))
    head = Head(
        with_lids(viewer, pitch),
        viewer.head.pixels,
        viewer.head.triangles,
        viewer.head.texture,
    )
    placed = head.vertices @ look.head.T + look.place
    places = focal * np.stack([placed[:, 0], -placed[:, 1]], axis=1) / -placed[:, 2:] + principal
    middle = places[[33, 263, 61, 291]].mean(axis=0)
    face_px = BOX_CM * focal / -look.place[2]
    side = round(2.6 * face_px)
    corner = np.round(middle - side / 2).astype(int)
    fine_px = max(side, STAGE_PX)
    zoom = fine_px / side
    grey = int(random.integers(40, 220))
    fine = (places - corner + 0.5) * zoom - 0.5
    covering = covered(head, fine, np.linalg.norm(placed, axis=1), fine_px)
    stage = painted(head, fine, covering, grey)
    corners = head.triangles[covering.triangles]
    for number, ring in enumerate(RINGS):
        eye = np.isin(corners, ring).all(axis=1)
        y, x = np.nonzero((covering.numbers >= 0) & eye[np.maximum(covering.numbers, 0)])
        pixels = (np.stack([x, y], axis=1) + 0.5) / zoom - 0.5 + corner - principal
        rays = np.column_stack([pixels * (1, -1) / focal, np.full(len(x), -1.0)])
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        stage[y, x] = np.clip(eye_colours(viewer, look, number, rays), 0, 255)
    stage = cv2.resize(stage, (side, side), interpolation=cv2.INTER_AREA)
    image = np.full((size[1], size[0], 3), grey, dtype=np.uint8)
    left, top = np.clip(corner, 0, size)
    right, bottom = np.clip(corner + side, 0, size)
    seen = stage[top - corner[1] : bottom - corner[1], left - corner[0] : right - corner[0]]
    image[top:bottom, left:right] = developed(seen, random)
    box_px = face_px * random.uniform(0.95, 1.05)
    x, y = middle + random.uniform(-0.05, 0.05, 2) * face_px - box_px / 2
    expected = Box(x / size[0], y / size[1], box_px / size[0], box_px / size[1])
    return Shot(image, expected, middle)


def developed(stage: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """A picture as a camera gives it: brighter or darker, noisy, and in half of the cases JPEG."""
    noisy = stage * random.uniform(0.5, 1.15) + random.normal(0, random.uniform(0, 5), stage.shape)
    made = np.clip(noisy, 0, 255).astype(np.uint8)
    if made.size and random.random() < 0.5:
        _, coded = cv2.imencode(".jpg", made, [cv2.IMWRITE_JPEG_QUALITY, random.integers(60, 95)])
        made = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), dtype=np.uint8)
    return made


def targets(random: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """Places on the screen's plane, in centimetres from the camera."""
    width, height = SCREEN_CM
    side = 1 if random.random() < 0.5 else -1
    across, down = random.uniform(-0.5, 0.5) * width, -random.uniform() * height
    return {
        ON: np.array([across, down, 0.0]),
        BESIDE: np.array([side * width, -random.uniform() * height, 0.0]),
        ABOVE: np.array([random.uniform(-0.5, 0.5) * width, height / 2, 0.0]),
        BELOW: np.array([random.uniform(-0.5, 0.5) * width, -1.5 * height, 0.0]),
    }


def look_at(
    target: NDArray[np.float64], distance_cm: float, follows: float, random: np.random.Generator
) -> Look | None:
    """A viewer who looks at a target; `None` if the eyes would have to turn too far."""
    height = SCREEN_CM[1]
    x, y = random.uniform(-0.2, 0.2) * distance_cm, random.uniform(-0.6, -0.1) * height
    place = np.array([x, y, -distance_cm])
    rest, there = (
        np.array(_direction(point - place)) for point in (np.array([0, -height / 2, 0]), target)
    )
    turned = rest + follows * (there - rest) + random.normal(0, 2, 2)
    head = rotation(Pose(turned[0], turned[1], random.normal(0, 5)))
    ahead = head.T @ (target - place)
    if math.degrees(math.acos(ahead[2] / np.linalg.norm(ahead))) > EYES_REACH_DEG:
        return None
    lamp = np.array([random.uniform(-1, 1), random.uniform(0, 1), 1.0])
    return Look(place, target, head, lamp)


def _direction(vector: NDArray[np.float64]) -> tuple[float, float]:
    x, y, z = vector
    return math.degrees(math.atan2(x, z)), math.degrees(math.atan2(y, math.hypot(x, z)))


class Observation(NamedTuple):
    """What the parts make of one picture; angles in degrees, seen from the camera."""

    excess_deg: float
    eyes: Direction | None
    points: HeadPose


class Observer:
    """The product's parts, from a picture to how far past the screen the viewer looks."""

    def __init__(self) -> None:
        self._detector = MediaPipeFaceDetector()
        self._reader = GazeReader()
        self._frames = 0

    def face(self, shown: Shot) -> FaceDetection | None:
        """The most confident face at the head's place."""
        self._frames += 1
        height, width = shown.image.shape[:2]
        frame = Frame(shown.image, self._frames * 33_000_000, self._frames)
        for face in self._detector.detect(frame, [shown.expected]):
            points = face.keypoints[:4].mean(axis=0) * (width, height)
            if np.linalg.norm(points - shown.middle) < 0.35 * shown.expected.width * width:
                return face
        return None

    def observe(
        self,
        shown: Shot,
        gaze: ViewerGaze,
        now_ns: int = 0,
        schedule: LookSchedule | None = None,
    ) -> Observation | None:
        """What the parts make of one picture; `None` where no face is found.

        Without a schedule, the eyes are read in every picture.
        """
        face = self.face(shown)
        if face is None:
            return None
        height, width = shown.image.shape[:2]
        seen = head_pose(face.keypoints, width, height)
        look = None
        if schedule is None or schedule.choose([gaze], now_ns) is not None:
            look = self._reader.read(shown.image, face)
            gaze.update(look, seen, now_ns)
        view = ScreenView(face.box, width, height, MOUNT)
        furthest = Direction(MAX_YAW_DEG, MAX_PITCH_DEG)
        excess = gaze.excess_deg(view, seen, now_ns, furthest)
        eyes = None if look is None else look.eyes
        return Observation(excess, eyes, seen)


def trials(viewers: Sequence[Viewer], each: int = 1, seed: int = 0) -> Iterator[Trial]:
    """Show every viewer at every distance to every camera, in every way of looking."""
    random = np.random.default_rng(seed)
    observer = Observer()
    for viewer, (distance, size), (name, follows), _ in product(
        viewers, SHOTS, FOLLOWING.items(), range(each)
    ):
        size_px = BOX_CM * FOCAL_WIDTHS * size[0] / distance
        if follows < 0.5 and size_px < EYES_ONLY_PX:
            continue
        for kind, target in targets(random).items():
            if kind not in {ON, BESIDE} and follows != 1:
                continue
            look = look_at(target, distance, follows, random)
            if look is None:
                continue
            facts = (distance, size_px, name, kind)
            seen = observer.observe(shot(viewer, look, size, random), ViewerGaze())
            if seen is None:
                yield Trial(*facts, "nothing")
                continue
            yield Trial(
                *facts,
                "head" if seen.eyes is None else "eyes",
                seen.excess_deg <= 0,
                abs(seen.points.yaw) <= MAX_YAW_DEG and abs(seen.points.pitch) <= MAX_PITCH_DEG,
                _error(seen, look),
            )


def _error(seen: Observation, look: Look) -> Direction | None:
    if seen.eyes is None:
        return None
    to_camera = rotation(Pose(*_direction(-look.place)))
    yaw, pitch = _direction(to_camera.T @ (look.target - look.place))
    return Direction(seen.eyes.yaw - yaw, seen.eyes.pitch - pitch)


def is_turned(points: NDArray[np.float64]) -> bool:
    """Whether a photographed face, by its landmarks, is turned too far to make a straight head."""
    return abs(angles_of(head_axes(points * (1, -1, -1))).yaw) > MOST_TURNED_DEG


def viewers_of(folder: Path | None, seed: int = 0) -> list[Viewer]:
    """Heads with eyes: the demo viewer's in several tones of skin, or those of a folder."""
    random = np.random.default_rng(seed)
    made = []
    faces = [face for face in faces_of(folder) if not is_turned(face[1])]
    if not faces:
        raise SystemExit("All faces are turned: expected photographs of faces from the front.")
    for number, (picture, points) in enumerate(faces):
        tones = (
            SKINS[:1] if folder else (SKINS[number % len(SKINS)], SKINS[(number + 2) % len(SKINS)])
        )
        for tone, skin in enumerate(tones):
            build, depth = list(GEOMETRIES.values())[(number + 3 * tone) % len(GEOMETRIES)]
            head = build(np.clip(picture * np.array(skin), 0, 255).astype(np.uint8), points, depth)
            made.append(viewer_of(head, IRISES[(number + tone) % len(IRISES)], random))
    return made


class Film(NamedTuple):
    """Whether a viewer was attentive, picture by picture, at a distance in centimetres."""

    distance_cm: int
    verdicts: list[bool]


def films(
    viewers: Sequence[Viewer],
    kind: str = ON,
    seconds: float = 2.0,
    per_second: float = 15.0,
    seed: int = 0,
) -> list[Film]:
    """Film viewers who look around on the screen, or at a single place off it.

    Every viewer meets every camera, with a head that sways and follows in one of the ways of
    `FOLLOWING`.
    """
    random = np.random.default_rng(seed)
    observer, made = Observer(), []
    for number, (viewer, (distance, size)) in enumerate(product(viewers, SHOTS)):
        size_px = BOX_CM * FOCAL_WIDTHS * size[0] / distance
        ways = [way for way in FOLLOWING.values() if way > 0 or size_px >= EYES_ONLY_PX]
        follows = ways[number % len(ways)]
        gaze, attention, schedule = ViewerGaze(), Attention(), LookSchedule()
        place, verdicts = np.array([0.0, -0.3 * SCREEN_CM[1], -distance]), []
        target = targets(random)[kind]
        for frame in range(round(seconds * per_second)):
            if kind == ON and frame % round(1.6 * per_second) == 0:
                target = targets(random)[kind]
            there = np.array(_direction(target - place))
            if np.abs((1 - follows) * there).max() > EYES_REACH_DEG:
                follows = 1.0  # no eyes turn that far
            sway = 2 * np.sin(frame / per_second * np.array([1.7, 2.3]))
            turned = follows * there + sway
            head = rotation(Pose(turned[0], turned[1], 2 * sway[0]))
            look = Look(place + (sway[0], sway[1], 0), target, head, np.array([0.3, 0.5, 1.0]))
            now_ns = round(frame / per_second * 1e9)
            shown = shot(viewer, look, size, random)
            seen = observer.observe(shown, gaze, now_ns, schedule)
            if seen is not None:
                verdicts.append(attention.update(seen.excess_deg, now_ns))
        made.append(Film(distance, verdicts))
    return made


def filmed_shares(made: Sequence[Film], unsettled: int = 8) -> dict[str, Any]:
    """The share of the time that counts as attentive, by distance, and how often that changes.

    The first pictures are left out: half a second of looks decides.
    """
    by_distance: dict[str, list[bool]] = {}
    for film in made:
        by_distance.setdefault(f"{film.distance_cm / 100:.0f} m", []).extend(
            film.verdicts[unsettled:]
        )
    return {
        "films": len(made),
        "attentive": {name: float(np.mean(some)) for name, some in by_distance.items() if some},
        "changes": sum(a != b for film in made for a, b in pairwise(film.verdicts)),
    }


def report(made: Sequence[Trial], filmed: dict[str, list[Film]] | None = None) -> dict[str, Any]:
    """Shares that count as attentive, by distance and by what decides; errors; flicker."""
    rows: dict[str, Any] = {}
    for distance, deciding, kind in product(
        sorted({one.distance_cm for one in made}),
        ("eyes", "head"),
        KINDS,
    ):
        group = [
            one
            for one in made
            if (one.distance_cm, one.decided_by, one.kind) == (distance, deciding, kind)
        ]
        if group:
            rows.setdefault(f"{distance / 100:.0f} m, {deciding}", {})[kind] = _shares(group)
    for kind in KINDS:
        rows.setdefault("all", {})[kind] = _shares([one for one in made if one.kind == kind])
    errors = np.abs([one.error for one in made if one.error is not None])
    return {
        "attentive": rows,
        "not_found": sum(one.decided_by == "nothing" for one in made),
        "eyes_read": len(errors),
        "eyes_mae": errors.mean(axis=0).tolist() if len(errors) else None,
        "films": {kind: filmed_shares(group) for kind, group in (filmed or {}).items()},
    }


def _shares(group: Sequence[Trial]) -> dict[str, float]:
    return {
        "looks": len(group),
        "attentive": float(np.mean([one.attentive for one in group])),
        "in_cone": float(np.mean([one.in_cone for one in group])),
    }


def sheet_of(viewers: Sequence[Viewer]) -> NDArray[np.uint8]:
    """What the viewers look like: a row for each."""
    random, rows = np.random.default_rng(0), []
    for viewer in viewers:
        tiles = []
        for turned, yaw, pitch in SHEET_LOOKS:
            place = np.array([0.0, 0.0, -60.0])
            ahead = rotation(Pose(yaw, pitch))[:, 2]
            look = Look(place, place + 300 * ahead, rotation(Pose(turned, 0)), np.ones(3))
            shown = shot(viewer, look, (1280, 720), random)
            tiles.append(cv2.getRectSubPix(shown.image, (300, 300), shown.middle.tolist()))
        rows.append(np.hstack(tiles))
    return np.vstack(rows)


def table_of(document: dict[str, Any]) -> Table:
    """The report for people."""
    table = Table(title="Attentive, % (in a fixed cone, %; looks)", title_justify="left", box=None)
    kinds = list(document["attentive"]["all"])
    for name in ("", *kinds):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for name, row in document["attentive"].items():
        cells = [
            f"{100 * row[kind]['attentive']:.0f} ({100 * row[kind]['in_cone']:.0f}; "
            f"{row[kind]['looks']})"
            if kind in row
            else "-"
            for kind in kinds
        ]
        table.add_row(name, *cells)
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure attention against rendered viewers.")
    parser.add_argument("--faces", type=Path, metavar="FOLDER", help="default: demo viewer")
    parser.add_argument("--each", type=int, default=1, help="looks of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="only draw the viewers")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.faces is not None and not options.faces.is_dir():
        parser.error(f"argument --faces: expected a folder, received {options.faces}")
    if options.each < 1:
        parser.error(f"argument --each: expected at least 1, received {options.each}")
    viewers = viewers_of(options.faces, options.seed)
    if options.sheet is not None:
        cv2.imwrite(str(options.sheet), sheet_of(viewers))
        return
    made = list(trials(viewers, options.each, options.seed))
    filmed = {kind: films(viewers, kind, seed=options.seed) for kind in (ON, BESIDE)}
    document = report(made, filmed)
    if options.json:
        print(json.dumps(document, indent=1))
        return
    console = Console()
    console.print(table_of(document))
    del document["attentive"]
    console.print(document)


if __name__ == "__main__":
    main()
