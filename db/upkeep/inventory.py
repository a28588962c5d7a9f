"""What a database holds, counted and in plain words; and how to delete all of it."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import exc, func, inspect, select

from db.engine import snapshot, sqlite_path, writing
from db.error_classes import describe
from db.errors import PurgeError
from db.hub import tables as _hub_tables  # noqa: F401 (they belong to the schema)
from db.hub.views import drop_views
from db.hub.words import WORDS as HUB_WORDS
from db.paths import SIDE_FILES
from db.schema import EMOTION_COLUMNS, SCORE_COLUMNS, SUM_COLUMNS, Base, Session
from db.sqlite_file import is_ours
from db.upkeep.backup import made_backups, unfinished_backups
from db.write import lock as session_lock
from db.write.store import open_sessions
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy.engine import Engine

    from db.write.outbox import OutboxPlace

_SUMS = ", ".join((*SUM_COLUMNS[: -len(SCORE_COLUMNS)], "sum_own"))
_SCORES = ", ".join(SCORE_COLUMNS)

WORDS: dict[str, tuple[str, dict[str, str]]] = {
    "sessions": (
        "One row for each run of the kiosk: where and when it ran, and with which settings.",
        {
            "id": "number of the session",
            "kind": "run or replay",
            "session_kind": "people in front of the screen, in a recording, or the demo viewer",
            "site": "name of the site",
            "source": "which camera, file or address was watched",
            "started_at, ended_at": "when it began and ended",
            "end_reason": "why it ended",
            "model_id": "which model read the faces",
            "program_version": "version of the program",
            "settings": "the settings in force",
            "frames, dropped, fps": "how many pictures were looked at; none of them is kept",
            "lost, last_record": "how many records are missing, and how many are there",
            "origin_id, number": "the name of the session, the same in every database",
        },
    ),
    "models": (
        "One row for each model that read faces; nothing about people.",
        {
            "id": "number of the model",
            "name, sha256, card": "its name, its file's checksum, its description",
        },
    ),
    "ads": (
        "One row for each ad; nothing about people.",
        {
            "id, ad_id, name": "number and names of the ad",
            "file, sha256, kind, duration_ms, brand_at_s": "its file, and how long it is",
        },
    ),
    "plays": (
        "One row for each play of an ad; about the group, never about one person.",
        {
            "id, session_id, ad_version_id, number": "which play of which ad in which session",
            "started_at, ended_at, shown_ms, outcome, error": "when it was shown, and how it ended",
            "reason, probability, held_out": "why this ad was chosen",
            "context": "one word each for the mood and size of the group, and the hour",
            "reward, reward_viewer_s": "how the group as a whole received it",
            "rolled_up": "whether the sums below have been made",
        },
    ),
    "viewers": (
        lazy(
            "One row for each stay in view. Somebody who comes back is a new number; nothing tells "
            "who it was."
        ),
        {
            "id, session_id, number": "a number that means nothing outside its session",
            "first_seen_at, last_seen_at": "when the face came into view and left it",
            "static": "whether it was a poster or a still picture, and no person",
        },
    ),
    "readings": (
        lazy(
            "One row for each face and moment, at most ten a second. Deleted after the retention "
            "time."
        ),
        {
            "id, session_id, viewer_id, play_id": "which stay in view, and the ad on the screen",
            "at, position_ms": "when, and how far into the ad",
            ", ".join((*EMOTION_COLUMNS, "p_own")): "how likely each expression is",
            "valence, expressiveness": "how pleased and how marked the expression looked",
            "uncertain, quality, withheld": "how well the face could be read, or why it was not",
            "yaw, pitch, roll, attentive": "where the head was turned, and whether at the screen",
            "box_x, box_y, box_w, box_h": "where and how large the face was; not the picture",
        },
    ),
    "reading_counts": (
        "How many readings each stay in view had.",
        {
            "viewer_id, on_ad, sort": "which stay, and which sort of readings",
            "readings": "how many",
        },
    ),
    "exposures": (
        lazy("Sums of the readings of one stay in view during one play; kept for the reports."),
        {
            "play_id, viewer_id": "which play, and which stay in view",
            "readings, emotion_readings, uncertain": "how many readings were added up",
            "dwell_s, attention_s, longest_attention_s": "for how long somebody stayed and looked",
            "baseline": "how pleased they looked before the ad",
            "end_readings, end_happy": "how happy they looked at its end",
            _SUMS: "the readings' expressions, added up",
            _SCORES: "the same, corrected for what the model mixes up",
        },
    ),
    "exposure_seconds": (
        lazy("The same for each second of the ad, for the curves of the reports."),
        {
            "play_id, viewer_id, second": "which play, which stay in view, which second",
            "readings, attentive, emotion_readings": "how many readings were added up",
            _SUMS: "the readings' expressions, added up",
            _SCORES: "the same, corrected for what the model mixes up",
        },
    ),
    "gaps": (
        "One row for each stretch in which nothing could be measured; nothing about people.",
        {
            "id, session_id": "in which session",
            "started_at, ended_at": "from when to when",
            "cause, detail": "why",
        },
    ),
    "shadow_counts": (
        "One row for each hour and pair of labels of a shadow run, in which another model reads "
        "the same faces for comparison; about all faces together.",
        {
            "id, session_id, at": "in which session and hour",
            "model, model_sha256": "the model that was compared",
            "label, shadow_label, faces": "how many faces got which label by which model",
            "sum_valence, sum_shadow_valence, sum_confidence, sum_shadow_confidence": (
                "how pleased they looked and how sure the models were, added up"
            ),
            "cpu_ms, shadow_cpu_ms": "how long the models took",
        },
    ),
    "experiments": (
        "One row for each experiment: its plan, as it was before it began; nothing about people.",
        {
            "id, uid, name, hypothesis": "number, name and question of the experiment",
            "arms, sites": "which ads are compared, and where",
            "measure, outcome, relevant, stopping, power": "what decides it, and when",
            "block_s, wash_out_s, opening, seed": "how the blocks of time were drawn",
            "starts_at, ends_at": "from when to when it is planned",
            "registered_at, program_version": "when it was stored, by which version",
            "stopped_at, stop_reason": "when and why it was stopped early",
        },
    ),
    "experiment_blocks": (
        "One row for each block of time of an experiment; nothing about people.",
        {
            "id, experiment_id, site, number, pair": "which block of which experiment, and where",
            "arm": "which ads may be shown in it",
            "starts_at, ends_at, drawn_at": "from when to when, and when that was decided",
        },
    ),
    "origins": (
        "Random names of this database, and of kiosks whose sums it holds; nothing about people.",
        {
            "id, kiosk, epoch, is_here, screen_id": "which database, of which kiosk and screen",
            "created_at, base, watermark": "since when, and which records came from it",
        },
    ),
    "outgoing": (
        "What has yet to be sent to the hub; empty without one.",
        {"number, kind, row_id, queued_at": "which rows of other tables, and since when"},
    ),
    "uplinks": (
        "The hub that this kiosk has joined, if any.",
        {
            "id, hub, screen, joined_at, lost": "where it is, and what could not be sent",
            "upload, min_viewers, cells_until": "what it is sent, and up to when",
        },
    ),
    "outcomes": (
        "Imported figures of a site, such as its sales by the hour; nothing about people.",
        {
            "id, name, site": "number and name of the figure, and where",
            "at, lasts_s, value, imported_at": "the figure, its time, and when it was imported",
        },
    ),
    **HUB_WORDS,
}
"""Each table and its columns in plain words; a test compares them with the schema."""

NEVER = (
    lazy("No picture, film or sound of anybody."),
    lazy(
        "No face recognition: no template, no embedding, nothing that tells one person from "
        "another."
    ),
    lazy("No name, age, gender, origin or address."),
    lazy("No link between two stays in view, within a session or between sessions."),
)
"""What no table holds."""


@dataclass(frozen=True, slots=True)
class TableContents:
    """The rows of a table and their times, UTC; `None` without rows or times."""

    name: str
    rows: int
    oldest: datetime | None
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that belongs to a database; `what` says in words what it is."""

    path: Path
    what: str
    size_bytes: int


