"""What every answer carries, and the token by which a browser is known again."""

import asyncio
from typing import Any

import pytest

from explorer.ui.serving import CONTENT_POLICY, COOKIE, TOKEN, Guarded, token_of


def answered(
    path: str = "/rotation", kind: bytes = b"text/html; charset=utf-8", **headers: str
) -> dict[str, list[str]]:
    """The headers of an answer by name, and its status."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        head = [(b"content-type", kind), (b"content-security-policy", b"default-src *")]
        await send({"type": "http.response.start", "status": 200, "headers": head})

    async def send(message: Any) -> None:
        sent.append(message)

    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "path": path, "headers": given, "scheme": "http"}
    asyncio.run(Guarded(app)(scope, None, send))  # type: ignore[arg-type]
    found: dict[str, list[str]] = {"status": [str(sent[0]["status"])]}
    for name, value in sent[0]["headers"]:
        found.setdefault(name.decode(), []).append(value.decode())
    return found


def test_one_policy_forbids_other_hosts_and_scripts_in_attributes() -> None:
    found = answered()
    assert found["content-security-policy"] == [CONTENT_POLICY]
    rules = {rule.split()[0]: rule.split()[1:] for rule in CONTENT_POLICY.split("; ")}
    assert all(word in ("'self'", "'none'", "data:", "blob:", "'unsafe-inline'", "'unsafe-eval'")
               for words in rules.values() for word in words)  # fmt: skip
    assert rules["default-src"] == ["'self'"] and rules["script-src-attr"] == ["'none'"]


def test_a_browser_gets_a_token_once_and_no_script_can_read_it() -> None:
    (cookie,) = answered()["set-cookie"]
    token = cookie.partition("=")[2].partition(";")[0]
    assert TOKEN.fullmatch(token) and "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Secure" not in cookie
    assert "set-cookie" not in answered(cookie=f"a=b; {COOKIE}={token}")
    assert "set-cookie" not in answered(kind=b"text/javascript")
    assert "Secure" in answered(x_forwarded_proto="https")["set-cookie"][0]
    assert answered()["set-cookie"] != answered()["set-cookie"]


@pytest.mark.parametrize(
    "cookies", ["", f"{COOKIE}=short", f"{COOKIE}=../../etc/passwd", "\x00;;=", f"{COOKIE}={'a' * 44}"]
)
def test_what_is_no_token_is_none(cookies: str) -> None:
    assert token_of(cookies) == ""
    assert "set-cookie" in answered(cookie=cookies)


def test_metrics_are_not_told_in_public_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answered("/_stcore/metrics")["status"] == ["200"]
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    assert answered("/_stcore/metrics")["status"] == ["404"]
    assert answered("/_stcore/health")["status"] == ["200"]
