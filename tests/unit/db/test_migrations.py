"""The migrations build exactly the schema of the models."""

from __future__ import annotations

import io
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from importlib import import_module
from importlib.resources import files

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from db.engine import make_engine, make_ready, open_database
from db.errors import (
    BackupError,
    BackupSourceError,
    DatabaseDamagedError,
    DatabaseUnavailableError,
    SchemaVersionError,
)
from db.hub import tables as hub_tables
from db.migrations import HEAD, REVISIONS
from db.schema import SCORE_COLUMNS, Base
from db.sqlite_file import BEGIN_OPTION, sqlite_engine
from db.upkeep.backup import (
    back_up,
    delete_oldest,
    made_backups,
    made_name,
    unfinished_backups,
    unfinished_name,
)
from db.write.records import PlayRewarded, PlayStarted, ViewerFlagged
from detector.emotion.labels import EMOTIONS

pytestmark = pytest.mark.usefixtures("real_databases")


@pytest.fixture
def config():
    config = Config()
    config.set_main_option("script_location", str(files("db.migrations")))
    return config


STATEMENTS = (
    "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL "
    # SQLite keeps its table of the numbers that were given out.
    "AND name NOT IN ('alembic_version', 'sqlite_sequence')"
)


def schema(connection):
    """Every statement that makes the schema, in an order and a spacing that do not matter."""
    return schema_of(connection.connection.driver_connection)


def schema_of(connection):
    statements = connection.execute(STATEMENTS)
    result = {}
    for name, sql in statements:
        head, _, body = re.sub(r"\s+", " ", sql).partition("(")
        # SQLite writes the name of a table that was made anew in quotes.
        result[name] = (
            head.replace('"', "").strip(),
            sorted(part.strip() for part in body.rsplit(")", 1)[0].split(", ")),
        )
    return result


def test_revisions_are_those_of_the_scripts(config):
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [HEAD]
    assert [script.revision for script in scripts.walk_revisions()][::-1] == list(REVISIONS)


