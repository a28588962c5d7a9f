"""The tables, as typed SQLAlchemy models; `docs/reference/database.md` describes every column.

The types are generic, so the same models work on PostgreSQL. Every change needs a migration; a test
compares.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedColumn, mapped_column

from detector.emotion.labels import EMOTIONS

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
"""Names for all constraints, because a migration can only change what has a name."""

EMOTION_COLUMNS = tuple(f"p_{emotion}" for emotion in EMOTIONS)
"""Columns of the seven probabilities."""

WITHHELD_COLUMNS = (*EMOTION_COLUMNS, "valence", "expressiveness")
"""A reading has those that its model's labels give; `readings.withheld` says why it has none."""

SCORE_COLUMNS = ("sum_happy_score", "sum_surprise_score", "sum_negative_score")
"""Columns of the sums of `detector.emotion.prevalence.group_scores`; empty where the model card has
no calibration, and in roll-ups of older versions. Neutral is the rest."""

SUM_COLUMNS = (
    *(f"sum_{column.removeprefix('p_')}" for column in WITHHELD_COLUMNS),
    *SCORE_COLUMNS,
)
"""Columns of sums over the readings with an emotion, in the same order, then the scores."""


class UtcDateTime(sa.TypeDecorator[datetime]):
    """An aware datetime in UTC with microseconds.

    SQLite gets a text of fixed width, `2026-03-01 09:30:00.000000`, which people and its date
    functions can read, and which sorts as time does. PostgreSQL gets `timestamp with time zone`.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert an aware datetime to UTC; a naive one raises ValueError."""
        if value is None:
            return None
        if value.utcoffset() is None:
            raise ValueError(
                f"Invalid time: expected a datetime with a time zone, received {value!r}."
            )
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return an aware datetime in UTC."""
        if value is None:
            return None
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return aware.astimezone(UTC)


class SafeText(sa.TypeDecorator[str]):
    """A text in UTF-8; half a surrogate pair, from a file name, or a zero becomes an escape."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Escape what UTF-8 or PostgreSQL cannot hold."""
        if value is None:
            return None
        return value.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


class Base(DeclarativeBase):
    """Base of the models."""

    metadata = sa.MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy reads it from the class)
        datetime: UtcDateTime(),
        float: sa.Double(),
        str: SafeText(),
        bool: sa.Boolean(),
        dict[str, Any]: sa.JSON(),
        list[float]: sa.JSON(),
        list[str]: sa.JSON(),
    }


def _share(column: str, low: int = 0) -> sa.CheckConstraint:
    """A figure from `low` to 1; see `records.ROUNDING` for the margin."""
    return sa.CheckConstraint(f"{column} BETWEEN {low - 0.000001:.6f} AND 1.000001", name=column)


NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""The id of a table that grows for years; SQLite numbers rows only in an INTEGER column."""


def owned_by(table: str, **options: Any) -> MappedColumn[Any]:
    """The id of the row that a row belongs to, and with which it is deleted."""
    return mapped_column(sa.ForeignKey(f"{table}.id", ondelete="CASCADE"), **options)


class Model(Base):
    """A detector model that made readings."""

    __tablename__ = "models"
    __table_args__ = (sa.UniqueConstraint("sha256"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    sha256: Mapped[str] = mapped_column(sa.String(64))
    card: Mapped[dict[str, Any]]


class Origin(Base):
    """One epoch of one kiosk; sessions are numbered within it. One row is this database's own.

    `base` is the number before the first record of the epoch. `watermark` is the last number that
    the hub has stored, as the hub knows it, and in the kiosk's own row as the kiosk was told.
    """

    __tablename__ = "origins"
    __table_args__ = (sa.UniqueConstraint("kiosk", "epoch"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kiosk: Mapped[str] = mapped_column(sa.String(32))
    epoch: Mapped[str] = mapped_column(sa.String(32))
    created_at: Mapped[datetime]
    is_here: Mapped[bool]
    base: Mapped[int] = mapped_column(sa.BigInteger, server_default=sa.text("0"))
    watermark: Mapped[int] = mapped_column(sa.BigInteger, server_default=sa.text("0"))
    screen_id: Mapped[int | None] = mapped_column(sa.ForeignKey("screens.id"))


class Outgoing(Base):
    """What the hub has yet to be sent: a row that is new or has changed, as it is when sent."""

    __tablename__ = "outgoing"
    __table_args__ = (
        sa.CheckConstraint("kind IN ('session', 'play', 'viewer', 'gap', 'cell')", name="kind"),
        # A number is never used again: the hub skips those that it has.
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True
    )
    kind: Mapped[str] = mapped_column(sa.String(16))
    row_id: Mapped[int] = mapped_column(sa.BigInteger)
    queued_at: Mapped[datetime]


class Uplink(Base):
    """The hub that this database's kiosk has joined; at most one row."""

    __tablename__ = "uplinks"
    __table_args__ = (
        sa.CheckConstraint("id = 1", name="id"),
        sa.CheckConstraint("upload IN ('sums', 'cells')", name="upload"),
        sa.CheckConstraint("min_viewers >= 1", name="min_viewers"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    hub: Mapped[str]
    screen: Mapped[str] = mapped_column(sa.String(32))
    upload: Mapped[str] = mapped_column(sa.String(16))
    min_viewers: Mapped[int]
    joined_at: Mapped[datetime]
    cells_until: Mapped[datetime | None]
    lost: Mapped[int] = mapped_column(sa.BigInteger, server_default=sa.text("0"))


class Session(Base):
    """One run of the kiosk or one replay."""

    __tablename__ = "sessions"
    __table_args__ = (
        sa.CheckConstraint("kind IN ('run', 'replay')", name="kind"),
        sa.CheckConstraint("ended_at >= started_at", name="ended_at"),
        sa.CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name="end_reason"),
        sa.CheckConstraint("frames >= 0", name="frames"),
        sa.CheckConstraint("dropped >= 0", name="dropped"),
        sa.CheckConstraint("lost >= 0", name="lost"),
        sa.Index(None, "origin_id", "number", unique=True),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(16))
    session_kind: Mapped[str] = mapped_column(sa.String(16), server_default="live")
    site: Mapped[str]
    source: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]
    model_id: Mapped[int | None] = mapped_column(sa.ForeignKey("models.id"))
    program_version: Mapped[str]
    settings: Mapped[dict[str, Any]]
    frames: Mapped[int | None] = mapped_column(sa.BigInteger)
    dropped: Mapped[int | None] = mapped_column(sa.BigInteger)
    fps: Mapped[float | None]
    lost: Mapped[int | None]
    last_record: Mapped[int] = mapped_column(sa.BigInteger, server_default=sa.text("0"))
    # Of `origins`, but no foreign key: SQLite cannot add one to a table with rows.
    origin_id: Mapped[int | None]
    number: Mapped[int | None] = mapped_column(sa.BigInteger)


