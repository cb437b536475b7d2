"""Your studies: opened, renamed, exported, deleted after a question, and brought in from an archive."""

from __future__ import annotations

import tempfile
from functools import partial
from html import escape
from typing import BinaryIO

import streamlit as st

from explorer.errors import InputError
from explorer.policy import policy
from explorer.presentation.check import captions as sentences
from explorer.study import OwnStudy, archive_size, export_study, import_study, library as studies
from explorer.ui import notices
from explorer.ui.frame import open_study_next
from explorer.ui.pages import PAGES

MAX_UPLOAD = 2000
"""Megabytes of an archive."""
_TOLD, _WRONG, _ARCHIVE = "studies_told", "studies_wrong", "study_archive"


def draw_studies() -> None:
    """The list, newest first, and the way in for an archive."""
    st.markdown("#### Your studies")
    found = studies.own_studies()
    if (told := st.session_state.pop(_TOLD, None)) is not None:
        st.html(f"<p class='fact' role='status'>{escape(told)}</p>")
    if (wrong := st.session_state.pop(_WRONG, None)) is not None:
        notices.wrong(wrong)
    if not found:
        st.html(f"<p class='fact quiet'>{sentences.EMPTY_PUBLIC if policy().public else sentences.EMPTY}</p>")
    for entry in found:
        _draw_entry(entry)
    if not policy().imports:
        return
    with st.expander("Bring in an archive"), st.form("study_import", clear_on_submit=True, border=False):
        st.file_uploader("Archive of a study (zip)", "zip", key=_ARCHIVE, max_upload_size=MAX_UPLOAD)
        st.form_submit_button("Import", on_click=_import)


def draw_way_out() -> None:
    """Below what is wrong with a study that cannot be shown: delete it, if it is one's own; else choose another."""
    name = str(st.session_state.get("study", ""))
    with st.container(horizontal=True, vertical_alignment="center", key="way_out"):
        if name in studies.own_names():
            if st.button("Delete this study …", key="delete_shown"):
                st.dialog("Delete this study?")(_ask)(studies.own_study(name))
            st.page_link(PAGES["check"].script, label="Your studies")
        st.html("<p class='fact quiet'>Or choose another study or pair above.</p>")


def _import() -> None:
    """As a callback, before the frame is drawn: its picker lists the new study at once."""
    archive = st.session_state.get(_ARCHIVE)
    if not policy().imports:
        st.session_state[_WRONG] = "archives are not taken here"
        return
    if archive is None:
        st.session_state[_WRONG] = "Choose an archive first: a zip file that Export made."
        return
    try:
        st.session_state[_TOLD] = f"'{import_study(archive).name}' is here: open it in the list below."
    except InputError as error:
        st.session_state[_WRONG] = str(error)


def _draw_entry(entry: OwnStudy) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"study-{entry.name}"):
        text = f"{sentences.made(entry.made)} · {sentences.size(entry.size)}"
        damaged = f"<br><b>Damaged:</b> {escape(entry.damage)}" if entry.damage else ""
        models = f"<br>{escape(sentences.models(entry))}" if entry.whole else ""
        st.html(
            f"<p class='study'><b>{escape(entry.name)}</b>{models}{damaged}<br><span class='quiet'>{text}</span></p>"
        )
        if entry.whole:
            st.button("Open", key=f"open-{entry.name}", on_click=open_study_next, args=(entry.name,))
        if entry.damage and st.button("Delete …", key=f"delete-{entry.name}"):
            st.dialog("Delete this study?")(_ask)(entry)
        if not entry.whole:
            return
        with st.popover("Manage", key=f"manage-{entry.name}"):
            _draw_export(entry)
            st.text_input("New name", entry.name, key=f"name-{entry.name}", max_chars=60)
            st.button("Rename", key=f"rename-{entry.name}", on_click=_rename, args=(entry,))
            if not entry.damage and st.button("Delete …", key=f"delete-{entry.name}"):
                st.dialog("Delete this study?")(_ask)(entry)


def _draw_export(entry: OwnStudy) -> None:
    weights = st.checkbox("With the models' weights", key=f"weights-{entry.name}")
    try:
        size = sentences.size(archive_size(entry, weights))
    except InputError as error:
        st.html(f"<p class='fact'>{escape(str(error))}</p>")
        return
    st.download_button(
        "Export", partial(_packed, entry, weights), f"{entry.name}.zip", "application/zip", key=f"export-{entry.name}",
        on_click="ignore", help=f"One archive, {size} before packing. Without weights, figures and tables still open.",
    )  # fmt: skip


def _packed(entry: OwnStudy, weights: bool) -> BinaryIO:
    """Made when it is asked for, on disk: an archive with weights may not fit into memory twice."""
    with tempfile.NamedTemporaryFile() as out:
        export_study(entry, out, weights)
        out.flush()
        # Streamlit takes a file that can only be read, and reads it after this function has ended.
        return open(out.name, "rb")


def _rename(entry: OwnStudy) -> None:
    try:
        renamed = studies.rename(entry.name, str(st.session_state.get(f"name-{entry.name}", "")))
    except InputError as error:
        st.session_state[_WRONG] = str(error)
        return
    st.session_state[_TOLD] = f"'{entry.name}' is now called '{renamed.name}'."
    if st.session_state.get("study") == entry.name:
        open_study_next(renamed.name)


def _ask(entry: OwnStudy) -> None:
    st.html(
        f"<p class='fact'><b>{escape(entry.name)}</b>, {sentences.size(entry.size)}, {sentences.made(entry.made)}. "
        "Its report, figures and dictionaries will be gone; models outside of it stay.</p>"
    )
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", key="delete_really", on_click=_delete, args=(entry,)):
            st.rerun()
        if st.button("Keep it", key="delete_not"):
            st.rerun()


def _delete(entry: OwnStudy) -> None:
    try:
        studies.delete(entry.name)
        st.session_state[_TOLD] = f"'{entry.name}' was deleted."
    except InputError as error:
        st.session_state[_WRONG] = str(error)
