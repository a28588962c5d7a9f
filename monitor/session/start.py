"""What a session of the kiosk and a replay begin with: the ads, the model, the database and the session's row."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ads.media.check import check_apart
from ads.playlists.playlist import load_playlist
from ads.sample import sample_playlist
from db.write.records import ModelRecord, SessionRecord
from db.write.recovery import open_to_record
from db.write.writer import SessionWriter
from detector.emotion.model_card import read_card, require_emotions
from monitor.analytics.roll_up import roll_up
from monitor.settings.models import ReplaySettings, RunSettings
from monitor.settings.paths import spool_folder
from monitor.version import VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from ads.playlists.playlist import Playlist
    from db.write.recovery import Opened
    from monitor.session.clock import SessionClock
    from monitor.settings.models import RecordingSettings


def load_ads(playlist: Path | None) -> Playlist:
    """The playlist that was asked for, or the bundled one.

    Raises:
        PlaylistError: It is wrong, or holds no playable ad.
    """
    # The bundled ads came with the program; whoever could change them could change that as well.
    return (
        load_playlist(sample_playlist())
        if playlist is None
        else load_playlist(playlist, check_apart)
    )


def model_record(model: Path) -> ModelRecord:
    """The model that a session uses, as the database keeps it.

    Raises:
        ModelLoadError: It is not a model, or gives other labels than the seven emotions.
    """
    card = read_card(model)
    require_emotions(card)
    return ModelRecord(card.name, card.sha256, card.model_dump(mode="json"))


def ready_database(settings: RecordingSettings) -> Opened:
    """Open the database, migrate it, and finish what a crash left; a kiosk goes on also where it cannot be used now.

    Raises:
        DatabaseError: It cannot be used.
    """
    if isinstance(settings, RunSettings):
        return open_to_record(settings.database, spool_folder(settings.database, settings.spool))
    return open_to_record(settings.database, spool=False)


def begin_session(
    database: Opened,
    settings: RecordingSettings,
    *,
    source: str,
    model: Path | None,
    clock: SessionClock,
    playlist: Playlist,
) -> SessionWriter:
    """Write the start of a session, with what had to be left out or set aside, and start its writer."""
    skipped = [
        {"ad_id": ad.ad_id, "file": ad.path.name, "reason": ad.reason} for ad in playlist.skipped
    ]
    aside = {} if database.set_aside is None else {"damaged_database": database.set_aside.name}
    days = settings.retention_days if isinstance(settings, RunSettings) else 0
    record = SessionRecord(
        kind="replay" if isinstance(settings, ReplaySettings) else "run",
        site=settings.site,
        source=source,
        started_at=clock.utc,
        program_version=VERSION,
        settings=settings.logged() | {"skipped_ads": skipped} | aside,
        model=None if model is None else model_record(model),
    )
    return SessionWriter(
        database.engine,
        record,
        roll_up=roll_up,
        spool=database.place,
        prepare=database.prepare,
        keep=timedelta(days=days) if days else None,
    )
