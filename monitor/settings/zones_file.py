"""Read the YAML file that names the zones of a camera image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from ads.playlists.yaml_file import YamlFileError, read_yaml_list
from detector.errors import ZonesError
from detector.faces.zones import KINDS, MAX_POINTS, Zone, Zones

if TYPE_CHECKING:
    from pathlib import Path

_EXPECTED = {
    "kind": f"expected one of {', '.join(KINDS)}",
    "points": f"expected a list of 3 to {MAX_POINTS} corners [x, y], in fractions of the picture "
    "from 0 to 1",
    "box": "expected [left, top, width, height], in fractions of the picture from 0 to 1",
    "name": "expected text of 1 to 80 characters (in quotes if it is a number)",
}


class _Head(BaseModel):
    zones: Any = None


def read_zones(path: Path) -> tuple[Zone, ...]:
    """Read zones from a YAML file, at least one, in its order.

    The file has one key, `zones`, with a list; each entry has a `kind`, either `points` or a `box`,
    and may have a `name`, as in `Zone`.

    Raises:
        ZonesError: The file cannot be read, breaks the format, or leaves nothing of the picture.
    """
    try:
        _, zones = read_yaml_list(
            path, "zones file", _Head, Zone, labels=("name",), expected=_EXPECTED
        )
    except YamlFileError as error:
        raise ZonesError(str(error)) from None
    if not Zones(tuple(zones)).mask(160, 90).any():
        raise ZonesError(
            f"The zones of {path} leave nothing of the picture to measure or count; make the "
            "ignored zones smaller."
        )
    return tuple(zones)
