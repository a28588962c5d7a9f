"""The web page, from the command line."""

from __future__ import annotations

import socket
from typing import Any

import click

from monitor.cli.options import (
    PROGRAM,
    database_option,
    database_url,
    debug_option,
    media_option,
    model_options,
)
from monitor.cli.output import silence_native_libraries

TOKEN_VARIABLE = "AD_MONITOR_TOKEN"  # noqa: S105 (the variable's name)
EVERYWHERE = {"0.0.0.0", "::", ""}  # noqa: S104 (compared with, not listened at)


def _networks(
    _context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    from ipaddress import ip_network

    try:
        return tuple(str(ip_network(value, strict=False)) for value in values)
    except ValueError as error:
        raise click.BadParameter(
            f"{error}; expected a network such as 192.168.1.0/24.", param=parameter
        ) from error


@click.command(epilog="Example: ad-monitor serve --db monitor.db --open")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Where to listen: an address or name of this machine; 0.0.0.0 for all. Beyond this machine a token is asked for.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="Where to listen; 0 for any free one.",
)
@database_option
@model_options
@media_option
@click.option(
    "--token",
    envvar=TOKEN_VARIABLE,
    metavar="TEXT",
    help="What visitors have to know, 16 characters or more; better given in $AD_MONITOR_TOKEN, where other users of the "
    "machine do not see it. [default: none on this machine, else a new one for each run]",
)
@click.option(
    "--min-viewers",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Withhold figures that fewer viewers stand behind.",
)
@click.option(
    "--allow-network",
    "networks",
    multiple=True,
    metavar="CIDR",
    callback=_networks,
    help="Also fetch pictures from this network, such as 192.168.1.0/24, and from any port. Whoever may use the page can "
    "then make this machine ask addresses in there, and see pictures that only this machine can reach. Repeat for more.",
)
@click.option(
    "--allow-host",
    "names",
    multiple=True,
    metavar="NAME",
    help="Name under which visitors ask for the page, such as that of a proxy; addresses always work. Repeat for more.",
)
@click.option(
    "--https", is_flag=True, help="The page is reached through https only, by a proxy in front."
)
@click.option(
    "--trusted-proxy",
    metavar="IP",
    help="Address of the proxy in front; its X-Forwarded-For, -Host and -Proto are believed.",
)
@click.option("--open", "open_browser", is_flag=True, help="Open the page in the browser.")
@debug_option
def serve(
    host: str,
    port: int,
    database: str | None,
    token: str | None,
    names: tuple[str, ...],
    https: bool,
    trusted_proxy: str | None,
    open_browser: bool,
    **options: Any,
) -> None:
    """Offer the web page: classify pictures, follow the running session, read reports, compare ads.

    Ctrl+C ends it. Pictures that visitors send are looked at in memory and never kept.
    """
    silence_native_libraries()
    import signal

    from detector.emotion.model_card import read_card
    from detector.emotion.model_store import find_model
    from monitor.web.app import close_app, create_app
    from monitor.web.security import access_token, is_local
    from monitor.web.services import EXTENSION, WebSettings
    from monitor.web.serving import listen
    from monitor.web.serving import serve as answer

    url = database_url(database)
    _look_at_database(url)
    read_card(find_model(options["model"]))
    token = access_token(host, token or None)
    listening = listen(host, port)
    own_names = () if is_local(host) else (socket.gethostname(), f"{socket.gethostname()}.local")
    settings = WebSettings(
        database=url,
        token=token,
        allowed_hosts=tuple(dict.fromkeys(("localhost", host, *own_names, *names))),
        secure_cookies=https,
        **options,
    )
    app = create_app(settings)
    stopping = app.extensions[EXTENSION].stopping
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    page = _address(host, listening.getsockname()[1])
    link = page if token is None else f"{page}login#token={token}"
    click.echo(f"Ad reactions at {page} (Ctrl+C ends it)", err=True)
    if token is not None:
        click.echo(f"Log in with this link: {link}", err=True)
    if options["networks"]:
        click.echo(f"Pictures are also fetched from {', '.join(options['networks'])}.", err=True)
    try:
        if open_browser:
            _open(link)
        answer(app, listening, trusted_proxy=trusted_proxy)
    finally:
        close_app(app)
    click.echo("Stopped.", err=True)


def _look_at_database(url: str) -> None:
    """Refuse a database that is none; one that is not there yet may come later."""
    from db.engine import open_database
    from monitor.settings.paths import sqlite_file

    path = sqlite_file(url)
    if path is not None and not path.exists():
        click.echo(
            f"There is no database {path} yet: pictures can be classified, and sessions appear as soon as `{PROGRAM} run` "
            "has made it.",
            err=True,
        )
        return
    open_database(url, read_only=True).dispose()


def _address(host: str, port: int) -> str:
    name = _reachable_address() if host in EVERYWHERE else host
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/"


def _reachable_address() -> str:
    """The address by which others in the network reach this machine, as far as it knows."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        try:
            # Nothing is sent: the system only says from which of its addresses it would send.
            sender.connect(("192.0.2.1", 9))
        except OSError:
            return socket.gethostname()
        return str(sender.getsockname()[0])


def _open(link: str) -> None:
    import webbrowser

    if not webbrowser.open(link):
        click.echo("No browser could be opened here; open the address yourself.", err=True)
