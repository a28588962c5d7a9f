"""Serve the web page."""

from __future__ import annotations

import socket
from typing import Any

import click

from monitor.cli.shared.options import PROGRAM, debug_option, load_settings, require_folders
from monitor.cli.shared.output import silence_native_libraries
from monitor.settings.models import WebSettings
from monitor.settings.options import SettingsCommand, settings_options
from monitor.uplink.address import page_address


@click.command(cls=SettingsCommand, epilog="Example: ad-monitor serve --db monitor.db --open")
@settings_options(WebSettings)
@click.option(
    "--console",
    "as_console",
    is_flag=True,
    help="Serve the pages of the kiosk that has this database: accounts, ads, playlists, settings.",
)
@click.option("--open", "open_browser", is_flag=True, help="Open the page in the browser.")
@debug_option
def serve(open_browser: bool, as_console: bool, **options: Any) -> None:
    """Serve the web page: classify pictures, follow the running session, read reports, compare ads.

    Ctrl+C ends it. Pictures from visitors are processed in memory and never stored.
    """
    settings = load_settings(WebSettings, options)
    require_folders(settings)
    silence_native_libraries()
    if as_console:
        _serve_console(settings, options, open_browser=open_browser)
        return
    import signal

    from detector.emotion.model_card import read_card
    from detector.emotion.model_store import find_model
    from monitor.web.app import close_app, create_app
    from monitor.web.request.security import access_token, is_local
    from monitor.web.services import EXTENSION
    from monitor.web.serving.listening import listen
    from monitor.web.serving.listening import serve as answer

    host = settings.host
    _look_at_database(settings.database)
    read_card(find_model(settings.model))
    token = access_token(host, settings.token or None)
    listening = listen(host, settings.port)
    own_names = () if is_local(host) else (socket.gethostname(), f"{socket.gethostname()}.local")
    names = dict.fromkeys(("localhost", host, *own_names, *settings.hosts))
    settings = settings.model_copy(update={"token": token, "allowed_hosts": tuple(names)})
    app = create_app(settings)
    stopping = app.extensions[EXTENSION].stopping
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    page = page_address(host, listening.getsockname()[1])
    link = page if token is None else f"{page}login#token={token}"
    click.echo(f"Ad reactions at {page} (Ctrl+C ends it)", err=True)
    if token is not None:
        click.echo(f"Log in with this link: {link}", err=True)
    if settings.networks:
        click.echo(f"Pictures are also fetched from {', '.join(settings.networks)}.", err=True)
    try:
        if open_browser:
            open_page(link)
        answer(app, listening, trusted_proxy=settings.trusted_proxy)
    finally:
        close_app(app)
    click.echo("Stopped.", err=True)


def _serve_console(settings: WebSettings, options: dict[str, Any], *, open_browser: bool) -> None:
    """Serve the console of a kiosk that runs already, or will."""
    from monitor.cli.serving.console import order_of, say_address, serve_console
    from monitor.settings.models import RunSettings

    own = {"config": options["config"], "database": settings.database}
    order = order_of({"config": options["config"]}, load_settings(RunSettings, own))
    order = order.model_copy(update={"host": settings.host, "port": settings.port})

    def ready(event: dict[str, Any]) -> None:
        say_address(event["address"], event["link"])
        click.echo("Ctrl+C ends it.", err=True)
        if open_browser:
            open_page(event["link"] or event["address"])

    serve_console(order, ready)
    click.echo("Stopped.", err=True)


def _look_at_database(url: str) -> None:
    """Refuse a database that is none; one that is not there yet may come later."""
    from db.engine import open_database
    from monitor.settings.paths import sqlite_file

    path = sqlite_file(url)
    if path is not None and not path.exists():
        click.echo(
            f"There is no database {path} yet: pictures can be classified, and sessions appear as "
            f"soon as `{PROGRAM} run` has made it.",
            err=True,
        )
        return
    open_database(url, read_only=True).dispose()


def open_page(link: str) -> None:
    import webbrowser

    if not webbrowser.open(link):
        click.echo("No browser could be opened here; open the address yourself.", err=True)
