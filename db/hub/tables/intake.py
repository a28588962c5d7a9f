"""What kiosks send, and which process does a hub's regular work."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.schema import NUMBER, Base, SumColumns, owned_by


class Cell(SumColumns, Base):
    """An ad at one screen in one hour, summed over enough viewers, for kiosks that send no more.

    `second` is that of the ad, or -1 for whole exposures; only those have the columns from
    `exposures` on, and only the seconds have `attentive`.
    """

    __tablename__ = "cells"
    __table_args__ = (
        sa.UniqueConstraint("origin_id", "ad_version_id", "hour", "second"),
        sa.CheckConstraint("viewers > 0", name="viewers"),
        sa.CheckConstraint("second >= -1", name="second"),
    )

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    origin_id: Mapped[int] = owned_by("origins")
    ad_version_id: Mapped[int] = mapped_column(sa.ForeignKey("ads.id"))
    hour: Mapped[datetime]
    second: Mapped[int]
    viewers: Mapped[int]
    readings: Mapped[int] = mapped_column(sa.BigInteger)
    emotion_readings: Mapped[int] = mapped_column(sa.BigInteger)
    attentive: Mapped[int | None] = mapped_column(sa.BigInteger)
    exposures: Mapped[int | None]
    watchers: Mapped[int | None]
    watchers_2s: Mapped[int | None]
    dwell_s: Mapped[float | None]
    attention_s: Mapped[float | None]


class SetAside(Base):
    """An envelope that could not be stored, kept with the reason."""

    __tablename__ = "set_aside"
    __table_args__ = (sa.Index(None, "origin_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    origin_id: Mapped[int] = owned_by("origins")
    at: Mapped[datetime]
    first: Mapped[int] = mapped_column(sa.BigInteger)
    last: Mapped[int] = mapped_column(sa.BigInteger)
    reason: Mapped[str]
    envelope: Mapped[bytes] = mapped_column(sa.LargeBinary)


class Lease(Base):
    """What only one process of a hub may do at a time, and which one does it."""

    __tablename__ = "leases"
    __table_args__ = (sa.UniqueConstraint("name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(32))
    holder: Mapped[str] = mapped_column(sa.String(64))
    until: Mapped[datetime]
