"""From a request to a picture with classified faces, which lives in memory only."""

from __future__ import annotations

import base64
import io
import tempfile
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

import cv2
from flask import Request, request
from flask_limiter.util import get_remote_address
from pydantic import ValidationError

from detector.emotion.labels import colour_names
from detector.errors import PictureDecodeError
from detector.sources.image_decoder import FORMAT_NAMES
from monitor.fetch.errors import FetchError
from monitor.fetch.fetch import fetch_picture
from monitor.fetch.target import PUBLIC, AddressPolicy
from monitor.languages import lazy
from monitor.web.api.schemas import PictureAddress
from monitor.web.pictures.reader import shown_size
from monitor.web.request.problems import TITLES, ProblemError
from monitor.web.request.security import view_mark
from monitor.web.services import services

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from werkzeug.datastructures import FileStorage

    from detector.image_analysis import PictureFace
    from monitor.web.pictures.reader import SeenPicture


class MemoryRequest(Request):
    """A request whose uploads stay in memory; werkzeug would put large ones into files.

    Views that `monitor.web.request.rights.takes_files` marks get files without a name.
    """

    def _get_file_stream(self, *_: Any, **_options: Any) -> IO[bytes]:
        if view_mark("has_files_on_disk", False):
            return tempfile.TemporaryFile()
        return io.BytesIO()


class NamedPicture(NamedTuple):
    """What was seen in a picture, with its name."""

    name: str
    seen: SeenPicture


def picture_at(url: str) -> NamedPicture:
    """Fetch and classify a picture.

    Raises:
        ProblemError: It cannot be fetched, is no picture, or the worker is too busy.
    """
    networks = services().settings.networks
    policy = AddressPolicy(allowed_networks=networks, allowed_ports=None) if networks else PUBLIC
    try:
        content = fetch_picture(url, policy=policy)
    except FetchError as error:
        statuses = {"url": 400, "scheme": 400, "port": 400, "too_large": 413}
        status, code = statuses.get(error.code, 422), f"fetch_{error.code}"
        raise ProblemError(status, code, str(error), title=TITLES["fetch"]) from error
    return _classified(url, content)


def picture_in(file: FileStorage) -> NamedPicture:
    """Classify an uploaded picture.

    Raises:
        ProblemError: It is no picture, too large, or the worker is too busy.
    """
    name = (file.filename or "").replace("\\", "/").rsplit("/", 1)[-1].strip()[:200]
    # Not `read`, which would copy it.
    return _classified(name or "picture", cast("io.BytesIO", file.stream).getvalue())


def picture_of_call() -> NamedPicture:
    """Classify the picture of an API call: JSON with an address, a form with a file, or the bytes.

    Raises:
        ProblemError: There is none, or it cannot be used.
    """
    kind = request.mimetype
    if kind == "application/json":
        return picture_at(_address_in(request.get_data()))
    if kind == "multipart/form-data":
        file = request.files.get("image")
        if file is None:
            raise ProblemError(
                400,
                "no_picture",
                lazy("The form has no picture: expected a file in the field `image`."),
            )
        return picture_in(file)
    if kind.startswith("image/"):
        return _classified("picture", request.get_data(cache=False))
    raise ProblemError(
        415,
        "unknown_media",
        lazy(
            'Expected JSON such as {"url": "https://…"}, a form with a file in the '
            "field `image`, or the bytes of a picture with an image/* content type; "
            "received %(kind)s.",
            kind=repr(kind or "no content type"),
        ),
    )


def _address_in(content: bytes) -> str:
    try:
        return PictureAddress.model_validate_json(content).url
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{part}: " for part in first["loc"])
        raise ProblemError(
            400,
            "bad_request",
            lazy(
                'Expected JSON such as {"url": "https://example.org/faces.jpg"}: '
                "%(where)s%(problem)s.",
                where=where,
                problem=first["msg"],
            ),
        ) from error


def _classified(name: str, content: bytes) -> NamedPicture:
    if not content:
        raise ProblemError(
            400,
            "no_picture",
            lazy(
                "No picture was sent: expected the bytes of a %(formats)s file.",
                formats=FORMAT_NAMES,
            ),
        )
    try:
        return NamedPicture(name, services().worker.read(content, get_remote_address()))
    except PictureDecodeError as error:
        status = 413 if error.code == "too_many_pixels" else 422
        raise ProblemError(status, error.code, str(error), title=TITLES["not_a_picture"]) from error


def show(picture: NamedPicture) -> dict[str, Any]:
    """Prepare a picture and its faces for the template `classify.html`.

    Returns:
        The picture, scaled down to `width` x `height` pixels, as a `data:` address, with the size
        of the `original`, and `faces` from left to right. The box of a face is in per cent of the
        picture, cut at its border; `crop` is the face as the network saw it, as a `data:` address;
        `bars` are labels, probabilities and names of colours, in the model's order.
    """
    width, height, copy, faces, crops = picture.seen
    size = shown_size(width, height)
    return {
        "name": picture.name,
        "data": _data_address(copy, "image/jpeg"),
        "width": size[0],
        "height": size[1],
        "original": (width, height),
        "crop_px": crops.shape[-1],
        "faces": [
            {"number": number, **_shown_face(face, crop, width, height)}
            for number, (face, crop) in enumerate(zip(faces, crops, strict=True), start=1)
        ],
    }


def _shown_face(
    face: PictureFace, crop: NDArray[np.uint8], width: int, height: int
) -> dict[str, Any]:
    left, top, box_width, box_height = face.box
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(width, left + box_width), min(height, top + box_height)
    colours = colour_names(tuple(face.probabilities))
    return {
        "label": face.label,
        "confidence": face.confidence,
        "uncertain": face.uncertain,
        "is_whole_picture": face.is_whole_picture,
        "colour": colours[face.label],
        "bars": [(label, share, colours[label]) for label, share in face.probabilities.items()],
        "left": round(100 * x0 / width, 3),
        "top": round(100 * y0 / height, 3),
        "width": round(100 * max(0, x1 - x0) / width, 3),
        "height": round(100 * max(0, y1 - y0) / height, 3),
        "crop": png_address(crop),
    }


def png_address(image: NDArray[np.uint8]) -> str:
    """Return a picture as a PNG for the address of an `img`."""
    done, content = cv2.imencode(".png", image)
    if not done:
        raise ValueError(f"Invalid picture: {image.shape} pixels cannot be written as a PNG.")
    return _data_address(content.tobytes(), "image/png")


def _data_address(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
