"""The paper's claims beside what a study measures, with the control that tells what each number means.

What the paper says is quoted; everything else is computed. `CLAIMS` is the list, `read_claims` measures it on a study.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from explorer.alignment import PairResult
from explorer.narrative import claim_rules as rules, claim_steering
from explorer.narrative.claim_finding import Finding
from explorer.narrative.claim_study import ClaimStudy
from explorer.study import Study
from explorer.text import corpora

TOY = corpora.TOY.kind
"""The study of the paper's toy: claims about its cohorts are measured there, whichever study is shown."""


class Agreement(StrEnum):
    """How our number stands to the paper's."""

    AGREES = "agrees"
    PARTLY = "partly"
    NO = "does not"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Claim:
    """One claim of the paper."""

    name: str
    """Short key."""
    title: str
    """What is claimed, in a few words."""
    paper: str
    """The paper's number."""
    measure: Callable[[ClaimStudy], Finding | None]
    """What a study says to it; None where the study holds nothing on it."""
    of_toy: bool = False
    """Whether it is about the paper's toy."""


@dataclass(frozen=True)
class Reading:
    """A claim read on a study."""

    claim: Claim
    """The claim."""
    agreement: Agreement
    """Whether our number agrees."""
    ours: str
    """What this study measures, with its numbers."""
    control: str
    """What a control makes of it."""
    numbers: tuple[float, ...]
    """Every number in `ours` and `control`, in their order."""
    page: str
    """The page with its figure."""
    link: dict[str, str]
    """Query parameters that open it there."""


CLAIMS = (
    Claim(
        "decoder cosine", "Dictionaries of two seeds have the same directions",
        "98 % of decoder rows have a cosine above 0.5 (toy, late sites), 99 % or more in Pythia's middle layers; mean "
        "of the largest 0.89 and 0.91–0.93",
        rules.decoder_cosine,
    ),
    Claim(
        "raw", "Yet the dictionary of one seed fails on another",
        "explained variance −2.11 to +0.75 (Pythia-70m), −1.53 to −0.58 (toy, independent seeds)",
        rules.raw_fails,
    ),
    Claim(
        "rotated", "One rotation repairs it",
        "0.85 to 0.99 (Pythia); 0.965 to 0.990 and within 0.025 of the ceiling (toy)",
        rules.rotation_repairs,
    ),
    Claim(
        "rotation only", "What two seeds share is a rotation",
        "the title: polymorphism is rotation; no direct fit of the rows, and no affine map, is reported",
        rules.only_a_rotation,
    ),
    Claim(
        "distance", "The rotation is far from the identity",
        "‖R − I‖ is 31.99 for d = 512, where √(2d) = 32.00; 9.4 to 11.25 for d = 64 (11.31)",
        rules.far_from_identity,
    ),
    Claim(
        "random", "The rotation looks random",
        "Kolmogorov–Smirnov test of 28,672 eigen-angles against random rotations: statistic 0.0027, p = 1.000",
        rules.looks_random,
    ),
    Claim(
        "firing", "Through the rotation, the same features fire",
        "median Pearson r of firing 0.01–0.07 raw, 0.25–0.44 rotated (Pythia); 0.03–0.51 and 0.27–0.74 (toy)",
        rules.same_features_fire,
    ),
    Claim(
        "raw steering", "A steering vector, carried over as it is, inverts",
        "inverted for all three vectors (Pythia); the rotated vector was not run",
        claim_steering.raw_steering,
    ),
    Claim(
        "checkpoints", "Even checkpoints of one run differ by a rotation",
        "Pythia step 3,000 → 143,000: own 0.907, raw −0.86, after R +0.73, ‖R − I‖ 16.81",
        rules.checkpoints,
    ),
    Claim(
        "toy, independent", "Toy, independent seeds (cohort B)",
        "raw −1.53 to −0.58, after R 0.965 to 0.990, within 0.025 of the ceiling",
        rules.toy_independent, of_toy=True,
    ),
    Claim(
        "toy, shared", "Toy, shared input and output weights (cohort A)",
        "steering raw is clean, partial (at about four times the dose) or inverted",
        claim_steering.toy_shared, of_toy=True,
    ),
    Claim(
        "function", "The seeds compute the same function",
        "taken for granted: same data, same recipe, losses alike",
        rules.same_function,
    ),
)  # fmt: skip


def read_claims(study: Study, source: str, target: str, site_index: int, toy: Study | None) -> list[Reading]:
    """Every claim on a study (those about the toy on `toy`), for one source and its independent targets."""
    here = ClaimStudy.of(study, source, target, site_index)
    there = None if toy is None else ClaimStudy.of_toy(toy)
    return [_read(claim, there if claim.of_toy else here) for claim in CLAIMS]


def read_on(study: Study, source: str, target: str, site_index: int, toy: Study | None) -> str:
    """Which pairs the claims were read on, in a sentence or two."""
    here = ClaimStudy.of(study, source, target, site_index)
    there = None if toy is None else ClaimStudy.of_toy(toy)
    found = [*here.independent, *(p for p in (here.early, here.twin) if p is not None)]
    text = f"Read at every site of {_names(found)} in {study.file.name}." if found else ""
    if scored := [s.rows_test for p in found for s in p.sites if s.dictionary is not None]:
        text += f" Dictionaries are {_owners(found)}, one a site, scored on {min(scored):,} rows of test text or more."
    if there is not None:
        text += f" The toy: {_names([*there.independent])} (cohort B) and {_names([*there.shared])} (cohort A)"
        text += f" in {there.study.file.name}."
    return text.strip()


def _names(pairs: list[PairResult]) -> str:
    return ", ".join(f"{p.source} → {p.target}" for p in pairs)


def _owners(pairs: list[PairResult]) -> str:
    return " and ".join(f"{name}'s" for name in dict.fromkeys(p.source for p in pairs))


def summary(readings: list[Reading]) -> str:
    """How many claims agree, in one sentence."""
    counts = {a: sum(r.agreement == a for r in readings) for a in Agreement}
    measured = len(readings) - counts[Agreement.NOT_MEASURED]
    text = (
        f"Of {measured} claims that can be measured here, {counts[Agreement.AGREES]} "
        f"agree{_s(counts[Agreement.AGREES])} with the paper's number, {counts[Agreement.PARTLY]} partly, "
        f"{counts[Agreement.NO]} do{'es' if counts[Agreement.NO] == 1 else ''} not."
    )
    if counts[Agreement.NOT_MEASURED]:
        text += f" {counts[Agreement.NOT_MEASURED]} cannot be measured here."
    return text + " An agreeing number is not yet an agreeing meaning: read the control beside it."


def _s(count: int) -> str:
    return "s" if count == 1 else ""


def _read(claim: Claim, study: ClaimStudy | None) -> Reading:
    found = None if study is None else claim.measure(study)
    if found is None or study is None:
        return Reading(claim, Agreement.NOT_MEASURED, "Not measured in this study.", "", (), "", {})
    agreement = Agreement.AGREES if found.agrees else Agreement.PARTLY if found.partly else Agreement.NO
    link = {**study.link, **found.link, "see": found.see}
    return Reading(claim, agreement, found.ours.text, found.control.text, found.numbers, found.page, link)
