"""What else goes through R: probes and lenses of the source on the target, at one site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from explorer.alignment import CarriedReaders
from explorer.narrative import lens_told, probe_told
from explorer.number_text import minus, sentence_case

if TYPE_CHECKING:
    import pandas as pd

ARMS = {"home": "at home", "rotated": "through R", "own": "B's own", "raw": "as it is", "shuffled": "shuffled R"}
"""Columns of the table, in order, by score."""
_SHARE = {"type_config": {"type": "number", "format": "%.2f"}}
COLUMNS: dict[str, Any] = {name: _SHARE for name in ARMS.values()} | {
    "0 to 1": {
        **_SHARE,
        "help": "How much of it R brings over: 0 is an R of shuffled pairs, 1 what B's own does.",
    }
}
"""Column formats of the table (Streamlit's column_config as plain data)."""


def carried_frame(found: CarriedReaders, site: str) -> pd.DataFrame:
    """One line for each probe and lens at a site: shares of tokens."""
    import pandas as pd

    rows: list[tuple[str | float | None, ...]] = [
        (f"probe: {p.labels}", *(p.scores[arm].accuracy.value for arm in ARMS), p.restored)
        for p in found.probes
        if p.site == site
    ]
    rows += [
        ("affine lens", *(lens.scores[arm].top1.value for arm in ARMS), lens.restored)
        for lens in found.lenses
        if lens.site == site
    ]
    return pd.DataFrame(rows, columns=["of A, on B", *COLUMNS])


def facts(found: CarriedReaders, site: str, source: str, target: str) -> list[str]:
    """The same as sentences, and how it is measured (HTML)."""
    probes, lenses = ([x for x in part if x.site == site] for part in (found.probes, found.lenses))
    told = [f"<b>Probes.</b> {sentence_case(probe_told(p, source, target))}." for p in probes[:1]]  # type: ignore[arg-type]
    told += [f"<b>Lenses.</b> {sentence_case(lens_told(x, source, target))}." for x in lenses]  # type: ignore[arg-type]
    rows = max((p.rows_test for p in probes), default=0)
    told.append(
        f"<span class='quiet'>Share of {rows:,} tokens of held-out documents whose class the probe names; of a lens, "
        "after which it has the model's own first choice. A probe x Wᵀ + b becomes W Rᵀ with its bias moved by both "
        "means; a lens J from a site to the end becomes R J Sᵀ with the R of the site and the S of the end. "
        "<code>transfer --probe</code> and <code>--lens</code> do it with a file of yours.</span>"
    )
    return [minus(line) for line in told]
