"""Read the counts of shadow runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import select

from db.read.sessions import columns_of
from db.schema import Model, Session, ShadowCount

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Engine

    from db.read.scope import Scope


@dataclass(frozen=True, slots=True)
class ShadowHour:
    """Faces of an hour with one pair of labels; `at` is aware, the rest as in `shadow_counts`."""

    session_id: int
    at: datetime
    model_in_use: str
    model: str
    model_sha256: str
    label: str
    shadow_label: str
    faces: int
    sum_valence: float | None
    sum_shadow_valence: float | None
    sum_confidence: float
    sum_shadow_confidence: float
    cpu_ms: float
    shadow_cpu_ms: float


def shadow_hours(engine: Engine, scope: Scope) -> list[ShadowHour]:
    """Return the counts of the hours that began within a scope, by time."""
    hours = [
        *(() if scope.since is None else (ShadowCount.at >= scope.since,)),
        *(() if scope.until is None else (ShadowCount.at < scope.until,)),
    ]
    # A shadow run also counts in sessions that showed nothing in this time.
    sessions = replace(scope, since=None, until=None).sessions()
    query = (
        select(*columns_of(ShadowHour, ShadowCount, model_in_use=Model.name))
        .join(Session, Session.id == ShadowCount.session_id)
        .join(Model, Model.id == Session.model_id)
        .where(*sessions, *hours)
        .order_by(ShadowCount.at, ShadowCount.id)
    )
    with engine.connect() as connection:
        return [ShadowHour(*row) for row in connection.execute(query)]
