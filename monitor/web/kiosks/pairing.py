"""How kiosks join a hub: calls without a login, guarded by codes and secrets.

Somebody who knows a screen's code, or whose kiosk was accepted in the console, gets a key for that
screen and nothing else.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flask import Blueprint, Response
from flask_limiter.util import get_remote_address

from db.engine import writing
from db.hub.screens import pairing
from monitor.languages import lazy
from monitor.uplink.messages import (
    HUB_API,
    POLL_S,
    Claim,
    JoinRequest,
    Membership,
    PairingOffer,
    PairingRequest,
)
from monitor.web.kiosks.calls import answer, read_message
from monitor.web.request.gates import bearer_token
from monitor.web.request.problems import ProblemError
from monitor.web.request.rights import for_kiosks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Engine

MAX_BODY = 16 * 1024


def pairing_calls(database: Callable[[], Engine]) -> Blueprint:
    """Return the calls by which kiosks join and leave; `database` is the hub's, for writing."""
    calls = Blueprint("pairing", __name__, url_prefix=HUB_API.rstrip("/"))

    @calls.post("/pairings")
    @for_kiosks(max_body=MAX_BODY)
    def ask() -> Response:
        """Give a kiosk a code to show."""
        asked = read_message(PairingRequest)
        with _refusals(), writing(database()) as connection:
            offer = pairing.ask(connection, _applicant(asked), datetime.now(UTC))
        return answer(PairingOffer(**asdict(offer)), 201)

    @calls.post("/pairings/claim")
    @for_kiosks(max_body=MAX_BODY)
    def collect() -> Response:
        """Whether a kiosk's code was accepted, and its key if so."""
        claim = read_message(Claim).claim
        with writing(database()) as connection:
            found = pairing.collect(connection, claim, datetime.now(UTC))
        if found == "waiting":
            return Response(status=202, headers={"Retry-After": str(POLL_S)})
        if found == "gone":
            raise ProblemError(
                410,
                "code_expired",
                lazy(
                    "The code has expired, or its key was collected already. Ask for another one."
                ),
            )
        return _membership(found)

    @calls.post("/join")
    @for_kiosks(max_body=MAX_BODY)
    def join() -> Response:
        """The key of a screen, for who knows the screen's code."""
        asked = read_message(JoinRequest)
        with _refusals(), writing(database()) as connection:
            found = pairing.join(connection, asked.code, _applicant(asked), datetime.now(UTC))
        if found is None:
            raise ProblemError(
                403,
                "wrong_code",
                lazy(
                    "The code is wrong, was used, or has expired: expected one that this hub "
                    "made for a screen in the last ten minutes. Make a new one on the "
                    "screen's page."
                ),
            )
        return _membership(found)

    @calls.post("/leave")
    @for_kiosks(max_body=MAX_BODY)
    def leave() -> Response:
        """Make a kiosk's own key void."""
        with writing(database()) as connection:
            known = pairing.leave(connection, bearer_token() or "", datetime.now(UTC))
        if not known:
            raise ProblemError(
                401, "key_revoked", lazy("The kiosk's key is unknown or was revoked.")
            )
        return Response(status=204)

    return calls


def _applicant(asked: PairingRequest) -> pairing.Applicant:
    facts = asked.facts.model_dump()
    return pairing.Applicant(asked.kiosk, facts, get_remote_address(), bearer_token())


@contextmanager
def _refusals() -> Iterator[None]:
    """Answer for a kiosk that is locked out, or that uses the id of another one."""
    try:
        yield
    except pairing.LockedOutError as error:
        raise ProblemError(
            429, "too_many_requests", str(error), retry_after_s=error.retry_after_s
        ) from None
    except pairing.KnownKioskError as error:
        raise ProblemError(409, "kiosk_known", str(error)) from None


def _membership(found: pairing.Joined) -> Response:
    return answer(Membership(**asdict(found)))