class Ad(Base):
    """One version of a creative: another file or another duration is another row."""

    __tablename__ = "ads"
    __table_args__ = (
        sa.UniqueConstraint("ad_id", "sha256", "duration_ms"),
        sa.CheckConstraint("kind IN ('image', 'animation', 'video')", name="kind"),
        sa.CheckConstraint("duration_ms > 0", name="duration_ms"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    ad_id: Mapped[str]
    name: Mapped[str]
    file: Mapped[str]
    sha256: Mapped[str] = mapped_column(sa.String(64))
    kind: Mapped[str] = mapped_column(sa.String(16))
    duration_ms: Mapped[int]
    brand_at_s: Mapped[list[float]]


class Play(Base):
    """One play of one ad."""

    __tablename__ = "plays"
    __table_args__ = (
        sa.UniqueConstraint("session_id", "number"),
        sa.CheckConstraint("ended_at >= started_at", name="ended_at"),
        sa.CheckConstraint(
            "outcome IN ('finished', 'skipped', 'failed', 'stopped', 'interrupted')", name="outcome"
        ),
        sa.CheckConstraint("(ended_at IS NULL) = (outcome IS NULL)", name="ended"),
        _share("probability"),
        sa.Index(None, "ad_version_id"),
        sa.Index(None, "rolled_up"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = owned_by("sessions")
    ad_version_id: Mapped[int] = mapped_column(sa.ForeignKey("ads.id"))
    number: Mapped[int]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(sa.String(16))
    shown_ms: Mapped[float | None]
    reason: Mapped[str]
    probability: Mapped[float | None]
    error: Mapped[str | None]
    held_out: Mapped[bool] = mapped_column(server_default=sa.false())
    rolled_up: Mapped[bool] = mapped_column(server_default=sa.false())
    context: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    # Checks of the columns, because SQLite cannot add a check to a table.
    reward: Mapped[float | None] = mapped_column(_share("reward", -1))
    reward_viewer_s: Mapped[float | None] = mapped_column(
        # One check, as a column writes several in any order, and the schema is compared as text.
        sa.CheckConstraint(
            "(reward IS NULL) = (reward_viewer_s IS NULL) "
            "AND (reward_viewer_s IS NULL OR reward_viewer_s > 0)",
            name="reward_viewer_s",
        )
    )


class Viewer(Base):
    """One anonymous track."""

    __tablename__ = "viewers"
    __table_args__ = (
        sa.UniqueConstraint("session_id", "number"),
        sa.CheckConstraint("last_seen_at >= first_seen_at", name="last_seen_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = owned_by("sessions")
    number: Mapped[int]
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    static: Mapped[bool] = mapped_column(server_default=sa.false())


class Reading(Base):
    """One viewer at one instant."""

    __tablename__ = "readings"
    __table_args__ = (
        *(_share(column) for column in EMOTION_COLUMNS),
        _share("valence", -1),
        _share("expressiveness"),
        _share("quality"),
        sa.CheckConstraint("(play_id IS NULL) = (position_ms IS NULL)", name="position_ms"),
        sa.CheckConstraint(
            f"({' AND '.join(f'{column} IS NULL' for column in (*EMOTION_COLUMNS, 'p_own'))})"
            " = (withheld IS NOT NULL)"
            " AND (withheld IS NULL OR (valence IS NULL AND expressiveness IS NULL))",
            name="withheld",
        ),
        sa.Index(None, "session_id", "at"),
        # For deleting a session, which would scan all readings for each viewer and each play.
        sa.Index(None, "viewer_id"),
        sa.Index(None, "play_id"),
    )

    # A shared server may count past 31 bits; SQLite numbers rows only in an INTEGER column.
    id: Mapped[int] = mapped_column(
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True
    )
    session_id: Mapped[int] = owned_by("sessions")
    viewer_id: Mapped[int] = owned_by("viewers")
    play_id: Mapped[int | None] = owned_by("plays")
    at: Mapped[datetime]
    position_ms: Mapped[float | None]
    p_angry: Mapped[float | None]
    p_disgust: Mapped[float | None]
    p_fear: Mapped[float | None]
    p_happy: Mapped[float | None]
    p_sad: Mapped[float | None]
    p_surprise: Mapped[float | None]
    p_neutral: Mapped[float | None]
    valence: Mapped[float | None]
    expressiveness: Mapped[float | None]
    uncertain: Mapped[bool]
    yaw: Mapped[float | None]
    pitch: Mapped[float | None]
    roll: Mapped[float | None]
    attentive: Mapped[bool]
    quality: Mapped[float]
    box_x: Mapped[float]
    box_y: Mapped[float]
    box_w: Mapped[float]
    box_h: Mapped[float]
    withheld: Mapped[str | None] = mapped_column(sa.String(16))
    p_own: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))


class ReadingCount(Base):
    """How many readings of one sort a viewer has, so that rows need not be counted."""

    __tablename__ = "reading_counts"

    viewer_id: Mapped[int] = owned_by("viewers", primary_key=True)
    on_ad: Mapped[bool] = mapped_column(primary_key=True)
    sort: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    readings: Mapped[int] = mapped_column(sa.BigInteger)


class SumColumns:
    """The sums of a table, as `SUM_COLUMNS`, after its other columns.

    NULL where the model's labels do not give the figure.
    """

    sum_angry: Mapped[float | None] = mapped_column(sort_order=1)
    sum_disgust: Mapped[float | None] = mapped_column(sort_order=1)
    sum_fear: Mapped[float | None] = mapped_column(sort_order=1)
    sum_happy: Mapped[float | None] = mapped_column(sort_order=1)
    sum_sad: Mapped[float | None] = mapped_column(sort_order=1)
    sum_surprise: Mapped[float | None] = mapped_column(sort_order=1)
    sum_neutral: Mapped[float | None] = mapped_column(sort_order=1)
    sum_valence: Mapped[float | None] = mapped_column(sort_order=1)
    sum_expressiveness: Mapped[float | None] = mapped_column(sort_order=1)
    sum_happy_score: Mapped[float | None] = mapped_column(sort_order=1)
    sum_surprise_score: Mapped[float | None] = mapped_column(sort_order=1)
    sum_negative_score: Mapped[float | None] = mapped_column(sort_order=1)


class _RollUp(SumColumns):
    """The keys before all other columns."""

    play_id: Mapped[int] = owned_by("plays", primary_key=True, sort_order=-1)
    viewer_id: Mapped[int] = owned_by("viewers", primary_key=True, sort_order=-1)
    sum_own: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True), sort_order=2)


class Exposure(_RollUp, Base):
    """One viewer during one play, added up from the readings after its end."""

    __tablename__ = "exposures"
    __table_args__ = (
        sa.CheckConstraint(
            "attention_s <= dwell_s AND longest_attention_s <= attention_s", name="attention_s"
        ),
        sa.CheckConstraint(
            "uncertain <= emotion_readings AND emotion_readings <= readings", name="readings"
        ),
        sa.Index(None, "viewer_id"),
    )

    readings: Mapped[int]
    emotion_readings: Mapped[int]
    uncertain: Mapped[int]
    dwell_s: Mapped[float]
    attention_s: Mapped[float]
    longest_attention_s: Mapped[float]
    baseline: Mapped[float | None]
    end_readings: Mapped[int]
    end_happy: Mapped[float | None]


class ExposureSecond(_RollUp, Base):
    """The same by the second of the ad, for the curves of a report."""

    __tablename__ = "exposure_seconds"
    __table_args__ = (
        sa.CheckConstraint(
            "attentive <= readings AND emotion_readings <= readings", name="readings"
        ),
        sa.Index(None, "viewer_id"),
    )

    second: Mapped[int] = mapped_column(primary_key=True)
    readings: Mapped[int]
    attentive: Mapped[int]
    emotion_readings: Mapped[int]


class Gap(Base):
    """A stretch in which nothing could be measured."""

    __tablename__ = "gaps"
    __table_args__ = (
        sa.CheckConstraint("ended_at >= started_at", name="ended_at"),
        sa.Index(None, "session_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = owned_by("sessions")
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    cause: Mapped[str]
    detail: Mapped[str]


class ShadowCount(Base):
    """Faces of an hour with one label by the model in use, and one by a shadow model."""

    __tablename__ = "shadow_counts"
    __table_args__ = (
        sa.CheckConstraint("faces > 0", name="faces"),
        sa.Index(None, "session_id", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = owned_by("sessions")
    at: Mapped[datetime]
    model: Mapped[str]
    model_sha256: Mapped[str] = mapped_column(sa.String(64))
    label: Mapped[str]
    shadow_label: Mapped[str]
    faces: Mapped[int]
    sum_valence: Mapped[float | None]
    sum_shadow_valence: Mapped[float | None]
    sum_confidence: Mapped[float]
    sum_shadow_confidence: Mapped[float]
    cpu_ms: Mapped[float]
    shadow_cpu_ms: Mapped[float]


class Experiment(Base):
    """One experiment and its plan, which does not change once it is stored."""

    __tablename__ = "experiments"
    __table_args__ = (
        sa.UniqueConstraint("uid"),
        sa.UniqueConstraint("name"),
        sa.CheckConstraint("measure IN ('attention', 'valence', 'outcome')", name="measure"),
        sa.CheckConstraint("(measure = 'outcome') = (outcome IS NOT NULL)", name="outcome"),
        sa.CheckConstraint("stopping IN ('always_valid', 'fixed')", name="stopping"),
        sa.CheckConstraint("block_s > 0 AND wash_out_s >= 0", name="block_s"),
        sa.CheckConstraint("ends_at > starts_at", name="ends_at"),
        sa.CheckConstraint("relevant > 0", name="relevant"),
        sa.CheckConstraint("(stopped_at IS NULL) = (stop_reason IS NULL)", name="stopped_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(sa.String(32))
    name: Mapped[str]
    hypothesis: Mapped[str]
    arms: Mapped[dict[str, Any]]
    sites: Mapped[list[str]]
    measure: Mapped[str] = mapped_column(sa.String(16))
    outcome: Mapped[str | None]
    relevant: Mapped[float]
    stopping: Mapped[str] = mapped_column(sa.String(16))
    block_s: Mapped[int]
    wash_out_s: Mapped[int]
    opening: Mapped[dict[str, Any]]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    power: Mapped[dict[str, Any]]
    seed: Mapped[int] = mapped_column(sa.BigInteger)
    registered_at: Mapped[datetime]
    program_version: Mapped[str]
    stopped_at: Mapped[datetime | None]
    stop_reason: Mapped[str | None]


class ExperimentBlock(Base):
    """One stretch of time at one site in which one arm is shown, drawn before it begins."""

    __tablename__ = "experiment_blocks"
    __table_args__ = (
        sa.UniqueConstraint("experiment_id", "site", "number"),
        sa.CheckConstraint("arm IN ('treatment', 'control')", name="arm"),
        sa.CheckConstraint("ends_at > starts_at", name="ends_at"),
        sa.CheckConstraint("drawn_at <= starts_at", name="drawn_at"),
        sa.Index(None, "site", "ends_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    experiment_id: Mapped[int] = owned_by("experiments")
    site: Mapped[str]
    number: Mapped[int]
    pair: Mapped[int]
    arm: Mapped[str] = mapped_column(sa.String(16))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    drawn_at: Mapped[datetime]


class Outcome(Base):
    """One imported figure of a site, such as the sales of an hour."""

    __tablename__ = "outcomes"
    __table_args__ = (
        sa.UniqueConstraint("name", "site", "at"),
        sa.CheckConstraint("lasts_s >= 0", name="lasts_s"),
    )

    id: Mapped[int] = mapped_column(
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True
    )
    name: Mapped[str]
    site: Mapped[str]
    at: Mapped[datetime]
    lasts_s: Mapped[float]
    value: Mapped[float]
    imported_at: Mapped[datetime]
