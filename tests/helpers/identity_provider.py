"""A small OpenID Connect provider, with real keys and signed tokens, for tests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from flask import Flask, jsonify, redirect, request
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from werkzeug.serving import make_server

CLIENT, SECRET = "the-hub", "the secret of the hub"


class IdentityProvider:
    """Answers on a port of its own until `close`.

    Attributes:
        issuer: Its address.
        person: The claims of who is logged in there.
        changes: Claims that its tokens have instead of right ones; `None` leaves one out.
        algorithm: Of its tokens: `RS256`, or `none` and `HS256`, which anybody can make.
        signs_with: The key for `RS256`.
        asked: The forms with which codes were exchanged.
    """

    def __init__(self) -> None:
        self._codes: dict[str, dict[str, str]] = {}
        self.key = _first_key()
        self.signs_with: Any = self.key
        self.algorithm = "RS256"
        self.person: dict[str, Any] = {
            "sub": "4711",
            "preferred_username": "anna",
            "email": "anna@example.com",
            "email_verified": True,
            "groups": ["shop-editors", "others"],
        }
        self.changes: dict[str, Any] = {}
        self.facts: dict[str, Any] = {}
        self.asked: list[dict[str, str]] = []
        self._server = make_server("127.0.0.1", 0, self._app(), threaded=True)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}/realms/shop"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()

    def approve(self, address: str) -> str:
        """Let the person log in as the hub asked by an address; return where they are sent."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        brought = {"code": code, "state": asked["state"], "iss": self.issuer}
        return f"{asked['redirect_uri']}?{urlencode(brought)}"

    def replace_key(self) -> None:
        """Sign with another key from now on."""
        self.key = self.signs_with = RSAKey.generate_key(
            2048, parameters={"kid": "second", "use": "sig"}
        )

    def _app(self) -> Flask:
        app = Flask(__name__)

        @app.get("/realms/shop/.well-known/openid-configuration")
        def facts() -> Any:
            known = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/auth",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "end_session_endpoint": f"{self.issuer}/logout",
                "scopes_supported": ["openid", "profile", "email", "groups"],
            }
            return jsonify(known | self.facts)

        @app.get("/realms/shop/keys")
        def keys() -> Any:
            return jsonify(KeySet([self.key]).as_dict(private=False))

        @app.get("/elsewhere")
        def elsewhere() -> Any:
            return redirect(f"{self.issuer}/keys")

        @app.get("/huge")
        def huge() -> Any:
            return "[" + "0," * (1 << 20) + "0]"

        @app.post("/realms/shop/token")
        def token() -> Any:
            form = request.form.to_dict()
            self.asked.append(form)
            login = self._codes.pop(form.get("code", ""), None)  # A code works once.
            verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            challenge = _encoded(verifier)
            authorized = request.authorization
            if (
                login is None
                or login["code_challenge"] != challenge
                or authorized is None
                or (authorized.username, authorized.password) != (CLIENT, SECRET)
            ):
                return jsonify(error="invalid_grant"), 400
            answer = {"access_token": "x", "token_type": "Bearer", "expires_in": 60}
            return jsonify(answer | {"id_token": self._token(login)})

        return app

    def _token(self, login: dict[str, str]) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "exp": now + 300, "iat": now}
        claims |= {"nonce": login["nonce"], **self.person, **self.changes}
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.algorithm != "RS256":
            return _forged(claims, self.algorithm, self.key)
        header = {"alg": "RS256", "kid": self.signs_with.kid}
        return jwt.encode(header, claims, self.signs_with)


@cache
def _first_key() -> RSAKey:
    return RSAKey.generate_key(2048, parameters={"kid": "first", "use": "sig"})


def _forged(claims: dict[str, Any], algorithm: str, key: RSAKey) -> str:
    """Return a token that anybody can make, signed with what everybody knows or not at all."""
    header = {"alg": algorithm, "kid": key.kid}
    parts = (json.dumps(part).encode() for part in (header, claims))
    signed = ".".join(_encoded(part) for part in parts)
    secret = key.as_pem(private=False)
    proof = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{'' if algorithm == 'none' else _encoded(proof)}"


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
