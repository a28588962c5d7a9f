"""Serve a hub of many screens."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.shared.options import PROGRAM, debug_option, load_settings, require_folders
from monitor.cli.shared.output import silence_native_libraries
from monitor.settings.models import HubSettings
from monitor.settings.options import SettingsCommand, settings_options
from monitor.uplink.address import page_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.web.kiosk_console import Console
    from monitor.web.services import HubServices
    from monitor.web.serving.tls import Certificate


@click.command(
    cls=SettingsCommand,
    epilog=f"Example: {PROGRAM} hub serve --db postgresql+psycopg://hub@localhost/hub",
)
@settings_options(HubSettings)
@debug_option
def serve(**options: Any) -> None:
    """Serve the hub: screens, reports, accounts, and what kiosks send.

    Ctrl+C ends it. Several processes may serve the same PostgreSQL database beside each other.
    """
    settings = load_settings(HubSettings, options)
    require_folders(settings)
    silence_native_libraries()
    serve_hub(settings, lambda page: click.echo(f"The hub is at {page} (Ctrl+C ends it)", err=True))
    click.echo("Stopped.", err=True)


def serve_hub(
    settings: HubSettings,
    ready: Callable[[str], None],
    *,
    console: Console | None = None,
    begin: Callable[[HubServices, str], None] = lambda _services, _page: None,
) -> None:
    """Answer requests until a signal, or what `begin` has started, ends it.

    Args:
        settings: Of the hub.
        ready: Called with the address once the pages can be reached.
        console: The kiosk, if this is the console of one.
        begin: Called with the application's services and the address before `ready`.
    """
    import gc
    import signal

    from monitor.hub.all_duties import hub_duties
    from monitor.hub.duties import Duties
    from monitor.web.app import close_app
    from monitor.web.hub_app import create_hub_app
    from monitor.web.reports.kept import report_duty
    from monitor.web.request.security import is_local
    from monitor.web.services import EXTENSION
    from monitor.web.serving.listening import listen
    from monitor.web.serving.listening import serve as answer

    certificate = _certificate(settings)
    host = settings.host
    listening = listen(host, settings.port)
    own_names = () if is_local(host) else (socket.gethostname(), f"{socket.gethostname()}.local")
    names = dict.fromkeys(("localhost", host, settings.url_host, *own_names, *settings.hosts))
    changes = {
        "allowed_hosts": tuple(name for name in names if name),
        "secure_cookies": settings.secure_cookies
        or settings.url.startswith("https://")
        or certificate is not None,
    }
    settings = settings.model_copy(update=changes)
    app = create_hub_app(settings, console)
    # The thread that stores waits for the database many times a batch. After each wait it would
    # stand behind up to a hundred threads that answer, each for Python's usual five milliseconds.
    sys.setswitchinterval(0.0005)
    # What was made until here stays: collecting garbage need not look at it each time.
    gc.freeze()
    here: HubServices = app.extensions[EXTENSION]
    duties = Duties(here.engine, (*hub_duties(settings), report_duty(settings)))
    stopping = here.stopping
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    page = settings.url or page_address(host, listening.getsockname()[1])
    if certificate is not None:
        page = page.replace("http://", "https://", 1)
    try:
        begin(here, page)
        ready(page)
        answer(app, listening, trusted_proxy=settings.trusted_proxy, certificate=certificate)
    finally:
        duties.close()
        close_app(app)


def _certificate(settings: HubSettings) -> Certificate | None:
    from monitor.errors import SetupError
    from monitor.web.serving.tls import Certificate

    if settings.certificate is not None:
        return Certificate(settings.certificate, settings.private_key)
    if settings.private_key is not None:
        raise SetupError(
            "--private-key belongs to a certificate: expected --certificate as well, or neither."
        )
    return None
