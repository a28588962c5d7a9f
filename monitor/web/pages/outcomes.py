"""Figures that experiments may be judged by, such as sales, imported from a file in the browser."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from flask import Blueprint, render_template, request

from db.read.experiments import known_ads_and_sites, outcome_spans
from db.write.experiments import store_outcomes
from monitor.analytics.errors import OutcomeFileError
from monitor.analytics.outcome_file import OutcomeForm, parse_outcomes
from monitor.languages import lazy
from monitor.web.hub.accounts import current_user
from monitor.web.hub.changes import now
from monitor.web.hub.experiment_database import (
    RUNNING,
    changing_experiments,
    experiment_database,
    own_site,
    sites_of_screens,
    zone_of,
)
from monitor.web.request.rights import requires
from monitor.web.services import hub_services

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.analytics.outcome_file import OutcomeFile

MAX_FILE_BYTES = 20 << 20
"""Of a file in the browser; `ad-monitor outcome import` takes larger ones."""

MAX_REFUSED = 20
"""Lines that were left out, of which the page says why."""

DECIMALS = [
    ("", lazy("Found out")),
    ("point", lazy("Point: 1,234.50")),
    ("comma", lazy("Comma: 1.234,50")),
]

TIME_FORMATS = [
    ("", "2026-03-01 09:00, 01.03.2026 09:00"),
    ("%m/%d/%Y %H:%M", lazy("03/01/2026 09:00, month first")),
    ("%d/%m/%Y %H:%M", lazy("01/03/2026 09:00, day first")),
]

COVERED = [
    ("", lazy("Until the next one")),
    ("3600", lazy("An hour")),
    ("86400", lazy("A day")),
    ("0", lazy("A moment, such as one sale")),
]

blueprint = Blueprint("outcomes", __name__, url_prefix="/experiments/outcomes")


@blueprint.get("")
def listing() -> str:
    """What was imported, and the form to import more."""
    return _page({})


@blueprint.post("")
@requires(*RUNNING)
def add() -> tuple[str, int]:
    """Import a file; figures of the same site, time and name replace the earlier ones."""
    form = request.form
    sent = request.files.get("file")
    file = PurePosixPath((sent.filename or "").replace("\\", "/")).name if sent else ""
    if sent is None or not file:
        return _page(form, {"file": lazy("Choose a file.")}), 400
    content = sent.stream.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        problem = lazy(
            "The file is larger than %(most)s MB; split it into parts.", most=MAX_FILE_BYTES >> 20
        )
        return _page(form, {"file": problem}), 413
    try:
        with hub_services().reports.taken():
            found = _read(content, file, form)
    except OutcomeFileError as error:
        return _page(form, {"form": str(error)}), 422
    names = sorted({row.name for row in found.rows})
    with changing_experiments() as (change, connection):
        replaced = store_outcomes(connection, found.rows, change.at)
        after = {
            "file": file,
            "sites": sorted({row.site for row in found.rows}),
            "figures": len(found.rows),
            "replaced": replaced,
            "lines_left_out": len(found.refused),
        }
        change.note("outcome.import", f"outcome {', '.join(names)}"[:200], after=after)
    return _page({}, found=found, replaced=replaced), 201


def _read(content: bytes, file: str, form: Mapping[str, str]) -> OutcomeFile:
    typed = {key: form.get(key, "").strip() for key in ("name", "time_column", "value_column")}
    columns = {key: typed[f"{key}_column"] for key in ("time", "value")}
    site = own_site() or _chosen(form, "site", list(sites_of_screens()))
    covered = _chosen(form, "covered", [value for value, _ in COVERED])
    how = OutcomeForm(
        site=site or None,
        name=typed["name"][:80] or PurePosixPath(file).stem[:80],
        columns={key: name for key, name in columns.items() if name},
        timezone=zone_of([site]).key,
        time_format=_chosen(form, "time_format", [value for value, _ in TIME_FORMATS]) or None,
        decimal=_chosen(form, "decimal", [value for value, _ in DECIMALS]) or None,
        lasts_s=float(covered) if covered else None,
    )
    return parse_outcomes(content, file, how)


def _chosen(form: Mapping[str, str], name: str, options: list[str]) -> str:
    value = form.get(name, "")
    return value if value in options else ""


def _page(
    form: Mapping[str, str],
    problems: Mapping[str, str] | None = None,
    *,
    found: OutcomeFile | None = None,
    replaced: int = 0,
) -> str:
    with experiment_database() as engine:
        spans = outcome_spans(engine)
        _, known = known_ads_and_sites(engine)
    sites = sites_of_screens()
    known |= set(sites)
    facts: dict[str, Any] = {}
    if found is not None:
        facts = {
            "rows": len(found.rows),
            "replaced": replaced,
            "refused": found.refused[:MAX_REFUSED],
            "more": max(0, len(found.refused) - MAX_REFUSED),
            "unknown": sorted({row.site for row in found.rows} - known),
        }
    return render_template(
        "experiment_outcomes.html",
        form=form,
        problems=problems or {},
        facts=facts,
        spans=spans,
        kiosk=own_site(),
        sites=[("", lazy("Each line names it")), *((site, site) for site in sites)],
        decimals=DECIMALS,
        time_formats=TIME_FORMATS,
        covered=COVERED,
        zone=zone_of([span.site for span in spans]),
        may_run=current_user().may(*RUNNING),
        at=now(),
    )
