"""The twin maps of the Features page: selecting in one selects in the other and in the table; a list stands in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from explorer.features import RegionName, has_labels, has_partners, name_regions
from explorer.presentation.features import (
    captions as feature_sentences,
    map_colours,
    map_tables,
    maps as figures_twin_maps,
)
from explorer.ui import cache
from explorer.ui.charts import prepare
from explorer.ui.features import cache as feature_cache
from explorer.ui.features.filters import BOXED
from explorer.ui.features.layout_job import Layouts, layout, watch
from explorer.ui.features.map_layer import map_layer
from explorer.ui.features.table import choose, select_group
from explorer.ui.frame import choice
from explorer.ui.share import data_button

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from explorer.palette import Palette
    from explorer.ui.frame import View

MOST_LINES = 150
_KEY, _BACK, _REGIONS = "directions", "features of A by feature of B", "features by region"


def draw_maps(table: pd.DataFrame, shown: pd.DataFrame, chosen: int | None, view: View) -> None:
    """Both maps with the line of what is chosen, and what their names and colours say."""
    with st.container(horizontal=True, vertical_alignment="center", key="map_colour"):
        names = [c for c in map_colours.COLOURINGS if c != "label" or has_labels(table)]
        by = choice("colour", "Colour by", tuple(names))
    places = layout(view)
    if isinstance(places, Layouts):
        watch(places, view.site.index)
        return
    where = (view.where, view.source, view.target, view.site.index, view.arm)
    a, b = _sides(*where, table, places, _catalogue(view))
    regions = _regions(*where[:-1], a)
    st.session_state[_BACK] = _back(table)
    # In the order of their numbers: another order of the table is no other figure.
    solid = np.sort(shown.index.to_numpy(np.int32)).tobytes()
    figure = _figure(*where, by, solid, view.palette, table, a, b, regions)
    alt = f"Map of {len(a)} directions of {view.source} and {len(b)} of {view.target}; the list below says the same."
    prepare(figure, alt)
    with st.container(key="figure-map", gap=None):
        with st.container(key=_KEY):
            st.plotly_chart(
                figure, key="map of features", theme=None, on_select=_clicked, alt=alt, height="stretch",
                selection_mode=("points", "box", "lasso"), config=figures_twin_maps.MAP_CONFIG,
            )  # fmt: skip
            lines, rings = _marks(table, chosen, a, b) if chosen is not None else ([], [])
            map_layer(_KEY, lines, rings, view.palette.ink, view.palette.ink, view.palette.translated)
        data_button(figure, "map", lambda: map_tables.map_table(a, b, (view.source, view.target), view.arm))
    key = map_colours.key_html(a, by, view.palette)
    said = feature_sentences.lines(table, chosen, view.target) if chosen is not None else ""
    joined = ". ".join(part for part in (key, said) if part)
    st.html(f"<p class='fact quiet small'>{joined}</p>")
    st.html(f"<p class='fact quiet small'>{feature_sentences.regions_said(regions)}</p>")


def draw_list(table: pd.DataFrame, view: View) -> None:
    """The map in words, for keyboards and screen readers: its regions, and which features stand there."""
    places = layout(view)
    if not isinstance(places, Layouts):
        where = (view.where, view.source, view.target, view.site.index, view.arm)
        a, b = _sides(*where, table, places, _catalogue(view))
        _draw_list(table, a, b, _regions(*where[:-1], a), view)


@cache.of_study(16)
def _regions(where: str, source: str, target: str, site_index: int, _a: pd.DataFrame) -> list[RegionName]:
    return name_regions(_a)


@cache.of_study(16)
def _sides(
    where: str,
    source: str,
    target: str,
    site_index: int,
    arm: str,
    _table: pd.DataFrame,
    _places: pd.DataFrame,
    _other: pd.DataFrame | None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    return map_tables.side_table(_table, _places, arm), map_tables.other_side(_table, _places, _other)


@cache.of_study(16)
def _figure(
    where: str,
    source: str,
    target: str,
    site_index: int,
    arm: str,
    by: str,
    solid: bytes,
    palette: Palette,
    _table: pd.DataFrame,
    _a: pd.DataFrame,
    _b: pd.DataFrame,
    _named: list[RegionName],
) -> go.Figure:
    """The figure is the same for every feature that is chosen: it is built once."""
    shown = np.frombuffer(solid, np.int32).tolist()
    partners = _partners(_table, shown)
    return figures_twin_maps.twin_maps(_a, _b, (shown, partners), arm, by, (source, target), palette, _named)


def _catalogue(view: View) -> pd.DataFrame | None:
    found = feature_cache.features(view.where, view.target)
    return None if found is None else found[found["site"] == view.site.index].set_index("feature")


def _partners(table: pd.DataFrame, features: list[int]) -> set[int]:
    """The features of B that are the one-to-one partners of some of A."""
    return set(table.loc[features, "one_to_one"].tolist()) if has_partners(table) else set()


def _back(table: pd.DataFrame) -> dict[int, list[int]]:
    """For each feature of B the features of A that it partners: one to one first, then those it is nearest to."""
    out: dict[int, list[int]] = {}
    if not has_partners(table):
        return out
    for column in ("one_to_one", "partner"):
        for feature, partner in table[column].items():
            known = out.setdefault(int(partner), [])
            if feature not in known:
                known.append(int(feature))
    return out


def _marks(
    table: pd.DataFrame, chosen: int, a: pd.DataFrame, b: pd.DataFrame
) -> tuple[list[tuple[int, int, bool]], list[tuple[int, int, bool]]]:
    """Lines and rings, by place in the traces: the chosen feature strong, a group chosen on the map faint."""
    group = [f for f in st.session_state.get(BOXED) or () if f in a.index and f != chosen][:MOST_LINES]
    lines, rings = [], [(0, a.index.get_loc(chosen), True)]
    if has_partners(table) and len(b):
        for feature in (chosen, *group):
            row = table.loc[feature]
            for column in ("one_to_one", "partner") if feature == chosen else ("one_to_one",):
                other = int(row[column])
                if other in b.index and not (column == "partner" and other == int(row["one_to_one"])):
                    dashed = column == "partner" or feature != chosen
                    lines.append((int(a.index.get_loc(feature)), int(b.index.get_loc(other)), dashed))
                    rings.append((1, int(b.index.get_loc(other)), not dashed))
    rings += [(0, int(a.index.get_loc(f)), False) for f in group]
    return lines, rings


def _clicked() -> None:
    """A dot of A chooses it, a dot of B the feature that it partners; a box or lasso chooses all that it holds."""
    points = st.session_state["map of features"]["selection"]["points"]
    found: dict[int, None] = {}
    for side, feature, _ in (p["customdata"] for p in points if p.get("customdata")):
        back = [int(feature)] if side == "A" else st.session_state[_BACK].get(int(feature), [])
        # One dot of B means its best match; of many, all that have theirs among them.
        found |= dict.fromkeys(back[:1])
    if found:
        select_group(list(found))
    elif not points:
        st.session_state[BOXED] = None


def _draw_list(table: pd.DataFrame, a: pd.DataFrame, b: pd.DataFrame, named: list[RegionName], view: View) -> None:
    import pandas as pd

    with st.expander("The map as a list", key="maplist"):
        rows, members = [], []
        for region in named:
            inside = a[a["region"].astype(str) == region.region]
            best = table.loc[inside.index].sort_values("worth", ascending=False)
            members.append([int(i) for i in best.index])
            rows.append(
                {
                    "region": feature_sentences.region_word(region) or "no name",
                    "have it": region.count,
                    "of A": region.size,
                    "on the whole map": region.everywhere,
                    "p": region.p if region.name else None,
                    "of B, through R": int((b["region"] == region.region).sum()),
                    f"median r {view.arm}": float(inside["r"].median()),
                    "first features": ", ".join(str(i) for i in best.index[:6]),
                }
            )
        st.session_state[_REGIONS] = members
        st.html(
            f"<p class='fact quiet'>{feature_sentences.regions_said(named)} A row shows its features in the list.</p>"
        )
        st.dataframe(
            pd.DataFrame(rows), key="regions", hide_index=True, on_select=_region_clicked, selection_mode="single-row",
            placeholder="n/a",
            column_config={
                f"median r {view.arm}": st.column_config.NumberColumn(format="%.2f"),
                "p": st.column_config.NumberColumn(format="%.1g", help="Corrected for all names and regions tried."),
            },
        )  # fmt: skip


def _region_clicked() -> None:
    rows = st.session_state["regions"]["selection"]["rows"]
    if rows:
        members = st.session_state[_REGIONS][rows[0]]
        select_group(members)
        choose(members[0])
    else:
        st.session_state[BOXED] = None
