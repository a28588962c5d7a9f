"""What a report is made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from db.queries import AdInfo, GapInfo, PlayInfo, SessionInfo
    from db.rollups import ExposureArrays, Scope, SecondArrays


@dataclass(frozen=True, slots=True, eq=False)
class ReportData:
    """The sessions of a scope."""

    sessions: tuple[SessionInfo, ...]
    ads: tuple[AdInfo, ...]
    plays: tuple[PlayInfo, ...]
    gaps: tuple[GapInfo, ...]
    exposures: ExposureArrays
    seconds: SecondArrays


def load_report_data(engine: Any, scope: Scope, *, seconds: bool = True) -> ReportData:
    raise NotImplementedError
