"""Sentences and texts of the Features page, computed from the atlas: plain data, no Streamlit."""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from explorer.alignment import MAPS, arms
from explorer.features import (
    CLEAR,
    FATES,
    LEVEL,
    SAME,
    SOME,
    RegionName,
    fate,
    has_labels,
    has_partners,
    kept_labels,
    null_share,
)
from explorer.number_text import number, small_percent

if TYPE_CHECKING:
    import pandas as pd

_PHRASES = {
    "slot": "words for {}",
    "genre": "text of the genre {}",
    "plot": "stories about {}",
    "part": "the {} of a text",
    "speaker": "what the {} says",
    "person": "{}-person text",
    "place": "text set at the {}",
    "season": "text set in {}",
    "tense": "{} tense",
    "mood": "{} text",
    "bracket": "the bracket {}",
    "role": "{}s",
    "validity": "{} text",
    "depth": "tokens at depth {}",
    "top": "tokens inside {}",
}
_WHOLE = ("valid", "broken")
"""Label tokens of the bracket language that are one word: they continue nothing."""


def label_phrase(label: str) -> str:
    """A label key=value in words: slot=log_ships → words for log ships."""
    key, _, value = label.partition("=")
    if label == "top=none":
        return "tokens inside no bracket"
    return _PHRASES.get(key, "{}").format(value.replace("_", " "))


def short_label(label: str) -> str:
    """A label for a narrow column: slot=log_ships → log ships; genre=letter → genre letter."""
    return label.removeprefix("slot=").replace("_", " ").replace("=", " ")


def tokens(words: Iterable[str]) -> list[str]:
    """Tokens for people: a token that continues a word begins with …, one that begins a word loses its space.

    A token of several words, such as the label tokens of the bracket language, continues none.
    """
    return [_token(w) for w in words]


def spoken(words: Iterable[str]) -> str:
    """Whole words for people, in a row."""
    return " · ".join(w.replace("\n", "↵").replace("\t", "⇥") for w in words)


def chips(words: Iterable[str], special: Collection[str]) -> str:
    """Tokens as HTML; a special token is shown as what it is."""
    out = []
    for word in words:
        if word in special:
            out.append(
                f"<span class='chip special' title='special token: it stands for no text'>{html.escape(word)}</span>"
            )
        else:
            out.append(f"<span class='chip'>{html.escape(_token(word))}</span>")
    return "".join(out)


def _token(word: str) -> str:
    shown = word.replace("\n", "↵").replace("\t", "⇥")
    if shown.startswith(" ") and shown.strip():
        return shown.strip()
    if word in _WHOLE or " " in shown.strip():
        return shown.strip()
    return f"…{shown}" if shown[:1].isalnum() else shown.replace(" ", "␣")


def headline(table: pd.DataFrame, feature: int, arm: str, source: str, target: str) -> str:
    """What a feature is and what becomes of it in the target, in two sentences (HTML)."""
    row = table.loc[feature]
    name = f"<b>Feature {feature}</b> of {html.escape(source)}"
    if not row["density"] > 0:
        return f"{name} never fires on the test text: it is dead here, and nothing can be said of it in {html.escape(target)}."
    phrase = html.escape(label_phrase(row["label"]))
    label = f"label {html.escape(row['label'])}, F1 <b>{number(row['f1'])}</b>"
    on = html.escape(", ".join(f"“{spoken([w])}”" for w in row["fires_on"][:4]))
    if not has_labels(table):
        text = f"{name} fires on {on}. "
    elif row["f1"] >= CLEAR:
        text = f"{name} fires on {phrase} ({label}), most on {on}. "
    else:
        text = f"{name} fires most on {on}; no label describes it (nearest: {phrase}, F1 {number(row['f1'])}). "
    r = row[f"r_{arm}"]
    others = "; ".join(
        f"{other} {number(row[f'r_{other}'])}" for other in ("raw", "rotated", "shuffled") if other != arm
    )
    how = MAPS[arm].read
    if r != r:
        return (
            text + f"{how}, the same direction fires too seldom in {html.escape(target)} to say: r is n/a ({others})."
        )
    same = (
        "on the same tokens of" if r >= SAME else "on some of the same tokens of" if r >= SOME else "on other tokens in"
    )
    return text + f"{how}, the same direction fires {same} {html.escape(target)} (r = <b>{number(r)}</b>; {others})."


