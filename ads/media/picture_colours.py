"""Bring pictures of every mode and colour space to 8 bits of sRGB."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import TiffImageFile

from ads.media.types import GROUND
from detector.texts import lazy

if TYPE_CHECKING:
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

_MODES_BY_SPACE = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK", "Lab": "LAB"}
"""Pillow's mode for each colour space of a profile; pictures have no others."""


def with_8_bits(picture: Image.Image, bits: int = 16) -> Image.Image:
    """Return a loaded picture in mode L, LA, RGB, RGBA, CMYK or LAB, its whole range kept.

    Pillow's own conversion cuts off what is brighter than 255. The levels of a mode like `I;16` are
    whole numbers of `bits`.
    """
    if picture.mode in {"L", "RGB", "CMYK", "LAB"} and not picture.has_transparency_data:
        return picture
    if picture.mode == "F" or picture.mode.startswith("I"):
        return _with_8_bit_levels(picture, bits)
    mode = "L" if picture.mode in {"1", "L", "LA", "La"} else "RGB"
    return picture.convert(f"{mode}A" if picture.has_transparency_data else mode)


def _with_8_bit_levels(picture: Image.Image, bits: int) -> Image.Image:
    levels = np.asarray(picture)
    scale = np.float32(255 / _white_level(picture.mode, levels, bits))
    grey = np.empty(levels.shape, np.uint8)
    # In strips: the largest picture would take a gigabyte.
    for top in range(0, len(levels), 256):
        strip = np.nan_to_num(levels[top : top + 256], nan=0.0, posinf=np.inf, neginf=0.0)
        grey[top : top + 256] = np.clip(strip * scale + 0.5, 0, 255)
    shown = Image.fromarray(grey)
    key = picture.info.get("transparency")
    if isinstance(key, int):
        shown.putalpha(Image.fromarray(np.where(levels == key, 0, 255).astype(np.uint8)))
    return shown


def _white_level(mode: str, levels: NDArray[Any], bits: int) -> float:
    """Return the level of white: as stated, else the lowest usual one that holds every level."""
    if mode.startswith("I;16"):
        return 2.0**bits - 1
    highest = float(levels.max(where=np.isfinite(levels), initial=0))
    # The highlights of floating-point pictures may lie somewhat above 1.
    if mode == "F" and highest < 16:
        return 1.0
    return next((white for white in (255.0, 65535.0, 2.0**31 - 1) if highest <= white), highest)


class SrgbConverter:
    """Converts the pictures of one file to sRGB by the ICC profile in the file.

    A profile that is broken or meant for another kind of picture is ignored, as in browsers.

    Attributes:
        bits: The bits of each level, for `with_8_bits`.
    """

    def __init__(self, picture: Image.Image) -> None:
        # A TIFF may have 12, for example; Pillow does not scale them to 16.
        stated = picture.tag_v2.get(258) if isinstance(picture, TiffImageFile) else None
        self.bits: int = stated[0] if stated else 16
        self._icc: bytes | None = picture.info.get("icc_profile")
        self._transforms: dict[str, tuple[str, ImageCms.ImageCmsTransform] | None] = {}

    @property
    def is_profile_ignored(self) -> bool:
        """Whether the file has a profile that could not be used for a picture so far."""
        return bool(self._icc) and None in self._transforms.values()

    def opaque(self, picture: Image.Image) -> Image.Image:
        """Return a picture of `with_8_bits` in sRGB, over `GROUND` where it is transparent."""
        if picture.mode not in {"LA", "RGBA"}:
            return self._srgb(picture)
        colours = self._srgb(picture.convert(picture.mode.removesuffix("A")))
        ground = Image.new("RGB", picture.size, GROUND)
        ground.paste(colours, mask=picture.getchannel("A"))
        return ground

    def _srgb(self, picture: Image.Image) -> Image.Image:
        if picture.mode not in self._transforms:
            self._transforms[picture.mode] = _transform(picture.mode, self._icc)
        found = self._transforms[picture.mode]
        if found is None:
            return picture.convert("RGB")
        mode, transform = found
        return transform.apply(picture if picture.mode == mode else picture.convert(mode))


def _transform(mode: str, icc: bytes | None) -> tuple[str, ImageCms.ImageCmsTransform] | None:
    """Return a transform to sRGB and the mode it takes; None where none is needed or possible."""
    if not icc:
        return None
    try:
        profile = ImageCms.getOpenProfile(io.BytesIO(icc))
        space = profile.profile.xcolor_space.strip()
        taken = _MODES_BY_SPACE.get(space)
        # A grey picture may come with the profile of a colour screen.
        if taken is None or (taken != mode and (mode, taken) != ("L", "RGB")):
            raise ValueError(lazy("it is for %(space)s", space=space))
        srgb = ImageCms.createProfile("sRGB")
        return taken, ImageCms.buildTransform(profile, srgb, taken, "RGB")
    except (ImageCms.PyCMSError, ImportError, OSError, TypeError, ValueError) as error:
        logger.debug("Ignoring the colour profile of a picture of mode %s: %s", mode, error)
        return None
