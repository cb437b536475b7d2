"""Forget what was read of studies, after one was renamed or deleted: another may take the old name."""

from __future__ import annotations

import streamlit as st

from explorer.ui import cache
from explorer.ui.features import cache as feature_cache, decoder_match as decoder_story, maps as feature_maps
from explorer.ui.steering import vector_cache as steer_vectors
from explorer.ui.story import stage as story

_READERS = (cache, decoder_story, feature_cache, feature_maps, steer_vectors, story)


def forget_studies() -> None:
    """Empty the caches of what studies hold. Never all caches: work of other visitors lives in some, and would stop."""
    st.cache_data.clear()
    for module in _READERS:
        for found in vars(module).values():
            if getattr(found, "__module__", "") == module.__name__ and callable(clear := getattr(found, "clear", None)):
                clear()
