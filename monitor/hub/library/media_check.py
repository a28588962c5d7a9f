"""Whether a file that somebody sent may become an ad, and what to warn about."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ads.errors import MediaError
from ads.media.check import examine_apart
from ads.media.types import KNOWN_ENDINGS, why_no_media
from db.hub.library.contents import MediaFacts
from detector.names import is_blank, plain_name
from monitor.errors import MonitorError
from monitor.languages import LazyText, lazy

if TYPE_CHECKING:
    from ads.media.preview import Preview
    from ads.media.types import MediaInfo

MAX_NAME_LENGTH = 200

WARNINGS: dict[str, LazyText] = {
    "hdr": lazy(
        "It is in HDR. The kiosk converts it, so colours may look different from what you see here."
    ),
    "no_sound": lazy("It has no sound."),
    "heavy": lazy(
        "It has 4K pixels at more than 30 pictures a second. Small machines show it at a lower "
        "rate; 1920x1080 in H.264 plays everywhere."
    ),
    "upright": lazy("It is taller than wide: on a landscape screen it has black beside it."),
    "odd_shape": lazy(
        "Its shape is not that of a 16:9 screen, so parts of the screen stay black beside it."
    ),
    "small": lazy("It has fewer pixels than a Full HD screen, so it may look blurred."),
    "short": lazy("It lasts less than 3 seconds, which is too short for most people to notice."),
    "long": lazy("It lasts more than 60 seconds; few people stay for that long."),
    "no_preview": lazy("Its stills took too much time to make, so its preview has none."),
}
"""What is said of a file that can be shown, by the word that is stored."""


class FileRefusedError(MonitorError):
    """A file cannot become an ad; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found in a file, and what its sender calls it."""

    file_name: str
    facts: MediaFacts
    still: bytes | None
    strip: bytes | None


def checked_name(name: str) -> str:
    """Return the name of a file that is to be sent, as it is shown.

    Raises:
        FileRefusedError: It is no name of a picture or clip. Names are never used as paths; this
            is for the people who read them.
    """
    shown = plain_name(name)
    if "/" in name or "\\" in name or name in {"", ".", ".."} or is_blank(name):
        raise FileRefusedError(
            lazy(
                "%(name)s is not the name of a file: expected one without slashes.", name=shown[:80]
            )
        )
    if shown != unicodedata.normalize("NFC", name) or not all(map(_is_plain, name)):
        raise FileRefusedError(
            lazy(
                "The name %(name)s holds characters that cannot be seen, or that turn the text "
                "around. Rename the file, then send it again.",
                name="".join(one if _is_plain(one) else "\ufffd" for one in shown[:80]),
            )
        )
    if len(shown) > MAX_NAME_LENGTH:
        raise FileRefusedError(
            lazy(
                "The name %(name)s… is too long: expected at most %(most)s characters.",
                name=shown[:40],
                most=MAX_NAME_LENGTH,
            )
        )
    path = Path(shown)
    if path.suffix.lower() not in KNOWN_ENDINGS:
        raise FileRefusedError(why_no_media(path))
    return shown


def examine(path: Path, file_name: str, sha256: str) -> Examined:
    """Check a file in a separate process.

    Args:
        path: Where it lies, with the ending of its name.
        file_name: What its sender calls it; messages name it so.
        sha256: Of its content.

    Raises:
        FileRefusedError: It cannot be shown.
    """
    try:
        info, preview = examine_apart(path)
    except MediaError as error:
        raise FileRefusedError(str(error).replace(str(path), file_name)) from error
    remarks = tuple(remark.replace(str(path), file_name) for remark in info.remarks)
    facts = MediaFacts(
        sha256,
        path.stat().st_size,
        path.suffix.lower(),
        info.kind,
        info.width,
        info.height,
        info.duration_s,
        info.has_sound,
        (*warnings(info, preview), *remarks),
    )
    still, strip = (None, None) if preview is None else (preview.still, preview.strip)
    return Examined(file_name, facts, still, strip)


def warnings(info: MediaInfo, preview: Preview | None) -> list[str]:
    """Return the words of `WARNINGS` that are true of a file."""
    rate, shape = info.frames_per_second or 0, info.width / info.height
    found = {
        "hdr": preview is not None and preview.is_hdr,
        "heavy": info.width * info.height > 2560 * 1440 and rate > 31,
        "no_sound": info.kind == "video" and not info.has_sound,
        "short": info.duration_s is not None and info.duration_s < 3,
        "long": info.duration_s is not None and info.duration_s > 60,
        "upright": shape < 0.95,
        "odd_shape": shape >= 0.95 and abs(shape / (16 / 9) - 1) > 0.03,
        "small": max(info.width, info.height) < 1280,
        "no_preview": preview is None,
    }
    return [word for word, is_true in found.items() if is_true]


def warning_words(warning: str) -> str | LazyText:
    """Return a stored warning as a sentence."""
    return WARNINGS.get(warning, warning)


def _is_plain(letter: str) -> bool:
    """Whether a character is seen, or is a space or joiner that scripts need."""
    invisible = {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"}
    return unicodedata.category(letter) not in invisible or letter in "\u200c\u200d"
