"""Check this machine."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from monitor.cli.options import FAILED, database_option, database_url, model_option, output_options
from monitor.cli.output import print_result, silence_native_libraries
from monitor.settings.models import PerceptionSettings
from monitor.settings.options import setting_option


@click.command(epilog="Example: ad-monitor doctor --source 0")
@click.option("--source", help="Also try this camera, file or address.")
@setting_option(PerceptionSettings, "rotate")
@database_option
@model_option
@output_options
def doctor(
    source: str | None,
    rotate: str | None,
    database: str | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Check camera, light, codecs, sound, GPU, disk, database and model, and say what to do."""
    silence_native_libraries()
    from monitor.cli.results import print_findings
    from monitor.kiosk.doctor import examine

    findings = examine(
        source=source, rotate=int(rotate or 0), database=database_url(database), model=model
    )
    document = {"checks": [asdict(finding) for finding in findings]}
    print_result(as_json, document, print_findings, findings)
    if any(finding.state == "fail" for finding in findings):
        sys.exit(FAILED)
