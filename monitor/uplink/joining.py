"""How this kiosk joins a hub, and what it tells about itself then."""

from __future__ import annotations

import platform
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from monitor.uplink.address import HubRefusedError
from monitor.uplink.key_file import write_key
from monitor.uplink.messages import Facts, JoinRequest, PairingRequest
from monitor.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeVar

    from db.transfer.uplink import UplinkStore, Upload
    from monitor.uplink.client import HubClient
    from monitor.uplink.key_file import HubKey
    from monitor.uplink.messages import Membership, PairingOffer

    Answer = TypeVar("Answer", Membership, PairingOffer)


def facts_of_machine(site: str, upload: Upload) -> Facts:
    """Return what people see of this kiosk before they accept it."""
    return Facts(
        host=platform.node()[:200],
        site=site[:200],
        os=f"{platform.system()} {platform.machine()}"[:200],
        program_version=VERSION,
        upload=upload,
    )


class Applicant:
    """This kiosk as it asks a hub to let it in.

    A hub that knows a kiosk of this id wants to see its key; without it the kiosk takes another id.

    Args:
        store: Of the kiosk's database.
        client: Of the hub.
        facts: What the kiosk tells about itself.
        key: One that this hub gave before.

    Attributes:
        kiosk: The kiosk's id.
    """

    def __init__(
        self, store: UplinkStore, client: HubClient, facts: Facts, key: str | None = None
    ) -> None:
        self.client = client
        self.kiosk = store.kiosk()
        self._store = store
        self._facts = facts
        self._key = key

    def ask(self) -> PairingOffer:
        """Ask for a code to show; errors as `HubClient.join`."""
        return self._with_known_id(lambda: self.client.ask(self._request(), self._key))

    def join(self, code: str) -> Membership:
        """Return the key for a screen's code; errors as `HubClient.join`."""

        def join() -> Membership:
            request = JoinRequest(code=code, **self._request().model_dump())
            return self.client.join(request, self._key)

        return self._with_known_id(join)

    def _request(self) -> PairingRequest:
        return PairingRequest(kiosk=self.kiosk, facts=self._facts)

    def _with_known_id(self, call: Callable[[], Answer]) -> Answer:
        try:
            return call()
        except HubRefusedError as error:
            if error.status != 409:
                raise
        self.kiosk = self._store.take_new_id()
        return call()


class PairingCode:
    """The code that a kiosk shows until somebody accepts it; asks for another once it expires.

    Attributes:
        code: What to show; `None` before the hub has given one.
        expires_at: When it becomes void.
    """

    def __init__(self, applicant: Applicant) -> None:
        self._applicant = applicant
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
            self._offer = self._applicant.ask()
            return None
        try:
            return self._applicant.client.collect(self._offer.claim)
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