def contents(engine: Engine) -> list[TableContents]:
    """Count the rows of each table, as they are at one moment; a hub's only where there are any."""
    found = []
    times = ("started_at", "first_seen_at", "at", "starts_at")
    with snapshot(engine) as connection:
        for name in WORDS:
            table = Base.metadata.tables[name]
            moments = [table.c[column] for column in times if column in table.c]
            columns = [limit(moments[0]) for limit in (func.min, func.max) if moments]
            row = connection.execute(select(func.count(), *columns).select_from(table)).one()
            if name in HUB_WORDS and not row[0]:
                continue
            found.append(TableContents(name, row[0], *(row[1:] or (None, None))))
    return found


def files_of(database: Path, place: OutboxPlace | None) -> list[StoredFile]:
    """Return the files that belong to a database by their names."""
    folder, name = database.parent, database.name
    beside = sorted(folder.iterdir()) if folder.is_dir() else []
    locks = [p for p in beside if p.name.startswith(f"{name}-session-") and p.suffix == ".lock"]
    damaged = [path for path in beside if path.name.startswith(f"{database.stem}.corrupt-")]
    named = {
        "the database": [database],
        "what SQLite keeps beside it": [database.with_name(name + end) for end in SIDE_FILES],
        "a damaged database that was set aside": damaged,
        "the lock of a session": locks,
        "records that wait to be written": [] if place is None else place.files(),
        "a backup": made_backups(database, folder),
        "a copy from before an upgrade": made_backups(database, folder, kind="before-upgrade"),
        "a backup that is not whole": _unfinished(database),
    }
    return [
        StoredFile(path, what, path.stat().st_size)
        for what, paths in named.items()
        for path in paths
        if path.is_file()
    ]