def test_autogenerate_finds_nothing_to_do(engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_autogenerate_would_find_a_difference(engine):
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("ALTER TABLE gaps ADD COLUMN extra TEXT")
        context = MigrationContext.configure(connection)
        assert len(compare_metadata(context, Base.metadata)) == 1
        connection.get_transaction().rollback()


@pytest.mark.sqlite
def test_migrated_schema_equals_created_schema(engine, tmp_path):
    created = create_engine(f"sqlite:///{tmp_path / 'created.db'}")
    try:
        Base.metadata.create_all(created)
        with created.connect() as one, engine.connect() as two:
            assert schema(one) == schema(two)
            assert len(schema(one)) > len(Base.metadata.tables)
    finally:
        created.dispose()


def test_down_and_up_again(engine, config, path, make):
    make.write(engine)
    with engine.connect() as connection:
        before = schema(connection)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    with engine.connect() as connection:
        assert schema(connection) == {}
        assert connection.exec_driver_sql("SELECT count(*) FROM alembic_version").scalar() == 0
    engine.dispose()

    again = open_database(str(path))
    try:
        with again.connect() as connection:
            assert schema(connection) == before
        make.write(again)
    finally:
        again.dispose()


def migrate(path, config, move, revision):
    """Bring a file to a revision; `move` is Alembic's `upgrade` or `downgrade`."""
    engine = sqlite_engine(path, read_only=False)
    with (
        engine.connect().execution_options(**{BEGIN_OPTION: "IMMEDIATE"}) as connection,
        connection.begin(),
    ):
        config.attributes["connection"] = connection
        move(config, revision)
    engine.dispose()


@pytest.fixture
def old(path, config):
    """A database of the first schema with two sessions in it, written as plain SQL; gives its rows."""
    migrate(path, config, command.upgrade, "0001")
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(FIRST_SCHEMA_ROWS)
    return contents(path)


FIRST_SCHEMA_ROWS = """
INSERT INTO sessions (id, kind, site, source, started_at, program_version, settings)
VALUES (3, 'run', 'Foyer', '0', '2026-03-01 09:00:00.000000', '0.1.0', '{}'),
       (8, 'replay', '', 'a.mp4', '2026-03-02 09:00:00.000000', '0.1.0', '{"a": 1}');
INSERT INTO ads VALUES (2, 'tea', 'Tea', 'tea.mp4', 'ab', 'video', 4000, '[1.5]');
INSERT INTO plays (id, session_id, ad_version_id, number, started_at, reason)
VALUES (5, 3, 2, 1, '2026-03-01 09:00:00.000000', 'next');
INSERT INTO viewers VALUES (11, 3, 1, '2026-03-01 09:00:01.000000', '2026-03-01 09:00:02.000000'),
                           (12, 8, 1, '2026-03-02 09:00:01.000000', '2026-03-02 09:00:01.000000');
INSERT INTO gaps (session_id, started_at, cause, detail) VALUES (3, '2026-03-01 09:00:03.000000', 'dark', '');
INSERT INTO readings VALUES
    (40, 3, 11, 5, '2026-03-01 09:00:01.000000', 1000.5,
     .1, .1, .1, .3, .1, .1, .2, .2, .8, 1, 1.5, NULL, -3, 1, .9, 0, 0, 1, 1),
    (41, 3, 11, NULL, '2026-03-01 09:00:02.000000', NULL,
     0, 0, 0, 1, 0, 0, 0, 1, 1, 0, NULL, NULL, NULL, 0, 1, 0, 0, .5, .5),
    (77, 8, 12, NULL, '2026-03-02 09:00:01.000000', NULL,
     1, 0, 0, 0, 0, 0, 0, -1, 1, 0, NULL, NULL, NULL, 0, 1, 0, 0, 1, 1);
"""


def contents(path):
    """All rows of all tables that there are, by their names of columns."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        there = {
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        return {
            table: [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2")]
            for table in Base.metadata.tables
            if table in there
        }


KIND_OF = {"run": "live", "replay": "replay"}
ROLL_UPS = {"reading_counts", "exposures", "exposure_seconds"}
LATER = {"experiments", "experiment_blocks", "outcomes", "shadow_counts"}
HUB = {"origins", "outgoing", "uplinks"} | {
    mapper.class_.__tablename__
    for mapper in Base.registry.mappers
    if mapper.class_.__module__.startswith(hub_tables.__name__)
}
NEW_IN_PLAYS = {
    "held_out": 0,
    "context": None,
    "reward": None,
    "reward_viewer_s": None,
    "rolled_up": 0,
}


def test_upgrade_keeps_every_row(path, old, engine, make):
    new = contents(path)
    assert new["plays"] == [row | NEW_IN_PLAYS for row in old["plays"]]
    assert new["readings"] == [row | {"withheld": None, "p_own": None} for row in old["readings"]]
    assert new["viewers"] == [row | {"static": 0} for row in old["viewers"]]
    assert new["sessions"] == [
        row
        | {"last_record": 0, "session_kind": KIND_OF[row["kind"]]}
        | {"origin_id": 1, "number": row["id"]}
        for row in old["sessions"]
    ]
    [origin] = new["origins"]
    assert origin["is_here"]
    assert origin["kiosk"] != origin["epoch"]
    assert new["reading_counts"] == [
        {"viewer_id": 11, "on_ad": 0, "sort": "certain", "readings": 1},
        {"viewer_id": 11, "on_ad": 1, "sort": "uncertain", "readings": 1},
        {"viewer_id": 12, "on_ad": 0, "sort": "certain", "readings": 1},
    ]
    assert new["exposures"] == new["exposure_seconds"] == []
    assert all(new[table] == [] for table in LATER)
    changed = {"readings", "viewers", "plays", "sessions", *ROLL_UPS, *LATER, *HUB}
    assert {table: rows for table, rows in new.items() if table not in changed} == {
        table: rows for table, rows in old.items() if table not in changed
    }
    assert len(old["readings"]) == 3
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
    make.write(engine, [make.ad(), make.play(), make.unread()])
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM sessions WHERE id = 3")
    assert [row["id"] for row in contents(path)["readings"]] == [77, 78]


ROWS = {
    "0001": f"{FIRST_SCHEMA_ROWS} INSERT INTO models VALUES (4, 'compact', 'cd', '{{}}');"
    "UPDATE sessions SET model_id = 4, ended_at = '2026-03-01 09:00:09.000000', "
    "end_reason = 'finished', frames = 60, dropped = 2, fps = 29.5, lost = 1 WHERE id = 3;"
    "UPDATE plays SET ended_at = '2026-03-01 09:00:04.000000', outcome = 'finished', "
    "shown_ms = 4000, probability = .5, error = '' WHERE id = 5;"
    "UPDATE gaps SET ended_at = '2026-03-01 09:00:05.000000';",
    "0002": "UPDATE viewers SET static = 1 WHERE id = 12;"
    "INSERT INTO readings (id, session_id, viewer_id, at, uncertain, attentive, quality, "
    "box_x, box_y, box_w, box_h, withheld) "
    "VALUES (42, 3, 11, '2026-03-01 09:00:02.500000', 1, 0, .1, 0, 0, .5, .5, 'too small');",
    "0003": 'UPDATE plays SET held_out = 1, context = \'{"mood": "sad"}\', reward = -0.5, '
    "reward_viewer_s = 3 WHERE id = 5;",
    "0004": "UPDATE plays SET rolled_up = 1 WHERE id = 5;"
    "INSERT INTO exposures VALUES (5, 11, 1, 1, 1, .5, .5, .5, NULL, 0, 0, "
    ".1, .1, .1, .3, .1, .1, .2, .2, .8);"
    "INSERT INTO exposure_seconds VALUES (5, 11, 1, 1, 1, 1, .1, .1, .1, .3, .1, .1, .2, .2, .8);",
    "0005": "UPDATE sessions SET last_record = 7 WHERE id = 3;",
    "0006": "UPDATE exposures SET sum_happy_score = .2, sum_surprise_score = -.1, "
    "sum_negative_score = .3;"
    "UPDATE exposure_seconds SET sum_happy_score = .2;",
    "0007": "INSERT INTO experiments VALUES (2, 'ab', 'tea', 'Tea sells.', '{}', '[]', 'outcome', "
    "'sales', .1, 'fixed', 3600, 300, '{}', '2026-03-02 08:00:00.000000', "
    "'2026-03-30 08:00:00.000000', '{}', 7, '2026-03-01 08:00:00.000000', '0.1.0', "
    "'2026-03-09 08:00:00.000000', 'enough');"
    "INSERT INTO experiment_blocks VALUES (4, 2, 'Foyer', 1, 1, 'control', "
    "'2026-03-02 08:00:00.000000', '2026-03-02 09:00:00.000000', '2026-03-01 08:00:00.000000');"
    "INSERT INTO outcomes VALUES (9, 'sales', 'Foyer', '2026-03-02 08:00:00.000000', 3600, 12.5, "
    "'2026-03-09 08:00:00.000000');",
    "0008": "UPDATE sessions SET session_kind = 'demo' WHERE id = 3;",
    "0009": "INSERT INTO outgoing VALUES (7, 'play', 5, '2026-03-02 08:00:00.000000');"
    "INSERT INTO uplinks VALUES (1, 'https://hub', 'ab', 'cells', 5, '2026-03-02 08:00:00.000000', "
    "'2026-03-02 08:00:00.000000', 2);"
    "INSERT INTO screens VALUES (1, 'ab', 'Door', 'Foyer', 'north', '[]', '', 'UTC', '[]', "
    "'2026-03-02 08:00:00.000000', NULL);"
    "UPDATE origins SET screen_id = 1;"
    "INSERT INTO kiosk_keys VALUES (1, 'cd', 1, 'ef', '2026-03-02 08:00:00.000000', 'ann', NULL, NULL);"
    "INSERT INTO pairings VALUES (1, 'ABC234', 'ef', 'cd', '{}', '::1', NULL, '2026-03-02 08:00:00.000000', '2026-03-02 08:00:00.000000', "
    "NULL, NULL, NULL);"
    "INSERT INTO failed_attempts VALUES (1, 'pairing', '::1', '2026-03-02 08:00:00.000000');"
    "INSERT INTO screen_states VALUES (1, 1, '2026-03-02 08:00:00.000000', 0.5, '{}');"
    "INSERT INTO state_changes VALUES (1, 1, '2026-03-02 08:00:00.000000', 'running', 'ok', 1, '');"
    "INSERT INTO alerts VALUES (1, 'ab', 1, 'silent', '2026-03-02 08:00:00.000000', NULL, '');"
    "INSERT INTO channels VALUES (1, 'shop', 'webhook', 'https://shop', 'x', '[]', '[]', 'UTC', "
    "'2026-03-02 08:00:00.000000', NULL);"
    "INSERT INTO deliveries VALUES (1, 1, 'ab', '{}', '2026-03-02 08:00:00.000000', 0, NULL, NULL, NULL);"
    "INSERT INTO leases VALUES (1, 'alerts', 'one', '2026-03-02 08:00:00.000000');"
    "INSERT INTO users VALUES (1, 'ann', 'admin', NULL, '2026-03-02 08:00:00.000000', NULL);"
    "INSERT INTO user_tokens VALUES (1, 1, 'login', 'ab', '2026-03-02 08:00:00.000000', '2026-03-02 08:00:00.000000', NULL);"
    "INSERT INTO audit_entries VALUES (1, '2026-03-02 08:00:00.000000', 'ann', 'accept', 'Door', NULL, NULL);"
    "INSERT INTO set_aside VALUES (1, 1, '2026-03-02 08:00:00.000000', 3, 5, 'unknown kind', x'00');"
    "INSERT INTO cells VALUES (1, 1, (SELECT min(id) FROM ads), '2026-03-02 08:00:00.000000', -1, 5, 50, 40, NULL, 5, 3, 2, 20, 10, "
    ".1, .1, .1, .3, .1, .1, .2, .2, .8, NULL, NULL, NULL);",
    "0010": "UPDATE users SET email = 'ann@shop', language = 'de', folder_id = 1, totp_secret = 'x', "
    "totp_step = 5, subject = 'issuer ann'; UPDATE screens SET settings = '{}'; "
    "UPDATE user_tokens SET agent = 'Firefox', address = '::1';"
    "INSERT INTO folders VALUES (1, 'ab', 'Agency', '2026-03-02 08:00:00.000000');"
    "INSERT INTO media_files VALUES (1, 'cd', 9, '.png', 'image', 4, 3, NULL, 0, '[]', x'00', NULL, '2026-03-02 08:00:00.000000');"
    "INSERT INTO creatives VALUES (1, 'ab', 1, 'tea', 'Tea', '2026-03-02 08:00:00.000000', 'ann', NULL);"
    "INSERT INTO creative_versions VALUES (1, 1, 1, 1, 'tea.png', 8, '[2.5]', '[\"sad\"]', '2026-03-01', '2026-03-09', '2026-03-02 08:00:00.000000', 'ann', 'approved', '2026-03-02 08:00:00.000000', 'bob', '');"
    "INSERT INTO uploads VALUES (1, 'ab', 1, 1, NULL, 'tea.mp4', '', 9, 4, '2026-03-02 08:00:00.000000', '2026-03-02 08:00:00.000000', NULL);"
    "INSERT INTO playlists VALUES (1, 'ab', 'Spring', '2026-03-02 08:00:00.000000', 'ann', NULL);"
    "INSERT INTO playlist_revisions VALUES (1, 1, 1, '{}', '2026-03-02 08:00:00.000000', 'ann', NULL, NULL);"
    "INSERT INTO campaigns VALUES (1, 'ab', 1, 'Tea', '[]', '2026-03-01', '2026-03-09', 'plays', 100, '2026-03-02 08:00:00.000000', 'ann', NULL);"
    "INSERT INTO bookings VALUES (1, 'ab', 1, 1, 'site', 'Foyer', NULL, NULL, '[]', '[]', 0, 0, '2026-03-02 08:00:00.000000', 'ann');"
    "INSERT INTO desired_states VALUES (1, 1, 3, 4, '{}', 'dd', '2026-03-02 08:00:00.000000', 'ann', 0, 2, 'applied', '', NULL, '2026-03-02 08:00:00.000000');"
    "INSERT INTO commands VALUES (1, 'ab', 1, 'picture', 'ann', '2026-03-02 08:00:00.000000', '2026-03-02 08:00:00.000000', '2026-03-02 08:00:00.000000', 1, '', x'00', 'image/png');"
    "INSERT INTO saved_reports VALUES (1, 'ab', 1, 'Week', '{}', 'weekly', '[]', '2026-03-02 08:00:00.000000', '2026-03-02 08:00:00.000000', NULL, NULL);"
    "INSERT INTO shared_documents VALUES (1, 'ab', 'cd', 'Week', x'00', '2026-03-02 08:00:00.000000', 'ann', '2026-03-02 08:00:00.000000', NULL, 0, NULL);"
    "INSERT INTO api_keys VALUES (1, 1, 'till', 'ef', '[]', '2026-03-02 08:00:00.000000', NULL, NULL, NULL);"
    "INSERT INTO hub_secrets VALUES (1, 'cookies', 'x');",
    "0011": "UPDATE readings SET p_own = '{}', p_fear = NULL, valence = NULL WHERE withheld IS NULL;"
    "UPDATE exposures SET sum_own = '{}', sum_fear = NULL, end_happy = NULL;"
    "UPDATE exposure_seconds SET sum_own = '{}', sum_fear = NULL; UPDATE cells SET sum_fear = NULL;"
    "INSERT INTO shadow_counts VALUES (1, 3, '2026-03-01 09:00:00.000000', 'compact-4', 'ef', 'sad', "
    "'happy', 2, -1.0, NULL, 1.2, 1.6, 2.0, 3.0);",
    "0012": "INSERT INTO alerts (id, uid, campaign_id, kind, raised_at, detail) "
    "VALUES (2, 'cd', 1, 'campaign_behind', '2026-03-02 08:00:00.000000', '');",
}
"""Rows by the revision that first can hold them; together they are in every table and column."""

ADDED = {
    "readings": {"0002": {"withheld": None}, "0011": {"p_own": None}},
    "viewers": {"0002": {"static": 0}},
    "plays": {
        "0003": {"held_out": 0, "context": None, "reward": None, "reward_viewer_s": None},
        "0004": {"rolled_up": 0},
    },
    "sessions": {
        "0005": {"last_record": 0},
        "0008": {"session_kind": lambda row: KIND_OF[row["kind"]]},
        "0009": {"origin_id": lambda row: 1, "number": lambda row: row["id"]},
    },
    "exposures": {"0006": dict.fromkeys(SCORE_COLUMNS), "0011": {"sum_own": None}},
    "exposure_seconds": {"0006": dict.fromkeys(SCORE_COLUMNS), "0011": {"sum_own": None}},
    "screens": {"0010": {"settings": "{}"}},
    "alerts": {"0012": {"campaign_id": None}},
    "users": {
        "0010": {
            **dict.fromkeys(("email", "language"), ""),
            **dict.fromkeys(("folder_id", "totp_secret", "totp_step", "subject")),
        }
    },
    "user_tokens": {"0010": {"address": "", "agent": ""}},
}
"""What a row has in the columns that a later revision added."""


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_database_of_every_schema_keeps_its_rows(path, config, make, revision):
    for step in REVISIONS[: REVISIONS.index(revision) + 1]:
        migrate(path, config, command.upgrade, step)
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(ROWS[step])
    old = contents(path)
    assert all(old.values())

    engine = open_database(str(path))
    new = contents(path)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").all() == [
            (HEAD,)
        ]
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    for table, rows in old.items():
        added = {
            column: value
            for step, columns in ADDED.get(table, {}).items()
            if step > revision
            for column, value in columns.items()
        }
        made = [
            row | {name: v(row) if callable(v) else v for name, v in added.items()} for row in rows
        ]
        assert new[table] == made, table
    if revision < "0004":
        withheld = [{"viewer_id": 11, "on_ad": 0, "sort": "too small", "readings": 1}]
        assert new["reading_counts"] == [
            {"viewer_id": 11, "on_ad": 0, "sort": "certain", "readings": 1},
            *(withheld if revision > "0001" else []),
            {"viewer_id": 11, "on_ad": 1, "sort": "uncertain", "readings": 1},
            {"viewer_id": 12, "on_ad": 0, "sort": "certain", "readings": 1},
        ]
        assert new["exposures"] == new["exposure_seconds"] == []
    make.write(engine)
    engine.dispose()


@pytest.mark.parametrize(
    ("kind", "source", "expected"),
    [
        ("run", "camera 0", "live"),
        ("run", "camera /dev/v4l/by-id/usb-Cam_1.0-index0", "live"),
        ("run", "0", "live"),
        ("run", "/dev/video0.1", "live"),
        ("run", "stream rtsp://192.168.1.2/live.sdp", "live"),
        ("run", "none", "live"),
        ("run", "demo", "demo"),
        ("run", "clip.mp4", "replay"),
        ("replay", "clip.mp4", "replay"),
        ("replay", "demo", "replay"),
    ],
)
def test_sessions_of_before_learn_what_they_are(path, config, kind, source, expected):
    migrate(path, config, command.upgrade, "0007")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO sessions (kind, site, source, started_at, program_version, settings) "
            "VALUES (?, '', ?, '2026-03-01 09:00:00.000000', '0.1.0', '{}')",
            (kind, source),
        )
    migrate(path, config, command.upgrade, "0008")
    assert [row["session_kind"] for row in contents(path)["sessions"]] == [expected]


def test_downgrade_deletes_only_what_the_first_schema_cannot_hold(path, old, config, make):
    engine = open_database(str(path))
    make.write(
        engine,
        [make.ad(), make.play(), make.unread(), make.reading(), ViewerFlagged(make.at(5), 1)],
    )
    before = contents(path)
    engine.dispose()
    migrate(path, config, command.downgrade, "0001")
    after = contents(path)
    kept = [
        row
        for row in before["readings"]
        if row.pop("withheld") is None and row.pop("p_own") is None
    ]
    assert after["readings"] == kept
    assert len(kept) == len(old["readings"]) + 1
    assert [set(row) for row in after["viewers"]] == [set(old["viewers"][0])] * 3
    with (
        closing(sqlite3.connect(path)) as connection,
        pytest.raises(sqlite3.IntegrityError, match="NOT NULL"),
    ):
        connection.execute("UPDATE readings SET p_happy = NULL")


def test_up_and_down_again_gives_the_first_schema(path, old, config):
    with closing(sqlite3.connect(path)) as connection:
        first = schema_of(connection)
    open_database(str(path)).dispose()
    migrate(path, config, command.downgrade, "0001")
    with closing(sqlite3.connect(path)) as connection:
        assert schema_of(connection) == first
    assert contents(path) == old


def postgresql_statements(script, direction):
    text = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql",
        opts={"as_sql": True, "output_buffer": text, "target_metadata": Base.metadata},
    )
    with Operations.context(context):
        getattr(import_module(f"db.migrations.versions.{script}"), direction)()
    return [re.sub(r"\s+", " ", statement).strip() for statement in text.getvalue().split(";")]


def test_postgresql_gets_the_columns_of_plays_with_their_checks():
    assert postgresql_statements("0003_held_out_plays_and_rewards", "upgrade") == [
        "ALTER TABLE plays ADD COLUMN held_out BOOLEAN DEFAULT false NOT NULL",
        "ALTER TABLE plays ADD COLUMN context JSON",
        "ALTER TABLE plays ADD COLUMN reward DOUBLE PRECISION "
        "CONSTRAINT ck_plays_reward CHECK (reward BETWEEN -1.000001 AND 1.000001)",
        "ALTER TABLE plays ADD COLUMN reward_viewer_s DOUBLE PRECISION "
        "CONSTRAINT ck_plays_reward_viewer_s CHECK ((reward IS NULL) = (reward_viewer_s IS NULL) "
        "AND (reward_viewer_s IS NULL OR reward_viewer_s > 0))",
        "",
    ]
    assert postgresql_statements("0003_held_out_plays_and_rewards", "downgrade") == [
        *(
            f"ALTER TABLE plays DROP COLUMN {name}"
            for name in ("reward_viewer_s", "reward", "context", "held_out")
        ),
        "",
    ]


@pytest.mark.parametrize("direction", ["upgrade", "downgrade"])
def test_postgresql_alters_the_table_in_its_place(direction):
    statements = postgresql_statements("0002_withheld_emotions_and_static_faces", direction)
    assert not [
        statement
        for statement in statements
        if statement.startswith(("DROP TABLE", "CREATE TABLE", "INSERT"))
    ]
    null = "DROP NOT NULL" if direction == "upgrade" else "SET NOT NULL"
    assert sum(statement.endswith(null) for statement in statements) == 9
    check = " ".join(statement for statement in statements if "ck_readings_withheld" in statement)
    if direction == "upgrade":
        assert "ALTER TABLE viewers ADD COLUMN static BOOLEAN DEFAULT false NOT NULL" in statements
        assert "ALTER TABLE readings ADD COLUMN withheld VARCHAR(16)" in statements
        assert check.count("IS NULL) = (withheld IS NOT NULL)") == 9
    else:
        assert statements[0] == "DELETE FROM readings WHERE withheld IS NOT NULL"
        assert check == "ALTER TABLE readings DROP CONSTRAINT ck_readings_withheld"


def test_other_labels_need_no_new_table(path, old, config):
    assert (
        postgresql_statements("0011_label_sets", "upgrade").count(
            "ALTER TABLE exposures ALTER COLUMN sum_angry DROP NOT NULL"
        )
        == 1
    )
    migrate(path, config, command.upgrade, "0011")
    with closing(sqlite3.connect(path)) as connection, connection:
        for change in ("p_angry = NULL, valence = NULL", "p_own = '{}'"):
            connection.execute(f"UPDATE readings SET {change}")
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    everything = ", ".join(f"p_{name} = NULL" for name in EMOTIONS)
    for change in (f"{everything}, p_own = NULL", "withheld = 'cut off'"):
        with (
            closing(sqlite3.connect(path)) as connection,
            pytest.raises(sqlite3.IntegrityError, match=r"ck_readings_withheld$"),
        ):
            connection.execute(f"UPDATE readings SET {change}")
    assert len(contents(path)["readings"]) == len(old["readings"])
    migrate(path, config, command.downgrade, "0010")
    assert contents(path)["readings"] == []


def test_an_alert_is_about_a_screen_or_a_campaign_and_goes_back_without_the_latter(path, config):
    for step in REVISIONS[: REVISIONS.index("0011") + 1]:
        migrate(path, config, command.upgrade, step)
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(ROWS[step])
    [before], schema_before = contents(path)["alerts"], schema_at(path)
    migrate(path, config, command.upgrade, "0012")
    assert contents(path)["alerts"] == [before | {"campaign_id": None}]
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(ROWS["0012"])
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    columns = "alerts (uid, screen_id, campaign_id, kind, raised_at, detail)"
    for screen, campaign, rule in ((None, None, "CHECK"), (1, 1, "CHECK"), (None, 1, "UNIQUE")):
        row = ("ef", screen, campaign, "campaign_behind", "2026-03-03 08:00:00.000000", "")
        with (
            closing(sqlite3.connect(path)) as connection,
            pytest.raises(sqlite3.IntegrityError, match=rule),
        ):
            connection.execute(f"INSERT INTO {columns} VALUES (?, ?, ?, ?, ?, ?)", row)
    migrate(path, config, command.downgrade, "0011")
    assert contents(path)["alerts"] == [before]
    assert schema_at(path) == schema_before


def schema_at(path):
    with closing(sqlite3.connect(path)) as connection:
        return schema_of(connection)


def test_postgresql_keeps_the_table_of_alerts():
    statements = postgresql_statements("0012_campaign_alerts", "upgrade")
    assert "ALTER TABLE alerts ALTER COLUMN screen_id DROP NOT NULL" in statements
    back = postgresql_statements("0012_campaign_alerts", "downgrade")
    assert back[0] == "DELETE FROM alerts WHERE screen_id IS NULL"
    assert "ALTER TABLE alerts ALTER COLUMN screen_id SET NOT NULL" in back
    for statement in (*statements, *back):
        assert not statement.startswith(("DROP TABLE", "CREATE TABLE"))


def test_downgrade_by_one_keeps_every_play_and_reading(path, config, make):
    engine = open_database(str(path))
    chosen = PlayStarted(1, "summer", make.start, "likes it", 0.25, True, {"mood": "sad"})
    make.write(
        engine, [make.ad(), chosen, make.reading(), make.play_end(), PlayRewarded(1, -0.5, 3.0)]
    )
    before = contents(path)
    assert (
        before["plays"][0].items()
        >= {"held_out": 1, "context": '{"mood": "sad"}', "reward": -0.5}.items()
    )
    engine.dispose()
    migrate(path, config, command.downgrade, "0002")
    after = contents(path)
    (play,) = before["plays"]
    assert after["plays"] == [
        {name: value for name, value in play.items() if name not in NEW_IN_PLAYS}
    ]
    (session,) = before["sessions"]
    assert (session.pop("last_record"), session.pop("session_kind")) == (5, "live")
    assert (session.pop("origin_id"), session.pop("number")) == (1, session["id"])
    assert after["sessions"] == [session]
    assert [row.pop("p_own") for row in before["readings"]] == [None]
    changed = {"plays", *ROLL_UPS, *LATER, *HUB}
    assert {table: rows for table, rows in after.items() if table != "plays"} == {
        table: rows for table, rows in before.items() if table not in changed
    }
    assert len(after["readings"]) == 1


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ("reward = 1.1, reward_viewer_s = 1", "ck_plays_reward"),
        ("reward = 1, reward_viewer_s = 0", "ck_plays_reward_viewer_s"),
        ("reward = 1", "ck_plays_reward_viewer_s"),
        ("reward_viewer_s = 1", "ck_plays_reward_viewer_s"),
    ],
)
def test_a_reward_is_checked_by_the_database_too(path, old, engine, change, check):
    assert old["plays"]
    with (
        closing(sqlite3.connect(path)) as connection,
        pytest.raises(sqlite3.IntegrityError, match=f"{check}$"),
    ):
        connection.execute(f"UPDATE plays SET {change}")


def test_failed_migration_leaves_nothing(path, monkeypatch):
    def upgrade(config, revision):
        command_upgrade(config, revision)
        raise RuntimeError("power cut")

    command_upgrade = command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", upgrade)
        with pytest.raises(RuntimeError):
            open_database(str(path))
    engine = open_database(str(path))
    with engine.connect() as connection:
        assert "readings" in schema(connection)
    engine.dispose()


def test_read_only_names_an_older_schema(path, engine, monkeypatch):
    engine.dispose()
    monkeypatch.setattr("db.migrations.REVISIONS", (*REVISIONS, "0099"))
    monkeypatch.setattr("db.migrations.HEAD", "0099")
    with pytest.raises(
        SchemaVersionError, match=f"older schema {HEAD}, expected 0099; `ad-monitor upgrade`"
    ):
        open_database(str(path), read_only=True)


def copies(path, found=made_backups):
    return found(path, path.parent, kind="before-upgrade")


def test_an_older_database_is_copied_before_it_is_changed(path, old, caplog):
    path.chmod(0o600)
    open_database(str(path)).dispose()
    (copy,) = copies(path)
    assert contents(copy) == old
    assert copy.stat().st_mode & 0o777 == 0o600
    assert str(copy) in caplog.text
    # Once it is up to date, opening makes no more copies.
    open_database(str(path)).dispose()
    assert copies(path) == [copy]


def test_a_failed_upgrade_leaves_no_copy_for_each_attempt(path, old, monkeypatch, caplog):
    def upgrade(*_):
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", upgrade)
        for _ in range(2):
            with pytest.raises(DatabaseUnavailableError, match="is full"):
                open_database(str(path))
    assert copies(path) == []
    assert contents(path) == old
    assert "was brought up to date" not in caplog.text
    open_database(str(path)).dispose()
    (copy,) = copies(path)
    assert contents(copy) == old


def test_a_killed_upgrade_leaves_no_copy_for_each_attempt(path, old, monkeypatch):
    def upgrade(*_):
        assert copies(path) == []
        (copy,) = copies(path, unfinished_backups)
        left[copy] = copy.read_bytes()
        raise KeyboardInterrupt

    left = {}
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", upgrade)
        with pytest.raises(KeyboardInterrupt):
            open_database(str(path))
    for copy, content in left.items():  # as if nothing had run after the upgrade
        copy.write_bytes(content)
    open_database(str(path)).dispose()
    (copy,) = copies(path)
    assert contents(copy) == old
    assert copies(path, unfinished_backups) == []


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (BackupError("No space left."), DatabaseUnavailableError),
        (BackupSourceError("It is damaged."), DatabaseDamagedError),
    ],
)
def test_an_older_database_without_a_copy_stays_as_it_is(path, old, monkeypatch, error, expected):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("db.engine.back_up", fail)
    with pytest.raises(expected, match=str(error)):
        open_database(str(path))
    assert contents(path) == old


def test_no_backup_deletes_the_copy_from_before_an_upgrade(path, old):
    open_database(str(path)).dispose()
    folder = path.parent
    (copy,) = copies(path)
    unfinished = unfinished_name(copy)
    unfinished.touch()
    for day in (1, 2):
        back_up(path, made_name(path, folder, datetime(2026, 3, day, tzinfo=UTC)))
    assert len(delete_oldest(path, folder, 1)) == 1
    assert contents(copy) == old
    assert unfinished.exists(), "an upgrade that is under way needs it"


@pytest.fixture
def another_program(path):
    """Open the database in a process of its own, read once, and stay idle."""
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('PRAGMA journal_mode = WAL'); c.execute('SELECT count(*) FROM sessions');"
        "print('open', flush=True); input()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code, path], stdin=pipe, stdout=pipe) as process:
        process.stdout.readline()
        yield process
        process.kill()


def test_alone_an_upgrade_refuses_while_an_idle_program_has_the_database_open(
    path, old, another_program
):
    engine = make_engine(str(path))
    with pytest.raises(
        DatabaseUnavailableError, match=rf"another program \(process {another_program.pid}\); close"
    ):
        make_ready(engine, patience_s=0.0, alone=True)
    assert copies(path) == []
    another_program.kill()
    another_program.wait()
    assert contents(path) == old
    assert make_ready(engine, alone=True) == "0001"
    engine.dispose()


def test_alone_an_up_to_date_database_may_be_open_elsewhere(path, engine, another_program):
    assert make_ready(engine, patience_s=0.0, alone=True) == HEAD


def test_every_constraint_has_a_name():
    for table in Base.metadata.tables.values():
        for constraint in table.constraints:
            assert constraint.name, (table.name, constraint)
