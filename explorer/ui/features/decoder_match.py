"""The panel of the "98 %": why the decoder cosine of two dictionaries is high, and when it falls."""

from __future__ import annotations

import streamlit as st

from explorer.alignment import DecoderStory
from explorer.presentation.features import (
    FAMILIES,
    decoder_match as figures_match,
    decoder_match_captions as match_sentences,
)
from explorer.ui import cache
from explorer.ui.charts import chart
from explorer.ui.frame import View, choice
from explorer.ui.notices import notice, plain

COUNTED = ("alive only", "all")


@cache.of_study(8)
def _story(where: str) -> DecoderStory | None:
    return cache.study(where).decoder_story()


def draw_decoder_story(view: View) -> None:
    """The bars and the histograms at the frame's site, and every number in tables."""
    st.markdown("#### The 98 % story: what decoder cosine measures")
    story = _story(view.where)
    if story is None:
        st.info(
            "This study has no dictionaries trained from equal initial weights, so that it cannot tell this story: "
            "the shipped study tales can. Choose it above."
        )
        return
    site = story.site(view.site.name)
    if site is None:
        labels = ", ".join(s.label for s in story.sites)
        notice(f"The dictionaries of this story exist at the sites {labels}: choose one of them above.")
        _tables(story, alive=True)
        return
    words, _ = st.columns([0.8, 0.2])
    left, right = st.columns(2, gap="large")
    with left:
        title, switch = st.columns([0.62, 0.38], vertical_alignment="center")
        title.markdown(f"**Rows matched, site {plain(site.label)}**")
        with switch:
            alive = choice("match_counted", "Features counted", COUNTED) == COUNTED[0]
        said = match_sentences.story_sentences(story, site, alive)
        words.html("".join(f"<p class='fact'>{sentence}</p>" for sentence in said))
        alt = (
            "Share of decoder rows with cosine above 0.5, four bars for each kind of dictionary; numbers in the table."
        )
        chart(figures_match.match_bars(story, site, alive, view.palette), "match_bars", alt)
    with right:
        names = tuple(FAMILIES[f.family] for f in site.families)
        chosen = choice("match_family", "Dictionaries", names)
        family = site.families[names.index(chosen) if chosen in names else 0]
        alt = (
            f"Histograms of the largest cosine of each decoder row, {chosen}; their shares and means are in the table."
        )
        chart(figures_match.match_histogram(family, alive, view.palette), "match_histogram", alt)
    st.html(f"<p class='fact quiet'>{match_sentences.dead_sentence(story, site)}</p>")
    _tables(story, alive)


def _tables(story: DecoderStory, alive: bool) -> None:
    with st.expander("The numbers of this story at every site, and of every dictionary"):
        columns = match_sentences.TABLE_COLUMNS
        table = figures_match.match_table(story, alive)
        st.dataframe(table, hide_index=True, key="match_table", column_config=columns)
        table = figures_match.dictionary_table(story)
        st.dataframe(table, hide_index=True, key="match_dictionaries", column_config=columns)
