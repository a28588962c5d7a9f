"""Why a picture was not fetched: one class with a stable code for each reason."""

from __future__ import annotations

from typing import ClassVar

from monitor.errors import PictureError


class FetchError(PictureError):
    """A picture was not fetched.

    Attributes:
        code: Names the reason; stable, for programs.
    """

    code: ClassVar[str] = "fetch"


class UrlError(FetchError):
    """The address is misspelt, or spelt in a way that programs read differently."""

    code = "url"


class SchemeError(FetchError):
    """The address is not an http or https address."""

    code = "scheme"


class PortError(FetchError):
    """The port is not one that the policy allows."""

    code = "port"


class AddressNotPublicError(FetchError):
    """The host is, or its name leads to, an address that the policy does not allow."""

    code = "address_not_public"


class UnreachableError(FetchError):
    """There is no such host, or it does not answer, or it broke off."""

    code = "unreachable"


class CertificateError(FetchError):
    """The host could not prove that it is the one that was named."""

    code = "certificate"


class AnswerError(FetchError):
    """The answer breaks the rules of HTTP, or is packed in a way that is not taken."""

    code = "answer"


class NotFoundError(FetchError):
    """The host answered, but not with the picture."""

    code = "not_found"


class RedirectError(FetchError):
    """Too many redirects, or one that may not be followed."""

    code = "redirects"


class TooLargeError(FetchError):
    """More bytes than the limits allow."""

    code = "too_large"


class TooSlowError(FetchError):
    """The time is over."""

    code = "too_slow"
