"""How phones reach the app: by what it was told, by the visitor's own address, by this machine's, or not at all."""

import pytest

from explorer.ui.story import qr


@pytest.mark.parametrize(
    ("url", "listens", "told", "found"),
    [
        ("http://localhost:8501/story", "localhost", "", None),
        ("http://127.0.0.1:8501/", "127.0.0.1", "", None),
        ("http://localhost:8501/", "0.0.0.0", "", "http://10.1.2.3:8501"),
        ("http://localhost:8501/", "", "", "http://10.1.2.3:8501"),
        ("http://localhost:8501/", "10.9.9.9", "", "http://10.9.9.9:8501"),
        ("https://talk.example/story?scene=dial", "localhost", "", "https://talk.example"),
        ("http://localhost:8501/", "localhost", "https://talk.example/", "https://talk.example"),
        ("", "localhost", "", None),
    ],
)
def test_the_address_for_phones(
    url: str, listens: str, told: str, found: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qr, "_own_address", lambda: "10.1.2.3")
    assert qr.reachable(url, listens, told) == found


def test_a_machine_without_a_network_has_no_address_for_phones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qr, "_own_address", lambda: None)
    assert qr.reachable("http://localhost:8501/", "0.0.0.0", "") is None
    assert "<img" in qr.code("http://10.1.2.3:8501/story?stage_stack=1&a='\">")
    assert "'\">" not in qr.code("x'\">")[5:-8]
