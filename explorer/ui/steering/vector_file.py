"""A vector that a person uploads: kept by its digest, for this session only."""

from __future__ import annotations

import hashlib

import streamlit as st
import torch

from explorer.errors import InputError
from explorer.models import Site
from explorer.steering import SUFFIXES, read_vector

_KEPT = "steer_files"


def uploaded(width: int) -> str:
    """Digest of the uploaded file. Raises InputError where there is none."""
    file = st.file_uploader("A vector", type=[s.removeprefix(".") for s in SUFFIXES], key="steer_file", width=330)
    if file is None:
        raise InputError(f"no vector is loaded: choose a file ({', '.join(SUFFIXES)}) with {width} numbers")
    data = file.getvalue()
    digest = hashlib.sha256(data).hexdigest()[:16]
    st.session_state[_KEPT] = {digest: (data, file.name)}
    return digest


def vector_of(digest: str, site: Site, width: int) -> torch.Tensor:
    """The unit vector of a file for a site. Raises InputError where this session has no such file, or none for it."""
    found = st.session_state.get(_KEPT, {}).get(digest)
    if found is None:
        raise InputError("no vector is loaded in this session: choose the file again")
    data, name = found
    return read_vector(data, name, width, site)
