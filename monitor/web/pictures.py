"""From what a visitor sends to faces with names; the picture lives in memory, for as long as the request does."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2

from detector.emotion.labels import EMOTIONS
from detector.errors import PictureDecodeError
from detector.sources.image_decoder import FORMAT_NAMES, decode_picture
from monitor.web.fetch.fetch import FetchError, fetch_picture
from monitor.web.fetch.target import PUBLIC, AddressPolicy
from monitor.web.problems import TITLES, ProblemError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from monitor.web.classifying import Seen

SHOWN_PX = 1200
"""Longest side of a picture as it is sent back to be looked at."""

JPEG_QUALITY = 85
FETCH_STATUS = {"url": 400, "scheme": 400, "port": 400, "too_large": 413}
"""Statuses of addresses that cannot be fetched, by the error's code; all others are 422."""

OTHER_COLOURS = 7
"""Colours for labels that are no emotions."""


@dataclass(frozen=True, slots=True)
class ShownFace:
    """A face as the page shows it.

    Attributes:
        number: From 1, left to right.
        label: The most probable label.
        confidence: Its probability, 0 to 1.
        uncertain: Whether that is too low to name an expression.
        bars: Labels, their probabilities and the names of their colours, in the model's order.
        left, top, width, height: In per cent of the picture, cut at its border.
        crop: What the network saw, as a `data:` address.
    """

    number: int
    label: str
    confidence: float
    uncertain: bool
    bars: tuple[tuple[str, float, str], ...]
    left: float
    top: float
    width: float
    height: float
    crop: str

    @property
    def colour(self) -> str:
        """The name of the colour of its label."""
        return next(colour for label, _, colour in self.bars if label == self.label)


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """A picture and its faces as the page shows them.

    Attributes:
        name: The address, or the name of the file.
        data: The picture, scaled down, as a `data:` address.
        width, height: Of the scaled picture, pixels.
        original: Width and height of what was sent.
        crop_px: Side of the crops.
        faces: From left to right.
    """

    name: str
    data: str
    width: int
    height: int
    original: tuple[int, int]
    crop_px: int
    faces: tuple[ShownFace, ...]


def fetch(url: str, networks: tuple[str, ...]) -> bytes:
    """What lies at an address.

    Args:
        url: As typed.
        networks: Networks that pictures may be fetched from although they are not public, then from
            any port.

    Raises:
        ProblemError: It cannot be fetched, or may not be.
    """
    policy = AddressPolicy(allowed_networks=networks, allowed_ports=None) if networks else PUBLIC
    try:
        return fetch_picture(url, policy=policy)
    except FetchError as error:
        code = f"fetch_{error.code}"
        raise ProblemError(
            FETCH_STATUS.get(error.code, 422), code, str(error), title=TITLES["fetch"]
        ) from error


def decode(content: bytes) -> NDArray[np.uint8]:
    """The picture in a file, `(height, width, 3)` BGR.

    Raises:
        ProblemError: It is empty, too large, or no picture.
    """
    if not content:
        raise ProblemError(
            400, "no_picture", f"No picture was sent: expected the bytes of a {FORMAT_NAMES} file."
        )
    try:
        return decode_picture(content)
    except PictureDecodeError as error:
        status = 413 if error.code == "too_many_pixels" else 422
        raise ProblemError(status, error.code, str(error), title=TITLES["not_a_picture"]) from error


def show(name: str, image: NDArray[np.uint8], seen: Seen) -> ShownPicture:
    """Prepare a picture and what was found in it for the page.

    Args:
        name: The address, or the name of the file.
        image: `(height, width, 3)` BGR, uint8.
        seen: What was found in it.
    """
    height, width = image.shape[:2]
    scale = min(1.0, SHOWN_PX / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = image if scale == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return ShownPicture(
        name=name,
        data=_data_address(small, ".jpg", "image/jpeg"),
        width=size[0],
        height=size[1],
        original=(width, height),
        crop_px=seen.crops.shape[-1],
        faces=tuple(
            _shown_face(number, face, crop, width, height)
            for number, (face, crop) in enumerate(zip(seen.faces, seen.crops, strict=True), start=1)
        ),
    )


def _shown_face(
    number: int, face: Any, crop: NDArray[np.uint8], width: int, height: int
) -> ShownFace:
    left, top, box_width, box_height = face.box
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(width, left + box_width), min(height, top + box_height)
    return ShownFace(
        number=number,
        label=face.label,
        confidence=face.confidence,
        uncertain=face.uncertain,
        bars=tuple(
            (label, share, colour_name(label, place))
            for place, (label, share) in enumerate(face.probabilities.items())
        ),
        left=round(100 * x0 / width, 3),
        top=round(100 * y0 / height, 3),
        width=round(100 * max(0, x1 - x0) / width, 3),
        height=round(100 * max(0, y1 - y0) / height, 3),
        crop=_data_address(crop, ".png", "image/png"),
    )


def colour_name(label: str, place: int) -> str:
    """The name of a label's colour in the style sheet: an emotion's own, else one by its place."""
    return label if label in EMOTIONS else f"other-{place % OTHER_COLOURS}"


def _data_address(image: NDArray[Any], ending: str, kind: str) -> str:
    done, content = cv2.imencode(
        ending, image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if ending == ".jpg" else []
    )
    if not done:
        raise ValueError(f"Invalid picture: {image.shape} pixels cannot be written as {kind}.")
    return f"data:{kind};base64,{base64.b64encode(content.tobytes()).decode('ascii')}"
