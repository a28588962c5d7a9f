"""Which cameras there are, and which of them the operator has chosen. Imports no Qt and opens no camera's stream."""

from __future__ import annotations

import json
import logging
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from detector.sources.v4l2 import camera_name, cameras, lasting_names
from monitor.settings.paths import APPLICATION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

logger = logging.getLogger(__name__)

FILE_NAME = "camera.json"


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera.

    Attributes:
        index: As `--source` takes it; it may change when cameras are plugged in in another order.
        name: The maker's name; empty where it is not known.
        place: Where it is plugged in, such as `usb-0000:00:14.0-3`; empty where it is not known.
        path: Of its device, by a name that stays when the index changes; empty where the system
            offers none.
    """

    index: int
    name: str = ""
    place: str = ""
    path: str = ""

    @property
    def source(self) -> str:
        """The camera as `--source` takes it: by the name that stays, where there is one."""
        return self.path or str(self.index)


def list_cameras() -> tuple[Camera, ...]:
    """The cameras that give pictures, in the order of their indices; a device that cannot be asked counts as one."""
    asked = [camera for camera in map(_ask, cameras()) if camera is not None]
    names = Counter(camera.name for camera in asked)
    return tuple(
        replace(camera, path=_stable_path(camera.index, twin=names[camera.name] > 1))
        for camera in asked
    )


def lasting_source(source: str) -> str:
    """A source that leads to the same camera after it was plugged in again, or the machine was started again.

    Args:
        source: As typed by the user; what is no index of a camera, or has no lasting name, is
            returned as it is.
    """
    if not source.isdecimal():
        return source
    return next((camera.source for camera in list_cameras() if camera.index == int(source)), source)


def _stable_path(index: int, *, twin: bool) -> str:
    """The lasting name of a camera; of two of the same kind that by the socket, because makers repeat their numbers."""
    names = lasting_names(index)
    if not names:
        return ""
    return names[-1] if twin else names[0]


def _ask(index: int) -> Camera | None:
    try:
        found = camera_name(index)
    except OSError as error:
        logger.info("Camera %d cannot be asked for its name: %s", index, error)
        return Camera(index)
    return None if found is None else Camera(index, *found)


def choice_file() -> Path:
    """Where the choice is kept."""
    return Path(platformdirs.user_config_dir(APPLICATION)) / FILE_NAME


def save_choice(camera: Camera, file: Path | None = None) -> bool:
    """Keeps the choice for the next start.

    Args:
        camera: What was chosen.
        file: Where to keep it; `choice_file()` by default.

    Returns:
        Whether it could be written; the log says why not.
    """
    file = file or choice_file()
    unfinished = file.with_suffix(".part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(json.dumps(asdict(camera), ensure_ascii=False), "utf-8")
        unfinished.replace(file)
    except OSError as error:
        logger.warning(
            "The choice of the camera cannot be kept (%s): it is asked for again at the next start",
            error,
        )
        return False
    return True


def saved_choice(there: Sequence[Camera], file: Path | None = None) -> Camera | None:
    """The camera that was chosen before, if it is there.

    Indices change from start to start, so a camera is known again by its lasting path, else by its
    name and its place, else by its name where only one has it. Only a camera without a name is
    known by its index.

    Args:
        there: The cameras of now.
        file: Where the choice is kept; `choice_file()` by default.
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
        found = [camera for camera in there if rule(camera)]
        if len(found) == 1:
            return found[0]
        # One device may have several entries of the same name and place.
        same = [camera for camera in found if camera.index == kept.index]
        if same:
            return same[0]
    return None


def _read(file: Path) -> Camera | None:
    with suppress(FileNotFoundError):
        try:
            document = json.loads(file.read_text("utf-8"))
            path = str(document.get("path", ""))
            camera = Camera(
                int(document["index"]), str(document["name"]), str(document["place"]), path
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, FileNotFoundError):
                raise
            logger.warning(
                "The choice of the camera in %s cannot be read (%s) and is ignored", file, error
            )
        else:
            return camera
    return None
