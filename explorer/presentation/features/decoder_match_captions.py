"""Sentences of the decoder-cosine story, computed from its numbers: plain data, no Streamlit."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from explorer.number_text import UNDEFINED, percent
from explorer.presentation.features.decoder_match import FAMILIES, counted

if TYPE_CHECKING:
    from explorer.alignment import DecoderStory, Family, FamilyMatch, SiteMatch

_SHARE: dict[str, Any] = {"type_config": {"type": "number", "format": "percent"}}
_TWO: dict[str, Any] = {"type_config": {"type": "number", "format": "%.2f"}}
TABLE_COLUMNS: dict[str, Any] = {
    "above 0.5": _SHARE,
    "chance above 0.5": {"type_config": {"type": "number", "format": "%.1e"}},
    "mean": _TWO,
    "chance mean": _TWO,
    "EV": _TWO,
    "L0": {"type_config": {"type": "number", "format": "%.0f"}},
    "dead": _SHARE,
    "penalty": {"type_config": {"type": "number", "format": "%.3f"}},
    "cosine with its start": _TWO,
}
"""Column formats of both tables (Streamlit's column_config as plain data)."""


def _percent(share: float | None) -> str:
    return UNDEFINED if share is None else f"<b>{percent(share)}</b>".replace("\u00a0", "&nbsp;")


def _kept(story: DecoderStory, family: Family, site: SiteMatch) -> float:
    found = [d.kept for d in story.dictionaries_of(family, site.site) if d.start == 0 and d.kept is not None]
    return sum(found) / len(found)


def _share(family: FamilyMatch, case: str, alive: bool) -> str:
    found = counted(family, case, alive)
    return _percent(None if found is None else found.share)


def _chance(family: FamilyMatch, alive: bool) -> str:
    found = counted(family, "independent", alive)
    return _percent(None if found is None else found.chance.share)


def story_sentences(story: DecoderStory, site: SiteMatch, alive: bool) -> list[str]:
    """What the bars mean: first what the number measures, then what a strong penalty does to it (HTML)."""
    by_name = {f.family: f for f in site.families}
    a, b = escape(story.source), escape(story.target)
    said = []
    if (relu := by_name.get("relu")) is not None:
        said.append(
            f"The number measures how little the decoder moved from its initial weights. Two ReLU dictionaries, of {a} and "
            f"of {b}, that start from the same weights end with {_share(relu, 'same_init', alive)} of their rows matched, "
            f"on average at cosine <b>{_kept(story, 'relu', site):.2f}</b> to where they started; from independent starts it "
            f"is {_share(relu, 'independent', alive)} (chance {_chance(relu, alive)}), {_share(relu, 'rotated', alive)} after R, and "
            f"{_share(relu, 'same_model', alive)} for two dictionaries of {a} itself."
        )
    if (sparse := by_name.get("relu_sparse")) is not None:
        said.append(
            f"With the strong penalty fewer features fire and the rows end at cosine "
            f"<b>{_kept(story, 'relu_sparse', site):.2f}</b> to where they started: the same start now gives "
            f"{_share(sparse, 'same_init', alive)}, independent starts {_share(sparse, 'independent', alive)} raw and "
            f"{_share(sparse, 'rotated', alive)} after R, and two dictionaries of {a} itself "
            f"{_share(sparse, 'same_model', alive)}: of no map can one expect more."
        )
    if (topk := by_name.get("topk")) is not None:
        said.append(
            f"This study's own TopK dictionaries, started independently: {_share(topk, 'independent', alive)} raw, "
            f"{_share(topk, 'rotated', alive)} after R."
        )
    return said


def dead_sentence(story: DecoderStory, site: SiteMatch) -> str:
    """How many features are dead, which is what the toggle changes."""
    parts = []
    for family in site.families:
        dead = [d.dead for d in story.dictionaries_of(family.family, site.site)]
        low, high = f"{100 * min(dead):.1f}", f"{100 * max(dead):.1f}"
        parts.append(f"{FAMILIES[family.family]} {low if low == high else f'{low}–{high}'} %")
    return "Features that never fire on the test text: " + "; ".join(parts) + "."