def partner(table: pd.DataFrame, feature: int, target: str) -> str:
    """The feature's partners in the target's own dictionary, in sentences (HTML)."""
    b = html.escape(target)
    if not has_partners(table):
        return f"{b} has no dictionary of its own in this study: there are no partners to show."
    row = table.loc[feature]
    mutual = "each is the other's nearest" if row["mutual"] else "not mutual"
    near, only, best = (int(row[c]) for c in ("partner", "one_to_one", "firing_partner"))
    text = (
        f"<b>In {b}'s own dictionary</b> the nearest direction through R is feature {near}: cosine {number(row['cosine_rotated'])} "
        f"(raw {number(row['cosine_raw'])}, shuffled {number(row['cosine_shuffled'])}), {mutual}; the two fire with r = {number(row['partner_r'])}."
    )
    if only == near:
        text += " It is the partner also when no feature may serve twice (Hungarian)."
    elif only >= 0:
        text += (
            f" When no feature may serve twice (Hungarian) the partner is {only}: cosine {number(row['one_to_one_cosine'])}, "
            f"r = {number(row['one_to_one_r'])}."
        )
    else:
        text += " When no feature may serve twice (Hungarian) none is left for it."
    if row["firing_partner_r"] == row["firing_partner_r"] and best not in (near, only):
        text += f" Feature {best} fires most alike (r = {number(row['firing_partner_r'])})."
    return text


READINGS = ("read from", "firing r", "above null", "cosine", "above null", "label F1", "density")
"""What the columns of `readings` hold."""


def readings(table: pd.DataFrame, feature: int) -> list[tuple[str, ...]]:
    """A row for the source itself and for the target under every map.

    null: the share of all features that have less under the shuffled R, in per cent.
    """
    row, labels = table.loc[feature], has_labels(table)
    out: list[tuple[str, ...]] = [
        ("source", "", "", "", "", number(row["f1"]) if labels else "", small_percent(row["density"]))
    ]
    for arm in (arm for arm in arms() if f"r_{arm}" in table):
        r, cosine = row[f"r_{arm}"], row.get(f"cosine_{arm}")
        above = [_above(null_share(table, r)), "" if cosine is None else _above(null_share(table, cosine, "cosine"))]
        # A detector that is silent in the target detects nothing there; that is no F1 of 0.
        silent = row[f"density_{arm}"] == 0 or f"f1_{arm}" not in table
        f1 = "" if not labels else "n/a" if silent else number(row[f"f1_{arm}"])
        near = "" if cosine is None else number(cosine)
        out.append((arm, number(r), above[0], near, above[1], f1, small_percent(row[f"density_{arm}"])))
    return out


def _above(share: float) -> str:
    return "n/a" if share != share else f"{100 * share:.0f} %"


def lines(table: pd.DataFrame, feature: int, target: str) -> str:
    """What the line on the twin maps joins (HTML)."""
    b = html.escape(target)
    if not has_partners(table):
        return f"{b} has no dictionary of its own in this study: only A's directions are on the map."
    row = table.loc[feature]
    text = f"The line joins feature {feature} to its one-to-one partner {int(row['one_to_one'])} in {b}"
    if int(row["one_to_one"]) < 0:
        text = f"Feature {feature} has no one-to-one partner in {b}"
    if int(row["partner"]) != int(row["one_to_one"]):
        text += f"; the dashed one leads to the nearest, {int(row['partner'])}"
    return text + ". A line straight down: the same place on both."


def region_word(region: RegionName) -> str:
    """A region's name for people: a label in words, or the word in quotation marks; empty without one."""
    if not region.name:
        return ""
    return short_label(region.name) if region.kind == "label" else f"“{region.name}”"


def regions_said(found: Collection[RegionName]) -> str:
    """What the names on the map are worth (HTML)."""
    named = [r for r in found if r.name]
    sure = [r for r in named if r.is_more_than_chance]
    if not named:
        return "No label and no word is frequent enough in any region to name it."
    text = "A name is a clear label or a word, with how many of the region's features have it. "
    if sure:
        first = min(sure, key=lambda r: r.p)
        text += (
            f"<b>Bold</b>: more than chance puts there (p ≤ {LEVEL}, corrected), {len(sure)} of {len(found)} regions; "
            f"{html.escape(region_word(first))} has {first.count} of {first.everywhere} among {first.size} features. "
        )
    else:
        text += f"None of the {len(found)} regions has more of one than chance puts there (p ≤ {LEVEL}, corrected): "
        text += "on this map near features mean little. "
    return text + "<i>Italic</i>: no more than chance."


