"""Add and test the channels by which a hub tells of alerts."""

from __future__ import annotations

from typing import Any

import click

from monitor.cli.shared.options import PROGRAM, debug_option, load_settings, opened
from monitor.settings.models import HubSettings
from monitor.settings.options import config_option, setting_option


@click.group(epilog=f"Example: {PROGRAM} hub channel add chat slack://TOKEN_A/TOKEN_B/TOKEN_C")
def channel() -> None:
    """Choose where a hub sends alerts; its page Channels does the same and more."""


def _options(command: Any) -> Any:
    for name in ("networks", "database"):
        command = setting_option(HubSettings, name)(command)
    return config_option(debug_option(command))


@channel.command(
    epilog=f"Example: {PROGRAM} hub channel add night mailto://anna:PASSWORD@example.com "
    "--quiet-hours 22:00-07:00 --time-zone Europe/Berlin"
)
@click.argument("name")
@click.argument("url")
@click.option(
    "--alerts",
    "kinds",
    multiple=True,
    metavar="KIND",
    help="Only alerts of this kind, such as silent, camera or disk; an unknown one lists them. "
    "May be repeated. [default: all]",
)
@click.option(
    "--quiet-hours",
    multiple=True,
    metavar="HH:MM-HH:MM",
    help="Send nothing in these hours of the day. May be repeated.",
)
@click.option("--time-zone", default="UTC", help="Of the quiet hours.", show_default=True)
@_options
def add(
    name: str,
    url: str,
    kinds: tuple[str, ...],
    quiet_hours: tuple[str, ...],
    time_zone: str,
    **options: Any,
) -> None:
    """Send alerts to URL: https://… for a program, or an address of Apprise for mail and chats.

    With `-` as URL it is asked for, or read from standard input, so that its passwords are in no
    list of processes. For a program, the secret that signs its messages is printed; it is not shown
    again.
    """
    from datetime import UTC, datetime

    from db.engine import writing
    from db.hub.audit import COMMAND_LINE, note
    from monitor.hub.alerts.channel_form import described, read_channel, store_channel
    from monitor.hub.alerts.senders import policy_of
    from monitor.hub.forms import FormError

    settings = load_settings(HubSettings, options)
    with opened(settings.database, read_only=False, existing=True) as engine:
        if url == "-":
            url = click.prompt("URL", hide_input=True, err=True)
        typed = {"name": name, "url": url, "time_zone": time_zone}
        typed["quiet_hours"] = ", ".join(quiet_hours)
        try:
            read = read_channel(typed, kinds, policy_of(settings.networks))
        except FormError as error:
            raise click.UsageError(" ".join(error.problems.values())) from error
        with writing(engine) as connection:
            now = datetime.now(UTC)
            added = store_channel(connection, read, now)
            target, after = f"channel {added.name}", described(added)
            note(connection, COMMAND_LINE, "channel.add", target, now, after=after)
    if added.secret:
        click.echo(added.secret)
    click.echo(
        f"Alerts are now sent to {added.name}. Check that they arrive: `{PROGRAM} hub channel test "
        f"{added.name}`.",
        err=True,
    )


@channel.command(epilog=f"Example: {PROGRAM} hub channel test night")
@click.argument("name")
@_options
def test(name: str, **options: Any) -> None:
    """Send a test message to a channel; fail if it is refused."""
    from datetime import UTC, datetime

    from db.engine import snapshot
    from db.hub.alerts.channels import find_channel
    from monitor.hub.alerts.delivery import send_test
    from monitor.hub.alerts.senders import sender

    settings = load_settings(HubSettings, options)
    with opened(settings.database, read_only=False, existing=True) as engine:
        with snapshot(engine) as connection:
            found = find_channel(connection, name)
        send_test(engine, found, sender(settings), datetime.now(UTC), settings.message_language)
    click.echo(f"The test message to {name} was sent. Check that it has arrived.", err=True)


@channel.command("list", epilog=f"Example: {PROGRAM} hub channel list")
@setting_option(HubSettings, "database")
@config_option
@debug_option
def list_all(**options: Any) -> None:
    """List the channels; of an address only the host is shown."""
    from db.hub.alerts.channels import list_channels
    from monitor.hub.alerts.senders import masked

    settings = load_settings(HubSettings, options)
    with opened(settings.database, existing=True) as engine, engine.connect() as connection:
        found = list_channels(connection)
    for one in found:
        facts = [masked(one.url), ", ".join(one.alert_kinds) or "all alerts"]
        if one.quiet_hours:
            facts.append(f"quiet {', '.join(one.quiet_hours)} {one.time_zone}")
        if one.disabled_at is not None:
            facts.append(f"disabled since {one.disabled_at:%Y-%m-%d}")
        click.echo(f"{one.name}: {'; '.join(facts)}")
    if not found:
        click.echo(f"There is no channel yet: add one with `{PROGRAM} hub channel add`.", err=True)
