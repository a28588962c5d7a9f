"""How this kiosk joins a hub, and what it tells about itself then."""

from __future__ import annotations

import platform
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from monitor.uplink.address import HubRefusedError
from monitor.uplink.key_file import write_key
from monitor.uplink.messages import Facts, PairingRequest
from monitor.version import VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from db.transfer.uplink import UplinkStore, Upload
    from monitor.uplink.client import HubClient
    from monitor.uplink.key_file import HubKey
    from monitor.uplink.messages import Membership, PairingOffer

POLL_S = 3.0
"""How often a kiosk asks whether its code was accepted."""


def facts_of_machine(site: str, upload: Upload) -> Facts:
    """Return what people see of this kiosk before they accept it."""
    return Facts(
        host=platform.node()[:200],
        site=site[:200],
        os=f"{platform.system()} {platform.machine()}"[:200],
        program_version=VERSION,
        upload=upload,
    )


class PairingCode:
    """The code that a kiosk shows until somebody accepts it; asks for another once it expires.

    Attributes:
        code: What to show; `None` before the hub has given one.
        expires_at: When it becomes void.
    """

    def __init__(self, client: HubClient, request: PairingRequest) -> None:
        self._client = client
        self._request = request
        self._offer: PairingOffer | None = None

    @property
    def code(self) -> str | None:
        return None if self._offer is None else f"{self._offer.code[:3]}-{self._offer.code[3:]}"

    @property
    def expires_at(self) -> datetime | None:
        return None if self._offer is None else self._offer.expires_at

    def poll(self) -> Membership | None:
        """Ask the hub; return the key once the code was accepted.

        Raises:
            HubUnreachableError, HubRefusedError: The hub gives no code now.
        """
        if self._offer is None:
            self._offer = self._client.ask(self._request)
            return None
        try:
            return self._client.collect(self._offer.claim)
        except HubRefusedError as error:
            if error.status != 410:
                raise
            self._offer = None
            return None

    def forget_expired(self, now: datetime | None = None) -> None:
        """Show a code no longer once it is void, also while the hub does not answer."""
        now = now or datetime.now(UTC)
        # The clocks of the two may differ a little.
        if self._offer is not None and now > self._offer.expires_at + timedelta(minutes=1):
            self._offer = None


def enter(store: UplinkStore, path: Path, key: HubKey) -> HubKey:
    """Tell the database that the kiosk has joined the hub of its key file; return the key then.

    Raises:
        DatabaseUnavailableError, KeyFileError: The database or the file cannot be written.
    """
    store.join(key.joining, datetime.now(UTC))
    entered = key.model_copy(update={"entered": True, "sent": 0})
    write_key(path, entered)
    return entered
