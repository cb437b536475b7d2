"""Who may do what: a laptop allows everything, a public server what is listed."""

import pytest

from explorer.policy import LAPTOP, PUBLIC, policy


@pytest.mark.parametrize("value", ["", "0", "no", "False", "off"])
def test_without_public_mode_everything_is_allowed(value: str) -> None:
    assert policy({"EXPLORER_PUBLIC": value, "EXPLORER_MODELS": "a/b"}) == LAPTOP
    assert LAPTOP.checks and LAPTOP.names_paths and LAPTOP.imports


def test_public_mode_allows_what_is_listed() -> None:
    found = policy(
        {"EXPLORER_PUBLIC": "1", "EXPLORER_MODELS": "a/b, c/d\na/b,", "EXPLORER_TEXTS": "hf://datasets/e/f/g.txt"}
    )
    assert found.models == ("a/b", "c/d") and found.texts == ("hf://datasets/e/f/g.txt",)
    assert found.checks and not found.names_paths and not found.imports
    assert policy({"EXPLORER_PUBLIC": "1"}) == PUBLIC and not PUBLIC.checks
    assert policy({"EXPLORER_PUBLIC": "1", "EXPLORER_IMPORTS": "1"}).imports


def test_every_limit_of_public_mode_is_at_most_that_of_a_laptop() -> None:
    for name in ("most_tokens", "most_context", "waiting_checks", "writers"):
        assert getattr(PUBLIC, name) <= getattr(LAPTOP, name)
    for name in ("studies", "visitor_bytes", "total_bytes", "check_seconds", "check_bytes"):
        assert getattr(PUBLIC, name) is not None and getattr(LAPTOP, name) is None
