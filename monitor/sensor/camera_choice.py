"""Which cameras there are, and which one the operator chose. Opens no camera's stream."""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from boltons.fileutils import atomic_save
from pydantic import TypeAdapter

from detector.sources.v4l2 import camera_name, cameras, lasting_names
from monitor.settings.paths import APPLICATION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera; its index changes with the order of plugging, and unknown texts are empty."""

    index: int
    name: str = ""
    place: str = ""  # where it is plugged in, such as `usb-0000:00:14.0-3`
    path: str = ""  # lasting path of its device

    @property
    def source(self) -> str:
        """The camera as `--source` takes it: by its lasting name, where there is one."""
        return self.path or str(self.index)


def list_cameras() -> tuple[Camera, ...]:
    """Return the cameras that give pictures, by index; a silent device counts as one."""
    found = [camera for camera in map(_camera, cameras()) if camera is not None]
    same_name = Counter(camera.name for camera in found)
    return tuple(
        # Makers repeat their serial numbers, so of two of a kind the socket tells which is which.
        replace(camera, path=paths[-1 if same_name[camera.name] > 1 else 0])
        if (paths := lasting_names(camera.index))
        else camera
        for camera in found
    )


def lasting_source(source: str) -> str:
    """Return the lasting name of a camera that was named by its index; other sources unchanged."""
    if not source.isdecimal():
        return source
    return next((camera.source for camera in list_cameras() if camera.index == int(source)), source)


def _camera(index: int) -> Camera | None:
    try:
        found = camera_name(index)
    except OSError as error:
        logger.info("Camera %d does not say its name: %s", index, error)
        return Camera(index)
    return None if found is None else Camera(index, *found)


def choice_file() -> Path:
    """Return the file of the choice."""
    return Path(platformdirs.user_config_dir(APPLICATION)) / "camera.json"


def save_choice(camera: Camera, file: Path | None = None) -> bool:
    """Save the choice for the next start; return whether it could be written (see the log)."""
    file = file or choice_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_save(str(file), overwrite_part=True) as out:
            out.write(json.dumps(asdict(camera), ensure_ascii=False).encode())
    except OSError as error:
        logger.warning("The choice of the camera is not saved (%s); choose again next time", error)
        return False
    return True


def saved_choice(present: Sequence[Camera], file: Path | None = None) -> Camera | None:
    """Return the camera that was chosen before, if it is present.

    It is recognised by its lasting path, else by name and place, else by its name if only one has
    it; by its index, which changes from start to start, only if it has no name.
    """
    kept = _read(file or choice_file())
    if kept is None:
        return None
    rules: list[Callable[[Camera], bool]] = [lambda one: one.index == kept.index and not one.name]
    if kept.name:
        rules = [
            lambda one: (one.name, one.place) == (kept.name, kept.place),
            lambda one: one.name == kept.name,
        ]
    if kept.path:
        rules.insert(0, lambda one: (one.path, one.name) == (kept.path, kept.name))
    for rule in rules:
        found = [camera for camera in present if rule(camera)]
        # One device may have several entries of the same name and place.
        same = [camera for camera in found if camera.index == kept.index]
        if len(found) == 1 or same:
            return (same or found)[0]
    return None


def _read(file: Path) -> Camera | None:
    try:
        return TypeAdapter(Camera).validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        logger.warning("The choice of the camera in %s is ignored (%s)", file, error)
        return None