def delete_files(database: Path | None, files: Sequence[StoredFile]) -> None:
    """Delete the files of a database (`None` on a server), which may be gone itself.

    Raises:
        PurgeError: The database belongs to another program, a file is in use, or one cannot be
            deleted; those before it are deleted.
    """
    if database is not None and database.exists() and not is_ours(database):
        raise PurgeError(
            f"The file {database} is not a database of this program, and stays; choose another "
            "path."
        )
    for file in files:
        if file.path.suffix in {".lock", ".spool"} and _is_locked(file.path):
            raise PurgeError(
                f"A session is being written ({file.path.name} is locked); stop the kiosk and try "
                "again."
            )
    if database is not None and _unfinished(database) and _is_locked(database.parent):
        raise PurgeError(
            f"A backup is being made in {database.parent}; wait for its end and try again."
        )
    try:
        for file in files:
            file.path.unlink(missing_ok=True)
    except OSError as error:
        raise PurgeError(
            f"{file.path} cannot be deleted ({error.strerror}); delete it by hand."
        ) from error


def delete_tables(engine: Engine) -> None:
    """Delete our tables from a database on a server.

    Raises:
        PurgeError: A session is being written, or the server refuses.
    """
    if sqlite_path(engine) is not None:
        raise ValueError("Invalid database: expected one on a server, received a file.")
    try:
        with engine.connect() as connection:
            exists = inspect(connection).has_table(Session.__tablename__)
            running = open_sessions(connection) if exists else []
        for session_id in running if session_lock.supported(engine) else ():
            lock = session_lock.acquire(engine, session_id)
            if lock is None:
                raise PurgeError(
                    f"Session {session_id} is being written; stop the kiosk and try again."
                )
            lock.release()
        with writing(engine) as connection:
            drop_views(connection)
            Base.metadata.drop_all(connection)
            connection.exec_driver_sql("DROP TABLE IF EXISTS alembic_version")
    except exc.DBAPIError as error:
        raise PurgeError(
            f"The data in {engine.url.database} cannot be deleted ({describe(error)}); check the "
            "address and the account."
        ) from error


def _unfinished(database: Path) -> list[Path]:
    """Return the incomplete backups of both kinds beside a database."""
    folder = database.parent
    upgrades = unfinished_backups(database, folder, kind="before-upgrade")
    return [*unfinished_backups(database, folder), *upgrades]


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
