"""What a check found: the verdict in large type, its numbers beside their thresholds, figures, files, ways on."""

from __future__ import annotations

from html import escape

import streamlit as st

from explorer.alignment import deciding_site
from explorer.number_text import minus, sentence_case
from explorer.presentation import captions
from explorer.presentation.check import captions as sentences
from explorer.presentation.rotation import sites as figures
from explorer.report import Output, outputs as study_outputs
from explorer.ui.charts import chart
from explorer.ui.check.recording import draw_recording
from explorer.ui.frame import View
from explorer.ui.notices import plain
from explorer.ui.pages import PAGES
from explorer.ui.rotation import draw_axis, draw_opening


def draw_verdict(view: View) -> None:
    """The verdict on the pair that the frame names, and why."""
    result = view.pair
    if result.verdict is None:
        st.info("This pair was measured without its controls, so it has no verdict: check it anew.")
        return
    st.html(f"<p class='large'>{sentences.headline(result)}</p>")
    st.html(f"<p class='verdict'>{sentences.subline(result)}</p>")
    draw_axis(view)
    st.html(f"<p class='fact quiet'>{sentences.who(view.study.file, result)}</p>")
    given = study_outputs.provenance_of(view.study)
    if given.lineage is not None:
        st.html(f"<p class='fact quiet lineage'>{escape(minus(given.lineage.sentence))}.</p>")
    if result.read is not None:
        st.html(f"<p class='fact quiet'>{escape(minus(result.read.sentence))}</p>")
    st.html(f"<p class='fact'>{escape(sentences.meaning(result))}</p>")
    st.html(f"<p class='fact'><b>Try next:</b> {escape(result.verdict.next)}</p>")
    _draw_ways(view)
    draw_recording(view)
    st.markdown(f"#### What decided it, at the site {plain(deciding_site(result.sites).label)}")
    st.html(sentences.criteria_table(result))
    reasons = (minus(sentence_case(reason)) for reason in result.verdict.reasons)
    st.html("".join(f"<p class='fact quiet'>{escape(reason)}.</p>" for reason in reasons))
    if given.lines:
        st.markdown("#### What was read")
        st.html("".join(f"<p class='fact quiet'>{escape(minus(line))}.</p>" for line in given.lines))


def _draw_ways(view: View) -> None:
    """On to the other pages, which show this study; and the files of the contract."""
    with st.container(horizontal=True, vertical_alignment="center", key="check_ways"):
        for page in PAGES.values():
            if page.shows_pair:
                st.page_link(page.script, label=f"Open in {page.title}")
    with st.container(horizontal=True, vertical_alignment="center", key="check_files"):
        for output in study_outputs.outputs(view.study):
            _draw_download(output)


def _draw_download(output: Output) -> None:
    st.download_button(
        output.title, output.path.read_bytes, output.name, output.mime, key=f"download-{output.path.name}",
        on_click="ignore", help=output.what,
    )  # fmt: skip


def draw_figures(view: View) -> None:
    """The two figures that say most, as on the Rotation page, and the verdict of every site."""
    result, here = view.pair, view.site_result
    left, right = st.columns([0.5, 0.5], gap="medium")
    with left:
        st.markdown(f"#### The ladder of maps, site {plain(view.site.label)}")
        chart(figures.ladder(here, view.palette), "check_ladder", "How well each map predicts A's rows from B's.")
    with right:
        st.markdown("#### A's dictionary on B")
        draw_opening(view, "check_ev")
        if here.dictionary is not None:
            st.html(f"<p class='fact'>{captions.scored(result, here, 'faithful')}</p>")
    st.markdown("#### Every site")
    st.dataframe(
        sentences.site_table(result.sites),
        hide_index=True,
        key="check_sites_table",
        column_config=sentences.SITE_COLUMNS,
    )
