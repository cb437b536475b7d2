"""Sentences and help texts, computed from results: plain, short, exact enough to be read aloud."""

from __future__ import annotations

from html import escape

from explorer import estimates
from explorer.alignment import ROTATION, PairResult, Reading, SiteResult, other_length, restored
from explorer.narrative import READ_AS, came_back, evs, on_rows
from explorer.number_text import interval, minus, number


def _ev(value: float) -> str:
    return f"<b>{number(value)}</b>"


READINGS_TOLD = (
    "<b>faithful</b> asks whether A's dictionary, reading B, rebuilds what A itself had at the token: the harder test, and "
    "the one that is quoted. <b>paper-style</b> asks whether it rebuilds the row that it was given, as the paper does."
)
SCALES_TOLD = (
    "<b>restored</b>: 0 is what shuffled pairs give, 1 the dictionary at home. <b>EV</b>: explained variance itself, 0 is "
    "predicting the mean."
)
OTHER_READING = "The dial is paper-style: this study was measured before the faithful reading was kept along it."


def turned(site: SiteResult) -> str:
    """What R of a site is called: a rotation only where its determinant is +1."""
    return "one rotation" if site.rotation.determinant > 0 else "one orthogonal map"


def rotation(result: PairResult, site: SiteResult, arm: str) -> str:
    """What the pair shows at one site, in one sentence (HTML with bold numbers)."""
    a, b, d = escape(result.source), escape(result.target), site.dictionary
    at = f"at the site <b>{escape(site.label)}</b>"
    if d is None:
        return f"{fitted(result, site).removesuffix('.')} {at}; this study has no dictionary of {a} there."
    raw, rotated, chosen = (restored(d, name) for name in ("raw", "rotated", arm))
    ratio = other_length(site)
    if ratio is not None:
        constant = estimates.restored(0.0, d["shuffled"].faithful.value, d["ceiling"].faithful.value)
        return (
            f"{b}'s rows {at} are {_ev(ratio)} times as long as {a}'s, and R keeps lengths: {a}'s dictionary cannot be "
            f"read through it, and <i>restored</i> says nothing (a constant would reach {_ev(float(constant))})."
        )
    if raw is None or rotated is None or chosen is None:
        return f"{a}'s dictionary does no better at home than through shuffled pairs {at}."
    text = (
        f"Through {turned(site)}, <b>{interval(rotated)}</b> of what {a}'s dictionary does at home comes back on {b} {at}; "
        f"as it is, {_ev(raw.value)}{', worse than through shuffled pairs' if raw.value < 0 else ''}"
    )
    others = {"affine": "the affine map", "translated": "its mean moved only", "random": "a random rotation"}
    if arm in others:
        text += f"; {'with' if arm == 'translated' else 'through'} {others[arm]}, {_ev(chosen.value)}"
    return f"{text}."


def fitted(result: PairResult, site: SiteResult) -> str:
    """How well R with one scale, and an affine map, predict the source's rows (HTML)."""
    share, affine = site.ladder[ROTATION].value, site.ladder["affine"].value
    more = "" if share > 0.98 * affine else f", an affine map {_ev(affine)}"
    return f"As a fit of {escape(result.source)}'s own rows, R with one scale explains {_ev(share)}{more}."


def scored(result: PairResult, site: SiteResult, reading: Reading) -> str:
    """Under the figures of the dictionary: whose it is, on which rows, which reading, and the EVs (HTML)."""
    assert site.dictionary is not None
    arms = (("raw", "as it is"), ("rotated", "through R"), ("affine", "affine"), ("shuffled", "shuffled pairs"))
    told = evs(site.dictionary, reading, (*arms, ("ceiling", "at home")))
    return (
        f"<span class='quiet'>{escape(on_rows(result, site))}; {READ_AS[reading]}. EV: {told}. Another dictionary has "
        "other EVs: compare <i>restored</i>, which depends on it less, through R least.</span>"
    )


def firing(result: PairResult, site: SiteResult) -> str:
    """Whether the same features fire, and on how many rows everything was measured (HTML)."""
    over = "" if result.unit is None else f" over {result.unit}"
    rows = (
        f"<span class='quiet'>{site.rows_fit:,} rows fitted, {site.rows_test:,} scored, {site.dropped} left out for "
        f"their norm. Intervals: 95 % bootstrap{over}; maps are not refitted.</span>"
    )
    if site.firing is None:
        return rows
    numbers = ", ".join(f"{escape(name)} {value:.2f}" for name, value in site.firing.items() if value is not None)
    return minus(f"<b>Do the same features fire?</b> Median firing correlation over features: {numbers}. {rows}")


def refitted(stored: SiteResult, live: SiteResult, difference: float, seconds: float) -> str:
    """What a live fit found, beside what is stored (HTML)."""
    text = (
        f"Fitted again in <b>{seconds:.0f} s</b> from {live.rows_fit:,} rows: the largest difference between the two R is "
        f"<b>{difference:.1e}</b>, and the rotation explains {_ev(live.ladder['orthogonal'].value)} of the rows "
        f"(stored: {_ev(stored.ladder['orthogonal'].value)})"
    )
    if live.dictionary is not None and stored.dictionary is not None:
        text += (
            f"; of the dictionary <b>{came_back(live.dictionary, 'rotated')}</b> comes back through it "
            f"(stored: {came_back(stored.dictionary, 'rotated')})"
        )
    return text + "."


ROTATION_HELP = r"""
**The question.** Two models, A and B, were trained from different initial weights. Do they hold the same thing in rotated coordinates?

**The map.** $x_A, x_B$ are residual-stream rows at the same token of the same text. With means removed,
$M = \tilde X_B^\top \tilde X_A = U S V^\top$ and $R = U V^\top$ is the orthogonal matrix that best turns B's rows into A's:
$f(x) = (x - \mu_B) R + \mu_A$. It is fitted on 60 % of the documents; every number here is measured on another 20 %.

**Explained variance.** $\mathrm{EV} = 1 - \sum \lVert x - \hat x \rVert^2 / \sum \lVert x - \bar x \rVert^2$. One is perfect, zero is what predicting the mean gives,
and below zero is worse than that.

**Restored** puts the EV of a dictionary between what an R of shuffled pairs gives (0) and what the dictionary does at home (1):
$(\mathrm{EV} - \mathrm{EV}_\text{shuffled}) / (\mathrm{EV}_\text{home} - \mathrm{EV}_\text{shuffled})$. It takes out how good the dictionary is and how easy the text is, so that pages,
checks and studies can be compared although their dictionaries differ; below 0 is worse than shuffled pairs.

**Two readings.** *Faithful* asks whether A's dictionary rebuilds what A itself had at that token: $\mathrm{SAE}_A(f(x_B))$ against $x_A$. *Paper-style* asks whether it rebuilds the
row that it is given: $\mathrm{SAE}_A(f(x_B))$ against $f(x_B)$. The first is the harder test, and opens.

**The controls.** *At home* is A's dictionary on A. *Translated* moves the mean and turns nothing. *Shuffled* fits R to pairs that do not belong together:
whatever it reaches comes from the shape of the clouds alone, not from the pairing. *Random* is a rotation drawn at random. *Affine* may stretch as well as turn.

**The dial** follows the shortest path from no turn to R: $f_t(x) = (x - \mu_B)\exp(t \log R) + (1-t)\mu_B + t\mu_A$. It needs a rotation of determinant +1.
"""
