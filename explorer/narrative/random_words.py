"""What the test of R finds over all pairs of a study whose cohorts say how its models were trained."""

from __future__ import annotations

from collections.abc import Sequence

from explorer.alignment import HAAR_LEVEL, HaarTest
from explorer.study import Law, PairDraw, RotationDraws

CONDITIONS = (
    "If a seed's initial weights prefer no direction and every step of its training commutes with a rotation of the "
    "residual stream, R between it and any model trained apart is Haar by a theorem."
)
UNRECORDED = (
    "This study does not record how its models were trained, so no theorem says what R must be: the test stands alone."
)
TITLES: dict[Law, str] = {"theorem": "Haar by a theorem", "optimiser": "both trained with AdamW"}
"""What the rows of a law are called; all others are `NOT_COUNTED`."""
NOT_COUNTED = "not counted, see below"
WHY: dict[Law, str] = {
    "twin": "one known Q at every site",
    "origin": "the same initial weights, so that the test should find something: its negative control",
    "way back": "the R of the pair the other way round, transposed",
    "unknown": "how one of them was trained is not recorded",
}
"""Why the R of a pair is no draw that could be counted."""


def spread(values: Sequence[float], shown: str = ".2g") -> str:
    """Numbers as a range, or as one where they are written alike."""
    low, high = format(min(values), shown), format(max(values), shown)
    return low if low == high else f"{low} to {high}"


def p_of(tests: Sequence[HaarTest]) -> str:
    """Joint p of some tests, as a range."""
    return spread([test.p for test in tests])


def deviating(tests: Sequence[HaarTest]) -> int:
    """How many of the tests find that R is no random rotation."""
    return sum(test.p < HAAR_LEVEL for test in tests)


def uniform(draws: RotationDraws) -> bool:
    """Whether no deviation from uniform is found where the theorem holds."""
    return draws.uniformity is not None and draws.uniformity.p >= HAAR_LEVEL


def theorem_told(draws: RotationDraws) -> str:
    """The p-values where R is Haar by a theorem, and whether they look uniform; nothing without such pairs."""
    pairs, tests = draws.of("theorem"), draws.tests("theorem")
    if not tests:
        return ""
    text = (
        f"{len(tests)} p-values of {len(pairs)} {'pair' if len(pairs) == 1 else 'pairs'} ({_names(pairs)}) lie at {p_of(tests)}; "
        f"{deviating(tests) or 'none'} below {HAAR_LEVEL}, where chance puts {HAAR_LEVEL * len(tests):.2g}."
    )
    if (together := draws.uniformity) is None:
        return text
    found = "no deviation from uniform detected" if uniform(draws) else "they deviate from uniform"
    return (
        f"{text} Are they uniform together? By Kolmogorov–Smirnov's distance p = {together.p:.2g}, {found}: compared with "
        f"{together.turns} draws in which every seed that the theorem speaks of is turned at random, so that it holds "
        "although sites of one pair depend on each other."
    )


def optimiser_told(draws: RotationDraws) -> str:
    """What the test finds between two AdamW seeds; nothing without such pairs."""
    pairs, tests = draws.of("optimiser"), draws.tests("optimiser")
    if not tests:
        return ""
    away, least = deviating(tests), 1 / (1 + max(test.draws for test in tests))
    found = f"R deviates from Haar at {away} of {len(tests)} sites" if away else "no deviation from Haar detected"
    text = (
        f"{_names(pairs)}: {found}, p = {p_of(tests)} ({max(test.draws for test in tests):,} draws allow no less than "
        f"{least:.2g}), kurtosis {spread([t.kurtosis for t in tests], '.2f')} where Haar has {draws.haar_kurtosis:.2f}."
    )
    if not away:
        return text
    return f"{text} AdamW, and gains where they are learnt, treat each coordinate by itself: what is found comes of training, not of the task."


def paper_told(draws: RotationDraws) -> str:
    """What the paper's test says of the same pairs."""
    tests = draws.tests("theorem", "optimiser")
    p = [test.ks_p_paper for test in tests]
    apart = deviating(draws.tests("optimiser")) > 0 and min(p) >= HAAR_LEVEL
    told = f"The paper's test of eigen-angles gives p = {spread(p, '.3f')} for all of these"
    return f"{told}: it cannot see the difference." if apart else f"{told}."


def not_counted(draws: RotationDraws) -> list[str]:
    """The pairs whose R is no draw of its own, each with the reason and what the test finds."""
    return [f"{pair.name}: {WHY[pair.law]}; p = {p_of(pair.tests)}" for pair in draws.of(*WHY)]


def known_told(draws: RotationDraws) -> str:
    """In how many directions the text fixes the R that are counted."""
    ranks = [float(r.identified_rank) for pair in draws.of("theorem", "optimiser") for r in pair.found]
    return f"The text fixes these R in {spread(ranks, '.0f')} of {draws.d_model} directions."


def told(draws: RotationDraws) -> str:
    """All that is found over the pairs that are counted."""
    theorem = f"{CONDITIONS} {theorem_told(draws)}" if draws.of("theorem") else ""
    parts = (theorem, optimiser_told(draws), paper_told(draws), known_told(draws))
    return " ".join(part for part in parts if part)


def headline(draws: RotationDraws) -> str:
    """The finding in at most 20 words."""
    tests, away = draws.tests("optimiser"), deviating(draws.tests("optimiser"))
    if not draws.of("theorem"):
        found = f"deviates from random at {away} of {len(tests)} sites" if away else "shows no deviation from random"
        return f"Between seeds trained with AdamW, R {found}."
    text = "Where training prefers no coordinate, R is random by a theorem; tests agree"
    if draws.uniformity is not None and not uniform(draws):
        text = f"Where training prefers no coordinate, theory says random; uniformity has p = {draws.uniformity.p:.2g}"
    if not tests:
        return f"{text}."
    if not away:
        return f"{text}. Between AdamW seeds no deviation is detected."
    return f"{text}. AdamW's deviates at {away} of {len(tests)} sites."


def _names(pairs: Sequence[PairDraw]) -> str:
    return ", ".join(pair.name for pair in pairs)
