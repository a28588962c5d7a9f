"""Why a picture was not fetched: one class with a stable code for each reason."""

from __future__ import annotations

from typing import ClassVar

from monitor.errors import PictureError


class FetchError(PictureError):
    """A picture was not fetched.

    Attributes:
        code: Names the reason; stable, for programs.
    """

    code: ClassVar[str]

    def __init_subclass__(cls, code: str) -> None:
        super().__init_subclass__()
        cls.code = code


class UrlError(FetchError, code="url"):
    """The address is misspelt, or spelt in a way that programs read differently."""


class SchemeError(FetchError, code="scheme"):
    """The address is not an http or https address."""


class PortError(FetchError, code="port"):
    """The port is not one that the policy allows."""


class AddressNotPublicError(FetchError, code="address_not_public"):
    """The host is, or its name leads to, an address that the policy does not allow."""


class UnreachableError(FetchError, code="unreachable"):
    """There is no such host, or it does not answer, or it broke off."""


class CertificateError(FetchError, code="certificate"):
    """The host could not prove that it is the one that was named."""


class AnswerError(FetchError, code="answer"):
    """The answer breaks the rules of HTTP, or is packed in a way that is not taken."""


class NotFoundError(FetchError, code="not_found"):
    """The host answered, but not with the picture."""


class RedirectError(FetchError, code="redirects"):
    """Too many redirects, or one that may not be followed."""


class TooLargeError(FetchError, code="too_large"):
    """More bytes than the limits allow."""


class TooSlowError(FetchError, code="too_slow"):
    """The time is over."""
