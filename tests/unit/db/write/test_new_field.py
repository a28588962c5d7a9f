"""A new field of a reading: one edit of the model and one column carry it from pipe to row."""

from __future__ import annotations

import io
from dataclasses import dataclass

import pytest
from sqlalchemy import Column, Double, MetaData

from db.schema import Reading
from db.write import records, store
from db.write.outbox import OutboxPlace
from db.write.records import ReadingRecord
from db.write.session_writer import SessionWriter
from detector.types import AnalysedFrame, FaceReading
from monitor.sensor import messages
from tests.helpers.feeding import locked
from tests.helpers.waiting import wait_until


@dataclass(frozen=True, slots=True)
class Extended(FaceReading):
    """The edit of the model."""

    smile_width: float | None = None


@pytest.fixture
def extended(engine, monkeypatch):
    """The program with the field, and the migration with the column."""
    monkeypatch.setattr(messages, "FaceReading", Extended)
    monkeypatch.setattr(records, "FaceReading", Extended)
    table = Reading.__table__.to_metadata(MetaData())
    table.append_column(Column("smile_width", Double))
    monkeypatch.setattr(store, "_READINGS", table)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE readings ADD COLUMN smile_width FLOAT")


def received(reading):
    """The reading as it comes out of the sensor's pipe."""
    pipe = io.BytesIO()
    messages.write_message(pipe, messages.FrameRead(AnalysedFrame(1, 5, 640, 480, (reading,))))
    pipe.seek(0)
    return messages.read_message(pipe).frame.readings[0]


def test_a_new_field_goes_from_the_pipe_through_the_outbox_into_a_row(
    engine, path, make, rows, extended
):
    face = received(Extended(*make.reading().face.values(), smile_width=0.25))
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 20")
    place = OutboxPlace.of(engine, None)
    with SessionWriter(engine, make.session(), spool=place, commit_interval_s=0.01) as writer:
        with locked(path):
            assert writer.submit(ReadingRecord(make.at(1), face))
            wait_until(lambda: writer.waiting_on_disk == 1)
        assert writer.flush()
    assert rows("SELECT smile_width, valence FROM readings") == [(0.25, 0.55)]


@pytest.mark.sqlite
def test_a_reading_from_before_the_field_has_its_default(make, extended):
    document = records._fields(make.reading().face)
    assert "smile_width" not in document
    assert Extended.from_fields(document).smile_width is None
