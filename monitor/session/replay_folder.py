"""Measures a folder of recordings: measured anywhere, recorded here, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ads.media.types import KNOWN_ENDINGS, PICTURE_ENDINGS
from ads.playlists.folder import media_in
from detector.emotion.model_card import sha256_of
from detector.emotion.model_store import find_model
from monitor.errors import SessionFailedError, SessionInterruptedError, SetupError
from monitor.session.measured_recording import RecordingTask, measure
from monitor.session.playlist_loading import load_ads
from monitor.session.replay import replay, sensor_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from monitor.settings.models import ReplaySettings
    from monitor.workers import Map


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one recording.

    Attributes:
        session: Its session; None if none began.
        error: Why it was not measured to its end; None if it was.
    """

    video: Path
    session: int | None
    error: SessionFailedError | SetupError | None = None


def recordings_in(folder: Path) -> list[Path]:
    """Return a folder's recordings in natural order of their names.

    Raises:
        SetupError: There are none, or the folder cannot be read.
    """
    try:
        found = [one for one in media_in(folder) if one.suffix.lower() not in PICTURE_ENDINGS]
    except OSError as error:
        raise SetupError(
            f"The folder {folder} cannot be read ({error.strerror}); check its permissions."
        ) from error
    if not found:
        raise SetupError(
            f"The folder {folder} holds no recordings: expected files ending in "
            f"{', '.join(sorted(KNOWN_ENDINGS - PICTURE_ENDINGS))}."
        )
    return found


def replay_all(
    settings: ReplaySettings, videos: Sequence[Path], workers: Map | None
) -> Iterator[Replayed]:
    """Replay recordings, a session each, in their order; one that fails does not end the others.

    Args:
        settings: Of all of them; `video` is replaced.
        videos: The recordings.
        workers: What measures them, see `monitor.workers`. None: a sensor at a time. The rows are
            the same, whoever measures, as recordings become sessions in their order here.

    Raises:
        SessionInterruptedError: By Ctrl+C or SIGTERM; the other recordings are not measured.
        SetupError: The playlist, the model or a worker cannot be used.
    """
    # What is wrong for all is said once, and before anything is measured.
    load_ads(settings.playlist)
    model = find_model(settings.model)
    of_each = [settings.model_copy(update={"video": video}) for video in videos]
    results = None if workers is None else workers(measure, _tasks(of_each, model))
    for one in of_each:
        measured = None if results is None else next(results)
        try:
            yield Replayed(one.video, replay(one, measured=measured))
        except SessionInterruptedError:
            raise
        except SessionFailedError as error:
            yield Replayed(one.video, error.session_id, error)
        except SetupError as error:
            yield Replayed(one.video, None, error)


def _tasks(of_each: Sequence[ReplaySettings], model: Path) -> Iterator[RecordingTask]:
    checksum = sha256_of(model)
    for settings in of_each:
        yield RecordingTask(
            settings=sensor_settings(settings, model),
            model=settings.model,
            model_sha256=checksum,
            size_bytes=settings.video.stat().st_size if settings.video.is_file() else None,
            limit_ns=(settings.duration_s or float("inf")) * 1e9,
        )
