"""What each figure of the Rotation page can and cannot say: sentences computed from results (HTML with bold numbers)."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from explorer.alignment import (
    ROTATION,
    PairResult,
    SiteResult,
    StitchScores,
    deviates,
    other_length,
    rotation_seam,
    rungs,
    which_is_what,
)
from explorer.narrative import from_identity, paper_test, random_words as words
from explorer.number_text import interval, minus, sentence_case
from explorer.pipeline import knows
from explorer.presentation.captions import fitted
from explorer.presentation.rotation.over_training import came_back
from explorer.presentation.rotation.sites import controls

if TYPE_CHECKING:
    from explorer.study import RotationDraws, TrainingRow

NOTHING = 0.05
"""EV up to which there is nothing to compare."""
IDENTIFIED = 0.5
"""Share of the directions below which an R is too little known to be read at another site."""
BY_THEOREM = "By itself this never shows that R is random; for this pair a theorem does, see below"
BY_CHANCE = "By a theorem, see below, R of this pair is Haar: one test in twenty falls so low by chance"
NOT_MEASURED = "This pair was measured without it. `python -m explorer check` measures everything."


def verdict(result: PairResult) -> str:
    """What the pair is called, and where sites differ which of them what; nothing where the controls were not run."""
    if result.verdict is None:
        return ""
    which = which_is_what(result.sites)
    sites = f"{sentence_case(which)}. " if which else ""
    pair = escape(f"{result.source} → {result.target}: {result.verdict.verdict}", False)
    return f"<b>{pair}.</b> {escape(sites, False)}"


def called(result: PairResult, site: SiteResult) -> str:
    """Under the opening picture: the verdict, the direct fit, and whether R is a rotation at all (HTML)."""
    mirror = (
        ""
        if site.rotation.determinant > 0
        else f" det R = −1 at {escape(site.label)}: R mirrors one direction as well, so it is called an orthogonal map, not a rotation."
    )
    return f"{verdict(result)}{fitted(result, site)}{mirror}"


def reasons(result: PairResult, site: SiteResult) -> list[str]:
    """Why the pair, and the chosen site, are called so, and what to try next."""
    if result.verdict is None:
        return ["This pair was measured without the controls that a verdict needs."]
    out = [f"<b>The pair is called {escape(result.verdict.verdict, False)}</b>, after its least favourable site:"]
    out += [f"– {escape(reason, False)}" for reason in result.verdict.reasons]
    if site.verdict is not None:
        out.append(f"<b>The site {escape(site.label)} is called {escape(site.verdict.verdict, False)}:</b>")
        out += [f"– {escape(reason, False)}" for reason in site.verdict.reasons]
    out.append(f"<b>Next:</b> {escape(result.verdict.next, False)}")
    return [minus(line) for line in out]


def maps(site: SiteResult) -> list[str]:
    """What the ladder says: rotation against affine, against the token, against its nulls."""
    ladder, turned, out = site.ladder, site.ladder[ROTATION].value, []
    rho = "" if site.rho_scale is None else f": ρ = {interval(site.rho_scale)}"
    scale = "" if site.rotation.scale is None else f" (s = {site.rotation.scale:.2f})"
    out.append(
        f"<b>How much is rotation?</b> R with one scale{scale} explains {turned:.2f} of the rows, the best affine map "
        f"{ladder['affine'].value:.2f}{rho}."
    )
    best, name = max((max(values), name) for name, values in controls(site))
    out.append(
        f"<b>Against maps that saw no true pairing:</b> the best of them ({escape(name, False)}) explains {best:.2f}; "
        f"p = {ladder.p:.2g} over 19 shuffled pairings."
    )
    more = turned > site.token.lookup.value
    text = (
        f"<b>Knowing the token alone</b> explains {site.token.lookup.value:.2f}; R with one scale explains "
        f"{turned:.2f}{', more than that' if more else ', less than that'}."
    )
    if site.token.residual is not None and other_length(site) is None:
        text += (
            f" With the token's mean taken away on both sides, R explains {site.token.residual.value:.2f} of the rest."
        )
    out.append(text)
    return [minus(line) for line in out]


def matrix(result: PairResult, site: SiteResult, draws: RotationDraws | None = None) -> list[str]:
    """What R looks like, what each number can say, and what it cannot; `draws`: what is known of the study's pairs."""
    r, d = site.rotation, result.d_model
    h, rank = r.haar, r.identified_rank
    found = "R deviates from a Haar-random matrix" if deviates(r) else "No deviation from Haar detected"
    meaning = "A random rotation hardly ever looks like this." if deviates(r) else "This never shows that R is random."
    if draws is not None and (result.source, result.target) in [(p.source, p.target) for p in draws.of("theorem")]:
        meaning = f"{BY_CHANCE if deviates(r) else BY_THEOREM}."
    others = "" if rank == d else " On the others R is arbitrary, and no statement about it means anything."
    costs = (
        ", as the dial needs" if r.determinant > 0 else f"; the dial needs +1, which costs {r.special_cost:.3f} of EV"
    )
    out = [
        f"<b>How much of R is known?</b> {rank} of {d} directions come out the same from two halves of the text.{others}",
        f"<b>{found}</b> (p = {h.p:.2g} over {h.draws:,} draws: powers of R, T = {h.statistic:.1f}; kurtosis of its "
        f"entries {h.kurtosis:.2f}; largest entry {h.largest:.2f}). {meaning}",
        paper_test(r).replace("The paper's test", "<b>The paper's test</b>"),
        f"<b>{from_identity(r, d).replace(',', '</b>,', 1)} det R = {r.determinant:+.0f}{costs}.",
    ]
    if draws is None:
        out.append(f"<span class='quiet'>{words.UNRECORDED}</span>")
    return [minus(line) for line in out]


