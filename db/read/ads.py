"""The ads of a whole database: those that were shown, and the totals of each version and site.

Totals are added up by the database from roll-ups (`db.read.rollups`) alone, so that a library of
months is read in a moment; plays not rolled up yet, such as the current one, are not in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Double, case, cast, func, select

from db.read.scope import Scope, at_places, of_kinds, places
from db.read.sessions import label_sets, reading_rates
from db.schema import SUM_COLUMNS, Ad, Exposure, Model, Play, Session, Viewer
from detector.emotion.labels import EMOTIONS
from detector.emotion.prevalence import calibration_of, corrected_valence, linear_weights

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy.engine import Connection, Engine


@dataclass(frozen=True, slots=True)
class AdTotals:
    """The totals of one version of an ad at one site, without static faces.

    Attributes:
        viewers: Different viewers in view.
        watchers: Those of `told_viewers` who were attentive for `watcher_s` without interruption.
        emotion_viewers: Viewers whose emotion could be read, in sessions with the seven emotions;
            those of models with other labels mean something else.
        dwell_s, attention_s: Sums over all exposures.
        mean_dwell_s: Sum over viewers of each viewer's mean dwell per exposure.
        valence, expressiveness: Sums over the viewers with an emotion of each one's mean.
        scored_viewers: Viewers with scores; fewer where a model card has no calibration.
        valence_corrected: Sum over these of each one's mean of score(happy) - score(negative).
        told_viewers: Viewers who were read often enough to tell watchers.
    """

    ad_id: str
    sha256: str
    duration_ms: int
    site: str
    viewers: int
    watchers: int
    emotion_viewers: int
    dwell_s: float
    attention_s: float
    mean_dwell_s: float
    valence: float
    expressiveness: float
    scored_viewers: int
    valence_corrected: float
    told_viewers: int


def ad_totals(
    engine: Engine,
    watcher_s: float,
    *,
    min_rate: float = 0.0,
    replays: bool = False,
    demos: bool = False,
) -> list[AdTotals]:
    """Add up all exposures by version of an ad, in the order of first play, and by site.

    `watcher_s` is the attention without interruption that makes a viewer a watcher, and `min_rate`
    the readings per second with which a session tells that. Only live sessions count, unless
    `replays` and `demos` ask for more.
    """
    with engine.connect() as connection:
        others = [row for row, labels in label_sets(connection).items() if labels != EMOTIONS]
        seven = Session.model_id.is_(None) | Session.model_id.not_in(others)
        readings = func.sum(case((seven, Exposure.emotion_readings), else_=0))
        corrected = func.sum(_corrected_valence(connection))
        rates = reading_rates(connection) if min_rate > 0 else {}
    slow = [number for number, rate in rates.items() if rate is not None and rate < min_rate]
    told = Session.id.not_in(slow)
    scored = (readings > 0) & corrected.is_not(None)
    sums = {"valence": Exposure.sum_valence, "expressiveness": Exposure.sum_expressiveness}
    means = {name: func.coalesce(total, 0.0) for name, total in sums.items()}
    viewer = (
        select(
            Play.ad_version_id,
            Viewer.session_id,
            func.sum(Exposure.dwell_s).label("dwell_s"),
            func.sum(Exposure.attention_s).label("attention_s"),
            (func.sum(Exposure.dwell_s) / func.count()).label("mean_dwell_s"),
            func.max(Exposure.longest_attention_s).label("longest_s"),
            case((readings > 0, 1), else_=0).label("read"),
            *(
                case((readings > 0, func.sum(total) / readings), else_=0.0).label(name)
                for name, total in means.items()
            ),
            case((scored, 1), else_=0).label("scored"),
            case((scored, corrected / readings), else_=0.0).label("valence_corrected"),
        )
        .join(Play, Play.id == Exposure.play_id)
        .join(Viewer, Viewer.id == Exposure.viewer_id)
        .join(Session, Session.id == Viewer.session_id)
        .where(Viewer.static.is_(False), Play.rolled_up)
        .group_by(Play.ad_version_id, Exposure.viewer_id, Viewer.session_id)
        .subquery()
    )
    where = places()
    query = (
        select(
            Ad.ad_id,
            Ad.sha256,
            Ad.duration_ms,
            where.c.site,
            func.count(),
            func.sum(case((told & (viewer.c.longest_s >= watcher_s), 1), else_=0)),
            func.sum(viewer.c.read),
            *(
                cast(func.sum(viewer.c[name]), Double)
                for name in ("dwell_s", "attention_s", "mean_dwell_s", "valence", "expressiveness")
            ),
            func.sum(viewer.c.scored),
            cast(func.sum(viewer.c.valence_corrected), Double),
            func.sum(case((told, 1), else_=0)),
        )
        .join(Ad, Ad.id == viewer.c.ad_version_id)
        .join(Session, Session.id == viewer.c.session_id)
        .join(where, where.c.id == Session.id)
        .where(*of_kinds(replays=replays, demos=demos))
        .group_by(Ad.id, Ad.ad_id, Ad.sha256, Ad.duration_ms, where.c.site)
        .order_by(Ad.id, where.c.site)
    )
    with engine.connect() as connection:
        return [AdTotals(*row) for row in connection.execute(query)]


def _corrected_valence(connection: Connection) -> Any:
    """The sum of corrected valence of an exposure; older ones estimate it from the plain sums."""
    plain = [getattr(Exposure, name) for name in SUM_COLUMNS[: len(EMOTIONS)]]
    estimates = [
        (
            Session.model_id == model_id,
            sum(
                float(weight) * column
                for weight, column in zip(
                    corrected_valence(linear_weights(calibration)), plain, strict=True
                )
            ),
        )
        for model_id, card in connection.execute(select(Model.id, Model.card))
        if (calibration := calibration_of(card)) is not None
    ]
    stored = Exposure.sum_happy_score - Exposure.sum_negative_score
    return func.coalesce(stored, case(*estimates)) if estimates else stored


@dataclass(frozen=True, slots=True)
class KnownAd:
    """An ad that was shown, all its versions together.

    Attributes:
        name: Of several names the last in the alphabet.
        plays, sessions: In how many it was shown.
        last_shown_at: Start of its last play; UTC, aware.
    """

    ad_id: str
    name: str
    plays: int
    sessions: int
    last_shown_at: datetime


def known_ads(engine: Engine, scope: Scope | None = None) -> list[KnownAd]:
    """Return all ads that were shown, the last shown first.

    With a scope, those shown at its places in sessions of its kinds; its times do not count.
    """
    wanted = []
    if scope is not None:
        wanted = at_places(scope.sites, scope.groups, scope.tags)
        wanted += of_kinds(replays=scope.replays, demos=scope.demos)
    query = (
        select(
            Ad.ad_id,
            func.max(Ad.name),
            func.count(Play.id),
            func.count(Play.session_id.distinct()),
            func.max(Play.started_at).label("last"),
        )
        .join(Play, Play.ad_version_id == Ad.id)
        .join(Session, Session.id == Play.session_id)
        .where(*wanted)
        .group_by(Ad.ad_id)
        .order_by(func.max(Play.started_at).desc(), Ad.ad_id)
    )
    with engine.connect() as connection:
        return [KnownAd(*row) for row in connection.execute(query)]


def session_ids_with(
    engine: Engine, ad_ids: Collection[str], scope: Scope | None = None
) -> list[int]:
    """Return the ids of the sessions in a scope that showed at least one of these ads, rising."""
    query = (
        select(Play.session_id)
        .join(Ad, Ad.id == Play.ad_version_id)
        .join(Session, Session.id == Play.session_id)
        .where(Ad.ad_id.in_(list(ad_ids)), *(scope or Scope()).plays())
        .distinct()
        .order_by(Play.session_id)
    )
    with engine.connect() as connection:
        return list(connection.scalars(query))
