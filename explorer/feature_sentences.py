"""Sentences and texts of the Features page, computed from the atlas: plain data, no Streamlit."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from explorer.atlas import has_partners, null_share
from explorer.results import ARMS

if TYPE_CHECKING:
    import pandas as pd

CLEAR = 0.3
"""F1 from which a label is said to describe a feature."""
SAME, SOME = 0.5, 0.2
"""Firing r from which a feature is said to fire on the same, and on some of the same, tokens."""
THROUGH = {
    "raw": "Read as it is",
    "translated": "With only its mean moved",
    "rotated": "Read through R",
    "affine": "Read through the affine map",
    "shuffled": "Read through a rotation fitted to shuffled pairs",
    "random": "Read through a random rotation",
}
READ = {
    "raw": "raw",
    "translated": "mean moved",
    "rotated": "through R",
    "affine": "through affine",
    "shuffled": "through shuffled R",
    "random": "through random R",
}
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
}


def number(value: float | None, digits: int = 2) -> str:
    """A number with a true minus sign; n/a for one that is not defined."""
    if value is None or value != value:
        return "n/a"
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def percent(share: float | None) -> str:
    """A share of tokens in per cent, two significant digits."""
    return "n/a" if share is None or share != share else "0 %" if share == 0 else f"{100 * share:.2g} %"


def label_phrase(label: str) -> str:
    """A label key=value in words: slot=log_ships → words for log ships."""
    key, _, value = label.partition("=")
    return _PHRASES.get(key, "{}").format(value.replace("_", " "))


def short_label(label: str) -> str:
    """A label for a narrow column: slot=log_ships → log ships; genre=letter → genre letter."""
    return label.removeprefix("slot=").replace("_", " ").replace("=", " ")


def tokens(words: Iterable[str]) -> list[str]:
    """Tokens for people: a token that continues a word begins with …, one that begins a word loses its space."""
    return [_token(w) for w in words]


def _token(word: str) -> str:
    shown = word.replace("\n", "↵").replace("\t", "⇥")
    if shown.startswith(" ") and shown.strip():
        return shown.strip()
    return f"…{shown}" if shown[:1].isalnum() else shown.replace(" ", "␣")


def headline(table: pd.DataFrame, feature: int, arm: str, source: str, target: str) -> str:
    """What a feature is and what becomes of it in the target, in two sentences (HTML)."""
    row = table.loc[feature]
    name = f"<b>Feature {feature}</b> of {html.escape(source)}"
    if not row["density"] > 0:
        return f"{name} never fires on the test text: it is dead here, and nothing can be said of it in {html.escape(target)}."
    label = f"label {html.escape(row['label'])}, F1 <b>{number(row['f1'])}</b>"
    phrase = html.escape(label_phrase(row["label"]))
    if row["f1"] >= CLEAR:
        text = f"{name} fires on {phrase} ({label}). "
    else:
        text = f"{name} has no clear label; the nearest is {phrase} ({label}). "
    r = row[f"r_{arm}"]
    others = "; ".join(
        f"{other} {number(row[f'r_{other}'])}" for other in ("raw", "rotated", "shuffled") if other != arm
    )
    how = THROUGH[arm]
    if r != r:
        return (
            text + f"{how}, the same direction fires too seldom in {html.escape(target)} to say: r is n/a ({others})."
        )
    same = (
        "on the same tokens of" if r >= SAME else "on some of the same tokens of" if r >= SOME else "on other tokens in"
    )
    return text + f"{how}, the same direction fires {same} {html.escape(target)} (r = <b>{number(r)}</b>; {others})."


def beside_null(table: pd.DataFrame, feature: int, arm: str) -> str:
    """Where the feature's r stands among the r of all features under a shuffled R."""
    r = table.loc[feature, f"r_{arm}"]
    if r != r:
        return f"r {arm} is n/a: fewer than 20 firings on one side."
    return f"r {arm} is above that of {100 * null_share(table, r):.0f} % of all features read through the shuffled R."