def randomness(draws: RotationDraws) -> list[str]:
    """What the test finds over all pairs of a study: where a theorem holds, between AdamW seeds, and what is not counted."""
    theorem, optimiser = escape(words.theorem_told(draws), False), escape(words.optimiser_told(draws), False)
    out = [f"<b>Haar by a theorem?</b> {words.CONDITIONS} {theorem}"] if theorem else []
    out += [f"<b>Both trained with AdamW:</b> {optimiser}"] if optimiser else []
    out.append(f"<b>The paper's test:</b> {words.paper_told(draws)} {words.known_told(draws)}")
    if left_out := words.not_counted(draws):
        out.append(f"<span class='quiet'><b>Not counted:</b> {escape('; '.join(left_out), False)}.</span>")
    return [minus(line) for line in out]


def function(result: PairResult, site: SiteResult) -> list[str]:
    """Whether both compute the same, and what survives when one is continued by the other."""
    f = result.function
    out = [
        f"<b>Same function?</b> On the test text the losses are {f.loss_source:.3f} and {f.loss_target:.3f} nats per token, "
        f"KL {max(0.0, f.kl):.3f}; both rank the same token first at {f.top1_agreement:.0%} of positions."
    ]
    if site.stitch is not None:
        for first, second, scores in (
            (result.source, result.target, site.stitch.source_to_target),
            (result.target, result.source, site.stitch.target_to_source),
        ):
            loss = f.loss_target if second == result.target else f.loss_source
            out.append(_stitched(first, second, scores, loss))
        out.append(
            f"<span class='quiet'>{site.stitch.tokens:,} test tokens. 1 is the receiver by itself; 0 is the better of the "
            "unigram model and the receiver with its mean row there.</span>"
        )
    return [minus(line) for line in out]


def _stitched(first: str, second: str, scores: StitchScores, loss: float) -> str:
    first, second = escape(first, False), escape(second, False)
    if not knows(loss, scores.unigram):
        return (
            f"<b>{first} up to here, {second} from here:</b> nothing can be said, for {second} does not know this text: "
            f"its loss is {loss:.2f}, that of the unigram model {scores.unigram:.2f}."
        )
    seam = rotation_seam(scores)
    return (
        f"<b>{first} up to here, {second} from here:</b> through {rungs()[seam].title} {interval(scores[seam])} of the "
        f"cross-entropy is recovered, through an affine map {scores['affine'].value:.2f}, through a shuffled R "
        f"{scores['shuffled'].value:.2f}."
    )


