"""The tables in README.md, computed from the shipped study; `python -m explorer.presentation.readme` writes them in place."""

from __future__ import annotations

from explorer import PROJECT
from explorer.alignment import ROTATION, Reading, Scores, restored
from explorer.number_text import interval, number, signed
from explorer.steering import DoseResponse
from explorer.study import Study, open_study
from explorer.text import DEFAULT

README = PROJECT / "README.md"
PAIR = ("seed0", "seed1")


def losses(study: Study) -> str:
    """Loss of every model beside the grammar's entropy, nats per token of whole held-out documents."""
    text = study.file.text
    assert text.entropy is not None, "a grammar wrote this text"
    lines = ["| model | loss | above the entropy |", "|---|---|---|"]
    lines.append(f"| the grammar's own entropy | {text.entropy:.3f} | |")
    for m in study.file.models:
        lines.append(f"| {m.name} ({m.title}) | {m.loss:.3f} | {m.loss / text.entropy - 1:+.0%} |")
    return "\n".join(lines)


def sites(study: Study) -> str:
    """One pair, site by site: what comes back of the dictionary under every map, its EVs in brackets, the direct fits."""
    arms = ("raw", "translated", "rotated", "affine")
    lines = [
        f"| site | {' | '.join(arms)} | rotated, paper-style | EV shuffled / at home | direct: R with one scale | direct: affine | ρ |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for s in study.pair(*PAIR).sites:
        assert s.dictionary is not None
        cells = [_restored(s.dictionary, arm, "faithful") for arm in arms]
        cells.append(_restored(s.dictionary, "rotated", "paper"))
        cells.append(" / ".join(number(s.dictionary[arm].faithful.value) for arm in ("shuffled", "ceiling")))
        rho = None if s.rho_scale is None else s.rho_scale.value
        cells += map(number, (s.ladder[ROTATION].value, s.ladder["affine"].value, rho))
        lines.append(f"| {s.label} | " + " | ".join(cells) + " |")
    found = study.pair(*PAIR).sites
    kinds = dict.fromkeys(s.dictionary_name.rpartition(", ")[0] for s in found if s.dictionary_name)
    marks = ", ".join(s.dictionary_name.rpartition(", ")[2] for s in found if s.dictionary_name)
    names = f"{', '.join(kinds)}: {marks}" if marks else ""
    rows = min(s.rows_test for s in found)
    whose = f"Dictionaries of {PAIR[0]}, one a site{f' ({names})' if names else ''}, on {rows:,} test rows or more."
    return "\n".join([*lines, "", whose])


def _restored(scores: Scores, arm: str, reading: Reading) -> str:
    e = restored(scores, arm, reading)
    return f"{number(None if e is None else e.value)} ({number(getattr(scores[arm], reading).value)})"


def contrasts(study: Study) -> str:
    """How the ready contrasts of the source steer the target: areas under the dose–response, middle site, and TE."""
    lines = [
        "| contrast | B's own | rotated | raw | random 5–95 % | rotated / own | rotated: verdict | raw: regime |",
        "|---|---|---|---|---|---|---|---|",
    ]
    site = study.sites[len(study.sites) // 2].name
    found = [r for r in study.responses(*PAIR) if r.is_contrast and r.site == site]
    for r in sorted(found, key=lambda r: -_area(r, "native")):
        areas = " | ".join(signed(_area(r, arm)) for arm in ("native", "rotated", "raw"))
        low, high = r.band
        te = "" if r.transfer is None else interval(r.transfer)
        lines.append(
            f"| {r.title} | {areas} | {signed(low)} … {signed(high)} | {te} | {r.verdict.value} | {r.regime.value} |"
        )
    return "\n".join(lines).replace("+0.00", "0.00")


def _area(response: DoseResponse, arm: str) -> float:
    curve = response.arm(arm)
    assert curve is not None, "a ready contrast has every arm"
    return curve.area.value


TABLES = {"losses": losses, "sites": sites, "contrasts": contrasts}


def render(text: str, study: Study) -> str:
    """README text with every table between `<!-- name -->` and `<!-- /name -->` computed anew."""
    for name, table in TABLES.items():
        first, last = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, rest = text.split(first)
        text = f"{before}{first}\n{table(study)}\n{last}{rest.split(last)[1]}"
    return text


if __name__ == "__main__":
    README.write_text(render(README.read_text(encoding="utf-8"), open_study(DEFAULT.kind)), encoding="utf-8")
