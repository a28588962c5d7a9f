"""Single sign-on by OpenID Connect: the code flow with PKCE, state and nonce.

Source: OpenID Connect Core 1.0 and Discovery 1.0; RFC 7636, 9207, 9700.
"""

from __future__ import annotations

import hmac
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from requests import RequestException
from requests.adapters import HTTPAdapter

from monitor.errors import MonitorError
from monitor.languages import lazy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from authlib.integrations.requests_client import OAuth2Session
    from requests import PreparedRequest, Response

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Only those with a public key: none, and no shared secret that might be taken for one."""

MAX_ANSWER = 1 << 20
TIMEOUT_S = 15.0
KEPT_S = 3600.0
"""How long the provider's addresses and keys are believed without asking again."""

MIN_REFETCH_S = 60.0
"""Unknown keys make the hub ask again, but no more often."""

LEEWAY_S = 60


class SingleSignOnError(MonitorError):
    """Somebody cannot log in by single sign-on; the text says why, without secrets."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A login that has begun, as the browser that began it keeps it.

    Attributes:
        state: Comes back with the browser.
        nonce: Comes back in the signed answer of the provider.
        verifier: Proves to the provider who asked for the code.
        following: Path of the page that comes after the login.
    """

    state: str
    nonce: str
    verifier: str
    following: str


@dataclass(frozen=True, slots=True)
class Identity:
    """A person's identity, in the provider's words.

    Attributes:
        subject: Issuer and id there; never changes.
        name: For the account.
        email: Empty unless the provider has verified it.
        groups: The person's groups and roles there.
    """

    subject: str
    name: str
    email: str
    groups: frozenset[str]


