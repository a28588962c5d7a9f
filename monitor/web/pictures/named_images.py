"""Pictures named on the command line (`ad-monitor classify`): files, folders and addresses."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ads.errors import MediaError
from ads.media.decode import frames, probe
from ads.media.picture_file import begins_like_picture
from ads.media.types import PICTURE_ENDINGS
from ads.playlists.yaml_file import shortened
from detector.emotion.classifier import load_classifier
from detector.errors import PictureDecodeError
from detector.image_analysis import PictureClassifier
from detector.names import is_system_file
from detector.sources.image_decoder import decode_picture
from monitor.errors import PictureError, SetupError
from monitor.fetch.errors import FetchError
from monitor.fetch.fetch import FetchLimits, fetch_picture
from monitor.fetch.target import OWN_NETWORK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from detector.emotion.own_network import OwnModel
    from detector.image_analysis import PictureFace
    from detector.settings import Device

logger = logging.getLogger(__name__)

MAX_FILE_BYTES = FetchLimits().content_bytes


def expand(names: Iterable[str]) -> list[str]:
    """Replace folders by the pictures in and below them, sorted; files and addresses stay.

    Other files are left out with a warning, hidden and system files without one.

    Raises:
        SetupError: A name is neither a file, a folder with pictures, nor an address.
    """
    found: list[str] = []
    for name in names:
        path = Path(name)
        try:
            is_file, is_folder = path.is_file(), path.is_dir()
        except OSError as error:
            raise SetupError(
                f"The picture {shortened(name)} cannot be looked up ({error.strerror}); check its "
                "path."
            ) from error
        if _is_address(name) or is_file:
            found.append(name)
        elif is_folder and name:
            found += _pictures_below(path)
        else:
            raise SetupError(
                f"There is no picture {name or repr(name)}: expected a file, a folder, or an http "
                "or https address."
            )
    return found


def _pictures_below(folder: Path) -> list[str]:
    pictures: list[str] = []
    others: list[str] = []

    def unreadable(error: OSError) -> None:
        others.append(f"{os.path.relpath(error.filename, folder)} ({error.strerror})")

    for place, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not is_system_file(name))
        for name in sorted(files):
            file = Path(place, name)
            if is_system_file(name):
                continue
            if file.suffix.lower() in PICTURE_ENDINGS and file.is_file():
                pictures.append(str(file))
            else:
                others.append(str(file.relative_to(folder)))
    if not pictures and not os.access(folder, os.R_OK | os.X_OK):
        raise SetupError(
            f"The folder {folder} cannot be read (Permission denied); check its permissions."
        )
    if not pictures:
        raise SetupError(
            f"The folder {folder} holds no picture: expected "
            f"{', '.join(sorted(PICTURE_ENDINGS))} files in it or below."
        )
    if others:
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        logger.warning(
            "Left out of the folder %s, because they are no pictures: %s%s",
            folder,
            ", ".join(others[:5]),
            more,
        )
    return pictures


def read_picture(name: str) -> NDArray[np.uint8]:
    """Read a picture from a file or an address.

    An address may lie in the own network and name any port, because the person at the command line
    is in that network already; all other rules and limits of `fetch_picture` hold.

    Returns:
        `(height, width, 3)` BGR, uint8.

    Raises:
        PictureError: It cannot be read, is too large, or is not a picture.
    """
    is_address = _is_address(name)
    try:
        content = fetch_picture(name, policy=OWN_NETWORK) if is_address else _read(Path(name))
        return decode_picture(content, name=name)
    except FetchError as error:
        raise PictureError(f"{name} cannot be fetched: {error}") from error
    except PictureDecodeError as error:
        if not is_address and error.code == "not_a_picture" and begins_like_picture(Path(name)):
            return _read_as_ad(Path(name))
        raise PictureError(str(error)) from error


def _read_as_ad(path: Path) -> NDArray[np.uint8]:
    """Read a picture of a format that the web page does not accept: HEIC or AVIF."""
    try:
        info = probe(path)
        frame = next(frames(path, info.kind, lambda: (info.width, info.height)))
    except MediaError as error:
        raise PictureError(str(error)) from error
    return np.ascontiguousarray(frame.rgb[..., ::-1])


def classify_pictures(
    names: Iterable[str],
    model: str | None = None,
    device: Device = "auto",
    *,
    own: OwnModel | None = None,
    are_crops: bool = False,
) -> Iterable[dict[str, Any]]:
    """Classify the faces of pictures, one after the other.

    The model is a name or the path of a `.keras` file, by default the one in use; with `own`, also
    one without a card. With `are_crops`, every picture is the crop of one face.

    Yields:
        For each picture `{"image", "faces": [{"box": [x, y, w, h], "label", "confidence",
        "probabilities", "uncertain"}]}`, see `face_document`, the box in pixels and the faces from
        left to right; a picture that could not be read has no faces and an `"error"`.

    Raises:
        ModelLoadError: There is no such model.
    """
    classifier = load_classifier(model, device, own)
    with PictureClassifier(classifier, are_crops=are_crops) as pictures:
        for name in names:
            try:
                image = read_picture(name)
            except PictureError as error:
                yield {"image": name, "faces": [], "error": str(error)}
                continue
            yield {"image": name, "faces": [face_document(face) for face in pictures.faces(image)]}


def face_document(face: PictureFace) -> dict[str, Any]:
    """Return a face as `classify --json` prints it.

    It has the key `whole_picture`, true, if the picture itself was taken for the crop of a face.
    """
    whole = {"whole_picture": True} if face.is_whole_picture else {}
    return {
        "box": list(face.box),
        "label": face.label,
        "confidence": round(face.confidence, 6),
        "probabilities": {label: round(p, 6) for label, p in face.probabilities.items()},
        "uncertain": face.uncertain,
        **whole,
    }


def _is_address(name: str) -> bool:
    return name.lower().startswith(("http:", "https:"))


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise PictureError(
                f"{path} has {size >> 20} MiB: expected at most {MAX_FILE_BYTES >> 20}."
            )
        return path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error.strerror}.") from error
