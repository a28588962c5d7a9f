"""Every setting of the kiosk's settings file as a form, for administrators of its console.

The file stays the truth: what it does not set has its default, and comments in it are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, render_template, request, url_for

from monitor.languages import _, lazy
from monitor.settings.forms import fields_of, problem_with, public, typed_value
from monitor.settings.from_hub import read_hub_settings
from monitor.settings.models import SECTIONS
from monitor.settings.sources import SettingsError, SettingsFile
from monitor.settings.writing import SettingsChangedError, digest_of, write_settings
from monitor.web.hub.changes import back, changing, done
from monitor.web.request.rights import for_people, requires

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.wrappers import Response

    from monitor.settings.forms import SettingField
    from monitor.web.kiosk_console import Console

DONE = {
    "saved": lazy("The settings are saved. They apply when the kiosk starts again."),
    "same": lazy("Nothing was changed."),
    "again": lazy("The kiosk is starting again. Its pages answer in about a quarter of a minute."),
}
"""What a page says after a change, by the word in its address."""

TITLES = {
    "ads": lazy("Ads"),
    "camera": lazy("Camera"),
    "faces": lazy("Faces"),
    "window": lazy("Window and sound"),
    "notice": lazy("Notice"),
    "data": lazy("Site and data"),
    "report": lazy("Report at the end"),
    "run": lazy("Running"),
    "uplink": lazy("Hub of many screens"),
    "mqtt": lazy("MQTT"),
    "console": lazy("Pages in the browser"),
    "web": lazy("Web page"),
    "hub": lazy("Running a hub"),
    "training": lazy("Training"),
}
"""What people call the sections of the settings file; a test compares."""


def settings_pages(console: Console) -> Blueprint:
    """Return the pages of the settings of a console's kiosk."""
    blueprint = Blueprint("kiosk_settings", __name__, url_prefix="/settings")
    path = console.order.settings_file

    @blueprint.get("")
    @for_people
    @requires()
    def listing() -> str:
        """Show what each section is about, and what the file sets."""
        file, problem = _read(console)
        values = {} if file is None else file.values
        counts = {
            section: sum(key.startswith(f"{section}.") for key in values) for section in SECTIONS
        }
        return render_template(
            "kiosk_settings.html",
            titles=TITLES,
            about=SECTIONS,
            counts=counts,
            file=path,
            exists=path.is_file(),
            problem=problem,
            can_restart=console.can_restart,
            done=done(DONE),
        )

    @blueprint.get("/<section>")
    @for_people
    @requires()
    def section(section: str) -> str | tuple[str, int]:
        """Show the settings of a section."""
        return _page(console, section)

    @blueprint.post("/<section>")
    @for_people
    @requires()
    def save(section: str) -> Response | str | tuple[str, int]:
        """Write what was changed into the file."""
        file, problem = _read(console)
        fields = _fields(console, section, file)
        if problem:
            return _page(console, section)
        changes = _changes(fields, request.form)
        problems = {key: why for key, value in changes.items() if (why := problem_with(key, value))}
        if problems:
            return _page(console, section, problems=problems, typed=request.form), 400
        if not changes:
            return back("kiosk_settings.section", "same", section=section)
        before = {} if file is None else {key: file.values.get(key) for key in changes}
        try:
            write_settings(path, changes, seen=request.form.get("seen"))
        except SettingsChangedError as error:
            return _page(console, section, failure=str(error)), 409
        except SettingsError as error:
            return _page(console, section, failure=str(error), typed=request.form), 400
        with changing() as change:
            change.note(
                "settings.change",
                "settings file",
                before={key: public(key, before.get(key)) for key in changes},
                after={key: public(key, value) for key, value in changes.items()},
            )
        return back("kiosk_settings.section", "saved", section=section)

    @blueprint.post("/start-again")
    @for_people
    @requires()
    def start_again() -> Response:
        """Let the kiosk start again, so that its settings apply."""
        if not console.can_restart:
            abort(404)
        with changing() as change:
            change.note("kiosk.start_again", "this kiosk")
        console.start_again()
        return back("kiosk_settings.listing", "again")

    return blueprint


def _page(
    console: Console,
    section: str,
    *,
    problems: Mapping[str, str] | None = None,
    typed: Mapping[str, str] | None = None,
    failure: str = "",
) -> str:
    file, problem = _read(console)
    fields = _fields(console, section, file)
    return render_template(
        "kiosk_settings_section.html",
        section=section,
        title=TITLES[section],
        about=SECTIONS[section],
        fields=fields,
        typed=typed or {},
        problems=problems or {},
        failure=failure or problem,
        seen=digest_of(console.order.settings_file),
        file=console.order.settings_file,
        can_restart=console.can_restart,
        restart=url_for("kiosk_settings.start_again"),
        done=done(DONE),
    )


def _read(console: Console) -> tuple[SettingsFile | None, str]:
    """Return the settings file, and what is wrong with it."""
    path = console.order.settings_file
    if not path.is_file():
        return None, ""
    try:
        file = SettingsFile(path)
    except SettingsError as error:
        return None, str(error)
    return file, file.unknown[0] if file.unknown else ""


def _fields(console: Console, section: str, file: SettingsFile | None) -> list[SettingField]:
    if section not in SECTIONS:
        abort(404, _("There is no section %(name)s of the settings.", name=repr(section[:40])))
    hub = read_hub_settings(str(console.order.database))
    return fields_of(section, file, console.order.options, hub)


def _changes(fields: list[SettingField], form: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that a form changes, by key."""
    changes: dict[str, Any] = {}
    for field in fields:
        if field.key not in form:
            continue
        typed = form[field.key].replace("\r\n", "\n")
        if field.input == "secret":
            if f"{field.key}-default" in form:
                changes[field.key] = None
            elif typed.strip():
                changes[field.key] = typed.strip()
        elif typed.strip() != field.value.strip():
            changes[field.key] = typed_value(field, typed)
    return changes