class Provider:
    """An OpenID Connect provider. May be used by several threads.

    Args:
        issuer: Its address, as it names itself.
        client_id: Name under which it knows the hub.
        client_secret: For that name; `None` for a public client.
        groups: `GROUP=ROLE`, the most important first.
    """

    def __init__(
        self, issuer: str, client_id: str, client_secret: str | None, groups: Sequence[str]
    ) -> None:
        self.issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._roles = [(group, role) for group, _, role in (one.rpartition("=") for one in groups)]
        self._facts: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, Any] | None = None

    def role_of(self, identity: Identity) -> str | None:
        """Return the role of somebody's groups; `None` if no group has one."""
        return next((role for group, role in self._roles if group in identity.groups), None)

    def begin(self, redirect_uri: str, following: str) -> tuple[str, Flow]:
        """Return where to send a browser, and what it must bring back.

        Raises:
            SingleSignOnError: The provider cannot be reached or is not as expected.
        """
        from authlib.common.security import generate_token  # noqa: PLC0415 (an extra)

        flow = Flow(
            secrets.token_urlsafe(32), secrets.token_urlsafe(32), generate_token(64), following
        )
        facts = self._described()
        scopes = ["openid", "profile", "email"]
        if "groups" in facts.get("scopes_supported", ()):
            scopes.append("groups")
        with self._client(redirect_uri, " ".join(scopes)) as client:
            address, _ = client.create_authorization_url(
                self._endpoint("authorization_endpoint"),
                state=flow.state,
                nonce=flow.nonce,
                code_verifier=flow.verifier,
            )
        return str(address), flow

    def finish(self, flow: Flow, redirect_uri: str, brought: Mapping[str, str]) -> Identity:
        """Return who came back from the provider.

        Args:
            flow: As the browser kept it.
            redirect_uri: As in `begin`.
            brought: What the provider gave the browser: `state` and `code`, or `error`.

        Raises:
            SingleSignOnError: It is another login's, or nothing proves who it is.
        """
        if not hmac.compare_digest(brought.get("state", "").encode(), flow.state.encode()):
            raise SingleSignOnError(lazy("The answer belongs to another login."))
        if "error" in brought:
            words = brought.get("error_description") or brought["error"]
            why = lazy("The single sign-on says: %(words)s.", words=words[:200].rstrip(". "))
            raise SingleSignOnError(why)
        if brought.get("iss", self.issuer) != self.issuer:
            raise SingleSignOnError(lazy("The answer comes from another single sign-on."))
        token = self._token(flow, redirect_uri, brought.get("code", ""))
        return self._identity(token, flow.nonce)

    def logout_address(self, back: str) -> str | None:
        """Return where a browser ends its login at the provider, if that is known.

        Args:
            back: Where the provider sends it afterwards.
        """
        from authlib.common.urls import add_params_to_uri  # noqa: PLC0415 (an extra)

        address = None if self._facts is None else self._facts[1].get("end_session_endpoint")
        if not isinstance(address, str) or not _is_safe(address):
            return None
        known = {"client_id": self._client_id, "post_logout_redirect_uri": back}
        return str(add_params_to_uri(address, list(known.items())))

    def _token(self, flow: Flow, redirect_uri: str, code: str) -> dict[str, Any]:
        from authlib.common.errors import AuthlibBaseError  # noqa: PLC0415 (an extra)

        endpoint = self._endpoint("token_endpoint")
        try:
            with self._client(redirect_uri) as client:
                token = client.fetch_token(endpoint, code=code, code_verifier=flow.verifier)
        except AuthlibBaseError as error:
            why = lazy("The single sign-on took back its answer (%(why)s).", why=str(error)[:200])
            raise SingleSignOnError(why) from error
        except (RequestException, ValueError) as error:
            raise _unusable(error) from error
        if not isinstance(token.get("id_token"), str):
            raise SingleSignOnError(lazy("The single sign-on did not say who you are."))
        return dict(token)

    def _identity(self, token: dict[str, Any], nonce: str) -> Identity:
        from authlib.oidc.core import CodeIDToken  # noqa: PLC0415 (an extra)
        from joserfc import jwt  # noqa: PLC0415
        from joserfc.errors import JoseError  # noqa: PLC0415

        wanted = {"iss": self.issuer, "aud": self._client_id}
        options = {name: {"essential": True, "value": value} for name, value in wanted.items()}
        params = {
            "nonce": nonce,
            "client_id": self._client_id,
            "access_token": token.get("access_token"),
        }
        try:
            try:
                read = jwt.decode(token["id_token"], self._key_set(), algorithms=ALGORITHMS)
            except (JoseError, ValueError):  # It may have been signed with a new key.
                read = jwt.decode(
                    token["id_token"], self._key_set(refetch=True), algorithms=ALGORITHMS
                )
            claims = CodeIDToken(read.claims, read.header, options, params)
            claims.validate(leeway=LEEWAY_S)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise SingleSignOnError(
                lazy(
                    "What the single sign-on says about you cannot be believed (%(why)s).",
                    why=str(error)[:200].rstrip(". "),
                )
            ) from error
        return self._described_by(claims)

    def _described_by(self, claims: Mapping[str, Any]) -> Identity:
        names = ("preferred_username", "name", "email")
        found = (claims.get(name) for name in names)
        name = next((text for text in found if isinstance(text, str) and text.strip()), "")
        email = claims.get("email") if claims.get("email_verified") is True else ""
        groups = [claims.get(name) or [] for name in ("groups", "roles")]
        return Identity(
            f"{self.issuer} {claims['sub']}",
            name,
            email if isinstance(email, str) else "",
            frozenset(
                group
                for some in groups
                if isinstance(some, list)
                for group in some
                if isinstance(group, str)
            ),
        )

    def _described(self) -> dict[str, Any]:
        """Return what the provider says about itself."""
        if self._facts is None or time.monotonic() > self._facts[0] + KEPT_S:
            facts = self._fetched(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
            if facts.get("issuer") != self.issuer:
                raise SingleSignOnError(
                    lazy(
                        "The single sign-on calls itself %(said)s: expected %(issuer)s, the "
                        "setting hub.oidc_issuer.",
                        said=repr(facts.get("issuer"))[:200],
                        issuer=self.issuer,
                    )
                )
            self._facts = time.monotonic(), facts
        return self._facts[1]

    def _key_set(self, *, refetch: bool = False) -> Any:
        from joserfc.jwk import KeySet  # noqa: PLC0415 (an extra)

        age = None if self._keys is None else time.monotonic() - self._keys[0]
        if age is None or age > (MIN_REFETCH_S if refetch else KEPT_S):
            found = KeySet.import_key_set(self._fetched(self._endpoint("jwks_uri")))
            self._keys = time.monotonic(), found
        return None if self._keys is None else self._keys[1]

    def _endpoint(self, name: str) -> str:
        address = self._described().get(name)
        if not isinstance(address, str) or not _is_safe(address):
            why = lazy("The single sign-on names no %(name)s with https.", name=name)
            raise SingleSignOnError(why)
        return address

    def _fetched(self, address: str) -> Any:
        try:
            with self._client() as client:
                answer = client.get(address, withhold_token=True)
                answer.raise_for_status()
                found = answer.json()
        except (RequestException, ValueError) as error:
            raise _unusable(error) from error
        if not isinstance(found, dict):
            raise _unusable(TypeError("expected an object"))
        return found

    def _client(self, redirect_uri: str | None = None, scope: str | None = None) -> OAuth2Session:
        from authlib.integrations.requests_client import OAuth2Session  # noqa: PLC0415 (an extra)

        client = OAuth2Session(
            self._client_id,
            self._client_secret,
            token_endpoint_auth_method=None if self._client_secret else "none",
            scope=scope,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
        )
        client.max_redirects = 0
        client.trust_env = False
        for scheme in ("https://", "http://"):
            client.mount(scheme, _Bounded())
        return client


class _Bounded(HTTPAdapter):
    """Sends requests whose answers are small and soon complete."""

    def send(self, request: PreparedRequest, **options: Any) -> Response:  # type: ignore[override]
        """Send a request and read the whole answer, within limits."""
        if not _is_safe(request.url or ""):
            raise RequestException("an address without https")
        deadline = time.monotonic() + TIMEOUT_S
        answer = super().send(request, **options | {"timeout": TIMEOUT_S / 3, "stream": True})
        content = bytearray()
        for part in answer.iter_content(16_384):
            content += part
            if len(content) > MAX_ANSWER or time.monotonic() > deadline:
                answer.close()
                raise RequestException("the answer is too large or too slow")
        answer._content = bytes(content)
        return answer


def _is_safe(address: str) -> bool:
    """Whether nobody between can read what is sent: https, or this machine."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return False
    local = parts.scheme == "http" and host in {"localhost", "127.0.0.1", "::1"}
    return bool(host) and (parts.scheme == "https" or local)


def _unusable(error: Exception) -> SingleSignOnError:
    why = type(error).__name__
    return SingleSignOnError(
        lazy("The single sign-on cannot be used now (%(why)s). Try again later.", why=why)
    )
