"""Join a hub of many screens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.shared.options import PROGRAM, database_file, load_settings, opened, output_options
from monitor.cli.shared.output import print_json
from monitor.settings.models import RunSettings
from monitor.settings.options import config_option, setting_option

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.uplink.joining import Applicant
    from monitor.uplink.key_file import HubKey
    from monitor.uplink.messages import Membership


def code_of(text: str) -> str:
    """Return a screen's code; the hub says whether it is right."""
    if not 1 <= len(text.strip()) <= 40:
        raise click.BadParameter(
            "expected the code that the hub shows for the screen, such as K7M-2QX, received "
            f"{text[:40]!r}."
        )
    return text


@click.command(epilog="Example: ad-monitor join https://hub.example.com K7M-2QX --db kiosk.db")
@click.argument("hub")
@click.argument("code", type=code_of, required=False)
@setting_option(RunSettings, "database")
@setting_option(RunSettings, "site")
@setting_option(RunSettings, "upload")
@setting_option(RunSettings, "upload_min_viewers")
@setting_option(RunSettings, "hub_ca")
@config_option
@output_options
def join(hub: str, code: str | None, as_json: bool, **options: Any) -> None:
    """Join a hub, so that `run` sends it what the kiosk measures: sums, never pictures.

    CODE is shown on the hub, on the page of the screen that this kiosk fills. Without one, this
    command shows a code and waits until somebody accepts it on the hub. The sums of the last 30
    days are sent, too. A running kiosk begins by itself.
    """
    from datetime import UTC, datetime

    from db.transfer.uplink import UplinkStore
    from monitor.uplink.address import hub_address, plain_warning
    from monitor.uplink.client import HubClient
    from monitor.uplink.joining import Applicant, enter, facts_of_machine
    from monitor.uplink.key_file import HubKey, key_path, read_key, write_key

    settings = load_settings(RunSettings, options)
    path = key_path(database_file(settings.database))
    address = hub_address(hub)
    if (warning := plain_warning(address)) is not None:
        click.echo(warning, err=True)
    upload = settings.upload or "sums"
    with opened(settings.database, read_only=False) as engine:
        store = UplinkStore(engine)
        before = read_key(path)
        client = HubClient(address, settings.hub_ca)
        # The key goes to the hub that gave it, and to no other.
        own = before.key if before is not None and before.hub == address else None
        applicant = Applicant(store, client, facts_of_machine(settings.site, upload), own)
        joined = _wait_until_accepted(applicant) if code is None else applicant.join(code)
        key = HubKey(
            hub=address,
            kiosk=applicant.kiosk,
            key=joined.key,
            screen=joined.screen,
            name=joined.name,
            site=joined.site,
            upload=upload,
            min_viewers=settings.upload_min_viewers or 5,
            ca=None if settings.hub_ca is None else settings.hub_ca.absolute(),
        )
        write_key(path, key)
        if before is not None and before.screen != key.screen:
            _void(before)
        enter(store, path, key)
        store.tidy(datetime.now(UTC))
        waiting = store.state().waiting
    _say(key, path, waiting, as_json)


def _wait_until_accepted(applicant: Applicant) -> Membership:
    from monitor.uplink.address import HubUnreachableError
    from monitor.uplink.joining import PairingCode
    from monitor.uplink.messages import POLL_S

    pairing, shown, joined = PairingCode(applicant), None, None
    while joined is None:
        try:
            joined = pairing.poll()
        except HubUnreachableError as error:
            if shown is None:
                raise
            click.echo(f"{error} Trying again.", err=True)
            pairing.forget_expired()
        if pairing.code is not None and pairing.code != shown:
            shown = pairing.code
            until = pairing.expires_at
            when = "" if until is None else f", until {until.astimezone():%H:%M}"
            click.echo(
                f"Accept this kiosk on {applicant.client.hub} with the code {shown}{when}. "
                "Waiting; Ctrl+C gives up.",
                err=True,
            )
        if joined is None:
            time.sleep(POLL_S)
    return joined


def _void(before: HubKey) -> None:
    """Make the key of another screen void, as far as its hub can be reached."""
    from monitor.errors import MonitorError
    from monitor.uplink.client import HubClient

    try:
        HubClient(before.hub, before.ca).leave(before.key)
    except MonitorError as error:
        click.echo(
            f"This kiosk's key for the screen {before.name} could not be made void ({error}) "
            f"Revoke it on {before.hub}.",
            err=True,
        )


def _say(key: HubKey, path: Path, waiting: int, as_json: bool) -> None:
    from detector.names import printable

    if as_json:
        print_json(
            {
                "hub": key.hub,
                "screen": key.screen,
                "name": key.name,
                "site": key.site,
                "upload": key.upload,
                "waiting": waiting,
                "key_file": str(path),
            }
        )
        return
    place = f" ({printable(key.site)})" if key.site else ""
    click.echo(f"Joined {key.hub} as the screen {printable(key.name)}{place}.")
    click.echo(
        f"{waiting} records wait to be sent; `{PROGRAM} run` sends them while it runs. The key "
        f"lies in {path}: keep it out of backups that others can read."
    )
