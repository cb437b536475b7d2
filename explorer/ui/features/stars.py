"""Starred features of a visit: a star and a note beside the feature, a list that is exported and brought back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from explorer.errors import InputError
from explorer.features import NOTE, Star, export_stars, import_stars
from explorer.presentation.features import spoken
from explorer.ui.notices import wrong

if TYPE_CHECKING:
    import pandas as pd

    from explorer.ui.frame import View

Place = tuple[str, str, str, int]
_STARS, _ERROR, _EDITION = "starred features", "what is wrong with the imported list", "edition of the star list"


def stars() -> dict[Place, Star]:
    """The starred features of this visit, oldest first."""
    found: dict[Place, Star] = st.session_state.setdefault(_STARS, {})
    return found


def star_button(table: pd.DataFrame, chosen: int, view: View) -> None:
    """A button that stars the chosen feature, or takes its star away."""
    row = table.loc[chosen]
    star = Star(
        view.study.file.name, view.source, view.site.name, chosen, "", tuple(row["fires_on"]), str(row["label"])
    )
    on = star.place in stars()
    st.button(
        "★ starred" if on else "☆ star", key="star", shortcut="s", on_click=_toggle, args=(star,),
        help="Keep this feature in the list under the table; there it takes a note.",
    )  # fmt: skip


def draw_stars(view: View) -> None:
    """The list of starred features with their notes, to export and to bring back."""
    import pandas as pd

    kept = stars()
    with st.expander(f"Starred features: {len(kept)}" if kept else "Starred features", key="starlist"):
        if kept:
            listed = pd.DataFrame(
                [
                    {
                        "feature": s.feature,
                        "of": f"{s.source}, {_label(s, view)}",
                        "fires on": spoken(s.fires_on),
                        "note": s.note,
                    }
                    for s in kept.values()
                ]
            )
            st.data_editor(
                listed, key=_notes_key(), hide_index=True, disabled=["feature", "of", "fires on"], on_change=_note,
                column_config={
                    "feature": st.column_config.NumberColumn("#", width=50, format="%d"),
                    "note": st.column_config.TextColumn("note (click to write)", max_chars=NOTE),
                },
            )  # fmt: skip
        else:
            st.html("<p class='fact quiet'>None yet. A star keeps a feature here until this tab is closed.</p>")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.download_button(
                "Export", export_stars(kept.values()), "starred-features.json", "application/json",
                key="export_stars", disabled=not kept, on_click="ignore",
            )  # fmt: skip
            st.button("Clear the list", key="clear_stars", on_click=_clear, disabled=not kept)
        st.file_uploader("Bring a list back", type="json", key="import_stars", on_change=_bring_back)
        if error := st.session_state.get(_ERROR):
            wrong(error)


def _label(star: Star, view: View) -> str:
    return next((s.label for s in view.study.sites if s.name == star.site), star.site)


def _notes_key() -> str:
    """A new one whenever rows come or go: the editor remembers its changes by row number."""
    return f"notes {st.session_state.get(_EDITION, 0)}"


def _changed() -> None:
    st.session_state[_EDITION] = st.session_state.get(_EDITION, 0) + 1


def _toggle(star: Star) -> None:
    if stars().pop(star.place, None) is None:
        stars()[star.place] = star
    _changed()


def _clear() -> None:
    stars().clear()
    _changed()


def _note() -> None:
    kept = list(stars().items())
    for row, change in st.session_state[_notes_key()]["edited_rows"].items():
        place, star = kept[int(row)]
        stars()[place] = replace(star, note=str(change.get("note") or "")[:NOTE])


def _bring_back() -> None:
    file = st.session_state["import_stars"]
    st.session_state[_ERROR] = None
    if file is None:
        return
    try:
        stars().update({star.place: star for star in import_stars(file.getvalue())})
        _changed()
    except InputError as error:
        st.session_state[_ERROR] = str(error)
