"""A vector that a person uploads: kept by its digest, for this session only."""

from __future__ import annotations

import hashlib

import streamlit as st
import torch

from explorer.errors import InputError
from explorer.models import Site
from explorer.steering import SUFFIXES, read_vector

_KEPT, _READ = "steer_files", "steer_file_read"


def uploaded(width: int, site: Site) -> str:
    """Digest of the uploaded file. Raises InputError where there is none, or none of a site in it."""
    file = st.file_uploader("A vector", type=[s.removeprefix(".") for s in SUFFIXES], key="steer_file", width=330)
    if file is None:
        raise InputError(f"no vector is loaded: choose a file ({', '.join(SUFFIXES)}) with {width} numbers")
    data = file.getvalue()
    digest = hashlib.sha256(data).hexdigest()[:16]
    if st.session_state.get(_READ) != (digest, width, site):
        read_vector(data, file.name, width, site)
    st.session_state[_KEPT], st.session_state[_READ] = {digest: (data, file.name)}, (digest, width, site)
    return digest


def vector_of(digest: str, site: Site, width: int) -> torch.Tensor:
    """The unit vector of a file for a site. Raises InputError where this session has no such file, or none for it."""
    found = st.session_state.get(_KEPT, {}).get(digest)
    if found is None:
        raise InputError("no vector is loaded in this session: choose the file again")
    data, name = found
    return read_vector(data, name, width, site)