def partner(table: pd.DataFrame, feature: int, target: str) -> str:
    """The feature's partner in the target's own dictionary, in a sentence (HTML)."""
    b = html.escape(target)
    if not has_partners(table):
        return f"{b} has no dictionary of its own in this study: there are no partners to show."
    row = table.loc[feature]
    mutual = "each is the other's nearest" if row["mutual"] else "not mutual"
    text = (
        f"<b>In {b}'s own dictionary</b> the nearest direction through R is feature {int(row['partner'])}: cosine {number(row['cosine_rotated'])} "
        f"(raw {number(row['cosine_raw'])}, shuffled {number(row['cosine_shuffled'])}), {mutual}; the two fire with r = {number(row['partner_r'])}."
    )
    if row["firing_partner_r"] == row["firing_partner_r"] and int(row["firing_partner"]) != int(row["partner"]):
        text += f" Feature {int(row['firing_partner'])} fires most alike (r = {number(row['firing_partner_r'])})."
    return text


def readings(table: pd.DataFrame, feature: int, f1: Mapping[str, float] | None) -> list[tuple[str, str, str, str]]:
    """(arm, firing r, F1 of the label, density) for the source itself and for the target under every map."""
    row = table.loc[feature]
    out = [("source", "", number(row["f1"]), percent(row["density"]))]
    for arm in ARMS:
        silent = row[f"density_{arm}"] == 0
        label = "n/a" if silent else "…" if f1 is None else number(f1[arm])
        out.append((arm, number(row[f"r_{arm}"]), label, percent(row[f"density_{arm}"])))
    return out


def counts(table: pd.DataFrame, shown: pd.DataFrame, arm: str) -> str:
    """How many features are shown, and how they fare, in a line."""
    r = shown[f"r_{arm}"]
    known = r.dropna()
    median = f"median r {arm} {number(known.median())}" if len(known) else f"r {arm} n/a"
    silent = f", {int(r.isna().sum())} n/a" if r.isna().any() else ""
    return f"{len(shown):,} of {len(table):,} features; {median}{silent}"


HELP = r"""
**The question.** What does a feature of A's dictionary do, does B have it, and would the dictionary as it is have told you so?

**A feature** is one direction of a sparse dictionary (SAE) of A's residual stream at the chosen site. It *fires* at a token when its activation
$a = \mathrm{TopK}((x - b)\,W_{\mathrm{enc}} + b_{\mathrm{enc}})$ is above zero. *Density* is the share of test tokens at which it fires.

**Read in B.** The same dictionary reads B's rows at the same tokens through the map chosen in the bar, $a_B = \mathrm{SAE}_A(f(x_B))$, for instance $f(x) = (x - \mu_B) R + \mu_A$.
**Firing r** is the Pearson correlation of $a_A$ and $a_B$ over the test tokens. It is *n/a*, not 0, where either side fires fewer than 20 times.
*Shuffled* is the control: R fitted to pairs that do not belong together.

**Label and F1.** Every token of this text carries latent labels (genre, place, the word list that a word came from, …). The label shown is the one that the feature detects best:
$F_1 = 2\,\mathrm{hits} / (\mathrm{firings} + \mathrm{labelled\ tokens})$, with the better of three firing thresholds (0, ¼ and ½ of its largest activation). In B the same detector with the same threshold is used.
The best of many labels is always above zero: below 0.3 take it as no label.

**Cosine and partner.** B has a dictionary of its own, trained independently. For each direction of A, the nearest direction of B by cosine, raw or after B's dictionary is carried through R;
*mutual*: each is the other's nearest. Two dictionaries even of one model share only a part of their features.

**Promoted tokens.** The tokens whose logits the direction raises most on its direct path through the final norm's gain and the unembedding. For B the direction travels as $v_B = v_A R^\top$.

**The map** is UMAP of A's directions by cosine, computed once. Near means similar; distances between far groups mean little.

**Contexts.** The test chunks in which the feature fires most in A, and the same text in B. The shade is the activation, on one scale for both; hover a token for the number. The peak of A is underlined.
The first token of a chunk is not scored anywhere in this project: it is dimmed.

**Controls.** A row of the table, a dot of the map and the number all choose the feature. With the box tool of the map, drag a box to list the features in it (the hand goes back to clicking). The address of the page restores what you see.
"""