def text_needed(result: PairResult, site: SiteResult) -> list[str]:
    """How many rows the rotation needs to come near what all of them give."""
    curve = site.fit_curve
    last = curve.orthogonal[-1]
    enough = next(n for n, ev in zip(curve.rows, curve.orthogonal, strict=True) if ev >= last - 0.02)
    gain = round(curve.affine[-1] - curve.affine[-2], 3) + 0.0 if len(curve.affine) > 1 else 0.0
    return [
        minus(line)
        for line in (
            f"<b>{enough:,} rows</b> bring R within 0.02 of what all {curve.rows[-1]:,} give ({last:.2f}).",
            f"The affine map has twice as much to learn. The last doubling of the text gave it {gain:+.3f}.",
            f"<span class='quiet'>Fitted on growing parts of the fit text, scored on all test rows. "
            f"d = {result.d_model}; fewer than 20·d = {20 * result.d_model:,} rows give no verdict.</span>",
        )
    ]


def depths(result: PairResult) -> list[str]:
    """Whether one R serves all depths; an R that the text hardly fixes is not asked."""
    table, n = result.ev_cross_site, len(result.sites)
    own = sum(table[i][i] for i in range(n)) / n
    known = [i for i, s in enumerate(result.sites) if s.rotation.identified_rank >= IDENTIFIED * result.d_model]
    away = [table[i][j] for i in known for j in range(n) if i != j]
    lines = [f"<b>With its own R</b> a site is explained at {own:.2f} on average."]
    if away:
        serves = "one R serves all depths" if min(away) > own - 0.1 else "one R does not serve all depths"
        lines.append(
            f"<b>With the R of another site</b> it is {sum(away) / len(away):.2f} on average, {max(away):.2f} at best: "
            f"{serves if own > NOTHING else 'no R explains much here'}."
        )
    for site in (s for i, s in enumerate(result.sites) if i not in known):
        lines.append(
            f"<span class='quiet'>The R of the site {escape(site.label)} is not counted elsewhere: the text fixes it in "
            f"{site.rotation.identified_rank} of {result.d_model} directions only.</span>"
        )
    return [minus(line) for line in lines]


def pairs(results: list[PairResult]) -> list[str]:
    """How the study's pairs compare."""
    middle = len(results[0].sites) // 2
    ranked = sorted(results, key=lambda r: r.sites[middle].ladder[ROTATION].value, reverse=True)
    best, worst = ranked[0], ranked[-1]
    label = best.sites[middle].label

    def line(word: str, r: PairResult) -> str:
        v = f", verdict: {r.verdict.verdict}" if r.verdict is not None else ""
        said = f"{r.source} → {r.target}, {r.sites[middle].ladder[ROTATION].value:.2f}{v}."
        return f"<b>{word}</b> at the site {escape(label)}: {escape(said, False)}"

    return [minus(line("Best aligned", best)), minus(line("Least aligned", worst))]


def training(rows: list[TrainingRow], pair: tuple[str, str]) -> list[str]:
    """Whether the rotation account improves or fades with training; `pair`: the two seeds of the table."""
    first, last = rows[0], rows[-1]
    reading, back = came_back(rows)

    def moved(what: str, before: float, after: float) -> str:
        if abs(after - before) < 0.03:
            return f"{what} goes from {before:.2f} to {after:.2f}, which is little"
        return f"{what} {'rises' if after > before else 'falls'} from {before:.2f} to {after:.2f}"

    out = [
        f"<b>{escape(pair[0], False)} and {escape(pair[1], False)}</b> over their training, whichever pair is chosen above.",
        f"<b>From {first.tokens / 1e6:.1f} to {last.tokens / 1e6:.1f} M tokens</b> the loss falls from "
        f"{first.loss_source:.2f} to {last.loss_source:.2f}; {moved('EV of R', first.orthogonal, last.orthogonal)}, "
        f"{moved('of the affine map', first.affine, last.affine)}, {moved('their ratio', first.rho, last.rho)} (R without a scale, unlike ρ).",
        f"<b>The dictionary through R:</b> {moved('what comes back', back[0], back[-1])} (restored, {reading}: 0 is what "
        f"shuffled pairs give, 1 what it does at home; each row has a dictionary of its own). Its paper-style EV, as in the table, "
        f"{moved('', first.sae_rotated, last.sae_rotated).strip()}.",
        f"<b>Steering through R,</b> as a share of the own effect, over five genres at one dose: "
        f"{first.steering_share:.2f} at first, {last.steering_share:.2f} at last.",
    ]
    return [minus(line) for line in out]
