"""The kiosk's calls to a hub, over HTTPS.

Proxies come from the environment (`HTTPS_PROXY`, `NO_PROXY`), certificate authorities from the
setting, else from `REQUESTS_CA_BUNDLE`, else from certifi. A `.netrc` is not read, and redirects
are not followed: the key goes to the hub that was joined and nowhere else.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import requests
from pydantic import BaseModel, ValidationError

from db.transfer.envelope import digest
from detector.names import printable
from monitor.languages import lazy
from monitor.uplink.address import HubRefusedError, HubUnreachableError
from monitor.uplink.documents import MAX_DOCUMENT_BYTES, SignedDocument
from monitor.uplink.messages import (
    HUB_API,
    Claim,
    JoinRequest,
    Membership,
    PairingOffer,
    PairingRequest,
    Receipt,
)
from monitor.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path
    from typing import TypeVar

    from monitor.uplink.documents import CommandResult, DesiredReport

    Message = TypeVar("Message", bound=BaseModel)

MAX_ANSWER_BYTES = 64 * 1024
TIMEOUT_S = 30.0
"""For connecting, for the first byte of the answer, and for all of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the hub said to an envelope.

    Attributes:
        status: HTTP status.
        receipt: What the hub has; only with 200 and 409.
        detail: What is wrong, in a sentence.
        retry_after_s: When trying again makes sense, if the hub said so.
    """

    status: int
    receipt: Receipt | None = None
    detail: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class DesiredAnswer:
    """What the hub says that the screen is to show and to do.

    Attributes:
        signed: As it came; `None` if it is the one that is known.
        etag: Names it in the next request.
        hub_time: The hub's clock, if it said so.
    """

    signed: SignedDocument | None
    etag: str | None
    hub_time: datetime | None


class HubClient:
    """Calls of one kiosk to one hub; for one thread at a time."""

    def __init__(self, hub: str, ca: Path | None = None) -> None:
        self.hub = hub
        self._session = requests.Session()
        self._session.headers.update(
            {"User-Agent": f"ad-monitor/{VERSION}", "Accept": "application/problem+json, */*"}
        )
        # Of the session, `REQUESTS_CA_BUNDLE` would override it.
        self._verify = None if ca is None else str(ca)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def ask(self, request: PairingRequest, key: str | None = None) -> PairingOffer:
        """Ask for a code to show; arguments and errors as `join`."""
        return self._expect(PairingOffer, "pairings", request, key)

    def collect(self, claim: str) -> Membership | None:
        """Return the key once the code was accepted, `None` before; raises as `join`.

        A code that has expired is refused with 410.
        """
        status, body, headers = self._post("pairings/claim", Claim(claim=claim))
        if status == 202:
            return None
        return self._read(Membership, status, body, headers)

    def join(self, request: JoinRequest, key: str | None = None) -> Membership:
        """Return the key for a screen's code.

        Args:
            request: With the code.
            key: One that this hub gave before, which shows that the kiosk's id is its own.

        Raises:
            HubRefusedError: The hub does not take it; with 409 it knows another kiosk of this id.
            HubUnreachableError: There was no answer of a hub.
        """
        return self._expect(Membership, "join", request, key)

    def leave(self, key: str) -> None:
        """Make the key void; raises as `join`."""
        status, body, headers = self._post("leave", None, key)
        if status != 204:
            raise _refused(status, body, headers)

    def send(self, packed: bytes, key: str, timeout_s: float | None = None) -> Answer:
        """Send an envelope.

        Raises:
            HubUnreachableError: There was no answer of a hub.
        """
        headers = {
            "Content-Type": "application/json",
            "Content-Encoding": "zstd",
            "Content-Digest": digest(packed),
        }
        limit_s = timeout_s or TIMEOUT_S
        status, body, answered = self._call(
            "POST", "envelopes", packed, headers, key, timeout_s=limit_s
        )
        if status in {200, 409}:
            return Answer(status, self._parsed(Receipt, body))
        refused = _refused(status, body, answered)
        return Answer(status, None, str(refused), refused.retry_after_s)

    def desired(self, key: str, etag: str | None = None) -> DesiredAnswer:
        """Return what the screen is to show and to do, unless it is the one that `etag` names.

        Raises:
            HubRefusedError: The hub does not say; with 404 it is too old to.
            HubUnreachableError: There was no answer of a hub.
        """
        headers = {} if etag is None else {"If-None-Match": etag}
        # JSON may take two bytes for one of the text within.
        limit = 2 * MAX_DOCUMENT_BYTES + MAX_ANSWER_BYTES
        status, body, answered = self._call("GET", "desired", b"", headers, key, max_bytes=limit)
        hub_time = _moment(answered.get("Date"))
        if status == 304:
            return DesiredAnswer(None, etag, hub_time)
        signed = self._read(SignedDocument, status, body, answered)
        return DesiredAnswer(signed, answered.get("ETag"), hub_time)

    def media(
        self, sha256: str, span: tuple[int, int], key: str, take: Callable[[bytes], object]
    ) -> int:
        """Get a part of a file; return how many bytes the whole has.

        Args:
            sha256: Names the file.
            span: First and last byte.
            key: The kiosk's.
            take: Called with what arrives, in order, also before the connection breaks.

        Raises:
            HubRefusedError: The hub does not give it; with 404 it is not there, or not for this
                kiosk, with 416 it has no such part.
            HubUnreachableError: The part did not arrive whole.
        """
        first, last = span
        headers = {"Range": f"bytes={first}-{last}", "Accept-Encoding": "identity"}
        with self._request("GET", f"media/{sha256}", b"", headers, key) as answer:
            if answer.status_code != 206:
                body = b"".join(self._parts(answer, MAX_ANSWER_BYTES))
                raise _refused(answer.status_code, body, answer.headers)
            total = self._total(answer.headers.get("Content-Range", ""), first)
            for part in self._parts(answer, last - first + 1):
                take(part)
        return total

    def report(self, report: DesiredReport, key: str) -> None:
        """Say what became of a document; raises as `join`."""
        self._tell("desired/report", report, key)

    def answer(self, uid: str, result: CommandResult, key: str) -> None:
        """Say what became of a command; raises as `join`."""
        self._tell(f"commands/{uid}", result, key)

    def _tell(self, path: str, message: BaseModel, key: str) -> None:
        status, body, headers = self._post(path, message, key)
        if status not in {200, 204}:
            raise _refused(status, body, headers)

    def _total(self, content_range: str, first: int) -> int:
        """Return the size of the whole from a header such as `bytes 0-99/1000`."""
        found = re.fullmatch(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})", content_range.strip())
        if found is None or int(found[1]) != first:
            raise HubUnreachableError(
                lazy("%(hub)s sends another part of a file than asked for.", hub=self.hub)
            )
        return int(found[3])

    def _expect(
        self, model: type[Message], path: str, request: BaseModel, key: str | None
    ) -> Message:
        return self._read(model, *self._post(path, request, key))

    def _post(
        self, path: str, request: BaseModel | None, key: str | None = None
    ) -> tuple[int, bytes, Any]:
        body = b"" if request is None else request.model_dump_json().encode()
        headers = {"Content-Type": "application/json"}
        return self._call("POST", path, body, headers, key)

    def _read(self, model: type[Message], status: int, body: bytes, headers: Any) -> Message:
        if status not in {200, 201}:
            raise _refused(status, body, headers)
        return self._parsed(model, body)

    def _parsed(self, model: type[Message], body: bytes) -> Message:
        try:
            return model.model_validate_json(body)
        except ValidationError:
            raise HubUnreachableError(
                lazy("%(hub)s does not answer as a hub of this program does.", hub=self.hub)
            ) from None

    def _call(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: dict[str, str],
        key: str | None,
        *,
        timeout_s: float = TIMEOUT_S,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> tuple[int, bytes, Any]:
        with self._request(method, path, body, headers, key, timeout_s) as answer:
            content = b"".join(self._parts(answer, max_bytes, timeout_s))
            return answer.status_code, content, answer.headers

    def _parts(
        self, answer: requests.Response, max_bytes: int, timeout_s: float = TIMEOUT_S
    ) -> Iterator[bytes]:
        """Yield an answer's body as it arrives."""
        deadline, size = time.monotonic() + 2 * timeout_s, 0
        for part in answer.iter_content(1 << 16 if max_bytes > 1 << 16 else 4096):
            size += len(part)
            if size > max_bytes or time.monotonic() > deadline:
                raise HubUnreachableError(
                    lazy("%(hub)s answers too much, or too slowly.", hub=self.hub)
                )
            yield part

    @contextmanager
    def _request(  # noqa: PLR0917 (what a request is made of)
        self,
        method: str,
        path: str,
        body: bytes,
        headers: dict[str, str],
        key: str | None,
        timeout_s: float = TIMEOUT_S,
    ) -> Iterator[requests.Response]:
        """Yield an answer of which only the headers were read."""
        try:
            with self._session.request(
                method,
                f"{self.hub}{HUB_API}{path}",
                data=body,
                headers=headers,
                auth=_with_key(key),
                verify=self._verify,
                timeout=timeout_s,
                allow_redirects=False,
                stream=True,
            ) as answer:
                yield answer
        except requests.exceptions.SSLError as error:
            raise HubUnreachableError(self._why_not_encrypted(_reason(error))) from error
        except requests.exceptions.ProxyError as error:
            raise HubUnreachableError(
                lazy(
                    "The proxy on the way to %(hub)s does not work (%(why)s); check "
                    "HTTPS_PROXY and NO_PROXY.",
                    hub=self.hub,
                    why=_reason(error),
                )
            ) from error
        except requests.exceptions.Timeout as error:
            raise HubUnreachableError(
                lazy(
                    "%(hub)s did not answer within %(seconds)s s.",
                    hub=self.hub,
                    seconds=f"{timeout_s:g}",
                )
            ) from error
        except (OSError, ValueError) as error:
            if self._verify is not None and not os.path.exists(self._verify):  # noqa: PTH110
                raise HubUnreachableError(
                    lazy(
                        "There is no file %(file)s: expected the certificate authority of "
                        "%(hub)s there, as --hub-ca (`uplink.ca`) says.",
                        file=self._verify,
                        hub=self.hub,
                    )
                ) from error
            raise HubUnreachableError(
                lazy(
                    "%(hub)s cannot be reached (%(why)s); check the address and the network.",
                    hub=self.hub,
                    why=_reason(error),
                )
            ) from error

    def _why_not_encrypted(self, reason: str) -> str:
        if "NO_CERTIFICATE" in reason:
            return lazy(
                "%(file)s holds no certificate (%(why)s); name a PEM file with the hub's "
                "certificate authority with --hub-ca (`uplink.ca`).",
                file=self._verify,
                why=reason,
            )
        if "CERTIFICATE" not in reason and "certificate" not in reason:
            return lazy(
                "%(hub)s does not answer over https (%(why)s); check the port. Only a "
                "hub without a certificate has an address that begins with http://.",
                hub=self.hub,
                why=reason,
            )
        return lazy(
            "The certificate of %(hub)s is not trusted (%(why)s); if the hub has its "
            "own certificate authority, name its file with --hub-ca (`uplink.ca`).",
            hub=self.hub,
            why=reason,
        )


