"""The tables in README.md, computed from the shipped study; `python -m explorer.presentation.readme` writes them in place."""

from __future__ import annotations

from explorer import PROJECT
from explorer.alignment import ROTATION, Reading, Scores, restored
from explorer.narrative import random_words
from explorer.number_text import interval, number, signed
from explorer.steering import DoseResponse
from explorer.study import Study, open_study, read_training_table, rotation_draws
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
        f"| site | {' | '.join(arms)} | rotated, paper-style | EV shuffled / at home | direct: R with one scale | direct: affine | ρ | the token alone |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for s in study.pair(*PAIR).sites:
        assert s.dictionary is not None
        cells = [_restored(s.dictionary, arm, "faithful") for arm in arms]
        cells.append(_restored(s.dictionary, "rotated", "paper"))
        cells.append(" / ".join(number(s.dictionary[arm].faithful.value) for arm in ("shuffled", "ceiling")))
        rho = None if s.rho_scale is None else s.rho_scale.value
        cells += map(number, (s.ladder[ROTATION].value, s.ladder["affine"].value, rho, s.token.lookup.value))
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


def readings(study: Study) -> str:
    """What one reads: of the continuations that each arm wrote at the suggested dose, how many count as the class."""
    site = {s.name: s.label for s in study.sites}
    lines = [
        "| contrast | site, dose, loss | B's own | rotated | raw | random | untouched |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in sorted(study.reading_shares(*PAIR), key=lambda r: -r.lead):
        own = r.arm("native")
        if r.suggested is None or own is None:
            continue
        rise = own.loss_rise[r.doses.index(r.suggested)]
        shares = [r.share(arm) for arm in ("native", "rotated", "raw", "random")]
        counts = ["" if share is None else f"{share * r.texts:.0f}" for share in (*shares, r.untouched)]
        lines.append(
            f"| {r.title} | {site[r.site]}, {r.suggested:g}, {signed(100 * rise, 0)}% | " + " | ".join(counts) + " |"
        )
    return "\n".join(lines)


def training(study: Study) -> str:
    """The table over training: loss, KL between the seeds, the maps, what comes back, and steering, at the middle site."""
    lines = [
        "| tokens | loss | KL | R | affine | restored, paper-style | restored, faithful | steering: R / own |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in read_training_table(study.folder):
        numbers = (row.orthogonal, row.affine, row.restored_paper, row.restored, row.steering_share)
        seen = f"{row.tokens / 1e6:.0f} M | {row.loss_source:.3f}, {row.loss_target:.3f} | {number(row.kl, 3)}"
        lines.append(f"| {seen} | " + " | ".join(map(number, numbers)) + " |")
    return "\n".join(lines)


def randomness(study: Study) -> str:
    """What the test of R finds over all pairs of seeds."""
    draws = rotation_draws(study)
    assert draws is not None, "its cohorts are recorded"
    return random_words.told(draws)


TABLES = {
    "losses": losses,
    "sites": sites,
    "contrasts": contrasts,
    "readings": readings,
    "randomness": randomness,
    "training": training,
}


def render(text: str, study: Study) -> str:
    """README text with every table between `<!-- name -->` and `<!-- /name -->` computed anew."""
    for name, table in TABLES.items():
        first, last = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, rest = text.split(first)
        text = f"{before}{first}\n{table(study)}\n{last}{rest.split(last)[1]}"
    return text


if __name__ == "__main__":
    README.write_text(render(README.read_text(encoding="utf-8"), open_study(DEFAULT.kind)), encoding="utf-8")
