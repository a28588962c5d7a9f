"""What the calls of kiosks have in common: who calls, and what is in the body.

Tested with the calls, in `test_intake.py`, `test_pairing.py` and `test_downlink.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from flask import Response, request
from pydantic import BaseModel, ValidationError

from db.hub.digests import key_digest
from db.hub.intake import find_sender
from monitor.languages import lazy
from monitor.web.request.gates import bearer_token, unauthorized
from monitor.web.request.problems import ProblemError
from monitor.web.services import hub_services

if TYPE_CHECKING:
    from db.hub.intake import Sender

Message = TypeVar("Message", bound=BaseModel)


def calling_kiosk() -> Sender:
    """Return the kiosk whose key came with the request; the key may have been revoked lately.

    Raises:
        Unauthorized: There is none, or it was revoked longer ago.
    """
    key, known = bearer_token(), hub_services().senders
    if key is None:
        raise no_key()
    name = key_digest(key)
    sender: Sender | None = known.get(name)
    if sender is None:
        with hub_services().engine.connect() as connection:
            sender = find_sender(connection, key)
        if sender is None:
            raise no_key()
        known[name] = sender
    return sender


def no_key() -> Exception:
    """Return the refusal of a kiosk whose key is unknown or was revoked."""
    return unauthorized(
        lazy(
            "The key of this kiosk is unknown, or was revoked: join the hub again "
            "with `ad-monitor join`."
        )
    )


def read_message(model: type[Message]) -> Message:
    """Return the message in the body.

    Raises:
        ProblemError: It is none.
    """
    try:
        return model.model_validate_json(request.get_data(cache=False))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise ProblemError(
            400,
            "bad_request",
            lazy(
                "Invalid %(field)s: %(why)s. The page /api shows the calls.",
                field=where,
                why=first["msg"],
            ),
        ) from None


def answer(message: BaseModel, status: int = 200) -> Response:
    """Return a message as the answer."""
    return Response(message.model_dump_json(), status, content_type="application/json")
