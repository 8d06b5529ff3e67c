"""The Hub's sign-in on the loopback: OpenID Connect as it speaks it, which refuses what the Hub refuses.

Whoever comes to be signed in is the provider's `visitor`, and agrees. Written by the Hub's documentation ("Sign in with
Hugging Face"), its OpenID metadata and the fields that huggingface_hub reads, and by OpenID Connect Core 1.0.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "11111111-2222-3333-4444-555555555555", "client-secret-4711"
SCOPES = {"openid", "profile", "email", "read-billing", "read-memberships"}
PICTURE = "https://cdn-avatars.huggingface.co/v1/production/uploads/" + "a" * 60 + ".png"


def organization(name: str, title: str = "", restrictions: list[str] | None = None) -> dict[str, Any]:
    """An organization of a visitor, as `/oauth/userinfo` tells it."""
    unmet = {"securityRestrictions": restrictions} if restrictions else {}
    return {
        "sub": f"org-{name}", "name": title or name, "preferred_username": name, "picture": PICTURE, "plan": "team",
        "roleInOrg": "read", **unmet,
    }  # fmt: skip


@dataclass
class Visitor:
    """Who is signed in at the Hub; with `agrees` false, who cancels there."""

    name: str
    organizations: list[dict[str, Any]] = field(default_factory=list)
    agrees: bool = True

    def claims(self, scopes: set[str]) -> dict[str, Any]:
        """What the Hub tells of the visitor to an app with these scopes."""
        told: dict[str, Any] = {"sub": f"user-{self.name.lower()}"}
        if "profile" in scopes:
            profile = f"https://huggingface.co/{self.name}"
            told |= {"name": self.name.title(), "preferred_username": self.name, "profile": profile, "picture": PICTURE}
            told |= {"isPro": False, "orgs": self.organizations}
        return told | ({"canPay": False} if "read-billing" in scopes else {})


class Exchange(BaseHTTPRequestHandler):
    """One request."""

    server: Provider

    def do_GET(self) -> None:
        place, query = urlsplit(self.path), parse_qs(urlsplit(self.path).query)
        given = {name: values[0] for name, values in query.items()}
        match place.path:
            case "/.well-known/openid-configuration":
                self._json(200, self.server.metadata)
            case "/oauth/jwks":
                self._json(200, {"keys": [self.server.key.as_dict(private=False)]})
            case "/oauth/authorize":
                self._authorize(given)
            case "/oauth/userinfo":
                self._told(lambda visitor, scopes: visitor.claims(scopes), "openid")
            case "/api/spaces/zero-gpu/quota":
                self._told(lambda *_: {"base": 300, "current": 241.7, "resetsAt": None}, "read-billing")
            case _:
                self._json(404, {"error": "Not Found"})

    def do_POST(self) -> None:
        body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if urlsplit(self.path).path != "/oauth/token":
            self._json(404, {"error": "Not Found"})
            return
        self._token({name: values[0] for name, values in body.items()})

    def _authorize(self, given: dict[str, str]) -> None:
        """Back to the app, with a code or a refusal; nowhere for an app or an address that isn't known."""
        provider, back = self.server, given.get("redirect_uri", "")
        if given.get("client_id") != CLIENT or back.partition("?")[0] not in provider.addresses:
            self._json(400, {"error": "invalid_request", "error_description": "unknown client_id or redirect_uri"})
            return
        scopes = set(given.get("scope", "").split())
        problem = None
        if given.get("response_type") != "code" or not given.get("state") or not given.get("nonce"):
            problem = "invalid_request"
        elif "openid" not in scopes or not scopes <= SCOPES:
            problem = "invalid_scope"
        elif not provider.visitor.agrees:
            problem = "access_denied"
        answer = (
            {"error": problem, "error_description": "it was cancelled"} if problem else {"code": secrets.token_hex(8)}
        )
        if not problem:
            provider.codes[answer["code"] or ""] = (back, given["nonce"], scopes, provider.visitor)
        self.send_response(303)
        mark = "&" if "?" in back else "?"
        self.send_header("Location", f"{back}{mark}{urlencode({**answer, 'state': given.get('state', '')})}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _token(self, given: dict[str, str]) -> None:
        provider = self.server
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {basic}":
            self._json(401, {"error": "invalid_client"})
            return
        back, nonce, scopes, visitor = provider.codes.pop(given.get("code", ""), ("", "", set(), None))
        if given.get("grant_type") != "authorization_code" or not visitor or given.get("redirect_uri") != back:
            self._json(400, {"error": "invalid_grant"})
            return
        token = f"hf_oauth_{secrets.token_hex(20)}"
        provider.tokens[token] = (visitor, scopes)
        now = int(time.time())
        stated = {"iss": provider.url, "aud": CLIENT, "iat": now, "exp": now + 3600, "nonce": nonce, "auth_time": now}
        named = {name: value for name, value in visitor.claims(scopes).items() if name != "orgs"}
        signed = jwt.encode(
            {"alg": "RS256", "kid": provider.key.kid}, {**named, **stated, **provider.forged}, provider.key
        )
        self._json(200, {
            "access_token": token, "token_type": "bearer", "expires_in": provider.lasting, "id_token": signed,
            "scope": " ".join(sorted(scopes)),
        })  # fmt: skip

    def _told(self, answer: Any, scope: str) -> None:
        """What only a token of this scope is told."""
        visitor, scopes = self.server.tokens.get(
            self.headers.get("Authorization", "").removeprefix("Bearer "), (None, set())
        )
        if visitor is None or scope not in scopes:
            self._json(401 if visitor is None else 403, {"error": "Invalid credentials in Authorization header"})
            return
        self._json(200, answer(visitor, scopes))

    def _json(self, status: int, data: Any) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


class Provider(ThreadingHTTPServer):
    """`addresses` are those that the app may be called back at; `tokens` are all that were given.

    `lasting` is how many seconds a token does; `forged` are claims that an ID token has wrong.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.visitor = Visitor("ada")
        self.addresses: set[str] = set()
        self.codes: dict[str, tuple[str, str, set[str], Visitor | None]] = {}
        self.tokens: dict[str, tuple[Visitor, set[str]]] = {}
        self.lasting = 8 * 3600
        self.forged: dict[str, Any] = {}
        self.key = RSAKey.generate_key(2048, {"use": "sig", "kid": "1"})

    @property
    def metadata(self) -> dict[str, Any]:
        """What the Hub says of itself to clients."""
        places = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/oauth/jwks",
            **{f"{name}_endpoint": f"{self.url}/oauth/{path}" for name, path in places.items()},
            "scopes_supported": sorted(SCOPES),
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }

    def environment(self, scopes: str = "openid profile") -> dict[str, str]:
        """What a Space with `hf_oauth` is given."""
        return {
            "OAUTH_CLIENT_ID": CLIENT, "OAUTH_CLIENT_SECRET": SECRET, "OAUTH_SCOPES": scopes,
            "OPENID_PROVIDER_URL": self.url, "HF_ENDPOINT": self.url,
        }  # fmt: skip


@contextmanager
def served() -> Iterator[Provider]:
    """The provider, which answers until the end of the block."""
    with Provider() as provider:
        threading.Thread(target=provider.serve_forever, args=(0.02,), daemon=True).start()
        yield provider
        provider.shutdown()
