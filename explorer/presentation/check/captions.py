"""Sentences of Check a pair: the estimate, the progress, the verdict in large type and the numbers that decided it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.alignment import (
    CE_LEAST,
    DRIFTED_SHARE,
    DRIFTED_TRACE,
    EV_LEAST,
    MEANING,
    MOSTLY,
    NEARLY_ALL,
    NULL_MARGIN,
    ROTATION,
    SCALE_TOLD,
    SHARED_SHARE,
    SHARED_TRACE,
    STRETCHED,
    PairResult,
    SiteResult,
    deciding_site,
    decisive,
    recovered,
    restored,
    rotation_nulls,
    which_is_what,
)
from explorer.estimates import Estimate
from explorer.number_text import bounds, duration, interval, minus, number, sentence_case, size
from explorer.pipeline import Checkpoint, short_name
from explorer.study import OwnStudy, StudyFile

if TYPE_CHECKING:
    import pandas as pd

    from explorer.pipeline import CheckEstimate

INTRODUCTION = (
    "Give two checkpoints of one shape and one tokenizer. You get a verdict on how far one is the other rotated, the "
    "numbers and controls behind it, and a study that every page opens."
)
NO_CHECKS = (
    "This server shows studies, and checks no pairs. On a machine of your own, <b>make run</b> opens this page with a form "
    "for any two checkpoints, and <b>python -m explorer check A B --out DIR</b> does the same without a page."
)
EMPTY_PUBLIC = "None yet. What you check is seen by you alone, in this browser."
EMPTY = "None yet. A check makes one; an archive brings one from elsewhere."
ROOM = 0.8
"""Share of the machine's memory above which the estimate warns."""


def plain(text: str) -> str:
    """Text as HTML, safe to show."""
    return escape(text)


def readable(folders: Sequence[Path]) -> str:
    """Which folders may be named (plain text)."""
    outer = [f for f in folders if not any(f != other and f.is_relative_to(other) for other in folders)]
    return (
        f"Folders and files may be named below {', '.join(map(str, outer)) or 'no folder'}; dot folders are not read."
    )


def estimate(found: CheckEstimate | None, memory: float | None) -> str:
    """What the check will need (HTML)."""
    if found is None:
        return (
            "Time and memory are told once the models' settings are here; a check of a hub model downloads them first."
        )
    text = (
        f"About <b>{duration(found.seconds)}</b> and <b>{size(found.memory)}</b> of memory on this machine as busy as it "
        "is now; less where parts were measured before."
    )
    if memory is not None and found.memory > ROOM * memory:
        text += (
            f" <b>This machine has {size(memory)}</b>: it may not be enough. Fewer sites or no dictionaries need less."
        )
    return text


def made(seconds: float) -> str:
    """The date and time when something was made, where the server is."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def headline(result: PairResult) -> str:
    """The verdict for large type (HTML), and where sites differ which of them is called what."""
    assert result.verdict is not None
    said = (result.verdict.verdict, which_is_what(result.sites))
    name, sites = (f"{sentence_case(text)}." if text else "" for text in said)
    return f"<b>{escape(name)}</b> {escape(sites)}".strip()


def meaning(result: PairResult) -> str:
    """What the verdict says, and what it does not, in one sentence."""
    assert result.verdict is not None
    return MEANING[result.verdict.verdict]


def subline(result: PairResult) -> str:
    """The one number on which the verdict rests, and its largest null (HTML)."""
    site = deciding_site(result.sites)
    by, scale = decisive(site), site.rotation.scale
    told = scale is not None and by.rung == ROTATION and abs(scale - 1) > SCALE_TOLD
    scaled = f" (s = {number(scale)})" if told else ""
    return (
        f"At the site <b>{escape(site.label)}</b>, {by.title}{scaled} predicts <b>{number(by.estimate.value)}</b> "
        f"{bounds(by.estimate.low, by.estimate.high)} of A's rows from B's; the largest of its nulls "
        f"<b>{number(by.nulls.gate)}</b>."
    )


@dataclass(frozen=True)
class Criterion:
    """One number of the verdict beside what the favourable verdicts ask of it."""

    name: str
    """What is measured."""
    value: str
    """The number with its interval."""
    asked: str
    """The threshold, and of which bound."""
    met: bool
    """Whether it holds."""


def criteria(result: PairResult) -> list[Criterion]:
    """The numbers that decide, in the order of the rules, at the deciding site."""
    site = deciding_site(result.sites)
    ladder, rho, rotation = site.ladder, site.rho_scale, site.ladder[ROTATION]
    null, affine_null = rotation_nulls(site).gate, site.nulls_affine.gate + NULL_MARGIN
    ce, share = recovered(site), site.rotation.identity_share
    asked = f"above {affine_null:.2f}, its largest null + {NULL_MARGIN}"
    found = [_criterion("EV of the affine map", ladder["affine"], affine_null, asked)]
    least = [part * rotation.value for part in (SHARED_SHARE, DRIFTED_SHARE)]
    asked = f"at least {least[0]:.2f} (shared basis), {least[1]:.2f} (drifted)"
    found.append(_criterion("EV of the translation", ladder["translation"], least[1], asked))
    asked = f"at least {SHARED_TRACE} (shared basis), {DRIFTED_TRACE} (drifted)"
    found.append(Criterion("tr(M)/ΣS", number(share), asked, share >= DRIFTED_TRACE))
    if rho is not None:
        asked = f"at least {MOSTLY} (mostly rotation), {NEARLY_ALL} (rotation-equivalent)"
        found.append(_criterion("ρ = EV of R with one scale / EV of the affine map", rho, MOSTLY, asked))
    found.append(_criterion("EV of R with one scale", rotation, EV_LEAST, f"at least {EV_LEAST}"))
    found.append(_criterion(f"CE recovered, {ce.where}", ce.estimate, CE_LEAST, f"at least {CE_LEAST}"))
    if rho is not None:
        asked = f"upper bound at least {STRETCHED} (else affine only)"
        found.append(Criterion("ρ again", interval(rho), asked, rho.high >= STRETCHED))
    found.append(_criterion("EV of R with one scale again", rotation, null, f"above {null:.2f}, its largest null"))
    return found


def _criterion(name: str, estimate: Estimate, least: float, asked: str) -> Criterion:
    return Criterion(name, interval(estimate), minus(f"lower bound {asked}"), estimate.low >= least)


def who(file: StudyFile, result: PairResult) -> str:
    """What was compared on how much (HTML)."""
    titles = {m.name: short_name(Checkpoint(m.title)) for m in file.models}
    f = result.function
    return (
        f"A is <b>{escape(titles.get(result.source, result.source))}</b>, B is "
        f"<b>{escape(titles.get(result.target, result.target))}</b>. Fitted on {result.rows.fit:,} rows, scored on "
        f"{result.rows.test:,}. Losses {f.loss_source:.2f} and {f.loss_target:.2f} nats per token; both rank the same token "
        f"first at {f.top1_agreement:.0%} of positions."
    )


def models(entry: OwnStudy) -> str:
    """The models of a study of the list, or what is wrong with it."""
    if not entry.whole:
        return entry.title
    return " and ".join(short_name(Checkpoint(title)) for title in entry.models)


def site_table(sites: Sequence[SiteResult]) -> pd.DataFrame:
    """One line for each site: its verdict and the numbers that decide."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "site": s.label,
                "verdict": s.verdict.verdict if s.verdict is not None else "",
                "R with one scale": s.ladder[ROTATION].value,
                "its largest null": rotation_nulls(s).gate,
                "EV affine": s.ladder["affine"].value,
                "ρ": s.rho_scale.value if s.rho_scale is not None else None,
                "CE recovered": recovered(s).estimate.value if s.stitch is not None else None,
                "token lookup": s.token.lookup.value,
                "restored": _restored(s),
            }
            for s in sites
        ]
    )


