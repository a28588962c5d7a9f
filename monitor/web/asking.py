"""What comes with a request: which picture is meant, whatever way it was sent."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING

from flask import Request, request
from pydantic import ValidationError

from monitor.web.pictures import decode, fetch
from monitor.web.problems import ProblemError
from monitor.web.schemas import PictureAddress
from monitor.web.services import services

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from werkzeug.datastructures import FileStorage

    from monitor.web.classifying import Seen

NAME_LENGTH = 200


class MemoryRequest(Request):
    """A request whose uploads stay in memory: werkzeug would put large ones into files on disk."""

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        return io.BytesIO()


def picture_at(url: str) -> tuple[str, NDArray[np.uint8], Seen]:
    """Fetch a picture and look at it; returns its name, its pixels, and what was found.

    Raises:
        ProblemError: It cannot be had, or the worker is too busy.
    """
    return _looked_at(url, decode(fetch(url, services().settings.networks)))


def picture_in(content: bytes, name: str) -> tuple[str, NDArray[np.uint8], Seen]:
    """Look at a picture that was sent; returns its name, its pixels, and what was found.

    Raises:
        ProblemError: It is no picture, too large, or the worker is too busy.
    """
    return _looked_at(name, decode(content))


def uploaded(file: FileStorage) -> tuple[bytes, str]:
    """The bytes of an uploaded file, and its name."""
    return file.stream.read(), short_name(file.filename)


def short_name(name: str | None) -> str:
    """A file's name as it is shown; what the browser calls nothing is "picture"."""
    return (name or "").replace("\\", "/").rsplit("/", 1)[-1].strip()[:NAME_LENGTH] or "picture"


def picture_of_call() -> tuple[str, NDArray[np.uint8], Seen]:
    """The picture of a call of the interface: JSON with an address, a form with a file, or the bytes themselves.

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
                400, "no_picture", "The form has no picture: expected a file in the field `image`."
            )
        return picture_in(*uploaded(file))
    if kind.startswith("image/"):
        return picture_in(request.get_data(), "picture")
    raise ProblemError(
        415,
        "unknown_media",
        'Expected JSON such as {"url": "https://…"}, a form with a file in the field `image`, or the bytes of a picture '
        f"with an image/* content type; received {kind or 'no content type'!r}.",
    )


def _address_in(content: bytes) -> str:
    try:
        return PictureAddress.model_validate_json(content).url
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ProblemError(
            400,
            "bad_request",
            f'Expected JSON such as {{"url": "https://example.org/faces.jpg"}}: {where + ": " if where else ""}'
            f"{first['msg']}.",
        ) from error


def _looked_at(name: str, image: NDArray[np.uint8]) -> tuple[str, NDArray[np.uint8], Seen]:
    return name, image, services().worker.look(image)
