"""What every answer of the server carries: who may be asked for what, and a token by which a browser is known again."""

from __future__ import annotations

import os
import re
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

from explorer.policy import policy

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

    from starlette.middleware import Middleware
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "explorer_visitor"
"""The cookie that holds a visitor's token. Scripts cannot read it."""
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
"""256 random bits."""
YEAR = 31_536_000
HOSTS = "EXPLORER_HOSTS"
"""The names under which the app may be asked for, separated by commas; any unless given."""
HIDDEN = ("/_stcore/metrics", "/_stcore/script-health-check")
"""What only this machine's owner may read."""

CONTENT_POLICY = "; ".join(
    (
        "default-src 'self'",
        # Streamlit's page and ours have scripts in the page, its components are blobs, WebGL figures compile functions.
        # What comes with a study could only be an attribute of an element, and these never run.
        "script-src 'self' blob: 'unsafe-inline' 'unsafe-eval'",
        "script-src-attr 'none'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "frame-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)
"""No other host is ever asked, whatever a study, a link or an error holds."""
HEADERS = (
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=()"),
)


class Guarded:
    """An ASGI application behind these headers; a browser without a token gets one with the page."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; only the head of an HTTP answer is added to."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if policy().public and scope["path"].endswith(HIDDEN):
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = {name for name, _ in HEADERS}
                headers = [pair for pair in message.get("headers", ()) if pair[0].lower() not in known]
                kind = next((value for name, value in headers if name.lower() == b"content-type"), b"")
                if kind.startswith(b"text/html") and not token_of(_sent(scope, b"cookie")):
                    headers.append((b"set-cookie", _cookie(scope).encode()))
                message = {**message, "headers": [*headers, *HEADERS]}
            await send(message)

        await self.app(scope, receive, answer)


def guards() -> list[Middleware]:
    """What stands before the app: the headers, and where hosts are listed, a refusal of any other."""
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    hosts = [host.strip() for host in os.environ.get(HOSTS, "").split(",") if host.strip()]
    # The machine itself asks whether the app is well.
    known = [Middleware(TrustedHostMiddleware, allowed_hosts=[*hosts, "localhost", "127.0.0.1"])] if hosts else []
    return [Middleware(Guarded), *known]


def token_of(cookies: str) -> str:
    """The visitor's token in a Cookie header; empty where there is none, or another thing in its place."""
    try:
        found = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None and TOKEN.fullmatch(found.value) else ""


def _sent(scope: MutableMapping[str, Any], name: bytes) -> str:
    return "; ".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)


def _cookie(scope: MutableMapping[str, Any]) -> str:
    secure = "https" in (scope.get("scheme"), _sent(scope, b"x-forwarded-proto").split(",")[0].strip())
    words = f"{COOKIE}={secrets.token_urlsafe(32)}; Path=/; Max-Age={YEAR}; HttpOnly; SameSite=Lax"
    return words + ("; Secure" if secure else "")