def _restored(site: SiteResult) -> float | None:
    """How much of A's dictionary comes back through R, faithful; None without a dictionary."""
    back = restored(site.dictionary, "rotated") if site.dictionary is not None else None
    return None if back is None else back.value


SITE_COLUMNS: dict[str, Any] = {
    name: {"type_config": {"type": "number", "format": "%.2f"}}
    for name in ("R with one scale", "its largest null", "EV affine", "ρ", "CE recovered", "token lookup", "restored")
}
"""Column formats of the table of sites (Streamlit's column_config as plain data)."""


def sites_so_far(sites: Sequence[SiteResult], awaited: Sequence[str]) -> str:
    """The same while a check runs (HTML); `awaited` are the labels of the sites that are not measured yet."""
    table = site_table(sites)
    rows = [
        [escape(line["site"]), escape(line["verdict"]), *(number(line[name]) for name in SITE_COLUMNS)]
        for line in table.to_dict("records")
    ]
    rows += [[escape(label), "not yet measured", *("" for _ in SITE_COLUMNS)] for label in awaited]
    cells = ("".join(f"<td>{cell}</td>" for cell in row) for row in rows)
    head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    return f"<table class='sites'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def criteria_table(result: PairResult) -> str:
    """The criteria as a table (HTML)."""
    rows = "".join(
        f"<tr><th>{escape(c.name)}</th><td>{c.value}</td><td class='asked'>{escape(c.asked)}</td>"
        f"<td class='met'>{'holds' if c.met else 'does not hold'}</td></tr>"
        for c in criteria(result)
    )
    head = "<tr><th>measured</th><td>value [95 %]</td><td class='asked'>asked for</td><td class='met'></td></tr>"
    return f"<table class='criteria'><thead>{head}</thead><tbody>{rows}</tbody></table>"


HELP = r"""
**What is checked.** Both models read the same text. At every site a ladder of maps from B's residual stream to A's is fitted on 60 % of the documents and scored on another 20 %: nothing, a shift, a signed permutation,
a rotation, a rotation with one scale, an affine map. Controls are fitted in the same way to pairs that do not belong together (19 shuffled pairings) and to three untrained copies of B, from seeds with which neither model began. A site where these controls explain most of the rows themselves is not assessable.

**The verdict** is the first rule that holds, from *not aligned* to *inconclusive*; the pair is called what its least favourable site is called. Its sentence quotes one number, R with one scale at that site, and the largest
of its nulls; below it stand a twin, a sister and an untrained target where there are any. ρ is the share of what an affine map explains that R with one scale explains as well. *CE recovered* runs one model up to the site and the other from there: 1 is as good as the model itself, 0 as bad as no context at all. Intervals are 95 % of a bootstrap over documents of the test text, or over blocks of 1,024 tokens where these are few; maps are not refitted.

**Restored** is how much of the dictionary of A comes back on B through R: 0 is what an R of shuffled pairs gives, 1 what the dictionary does on A. It can be compared with other pages and checks, whose dictionaries and EVs differ.

**What to expect.** Two independent seeds of a small model are usually *partly rotation*: single features and vectors transfer, others do not. A model against its own rotated twin is *rotation-equivalent*.

**What is kept.** The study lies in this machine's cache directory and refers to the models where they are, unless you ask for copies. Finished steps of a check are kept, so that a second try is faster.
"""
