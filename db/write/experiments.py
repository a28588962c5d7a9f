"""Store experiments with all their blocks, their early ends, and imported outcomes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update

from db.errors import ExperimentExistsError
from db.schema import Experiment, ExperimentBlock, Outcome
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from db.read.experiments import BlockInfo, ExperimentInfo, OutcomeInfo

_ROWS = 500
"""Rows looked up in one statement; SQLite limits its variables."""


def store_experiment(
    connection: Connection, plan: ExperimentInfo, blocks: Sequence[BlockInfo]
) -> int:
    """Store a plan and all its blocks, before the first begins; return its id.

    Args:
        connection: In a transaction that `db.engine.writing` has begun.
        plan: Its `registered_at` is when the blocks were drawn.
        blocks: At least one, none of which has begun.

    Raises:
        ExperimentExistsError: There is an experiment of this name; its plan stays as it is.
    """
    values = asdict(plan)
    for name in ("id", "treatment", "control"):
        del values[name]
    values |= {
        "arms": {"treatment": list(plan.treatment), "control": list(plan.control)},
        "sites": list(plan.sites),
        "opening": {**values["opening"], "days": list(plan.opening.days)},
    }
    require_new(connection, plan.name)
    key = connection.execute(insert(Experiment).values(**values)).inserted_primary_key
    experiment_id = int(key[0])  # type: ignore[index]
    connection.execute(
        insert(ExperimentBlock),
        [
            {**asdict(block), "experiment_id": experiment_id, "drawn_at": plan.registered_at}
            for block in blocks
        ],
    )
    return experiment_id


def require_new(connection: Connection, name: str) -> None:
    """Raise ExperimentExistsError if there is an experiment of this name."""
    found = connection.scalar(select(Experiment.registered_at).where(Experiment.name == name))
    if found is not None:
        raise ExperimentExistsError(
            lazy(
                "The experiment %(name)s was started on %(day)s, and its plan cannot be changed; "
                "stop it and start another one under another name.",
                name=repr(name),
                day=f"{found:%Y-%m-%d}",
            )
        )


def stop_experiment(connection: Connection, experiment_id: int, at: datetime, reason: str) -> bool:
    """Log that an experiment is stopped early; return `False` if it was stopped before.

    Args:
        connection: In a transaction.
        experiment_id: Its row.
        at: Aware.
        reason: For people.
    """
    done = connection.execute(
        update(Experiment)
        .where(Experiment.id == experiment_id, Experiment.stopped_at.is_(None))
        .values(stopped_at=at, stop_reason=reason)
    )
    return bool(done.rowcount)


def store_outcomes(
    connection: Connection, rows: Sequence[OutcomeInfo], imported_at: datetime
) -> int:
    """Store outcomes; return how many replaced one of the same site and time.

    Args:
        connection: In a transaction that `db.engine.writing` has begun.
        rows: Each name, site and time once.
        imported_at: Aware.
    """
    replaced = 0
    groups: dict[tuple[str, str], list[datetime]] = {}
    for row in rows:
        groups.setdefault((row.name, row.site), []).append(row.at)
    for (name, site), times in groups.items():
        for start in range(0, len(times), _ROWS):
            done = connection.execute(
                delete(Outcome).where(
                    Outcome.name == name,
                    Outcome.site == site,
                    Outcome.at.in_(times[start : start + _ROWS]),
                )
            )
            replaced += done.rowcount
    connection.execute(
        insert(Outcome), [{**asdict(row), "imported_at": imported_at} for row in rows]
    )
    return replaced
