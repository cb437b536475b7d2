"""An uploaded vector is read as soon as it is there: what is none is told before anything is written."""

from __future__ import annotations

import io

import numpy as np
import pytest
import streamlit as st

from explorer.errors import InputError
from explorer.models import all_sites
from explorer.ui.steering import vector_file

WIDTH = 24
SITE = all_sites(3)[1]


class Upload(io.BytesIO):
    """A file as Streamlit's uploader gives it."""

    def __init__(self, name: str, data: bytes) -> None:
        super().__init__(data)
        self.name = name


def npy(numbers: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, numbers)
    return out.getvalue()


def upload(monkeypatch: pytest.MonkeyPatch, name: str, data: bytes) -> None:
    monkeypatch.setattr(st, "file_uploader", lambda *_, **__: Upload(name, data))
    monkeypatch.setattr(st, "session_state", {})


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("n.npy", bytes(range(256)) * 20),
        ("n.npy", b""),
        ("n.npy", npy(np.full(WIDTH, np.nan))),
        ("n.npy", npy(np.ones(WIDTH + 1))),
        ("n.safetensors", b"\xff" * 200),
        ("n.gguf", b"\xff" * 200),
    ],
)
def test_what_is_no_vector_is_told_at_once(monkeypatch: pytest.MonkeyPatch, name: str, data: bytes) -> None:
    upload(monkeypatch, name, data)
    with pytest.raises(InputError):
        vector_file.uploaded(WIDTH, SITE)
    assert st.session_state == {}


def test_a_vector_is_kept_and_read_once_for_a_site(monkeypatch: pytest.MonkeyPatch) -> None:
    upload(monkeypatch, "v.npy", npy(np.arange(1.0, WIDTH + 1)))
    read = []
    monkeypatch.setattr(vector_file, "read_vector", lambda *given: read.append(given))
    digest = vector_file.uploaded(WIDTH, SITE)
    assert vector_file.uploaded(WIDTH, SITE) == digest and len(read) == 1
    vector_file.uploaded(WIDTH, all_sites(3)[2])
    assert len(read) == 2, "another site has another vector"
