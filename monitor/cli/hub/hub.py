"""Set up and run a hub of many screens."""

from __future__ import annotations

from typing import Any

import click

from monitor.cli.hub.channel import channel
from monitor.cli.hub.hub_install import install
from monitor.cli.hub.lake import lake
from monitor.cli.hub.views import views
from monitor.cli.serving.hub_serve import serve
from monitor.cli.shared.options import PROGRAM, debug_option, load_settings, opened
from monitor.settings.models import HubSettings
from monitor.settings.options import setting_option
from monitor.uplink.address import page_address

ROLES = ("viewer", "editor", "approver", "operator", "admin", "agency")
"""As `db.hub.tables` has them, which takes long to import; a test compares."""


def account_options(command: Any) -> Any:
    """Give a command the options that find the database and the hub's address."""
    for name in ("url", "port", "host", "database"):
        command = setting_option(HubSettings, name)(command)
    return command


@click.group(epilog=f"Example: {PROGRAM} hub init")
def hub() -> None:
    """Run a hub, which collects the sums of many kiosks and shows all screens in the browser.

    `hub init` makes the first administrator, `hub serve` runs the hub, `hub invite` adds accounts.
    """


hub.add_command(channel)
hub.add_command(install)
hub.add_command(lake)
hub.add_command(serve)
hub.add_command(views)


@hub.command(epilog=f"Example: {PROGRAM} hub init --url https://hub.example.com")
@click.option("--name", default="admin", help="Name of the first administrator.")
@account_options
@debug_option
def init(name: str, **options: Any) -> None:
    """Make the database and the first administrator; print a link to set the password.

    The link works once, within 24 hours.
    """
    _print_link(load_settings(HubSettings, options), name, "admin", first=True)


@hub.command(epilog=f"Example: {PROGRAM} hub invite anna --role editor")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(ROLES),
    help="What the account may do; by default a new one is a viewer, and one that exists keeps its "
    "role.",
)
@account_options
@debug_option
def invite(name: str, role: str | None, **options: Any) -> None:
    """Make an account, or find it, and print a link to set its password.

    The link works once, within 24 hours. Earlier links of the account end.
    """
    _print_link(load_settings(HubSettings, options), name, role, first=False)


@hub.command(epilog=f"Example: {PROGRAM} hub users")
@setting_option(HubSettings, "database")
@debug_option
def users(**options: Any) -> None:
    """List the accounts."""
    from db.hub.people.accounts import members

    settings = load_settings(HubSettings, options)
    with opened(settings.database, existing=True) as engine, engine.connect() as connection:
        found = members(connection)
    for one in found:
        if one.disabled_at is not None:
            state = f"disabled since {one.disabled_at:%Y-%m-%d}"
        elif not one.account.has_password and not one.has_single_sign_on:
            state = "has not set a password yet"
        else:
            state = "not logged in"
            if one.last_seen_at is not None:
                state = f"last seen {one.last_seen_at:%Y-%m-%d %H:%M} UTC"
        click.echo(f"{one.account.name}: {one.account.role}, {state}")
    if not found:
        click.echo(f"There is no account yet: make one with `{PROGRAM} hub init`.", err=True)


@hub.command(epilog=f"Example: {PROGRAM} hub disable anna")
@click.argument("name")
@setting_option(HubSettings, "database")
@debug_option
def disable(name: str, **options: Any) -> None:
    """End an account and all its logins; `hub invite` makes it work again."""
    from datetime import UTC, datetime

    from db.engine import writing
    from db.hub.audit import COMMAND_LINE, note
    from db.hub.people.accounts import disable as disable_account

    settings, now = load_settings(HubSettings, options), datetime.now(UTC)
    with (
        opened(settings.database, read_only=False, existing=True) as engine,
        writing(engine) as connection,
    ):
        account = disable_account(connection, name, now)
        note(connection, COMMAND_LINE, "user.disable", name, now, before={"role": account.role})
    click.echo(f"{name} can no longer log in.", err=True)


@hub.command(epilog=f"Example: {PROGRAM} hub reset-second-factor anna")
@click.argument("name")
@setting_option(HubSettings, "database")
@debug_option
def reset_second_factor(name: str, **options: Any) -> None:
    """Remove the second factor of somebody who has lost it: the password alone opens the account.

    Make sure first who asks.
    """
    from datetime import UTC, datetime

    from db.engine import writing
    from db.errors import AccountError
    from db.hub.audit import COMMAND_LINE, note
    from db.hub.people.accounts import members
    from db.hub.people.second_factor import remove_second_factor

    settings, now = load_settings(HubSettings, options), datetime.now(UTC)
    with (
        opened(settings.database, read_only=False, existing=True) as engine,
        writing(engine) as connection,
    ):
        ids = {one.account.name: one.account.id for one in members(connection)}
        if name not in ids:
            raise AccountError(f"There is no account {name!r}: `{PROGRAM} hub users` lists them.")
        if not remove_second_factor(connection, ids[name]):
            raise AccountError(f"The account {name} has no second factor.")
        note(connection, COMMAND_LINE, "user.remove_second_factor", name, now)
    click.echo(f"{name} logs in by password alone until setting up another one.", err=True)


def _print_link(settings: HubSettings, name: str, role: str | None, *, first: bool) -> None:
    from datetime import UTC, datetime

    from db.engine import open_database, writing
    from db.errors import AccountError
    from db.hub.audit import COMMAND_LINE, note
    from db.hub.people import accounts
    from monitor.cli.shared.options import existing_database

    if not settings.url and settings.port == 0:
        raise click.BadParameter(
            "expected the port of `hub serve`, which is in the link, received 0.",
            param_hint="--port",
        )
    accounts.check_name(name)
    url = settings.database if first else existing_database(settings.database)
    engine = open_database(url, private=True)
    try:
        with writing(engine) as connection:
            if first and accounts.has_administrator(connection):
                raise AccountError(
                    "This hub has an administrator already: make another link with "
                    f"`{PROGRAM} hub invite NAME --role admin`; `{PROGRAM} hub users` lists the "
                    "names."
                )
            now = datetime.now(UTC)
            token, account = accounts.invite(connection, name, role, now)
            after = {"role": account.role}
            note(connection, COMMAND_LINE, "user.invite", name, now, after=after)
    finally:
        engine.dispose()
    page = settings.url or page_address(settings.host, settings.port).rstrip("/")
    click.echo(f"{page}/invitation#token={token}")
    click.echo(
        f"{name} ({account.role}) sets a password with this link. It works once, within 24 hours, "
        f"while `{PROGRAM} hub serve` runs.",
        err=True,
    )
