"""Creatives for tests of what shows them."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING

from db.hub.library import catalogue, folders
from db.hub.library.contents import EVERYTHING, Decision, MediaFacts, NewVersion, Shown

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def a_file(
    name: str, by: str = "Ed", *, kind: str = "image", shown: Shown | None = None
) -> NewVersion:
    """A file as it is after an upload; its name decides its digest."""
    is_still = kind == "image"
    media = MediaFacts(
        hashlib.sha256(name.encode()).hexdigest(),
        len(name),
        ".png" if is_still else ".mp4",
        kind,
        1920,
        1080,
        None if is_still else 10.0,
    )
    pictures = {"thumbnail": f"small {name}".encode(), "strip": f"strip {name}".encode()}
    return NewVersion(media, f"{name}{media.ending}", by, shown or Shown(), **pictures)


def add_creative(
    connection: Connection,
    name: str,
    now: datetime,
    folder: str = "General",
    *,
    by: str = "Ed",
    kind: str = "image",
    approved: bool = False,
    shown: Shown | None = None,
) -> str:
    """Store a creative in a folder, which is made if needed; return its uid."""
    known = {one.name: one for one in folders.list_folders(connection, EVERYTHING)}
    where = known.get(folder) or folders.create_folder(connection, folder, now)
    new = a_file(f"{name}", by, kind=kind, shown=shown)
    uid = catalogue.create_creative(connection, where, new, now, name=name, ad_id=name)
    if approved:
        _, version = catalogue.find_version(connection, EVERYTHING, uid, 1)
        catalogue.decide(connection, version, Decision("approved", now, "Ann"))
    return uid
