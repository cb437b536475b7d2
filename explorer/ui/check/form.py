"""The form of Check a pair: four fields, presets that fill them, options folded away, and what the check will need."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, get_args

import streamlit as st

from explorer import MAX_SEED
from explorer.errors import InputError
from explorer.models import Begin, polypythias as pair_presets
from explorer.pipeline import (
    CHECKS,
    LEAST_CONTEXT,
    LEAST_TOKENS,
    MAX_LENGTH,
    MOST_READ,
    Fields,
    check_request,
    estimate,
    examine,
    machine_memory,
    roots,
)
from explorer.policy import Policy, policy
from explorer.presentation.check import captions as sentences, progress_captions as under_way
from explorer.study import shipped_pair
from explorer.text import PILE
from explorer.ui.notices import told

# Not in the link: with several bound fields a late answer to one edit takes the next one back.
_KEPT: dict[str, Any] = {"persist_state": "session"}
_DICTIONARIES = {"train": "train", "none": "none", "file": "folder or hub id"}
_TALES = "held-out Tales"


def draw_fields() -> Fields:
    """Draw the form and return what it says now."""
    left, right = st.columns(2, gap="medium")
    rules = policy()
    if rules.models is not None:
        return _draw_listed(rules)
    place = "folder, or owner/name on the hub"
    source = left.text_input("Source A", key="check_source", placeholder=place, max_chars=MAX_LENGTH, **_KEPT)
    target = right.text_input("Target B", key="check_target", placeholder=place, max_chars=MAX_LENGTH, **_KEPT)
    left, right = st.columns(2, gap="medium", vertical_alignment="bottom")
    text = left.text_input(
        "Text", key="check_text", placeholder=_TALES, max_chars=MAX_LENGTH,
        help="A txt, jsonl or parquet file, or hf://datasets/OWNER/NAME. Give the kind of text the models know.",
        **_KEPT,
    )  # fmt: skip
    with right:
        _draw_presets()
    st.html(f"<p class='fact quiet small'>{sentences.plain(sentences.readable(roots()))}</p>")
    with st.expander("Options"):
        return _draw_options(str(source or ""), str(target or ""), str(text or ""))


def _draw_listed(rules: Policy) -> Fields:
    """The same where models and texts are listed: nobody names a path, or waits for a download that was not meant."""
    models = list(rules.models or ())
    left, right = st.columns(2, gap="medium")
    source = left.selectbox("Source A", models, 0, _listed_name, key="check_source", **_KEPT)
    target = right.selectbox("Target B", models, min(1, len(models) - 1), _listed_name, key="check_target", **_KEPT)
    left, _ = st.columns(2, gap="medium")
    text = left.selectbox("Text", [_TALES, *(rules.texts or ())], 0, _listed_name, key="check_text", **_KEPT)
    with st.expander("Options"):
        return _draw_options(str(source), str(target), "" if text == _TALES else str(text))


def _listed_name(place: str) -> str:
    """A folder by its name alone: where it lies is nobody's business; what is on the hub as it is called there."""
    return place.rstrip("/").rpartition("/")[2] if place.startswith(("/", "~", ".")) else place


def _draw_presets() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", key="check_presets"):
        st.button("Two shipped seeds", key="check_shipped", on_click=_fill_shipped, help="Needs no network.")
        with st.popover("PolyPythias …", width=180):
            st.markdown(
                "Seeds of one model on the hub (arXiv 2503.09543). They are downloaded: this needs a network.",
                help=pair_presets.BAD_UPLOADS,
            )
            names = [size.name for size in pair_presets.SIZES]
            st.selectbox("Size", names, 0, key="pythia_size")
            st.selectbox("Seed of A", pair_presets.SEEDS, 0, key="pythia_a")
            st.selectbox("Seed of B", pair_presets.SEEDS, 1, key="pythia_b")
            st.number_input("Training step", 0, pair_presets.LAST_STEP, pair_presets.LAST_STEP, 1000, key="pythia_step")
            try:
                _pythias()
            except InputError as error:
                st.html(f"<p class='fact'>{sentences.plain(str(error))}</p>")
            else:
                st.button("Use this pair", key="pythia_use", on_click=_fill_pythias)


def _pythias() -> tuple[str, str, str]:
    """Source, target and revision that the preset's fields say now."""
    chosen = st.session_state
    seeds = int(chosen["pythia_a"]), int(chosen["pythia_b"])
    return pair_presets.preset(str(chosen["pythia_size"]), seeds, int(chosen["pythia_step"] or 0))


