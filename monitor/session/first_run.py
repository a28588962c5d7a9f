"""The set-up of a new kiosk: what is asked, and what becomes of the answers.

Window and pages ask the same five things; both keep the answers in a `Draft`.
"""

from __future__ import annotations

import re
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import platformdirs

from ads.media.check import check_apart
from ads.media.digests import TimeLimit
from ads.media.types import KNOWN_ENDINGS, MediaInfo
from ads.playlists.folder import media_in, natural_key
from detector.names import plain_name, printable
from monitor.languages import LazyText, lazy
from monitor.sensor.camera_choice import list_cameras
from monitor.settings.paths import APPLICATION, default_settings_file
from monitor.settings.writing import write_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from monitor.settings.models import RunSettings

DEMO, NO_CAMERA = "demo", "none"
"""Answers to the question for a camera, besides cameras and addresses."""

MAX_NAME_LENGTH = 120


@dataclass(slots=True)
class Draft:
    """The answers so far.

    Attributes:
        source: A camera, an address, `DEMO` or `NO_CAMERA`; `None` for the first camera there is.
        own_ads: Whether the operator's own ads play, not the bundled samples.
        languages: Of the notice; empty for the window's.
        required: Whether nothing is measured before the notice was shown alone.
        url: Where people can read more.
        site: Name of the site.
        time_zone: IANA name; empty for the machine's.
        shared: Whether others in the network may open the console, with an account.
    """

    source: str | None = None
    own_ads: bool = False
    languages: tuple[str, ...] = ()
    required: bool = False
    url: str = ""
    site: str = ""
    time_zone: str = ""
    shared: bool = False

    def settings(self, ads: Path) -> dict[str, Any]:
        """Return the settings that the answers make, by key; `None` leaves the default.

        Args:
            ads: Folder of the operator's own ads.
        """
        measures = self.source != NO_CAMERA
        return {
            "camera.source": self.source if measures else None,
            "camera.enabled": None if measures else False,
            "ads.playlist": str(ads) if self.own_ads else None,
            "notice.languages": self.languages or None,
            "notice.mode": "required" if self.required else None,
            "notice.url": self.url or None,
            "data.site": self.site or None,
            "data.timezone": self.time_zone or None,
            "console.enabled": True,
            "console.host": "0.0.0.0" if self.shared else None,  # noqa: S104 (asked for)
        }


def can_set_up(settings: RunSettings, options: Mapping[str, Any]) -> bool:
    """Whether nobody has set this kiosk up: no settings file, ads, source or supervisor."""
    is_set = settings.playlist is not None or settings.source is not None or settings.patient
    asked = options.get("config") is not None or is_set or not settings.camera
    return not (asked or default_settings_file().exists())


def is_declined() -> bool:
    """Whether somebody has said that the kiosk need not be set up."""
    return declined_file().exists()


def declined_file() -> Path:
    """Return the file that remembers that somebody does not want to set the kiosk up."""
    return Path(platformdirs.user_config_dir(APPLICATION)) / "no-setup"


def decline() -> None:
    """Remember that nobody wants to be asked again."""
    file = declined_file()
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def ads_folder(database: Path) -> Path:
    """Return the folder of the operator's own ads, beside the database."""
    return database.absolute().parent / "ads"


def sources() -> list[tuple[str, str]]:
    """Return the cameras of this machine, as `--source` takes them, with their names."""
    return [(one.source, one.name or f"Camera {one.index}") for one in list_cameras()]


def is_address(text: str) -> bool:
    """Whether this is the address of a network camera."""
    return text.startswith(("http://", "https://", "rtsp://"))


def ads_in(folder: Path) -> list[str]:
    """Return the names of the media files in a folder."""
    with suppress(OSError):
        return sorted((file.name for file in media_in(folder)), key=natural_key)
    return []


class Taking(NamedTuple):
    """How far taking ads is.

    Attributes:
        name: Of the file at which it is; empty while there is none.
        done, of: How many files are done, and how many there are.
        share: Of all the work, 0 to 1.
    """

    name: str
    done: int
    of: int
    share: float


def take_ads(
    folder: Path,
    files: Sequence[tuple[str, Path | IO[bytes]]],
    tell: Callable[[Taking], object] = lambda _taking: None,
    should_continue: Callable[[], bool] = lambda: True,
) -> list[str]:
    """Check ads that somebody handed over, and store those that can be played.

    Each is decoded for a moment in a separate process, as every ad is before it plays. One of the
    same name is replaced.

    Args:
        folder: Where they go; made if needed.
        files: Names, and where their contents are read.
        tell: Called with how far it is, from this and other threads.
        should_continue: Whether to go on; asked often.

    Returns:
        A sentence for each that is refused. Nothing of these is left on the disk.

    Raises:
        LoadingStoppedError: It was not to go on; nothing was stored.
    """
    limit = TimeLimit(None, should_continue)
    parts: dict[Path, str] = {}
    refused: list[str] = []
    try:
        for number, (name, content) in enumerate(files):
            tell(Taking(printable(name), number, len(files), number / len(files) / 2))
            plain = _file_name(name)
            ending = Path(plain).suffix.lower()
            if ending not in KNOWN_ENDINGS:
                expected = lazy(
                    "by its ending it is neither a picture nor a video: expected .jpg, .png, .mp4 "
                    "or another common one; export slides as pictures"
                )
                refused.append(_refusal(name, expected))
                continue
            part = folder / f".{plain}.part{ending}"
            parts[part] = plain
            folder.mkdir(parents=True, exist_ok=True)
            _copy(content, part, limit)
        known = len(files) - len(parts)
        checked = count(known + 1)

        def note(part: Path) -> None:
            done = next(checked)
            tell(Taking(parts[part], done, len(files), 0.5 + done / len(files) / 2))

        found = check_apart([(part, "") for part in parts], limit, note)
        for part, answer in zip(parts, found, strict=True):
            plain = parts[part]
            if isinstance(answer, MediaInfo):
                part.replace(folder / plain)
            else:
                reason = str(answer).replace(str(part), plain).replace(part.name, plain)
                refused.append(_refusal(plain, reason))
    except OSError as error:
        refused.append(_refusal(folder.name, str(error.strerror)))
    finally:
        for part in parts:
            with suppress(OSError):
                part.unlink(missing_ok=True)
    return refused


def _copy(content: Path | IO[bytes], part: Path, limit: TimeLimit) -> None:
    """Copy what was handed over, in pieces: a clip may be larger than the memory."""
    opened = content.open("rb") if isinstance(content, Path) else nullcontext(content)
    with opened as source, part.open("wb") as target:
        while piece := source.read(1 << 22):
            limit.raise_if_stopped()
            target.write(piece)


def remove_ad(folder: Path, name: str) -> None:
    """Delete one of the ads in a folder; harmless if it is not there."""
    if name in ads_in(folder):
        with suppress(OSError):
            (folder / name).unlink()


def finish(settings_file: Path, draft: Draft, ads: Path) -> None:
    """Write the answers into the settings file.

    Raises:
        SettingsError: It cannot be written, or an answer is wrong.
    """
    write_settings(settings_file, draft.settings(ads))


def _file_name(name: str) -> str:
    last = re.split(r"[/\\]", name)[-1].strip().lstrip(".")
    stem, ending = Path(last).stem, Path(last).suffix
    return f"{plain_name(stem)[:MAX_NAME_LENGTH]}{ending.lower()}"


def _refusal(name: str, why: LazyText | str) -> LazyText:
    reason = why if isinstance(why, LazyText) else why.rstrip(".")
    return lazy("%(name)s cannot be used: %(why)s.", name=printable(name)[:80], why=reason)
