"""Test your text: which features fire at each token of a person's own sentence, in A and in B read through the map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from explorer.alignment import colour_of
from explorer.errors import InputError
from explorer.features import MAX_CHARACTERS, sentence_around
from explorer.presentation.features import captions as feature_sentences
from explorer.ui.features import cache as feature_cache
from explorer.ui.features.contexts import line_html, marked
from explorer.ui.features.table import choose
from explorer.ui.frame import KEPT
from explorer.ui.notices import notice

if TYPE_CHECKING:
    import pandas as pd

    from explorer.features import TextFiring
    from explorer.ui.frame import View

MOST = 40
_RANKED, _OFFERED = "features ranked at a token", "sentence in the box"


def draw_text(table: pd.DataFrame, chosen: int, view: View) -> None:
    """The text, its tokens as buttons, the chosen feature on it, and the features of the chosen token."""
    own = _own_sentence(table, chosen, view)
    text = st.text_area(
        "Your text", own, max_chars=MAX_CHARACTERS, height=88, key="text", **KEPT,
        help=f"At most {MAX_CHARACTERS} characters, and the tokens of one window ({view.study.file.text.context}).",
    )  # fmt: skip
    if text != own:
        st.button("A sentence on which it fires", key="own_sentence", on_click=_offer, args=(own,), type="tertiary")
    try:
        firing = feature_cache.text_firing(view.where, view.source, view.target, view.site.index, view.arm, text or "")
    except InputError as error:
        notice(f"{error}.")
        return
    read = len(firing.pieces)
    _draw_chosen(firing, chosen, view)
    st.html(f"<p class='fact quiet small'>{feature_sentences.text_length(read, firing.left_out)}</p>")
    if read < 2:
        st.info("The first token of a text is not scored: write at least two tokens.")
        return
    _draw_token(firing, table, chosen, view)


def _own_sentence(table: pd.DataFrame, chosen: int, view: View) -> str:
    """The sentence around the feature's largest activation on the test text, put into the box.

    It follows the chosen feature until a person has written another text, or a link has brought one.
    """
    row, state = table.loc[chosen], st.session_state
    sentence = view.study.corpus.example
    if len(row["contexts"]) and row["contexts"][0] >= 0:
        pieces = feature_cache.pieces(view.where)[int(row["contexts"][0])]
        sentence = sentence_around(pieces, int(row["peaks"][0]))[:MAX_CHARACTERS]
    offered, now = state.get(_OFFERED), state.get("text", st.query_params.get("text"))
    if now is None or now == offered:
        _offer(sentence)
    return sentence


def _offer(sentence: str) -> None:
    st.session_state["text"] = st.session_state[_OFFERED] = sentence


def _draw_chosen(firing: TextFiring, chosen: int, view: View) -> None:
    """The chosen feature on the text, in both models."""
    sides = firing.source[:, chosen].tolist(), firing.target[:, chosen].tolist()
    top = max(max(sides[0]), max(sides[1])) or 1.0
    lines = ""
    hues = view.palette.source, view.palette.arm(colour_of(view.arm))
    for name, values, hue in zip("AB", sides, hues, strict=True):
        body = ""
        for piece, value, scored in zip(firing.pieces, values, firing.scored, strict=True):
            body += marked(piece, value if scored else float("nan"), top, view.palette.highlight)
        lines += line_html(name, hue, body, max(values))
    st.html(f"<div class='twice tokens'><div class='context'>{lines}</div></div>")


def _draw_token(firing: TextFiring, table: pd.DataFrame, chosen: int, view: View) -> None:
    """Tokens as buttons (Tab and the arrow keys reach them), and the features of the chosen one, ranked."""
    import pandas as pd

    names = feature_sentences.token_names(firing.pieces, firing.special)
    scored = [name for name, on in zip(names, firing.scored, strict=True) if on]
    # At first the token at which the chosen feature fires most.
    most = names[int(firing.source[:, chosen].argmax())]
    first = most if most in scored else scored[0]
    picked = st.pills("A token, to rank its features", scored, default=first, key="token", required=True)
    at = names.index(picked) if picked in names else names.index(first)
    shared = firing.shared(at)
    said = feature_sentences.token_counts(firing.pieces[at], shared, view.source, view.target, view.arm)
    st.html(f"<p class='fact'>{said}</p>")
    ranked = firing.ranked(at)[:MOST]
    st.session_state[_RANKED] = ranked
    listed = pd.DataFrame(
        {
            "feature": ranked,
            "fires on": [feature_sentences.spoken(table.loc[f, "fires_on"]) for f in ranked],
            view.source: firing.source[at, ranked].tolist(),
            f"{view.target} {view.arm}": firing.target[at, ranked].tolist(),
            f"r {view.arm}": table.loc[ranked, f"r_{view.arm}"].tolist(),
        }
    )
    bar = st.column_config.ProgressColumn
    top = float(max(1e-9, listed[view.source].max(), listed[f"{view.target} {view.arm}"].max())) if ranked else 1.0
    st.dataframe(
        listed, key="ranked", hide_index=True, on_select=_ranked_clicked, selection_mode="single-row", height=250,
        row_height=30, placeholder="n/a",
        column_config={
            "feature": st.column_config.NumberColumn("#", width=50, format="%d"),
            view.source: bar(width=96, format="%.2f", min_value=0, max_value=top, color=view.palette.source),
            f"{view.target} {view.arm}": bar(
                width=96, format="%.2f", min_value=0, max_value=top, color=view.palette.arm(colour_of(view.arm))
            ),
            f"r {view.arm}": st.column_config.NumberColumn(format="%.2f", width=70),
        },
        alt="Features that fire at the chosen token, by their activation in either model; a row opens its card.",
    )  # fmt: skip


def _ranked_clicked() -> None:
    rows = st.session_state["ranked"]["selection"]["rows"]
    if rows and rows[0] < len(st.session_state[_RANKED]):
        choose(st.session_state[_RANKED][rows[0]])
