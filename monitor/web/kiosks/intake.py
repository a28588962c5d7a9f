"""Where kiosks send their envelopes."""

from __future__ import annotations

from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeoutError
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flask import Blueprint, request

from db.errors import DatabaseUnavailableError
from db.hub.intake import Arrival
from db.migrations import HEAD
from db.transfer.envelope import MAX_BYTES, EnvelopeError, digest, salvage, unpack
from monitor.hub.intake.committer import CommitterFullError
from monitor.languages import lazy
from monitor.uplink.messages import HUB_API, Receipt
from monitor.web.kiosks.calls import answer, calling_kiosk, no_key
from monitor.web.request.problems import DATABASE_AWAY, ProblemError
from monitor.web.request.rights import for_kiosks
from monitor.web.services import hub_services

if TYPE_CHECKING:
    from flask import Response

    from db.hub.intake import Outcome, Sender

LIMIT_S = 20.0
"""Longest wait for the database; the kiosk sends again."""

blueprint = Blueprint("intake", __name__)


@blueprint.post(f"{HUB_API}envelopes")
@for_kiosks(max_body=MAX_BYTES)
def envelopes() -> Response:
    """Store an envelope; the answer says what the kiosk may forget."""
    hub_services().intake.check()
    sender = calling_kiosk()
    with hub_services().intake.taken(sender.kiosk):
        outcome = _stored(_arrival(sender))
    if outcome.is_revoked:
        hub_services().senders.clear()
        raise no_key()
    receipt = Receipt(
        watermark=outcome.watermark,
        expected=outcome.watermark + 1,
        time=datetime.now(UTC),
        desired=outcome.desired,
    )
    return answer(receipt, 409 if outcome.is_missing else 200)


def _arrival(sender: Sender) -> Arrival:
    """Return the envelope in the request.

    Raises:
        ProblemError: There is none, it was damaged on the way, or it is another kiosk's.
    """
    if request.mimetype != "application/json" or request.headers.get("Content-Encoding") != "zstd":
        raise ProblemError(
            415,
            "unknown_media",
            lazy(
                "Expected Content-Type application/json with Content-Encoding zstd, "
                "received %(received)s with %(encoding)s.",
                received=repr(request.mimetype or "none"),
                encoding=repr(request.headers.get("Content-Encoding", "none")),
            ),
        )
    packed = request.get_data(cache=False)
    stated = request.headers.get("Content-Digest", "")
    if digest(packed) != stated.strip():
        raise ProblemError(
            400,
            "damaged",
            lazy(
                "The envelope was damaged on the way: its Content-Digest is another one. "
                "Send it again."
            ),
        )
    fault = ""
    try:
        envelope = unpack(packed, stated)
    except EnvelopeError as error:
        salvaged, fault = salvage(packed), str(error)
        if salvaged is None:
            raise ProblemError(400, "not_an_envelope", fault) from error
        envelope = salvaged
    if envelope.kiosk != sender.kiosk:
        raise ProblemError(
            403,
            "forbidden",
            lazy("The envelope is of another kiosk than the key: expected its own."),
        )
    if envelope.revision > HEAD:
        raise ProblemError(
            503,
            "hub_too_old",
            lazy(
                "The kiosk has the schema %(revision)s, newer than the hub's %(head)s: "
                "update the hub. The kiosk keeps its records until then.",
                revision=envelope.revision,
                head=HEAD,
            ),
            retry_after_s=600,
        )
    return Arrival(sender, envelope, packed, fault)


def _stored(arrival: Arrival) -> Outcome:
    """Return what became of an envelope, once that is certain."""
    try:
        future = hub_services().committer.submit(arrival)
    except CommitterFullError:
        raise hub_services().intake.full() from None
    try:
        return future.result(LIMIT_S)
    except (DatabaseUnavailableError, FutureTimeoutError, CancelledError):
        future.cancel()
        raise DATABASE_AWAY from None
