"""The field's similarity indices at one site: a table with the null of each, and what it can say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from explorer.alignment import DecoderMcc, PairSimilarity, SiteSimilarity
from explorer.narrative import INDEX_NAMES, NO_NULL, placed, says_nothing, unpaired_told
from explorer.number_text import minus, number, sentence_case

if TYPE_CHECKING:
    import pandas as pd

DECODERS = "PW-MCC through R"
COLUMNS: dict[str, Any] = {
    name: {"type_config": {"type": "number", "format": "%.3f"}} for name in ("value", "shuffled")
} | {
    "best": {
        "type_config": {"type": "number", "format": "%.3f"},
        "help": "Of 19 shuffled pairings the one that looks most alike.",
    },
    "turned copy": {"type_config": {"type": "number", "format": "%.2f"}},
    "0 to 1": {
        "type_config": {"type": "number", "format": "%.2f"},
        "help": "0 is the mean of shuffled pairs, 1 a copy turned by a known rotation.",
    },
    "p": {"type_config": {"type": "number", "format": "%.2f"}},
}
"""Column formats of the table (Streamlit's column_config as plain data)."""


def similarity_frame(site: SiteSimilarity) -> pd.DataFrame:
    """One line for each index at a site."""
    import pandas as pd

    rows: list[tuple[str | float | None, ...]] = [
        (INDEX_NAMES[name], i.value, i.shuffled, i.shuffled_best, i.twin, placed(i), i.p)
        for name, i in site.indices.items()
    ]
    if (mcc := site.decoders) is not None:
        most = max(mcc.shuffled, mcc.random)
        rows.append((DECODERS, mcc.rotated, mcc.shuffled, most, 1.0, decoders_placed(mcc), None))
    return pd.DataFrame(rows, columns=["index", *COLUMNS])


def decoders_placed(mcc: DecoderMcc) -> float | None:
    """PW-MCC through R between that of shuffled pairs (0) and that of a turned copy (1)."""
    room = 1 - mcc.shuffled
    return (mcc.rotated - mcc.shuffled) / room if room > 1e-6 else None


def facts(found: PairSimilarity, site: SiteSimilarity) -> list[str]:
    """What the indices of a site say of it, what looking for the best site adds, and how each is defined (HTML)."""
    scale = {INDEX_NAMES[name]: placed(index) for name, index in site.indices.items()}
    told = ", ".join(f"{name} {number(value)}" for name, value in scale.items())
    silent = [INDEX_NAMES[name] for name, index in site.indices.items() if says_nothing(index)]
    scaled = f"<b>From shuffled pairs (0) to a turned copy (1), at {site.label}:</b> {told}."
    out = [scaled if told else f"{sentence_case(NO_NULL)}."]
    if silent:
        out.append(f"<b>Tells nothing here:</b> {', '.join(silent)}; shuffled pairs look as much alike.")
    best = ", ".join(
        f"{INDEX_NAMES[name]} {number(i.value)}, shuffled pairs {number(i.shuffled_best)}"
        for name, i in found.best.items()
    )
    if best:
        out.append(f"<b>At the best site of each</b>, shuffled pairs at their own best: {best}.")
    if (mcc := site.decoders) is not None:
        out.append(
            f"<b>Decoders matched one to one (PW-MCC):</b> {number(mcc.raw)} as they are, {number(mcc.rotated)} through R, "
            f"{number(mcc.shuffled)} through a shuffled R, {number(mcc.random)} through a random one; {mcc.features:,} "
            "rows. How much two dictionaries of one model share was not measured."
        )
    out.append(
        f"<span class='quiet'>CKA: debiased, linear, of {site.rows:,} test rows. Procrustes angle: "
        "arccos(ΣS / ‖A‖‖B‖), 0 for a turned copy; its cos² is what R with one scale explains of the rows that it is fitted on. Mean CCA: "
        f"mean canonical correlation of {site.rows_fit:,} fit rows; blind to any linear map. Shared neighbours: of "
        f"{found.neighbours}, among {site.distinct:,} rows that differ.</span>"
    )
    return [minus(line) for line in out]


def without_pairs(found: PairSimilarity, site: str) -> list[str]:
    """What R is worth when it is found without pairs (HTML); nothing where it was not."""
    fits = [s.unpaired for s in found.sites if s.site == site and s.unpaired is not None]
    return [minus(f"<b>Do the pairs do the work?</b> {sentence_case(unpaired_told(fit))}.") for fit in fits]
