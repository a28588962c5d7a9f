"""The application behind `ad-monitor hub serve`: that of `serve`, with accounts and screens."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from db.engine import open_database
from monitor.languages import lazy
from monitor.web.api import metrics
from monitor.web.app import NAVIGATION, NavigationEntry, make_app
from monitor.web.hub.accounts import AccountGate
from monitor.web.kiosks import downlink, intake
from monitor.web.kiosks.pairing import pairing_calls
from monitor.web.pages import account as account_pages
from monitor.web.pages import (
    agency,
    experiments,
    home,
    invitation,
    library_media,
    library_uploads,
    login_code,
    outcomes,
    report_builder,
    screen_commands,
    single_sign_on,
)
from monitor.web.pages import alerts as alert_pages
from monitor.web.pages import audit as audit_pages
from monitor.web.pages import calendar as calendar_pages
from monitor.web.pages import library as library_pages
from monitor.web.pages import people as people_pages
from monitor.web.pages import playlist_files as playlist_file_pages
from monitor.web.pages import playlist_hour as playlist_hour_pages
from monitor.web.pages import playlists as playlist_pages
from monitor.web.pages import screens as screen_pages
from monitor.web.pages.kiosk_papers import paper_pages
from monitor.web.pages.kiosk_settings import settings_pages
from monitor.web.pages.setup import setup_pages
from monitor.web.pictures.late_reader import LateReader
from monitor.web.services import HubServices

if TYPE_CHECKING:
    from flask import Blueprint, Flask

    from monitor.settings.models import HubSettings
    from monitor.web.kiosk_console import Console

HUB_NAVIGATION: tuple[NavigationEntry, ...] = (
    NavigationEntry(lazy("Home"), "start.home"),
    NavigationEntry(lazy("My ads"), "agency.page"),
    NavigationEntry(
        lazy("Screens"), "screens.wall", ("screens.page", "screens.pair", "screens.accept")
    ),
    NavigationEntry(
        lazy("Library"),
        "library.listing",
        ("library.page", "library.queue", "library.folder_page", "library.edit"),
    ),
    NavigationEntry(
        lazy("Playlists"),
        "playlists.listing",
        (
            "playlists.page",
            "playlists.ad",
            "playlists.settings",
            "playlists.publish_page",
            "playlists.revision",
            "playlist_hour.hour",
            "playlist_hour.slides",
        ),
    ),
    NavigationEntry(
        lazy("Calendar"),
        "calendar.week",
        ("calendar.new", "calendar.booking", "calendar.listing", "calendar.campaign"),
    ),
    NavigationEntry(
        lazy("Experiments"),
        "experiments.listing",
        (
            *("experiments.page", "experiments.new", "experiments.start"),
            *("experiments.stop_page", "outcomes.listing", "outcomes.add"),
        ),
    ),
    NavigationEntry(
        lazy("Reports"), "builder.listing", ("builder.figures", "builder.share", "builder.save")
    ),
    NavigationEntry(
        lazy("Alerts"), "alerts.listing", ("alerts.channel_page", "alerts.add", "alerts.log")
    ),
    NavigationEntry(
        lazy("Admin"),
        "people.listing",
        (
            "people.invite",
            "people.page",
            "people.change",
            "people.make_link",
            "people.all_logins",
            "audit.listing",
        ),
        is_more=True,
    ),
)
"""The entries of the hub's pages; those of `serve` follow in the menu at the end."""

KIOSK_SETTINGS = NavigationEntry(
    lazy("Settings"),
    "kiosk_settings.listing",
    ("kiosk_settings.section", "kiosk_settings.save", "kiosk_papers.page"),
)
"""The entry of a console, which a hub of many screens does not have."""

HUB_BLUEPRINTS: tuple[Blueprint, ...] = (
    intake.blueprint,
    downlink.blueprint,
    metrics.blueprint,
    screen_pages.blueprint,
    screen_commands.blueprint,
    alert_pages.blueprint,
    library_pages.blueprint,
    library_uploads.blueprint,
    library_media.blueprint,
    playlist_pages.blueprint,
    report_builder.blueprint,
    playlist_hour_pages.blueprint,
    agency.blueprint,
    invitation.blueprint,
    login_code.blueprint,
    single_sign_on.blueprint,
    account_pages.blueprint,
    people_pages.blueprint,
    audit_pages.blueprint,
    playlist_file_pages.blueprint,
    calendar_pages.blueprint,
    experiments.blueprint,
    outcomes.blueprint,
    home.blueprint,
)
"""The hub's own pages, and what kiosks call. `monitor.web.request.rights` marks their views."""


def create_hub_app(settings: HubSettings, console: Console | None = None) -> Flask:
    """Build the application of a hub, whose database is created if needed.

    End it with `monitor.web.app.close_app`.

    Args:
        settings: Of the hub.
        console: The kiosk, if this is the console of one, which has further pages.

    Raises:
        DatabaseError: The database cannot be used; see `db.engine.open_database`.
    """
    engine = open_database(settings.database, private=True)
    gate = AccountGate(
        engine,
        settings.token,
        secure=settings.secure_cookies,
        required=settings.require_second_factor,
    )
    own_kiosk = () if console is None else (KIOSK_SETTINGS,)
    more = (replace(entry, is_more=True) for entry in NAVIGATION)
    navigation = (*HUB_NAVIGATION, *own_kiosk, *more)
    app = make_app(
        settings,
        gate,
        lambda: LateReader(settings.model, settings.device),
        partial(HubServices, engine=engine, console=console),
        navigation=navigation,
        classify_prefix="/classify",
    )
    gate.serve_pages(app)
    for blueprint in (pairing_calls(lambda: engine), *HUB_BLUEPRINTS):
        app.register_blueprint(blueprint)

    app.jinja_env.globals["is_console"] = console is not None
    if console is not None:
        app.register_blueprint(settings_pages(console))
        app.register_blueprint(paper_pages(console))
        if console.order.setup is not None:
            app.register_blueprint(setup_pages(console, gate))
    return app