def _with_key(key: str | None) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Return what adds the key to a request. Without one, requests would look into a .netrc."""

    def add(request: requests.PreparedRequest) -> requests.PreparedRequest:
        if key is not None:
            request.headers["Authorization"] = f"Bearer {key}"
        return request

    return add


def _refused(status: int, body: bytes, headers: Any) -> HubRefusedError:
    try:
        detail = _Problem.model_validate_json(body).detail
    except ValidationError:
        if status in {404, 405, 501} or status in range(300, 400):
            detail = lazy(
                "The hub answered with the status %(status)s: there is no hub at this address; "
                "check it.",
                status=status,
            )
        else:
            detail = lazy("The hub answered with the status %(status)s.", status=status)
    try:
        retry_after_s: float | None = min(max(float(headers.get("Retry-After", "")), 0.0), 3600.0)
    except ValueError:
        retry_after_s = None
    return HubRefusedError(printable(detail[:500]), status, retry_after_s)


def _moment(date: str | None) -> datetime | None:
    try:
        found = None if date is None else parsedate_to_datetime(date)
    except ValueError:
        return None
    # A date without a zone is none of HTTP.
    return None if found is None or found.tzinfo is None else found


class _Problem(BaseModel):
    detail: str


def _reason(error: BaseException) -> str:
    """Return the innermost cause in a few words."""
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    words = getattr(cause, "verify_message", None) or getattr(cause, "strerror", None)
    return printable(" ".join(str(words or cause).split())[:200])