def _fill_pythias() -> None:
    # Read here: the arguments of a callback are those of the last run, without an edit made just before the click.
    with suppress(InputError):
        fill(*_pythias(), PILE)


def fill(source: str, target: str, revision: str, text: str = "") -> None:
    """Write a pair, and a text that fits it, into the form, before it is drawn."""
    for key, value in (
        ("check_source", source),
        ("check_target", target),
        ("check_revision_a", revision),
        ("check_revision_b", revision),
        ("check_text", text),
    ):
        st.session_state[key] = value


def _fill_shipped() -> None:
    source, target = shipped_pair()
    fill(str(source), str(target), "")


def _draw_options(source: str, target: str, text: str) -> Fields:
    one, two, three = st.columns(3, gap="medium")
    with one:
        sites = st.text_input(
            "Sites", "all", key="check_sites", max_chars=MAX_LENGTH,
            help="all, or indices or names separated by commas: 0 is the embedding's output.", **_KEPT,
        )  # fmt: skip
        sae, path = _draw_dictionaries()
    with two:
        tokens = st.number_input(
            "Tokens of text", LEAST_TOKENS, policy().most_tokens, None, 4096, key="check_tokens",
            placeholder="as many as the verdict needs",
            help=f"Empty: in portions, until no verdict can change, at most {MOST_READ:,}. Of a number 60 % "
            "are fitted, which must be at least 20 rows for each dimension.", **_KEPT,
        )  # fmt: skip
        context = st.number_input(
            "Context, tokens of a window", LEAST_CONTEXT, policy().most_context, None, 16, key="check_context",
            placeholder="auto", help="EV depends on it. Empty: what the models read, at most 512.", **_KEPT,
        )  # fmt: skip
        seed = st.number_input("Seed of the dictionaries", 0, MAX_SEED, 0, 1, key="check_seed", **_KEPT)
        bos = st.selectbox(
            "BOS before each document", get_args(Begin), key="check_bos",
            help="auto: as the tokenizer of A does by itself.", **_KEPT,
        )  # fmt: skip
    with three:
        a, b, copies = _draw_places() if policy().names_paths else ("", "", False)
        recorded = st.checkbox(
            "Record example texts for Story afterwards", True, key="check_record",
            help="When the result is there and no check waits: steered texts, of which Story plays one. Takes minutes.",
            **_KEPT,
        )  # fmt: skip
    return Fields(
        source=source,
        target=target,
        text=text,
        revision_source=a,
        revision_target=b,
        sites=str(sites or ""),
        sae=sae,
        sae_path=path,
        tokens=int(tokens) if tokens else None,
        context=int(context) if context else None,
        bos=bos,
        seed=int(seed or 0),
        copy_models=copies,
        recorded=bool(recorded),
    )


def _draw_dictionaries() -> tuple[str, str]:
    """Where A's dictionaries come from: the choice, and for a file where it lies."""
    sae = st.selectbox(
        "Dictionaries (SAEs) of A", list(_DICTIONARIES) if policy().names_paths else ["train", "none"],
        format_func=_DICTIONARIES.__getitem__, key="check_sae",
        help="train: at the first, middle and last site. none: maps and stitching only. Else: your own, or published.",
        **_KEPT,
    )  # fmt: skip
    path = ""
    if sae == "file":
        path = st.text_input(
            "Folder, or owner/name/folder on the hub", key="check_sae_path", max_chars=MAX_LENGTH, **_KEPT
        )
    return str(sae), str(path or "")


def _draw_places() -> tuple[str, str, bool]:
    """Which revisions, and whether models are copied: of what anybody may name."""
    a = st.text_input("Revision of A", key="check_revision_a", max_chars=MAX_LENGTH, help="On the hub only.", **_KEPT)
    b = st.text_input("Revision of B", key="check_revision_b", max_chars=MAX_LENGTH, help="On the hub only.", **_KEPT)
    copies = st.checkbox(
        "Copy the models into the study", key="check_copy",
        help="Without, the study refers to the models where they lie now.", **_KEPT,
    )  # fmt: skip
    return str(a or ""), str(b or ""), bool(copies)


def draw_needs(fields: Fields) -> None:
    """What the check will need, or what is still wrong, in a quiet line."""
    if not (fields.source.strip() and fields.target.strip()):
        return
    try:
        request = examine(fields)
        check_request(request)
    except InputError as error:
        st.html(f"<p class='fact quiet' role='status'>{sentences.plain(told(str(error)))}</p>")
        return
    line = sentences.estimate(estimate.needed(request), machine_memory())
    line += under_way.queued([other.progress.left for other in CHECKS.ahead()])
    st.html(f"<p class='fact quiet' role='status'>{line}</p>")
