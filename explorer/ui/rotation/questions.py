"""The questions that a measured pair answers, one at a time: a figure, and beside it what it can and cannot say."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import plotly.graph_objects as go
import streamlit as st

from explorer.alignment import OneSpace, PairResult
from explorer.palette import DARK
from explorer.presentation import captions as sentences
from explorer.presentation.rotation import (
    captions as rotation_sentences,
    carried,
    one_space,
    over_training,
    questions as figures_rotation,
    randomness,
    similarity,
    sites as figures,
    substitution,
    warm_start,
    weights,
)
from explorer.study import RotationDraws, read_training_table
from explorer.ui import cache
from explorer.ui.charts import chart
from explorer.ui.frame import View, choice
from explorer.ui.rotation.dictionary import draw_bars, draw_dial
from explorer.ui.rotation.refit import refit

DECIMALS = st.column_config.NumberColumn(format="%.2f")


def draw_questions(view: View) -> None:
    """The switch of questions, and the answer to the chosen one; only that one is drawn."""
    with st.container(key="answer"):
        asked = choice("ask", "Question", tuple(ANSWERS))
        ANSWERS[asked](view)


def _answer(view: View, draw: Callable[[], go.Figure] | None, key: str, alt: str, facts: Iterable[str]) -> None:
    left, right = st.columns([0.56, 0.44], gap="medium")
    with left:
        if draw is None:
            st.info(rotation_sentences.NOT_MEASURED)
        else:
            chart(cache.figure((key, *view.shown), draw), key, alt)
    with right:
        st.html("".join(f"<p class='fact'>{fact}</p>" for fact in facts))


def _which_map(view: View) -> None:
    here = view.site_result
    alt = f"How well each map predicts {view.source}'s rows from {view.target}'s, the token lookup and the controls."
    facts = [*rotation_sentences.maps(here), sentences.firing(view.pair, here)]
    alike = cache.similarity(view.where, view.source, view.target)
    facts += [] if alike is None else similarity.without_pairs(alike, view.site.name)
    _answer(view, lambda: figures.ladder(here, view.palette), "ladder", alt, facts)
    refit(view)


def _random(view: View) -> None:
    here = view.site_result
    alt = "Angles of R's eigenvalues beside those of Haar-random matrices."
    draws = cache.draws(view.where)
    facts = rotation_sentences.matrix(view.pair, here, draws)
    _answer(view, lambda: figures_rotation.spectrum(here.rotation.spectrum, view.palette), "spectrum", alt, facts)
    if draws is not None:
        _every_pair(view, draws)


def _every_pair(view: View, draws: RotationDraws) -> None:
    st.markdown("#### Every pair of the study")
    drawn = {
        "haar_p": (randomness.p_values, "Joint p of the test against random rotations for every pair at every site."),
        "haar_kurtosis": (randomness.kurtosis, "Kurtosis of the entries of R for every pair at every site."),
    }
    for place, (key, (draw, alt)) in zip(st.columns(2, gap="medium"), drawn.items(), strict=True):
        with place:
            figure = cache.figure((key, *view.shown), partial(draw, draws, view.palette))
            chart(figure, key, alt, table=partial(randomness.draws_frame, draws))
    said = rotation_sentences.randomness(draws)
    st.html("".join(f"<p class='fact'>{fact}</p>" for fact in said))


def _indices(view: View) -> None:
    found = cache.similarity(view.where, view.source, view.target)
    here = next((s for s in found.sites if s.site == view.site.name), None) if found is not None else None
    if found is None or here is None:
        st.info(rotation_sentences.NOT_MEASURED)
        return
    left, right = st.columns([0.56, 0.44], gap="medium")
    with left:
        st.dataframe(
            similarity.similarity_frame(here),
            hide_index=True,
            height="content",
            key="similarity_table",
            column_config=similarity.COLUMNS,
        )
    with right:
        st.html("".join(f"<p class='fact'>{fact}</p>" for fact in similarity.facts(found, here)))


def _function(view: View) -> None:
    here, names = view.site_result, (view.source, view.target)
    alt = "Cross-entropy recovered when one model is continued by the other, by what passes the seam."
    draw = None if here.stitch is None else partial(figures_rotation.stitching, here, names, view.palette)
    stood_in = cache.substitution(view.where, view.source, view.target)
    facts = [*rotation_sentences.function(view.pair, here), *substitution.facts(stood_in, view.site.name)]
    _answer(view, draw, "stitch", alt, facts)
    _what_else(view)


def _text(view: View) -> None:
    here = view.site_result
    alt = "Explained variance on test text against the number of rows that the map was fitted on."
    draw = partial(figures_rotation.fit_curve, here.fit_curve, view.pair.d_model, view.palette)
    _answer(view, draw, "fit", alt, rotation_sentences.text_needed(view.pair, here))
    found = cache.warm_start(view.where, view.source, view.target)
    if found is not None and (curve := found.at(view.site.name)) is not None:
        st.markdown("#### And a dictionary for the target?")
        alt = "Explained variance of a dictionary for the target against the rows that it was trained on."
        _answer(view, partial(warm_start.curves, curve, view.palette), "warm_start", alt, warm_start.facts(curve))


def _depths(view: View) -> None:
    alt = "Explained variance at each site through the R of each other site; the numbers stand in the cells."
    draw = partial(figures_rotation.cross_site, view.pair, view.palette, view.palette is DARK)
    _answer(view, draw, "depths", alt, rotation_sentences.depths(view.pair))


def _pairs(view: View) -> None:
    results: list[PairResult] = [cache.pair(view.where, p.source, p.target) for p in view.study.file.pairs]
    alt = "Explained variance of R with one scale for every pair of the study at every site, a number a cell."
    draw = partial(figures_rotation.pairs_by_site, results, view.palette, view.palette is DARK)
    _answer(view, draw, "pairs", alt, rotation_sentences.pairs(results))
    found = cache.one_space(view.where)
    if found is not None and any(s.site == view.site.name for s in found.sites):
        _one_space(view, found)


def _one_space(view: View, found: OneSpace) -> None:
    st.markdown("#### One rotation each, or one for every pair?")
    here = next(s for s in found.sites if s.site == view.site.name)
    draw = partial(one_space.matrices, found, here, view.palette, view.palette is DARK)
    alt = "Explained variance between every two models: by the R of the pair, and by one rotation for each model."
    _answer(view, draw, "one_space", alt, one_space.facts(found, here))


def _what_else(view: View) -> None:
    """Probes and lenses of A on B, and what lies between the weights, where they were measured."""
    found = cache.carried(view.where, view.source, view.target)
    table = None if found is None else carried.carried_frame(found, view.site.name)
    if found is not None and table is not None and len(table):
        st.markdown("#### What else goes through R?")
        left, right = st.columns([0.56, 0.44], gap="medium")
        with left:
            st.dataframe(table, hide_index=True, height="content", key="carried_table", column_config=carried.COLUMNS)
        with right:
            told = carried.facts(found, view.site.name, view.source, view.target)
            st.html("".join(f"<p class='fact'>{fact}</p>" for fact in told))
    space = cache.weight_space(view.where, view.source, view.target)
    if space is not None:
        st.markdown("#### And the weights?")
        twin = next((m.name for m in view.study.file.models if m.kind == "twin" and m.name != view.target), None)
        control = None if twin is None else cache.weight_space(view.where, view.source, twin)
        draw = partial(weights.between, space, view.palette)
        _answer(view, draw, "weights", weights.ALT, weights.facts(space, control))


def _training(view: View) -> None:
    rows = read_training_table(view.study.folder)
    if not rows:
        st.info("This study has no table over training. `python -m explorer train tales` makes one.")
        return
    pair = view.study.file.pairs[0]
    alt = "Explained variance at the middle site against training tokens; the numbers are in the table below."
    draw = partial(over_training.over_training, rows, view.palette)
    _answer(view, draw, "training", alt, rotation_sentences.training(rows, (pair.source, pair.target)))
    table = over_training.training_frame(rows)
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        key="training_table",
        column_config={c: DECIMALS for c in table.columns[1:-1]},
    )


ANSWERS: dict[str, Callable[[View], None]] = {
    "Turn the dial": draw_dial,
    "Every map": draw_bars,
    "Which map?": _which_map,
    "Is R random?": _random,
    "CKA?": _indices,
    "Does the function survive?": _function,
    "How much text?": _text,
    "Other depths": _depths,
    "Other pairs": _pairs,
    "Over training": _training,
}
