"""The experiments of a hub: where they stand, and what they say."""

from __future__ import annotations

from flask import Blueprint, render_template

from db.read.experiments import experiments
from monitor.languages import lazy
from monitor.reports.experiments import result_document, status_document
from monitor.settings.time_zone import local_zone
from monitor.web.changes import now
from monitor.web.problems import ProblemError
from monitor.web.services import hub_services

VERDICTS = {
    "works": lazy("It works"),
    "does_not": lazy("It does not"),
    "not_yet": lazy("Not decided yet"),
}

STATES = {
    "waiting": lazy("Not begun"),
    "running": lazy("Running"),
    "over": lazy("Over"),
    "stopped": lazy("Stopped"),
}

MAX_BLOCKS = 48
"""Of the table of blocks: those around now."""

blueprint = Blueprint("experiments", __name__, url_prefix="/experiments")


@blueprint.get("")
def listing() -> str:
    """All experiments, the latest first."""
    here, at = hub_services(), now()
    with here.reports.taken():
        found = [result_document(here.engine, one, at) for one in experiments(here.engine)]
    return render_template(
        "experiments.html", found=found[::-1], verdicts=VERDICTS, states=STATES, zone=local_zone()
    )


@blueprint.get("/<name>")
def page(name: str) -> str:
    """One experiment: its verdict, by site as well, and its blocks."""
    here, at = hub_services(), now()
    known = experiments(here.engine, name)
    if not known:
        raise ProblemError(404, "not_found", lazy("There is no such experiment."))
    with here.reports.taken():
        result = result_document(here.engine, known[0], at)
        status = status_document(here.engine, known[0], at)
    over = sum(row["state"] not in {"coming", "dropped"} for row in status["blocks"])
    first = max(0, min(over - MAX_BLOCKS * 2 // 3, len(status["blocks"]) - MAX_BLOCKS))
    return render_template(
        "experiment.html",
        result=result,
        status=status,
        blocks=status["blocks"][first : first + MAX_BLOCKS],
        verdicts=VERDICTS,
        states=STATES,
        zone=local_zone(),
    )
