"""What the library of a hub holds: folders, creatives, their versions, decisions on them.

Tested in `test_catalogue.py`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from db.errors import DatabaseError
from db.hub.tables.library import Folder

if TYPE_CHECKING:
    from datetime import date, datetime

    from sqlalchemy import ColumnElement

SORTS = ("newest", "name", "length", "size")
"""How a list of creatives may be sorted."""


class NotInLibraryError(DatabaseError):
    """The library has no such folder, creative or version, or it may not be seen."""


class LibraryError(DatabaseError):
    """The change cannot be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of the library that an account may see.

    Attributes:
        folder_id: The only folder; `None` for all, 0 for none.
    """

    folder_id: int | None = None

    def holds(self) -> ColumnElement[bool]:
        """Return the condition that a row of `folders` lies in it."""
        return Folder.id == Folder.id if self.folder_id is None else Folder.id == self.folder_id


EVERYTHING = Scope()


@dataclass(frozen=True, slots=True)
class FolderInfo:
    """A folder, and how many creatives it holds, without archived ones."""

    id: int
    uid: str
    name: str
    created_at: datetime
    creatives: int = 0


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """A picture or clip in the media store, and what probing found.

    Attributes:
        size: Bytes.
        ending: In lower case, with its dot.
        kind: `image`, `animation` or `video`.
        width: Pixels, as seen.
        height: Pixels, as seen.
        duration_s: Of a clip or animation.
        warnings: Words of `monitor.hub.library.media_check`, or sentences.
    """

    sha256: str
    size: int
    ending: str
    kind: str
    width: int
    height: int
    duration_s: float | None = None
    has_sound: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """How a version is shown; any change of it needs approval again.

    Attributes:
        duration_s: How long; `None` for as long as the file.
        brand_at_s: When the brand is seen, in seconds.
        moods: Of the audience, for which it is meant; none for all.
        first_day: On which it may be shown.
        last_day: On which it may be shown.
    """

    duration_s: float | None = None
    brand_at_s: tuple[float, ...] = ()
    moods: tuple[str, ...] = ()
    first_day: date | None = None
    last_day: date | None = None

    def values(self) -> dict[str, Any]:
        """Return the columns of a version."""
        return {
            "duration_s": self.duration_s,
            "brand_at_s": list(self.brand_at_s),
            "moods": list(self.moods),
            "first_day": self.first_day,
            "last_day": self.last_day,
        }

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits, others after any change."""
        return hashlib.sha256(repr(self.values()).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a version may be shown, and who said so."""

    approval: str
    at: datetime | None = None
    by: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """A media file as an ad. Times are aware."""

    id: int
    number: int
    file_name: str
    media: MediaFacts
    shown: Shown
    uploaded_at: datetime
    uploaded_by: str
    decision: Decision

    @property
    def length_s(self) -> float | None:
        """How long it is shown; `None` for a picture without a set duration."""
        return self.media.duration_s if self.shown.duration_s is None else self.shown.duration_s


@dataclass(frozen=True, slots=True)
class CreativeInfo:
    """An ad of the library.

    Attributes:
        ad_id: Its id in playlists, sums and reports.
        newest: Its newest version.
        approved: Number of the newest approved version, which the screens show.
    """

    id: int
    uid: str
    folder: FolderInfo
    ad_id: str
    name: str
    created_at: datetime
    created_by: str
    archived_at: datetime | None
    newest: Version
    approved: int | None


@dataclass(frozen=True, slots=True)
class Choice:
    """Which creatives a list shows, and in which order.

    Attributes:
        folder: Uid of a folder.
        search: Part of a name or id.
        approval: Of the newest version.
        kind: Of the newest version's file.
        archived: The archived ones instead of those in use.
        sort: One of `SORTS`.
    """

    folder: str = ""
    search: str = ""
    approval: str = ""
    kind: str = ""
    archived: bool = False
    sort: str = "newest"


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A file to be shown as a version of a creative."""

    media: MediaFacts
    file_name: str
    uploaded_by: str
    shown: Shown = field(default_factory=Shown)
    thumbnail: bytes | None = None
    strip: bytes | None = None
