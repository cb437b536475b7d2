"""Sentences and help texts, computed from results: plain, short, exact enough to be read aloud."""

from __future__ import annotations

from typing import Any

from explorer.alignment import PairResult, SiteResult
from explorer.number_text import minus, number

NUMBER = "%.2f"
TABLE_COLUMNS: dict[str, Any] = {
    name: {"type_config": {"type": "number", "format": NUMBER}}
    for name in ("EV paper-style", "low", "high", "EV faithful", "faithful low", "faithful high")
} | {"L0": {"type_config": {"type": "number", "format": "%.1f"}}}
"""Column formats of the table of scores (Streamlit's column_config as plain data)."""


def _ev(value: float) -> str:
    return f"<b>{number(value)}</b>"


def rotation(result: PairResult, site: SiteResult, arm: str) -> str:
    """What the pair shows at one site, in two or three sentences (HTML with bold numbers)."""
    a, b = result.source, result.target
    if site.dictionary is None:
        return f"This study has no dictionary of {a} at the site {site.label}; the ladder below needs none."
    d = site.dictionary
    worse = ", worse than predicting the mean" if d["raw"].paper.value < 0 else ""
    text = (
        f"At the site <b>{site.label}</b>, {a}'s dictionary explains {_ev(d['raw'].paper.value)} of {b} as it is{worse}, and "
        f"{_ev(d['rotated'].paper.value)} read through one rotation; on {a} itself it explains {_ev(d['ceiling'].paper.value)}. "
        f"A rotation fitted to shuffled pairs reaches {_ev(d['shuffled'].paper.value)}. "
    )
    if arm not in ("raw", "rotated", "shuffled"):
        text += f"Read through the {arm} map it is {_ev(d[arm].paper.value)}. "
    share, affine = site.ladder["orthogonal"].value, site.ladder["affine"].value
    more = "" if site.ladder.rho > 0.98 else f" where an affine map explains {_ev(affine)}"
    text += f"As a fit of {a}'s own rows, the rotation explains {_ev(share)}{more}."
    return text


def firing(site: SiteResult) -> str:
    """Whether the same features fire, and on how many rows everything was measured (HTML)."""
    rows = (
        f"<span class='quiet'>{site.rows_fit:,} rows fitted, {site.rows_test:,} scored, {site.dropped} left out for "
        "their norm. Intervals: 95 % bootstrap over documents; maps are not refitted.</span>"
    )
    if site.firing is None:
        return rows
    numbers = ", ".join(f"{name} {value:.2f}" for name, value in site.firing.items() if value is not None)
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
            f"; the dictionary read through it {_ev(live.dictionary['rotated'].paper.value)} "
            f"(stored: {_ev(stored.dictionary['rotated'].paper.value)})"
        )
    return text + "."


ROTATION_HELP = r"""
**The question.** Two models, A and B, were trained from different initial weights. Do they hold the same thing in rotated coordinates?

**The map.** $x_A, x_B$ are residual-stream rows at the same token of the same text. With means removed,
$M = \tilde X_B^\top \tilde X_A = U S V^\top$ and $R = U V^\top$ is the orthogonal matrix that best turns B's rows into A's:
$f(x) = (x - \mu_B) R + \mu_A$. It is fitted on 60 % of the documents; every number here is measured on another 20 %.

**Explained variance.** $\mathrm{EV} = 1 - \sum \lVert x - \hat x \rVert^2 / \sum \lVert x - \bar x \rVert^2$. One is perfect, zero is what predicting the mean gives,
and below zero is worse than that.

**Two readings.** *Paper-style* asks whether A's dictionary rebuilds the row that it is given: $\mathrm{SAE}_A(f(x_B))$ against $f(x_B)$. *Faithful* asks whether
it rebuilds what A itself had at that token: $\mathrm{SAE}_A(f(x_B))$ against $x_A$. The second is the harder test.

**The controls.** The *ceiling* is A's dictionary on A. *Translated* moves the mean and turns nothing. *Shuffled* fits R to pairs that do not belong together:
whatever it reaches comes from the shape of the clouds alone, not from the pairing. *Random* is a rotation drawn at random. *Affine* may stretch as well as turn.

**The dial** follows the shortest path from no turn to R: $f_t(x) = (x - \mu_B)\exp(t \log R) + (1-t)\mu_B + t\mu_A$. It needs a rotation of determinant +1.
"""
