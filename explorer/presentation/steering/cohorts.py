"""Cohort A of the paper's toy beside cohort B: what shared output weights pin, seen in the raw arm of one vector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from explorer.steering import REGIMES, DoseResponse
from explorer.study import SHARED

if TYPE_CHECKING:
    import pandas as pd

    from explorer.study import Study

Pair = tuple[str, str]


def both_cohorts(study: Study, source: str, target: str) -> tuple[Pair, Pair] | None:
    """This pair and its like in the other cohort, cohort A's first; None unless both are pairs within a cohort."""
    own = study.model_entry(source).cohort
    if not own or study.model_entry(target).cohort != own:
        return None
    for pair in study.file.pairs:
        other = study.model_entry(pair.source).cohort
        if other not in ("", own) and SHARED in (own, other) and study.model_entry(pair.target).cohort == other:
            pairs = (source, target), (pair.source, pair.target)
            return pairs if own == SHARED else (pairs[1], pairs[0])
    return None


def cohort_table(
    pairs: tuple[Pair, Pair],
    responses: tuple[Sequence[DoseResponse], Sequence[DoseResponse]],
    sites: Mapping[str, str],
) -> pd.DataFrame:
    """One row for each contrast and site, with the raw arm's regime, its share and TE in cohort A and in cohort B.

    `sites`: label of each site by its name.
    """
    import pandas as pd

    known = [{(r.vector, r.site): r for r in found if r.is_contrast} for found in responses]
    rows = []
    for vector, site in known[0]:
        here = [k.get((vector, site)) for k in known]
        if site not in sites or not any(r is not None and r.transfer is not None for r in here):
            continue
        row: dict[str, object] = {"vector": known[0][vector, site].title, "site": sites[site]}
        for (source, target), r in zip(pairs, here, strict=True):
            name = f"{source} → {target}"
            row[f"{name}: raw"] = None if r is None else r.regime.value
            row[f"{name}: raw / own"] = None if r is None else r.raw_share
            row[f"{name}: TE"] = None if r is None or r.transfer is None else r.transfer.value
        rows.append(row)
    return pd.DataFrame(rows)


def sentence(
    pairs: tuple[Pair, Pair], responses: tuple[Sequence[DoseResponse], Sequence[DoseResponse]], sites: Mapping[str, str]
) -> str:
    """How the raw arm fares with shared and with independent output weights, over the contrasts that B's own moves."""
    said = []
    for (source, target), found, what in zip(
        pairs, responses, ("share input and output weights", "share nothing"), strict=True
    ):
        judged = [r for r in found if r.is_contrast and r.transfer is not None and r.site in sites]
        counts = Counter(r.regime for r in judged)
        kinds = ", ".join(f"<b>{counts[k]}</b> {k.value}" for k in REGIMES if counts[k]) or "none judged"
        name = f"{escape(source)} and {escape(target)}"
        said.append(f"{name} {what}: of {len(judged)} raw vectors {kinds}")
    return "; ".join(said) + "."