def kept(table: pd.DataFrame, source: str, target: str) -> str:
    """How many features keep their label in the target, by map (HTML)."""
    clear, by_arm = kept_labels(table)
    if not clear or not by_arm:
        return ""
    words = "; ".join(f"{MAPS[arm].short} <b>{by_arm[arm]}</b>" for arm in arms() if arm in by_arm)
    return (
        f"<b>{clear}</b> features of {html.escape(source)} have a clear label (F1 ≥ {CLEAR}). Read from {html.escape(target)}, the same "
        f"detectors keep it for: {words}."
    )


def text_length(read: int, left_out: int) -> str:
    """How much of a text was read."""
    text = f"{read} tokens; the first is not scored, as everywhere in this project."
    return f"{text} The last {left_out} tokens are left out: a window holds no more." if left_out else text


def token_names(pieces: Iterable[str], special: Iterable[bool]) -> list[str]:
    """A name of its own for each token of a text: its place and itself."""
    out = []
    for i, (piece, stands) in enumerate(zip(pieces, special, strict=True)):
        out.append(f"{i} {piece}" if stands else f"{i} {_token(piece) or '·'}")
    return out


def token_counts(piece: str, shared: tuple[int, int, int], source: str, target: str, arm: str) -> str:
    """How many features fire at a token, and how many of them in both (HTML)."""
    a, b, both = shared
    return (
        f"At “{html.escape(_token(piece))}” <b>{a}</b> features fire in {html.escape(source)} and <b>{b}</b> when {html.escape(target)} is read "
        f"{MAPS[arm].short if arm != 'raw' else 'as it is'}; <b>{both}</b> in both."
    )


def counts(table: pd.DataFrame, shown: pd.DataFrame, arm: str) -> str:
    """How many features are shown, and how they fare, in a line."""
    r = shown[f"r_{arm}"]
    known = r.dropna()
    median = f"median r {arm} {number(known.median())}" if len(known) else f"r {arm} n/a"
    silent = f", {int(r.isna().sum())} n/a" if r.isna().any() else ""
    return f"{len(shown):,} of {len(table):,} features; {median}{silent}"


def fates(table: pd.DataFrame, arm: str) -> str:
    """How many features a map matches, and how many are lost, with the thresholds and the control (HTML)."""
    alive = table[table["density"] > 0]
    found = fate(alive, arm).value_counts()
    n = {name: int(found.get(name, 0)) for name in FATES}
    how = {"rotated": "R", "raw": "As it is, the dictionary"}.get(arm, f"Read {MAPS[arm].short},")
    text = (
        f"{how} matches <b>{n['matched']:,}</b> (r ≥ {SAME}), {n['partly']:,} partly, loses <b>{n['lost']:,}</b> "
        f"(r < {SOME}); {n['rare']:,} fire too rarely."
    )
    if arm != "shuffled" and "r_shuffled" in table:
        text += f" An R of shuffled pairs matches {int((alive['r_shuffled'] >= SAME).sum()):,}."
    return text


REASONS = {"label": "label", "word": "the word", "part": "part of it", "promotes": "promotes it"}
"""Why a search found a feature, for the narrow column."""


def found_said(shown: pd.DataFrame) -> str:
    """In which order a search lists what it finds, with how many for each reason."""
    if "found" not in shown or shown.empty:
        return ""
    words = {"label": "in a clear label", "word": "the word itself", "part": "a part of it", "promotes": "promoted"}
    n = shown["found"].value_counts()
    return "Found: " + ", ".join(f"{word} {int(n[why])}" for why, word in words.items() if why in n) + "."


def bars(table: pd.DataFrame, feature: int, arm: str) -> list[tuple[str, float]]:
    """Firing r of one feature, by map: the one in the bar, R, raw and the control."""
    order = dict.fromkeys((arm, "rotated", "raw", "shuffled"))
    return [(a, float(table.loc[feature, f"r_{a}"])) for a in order if f"r_{a}" in table]
