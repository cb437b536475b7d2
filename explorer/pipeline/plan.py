"""The parts of a check, in the order in which they come, and how long each will take on a machine of some speed.

Counts the operations of every part of `explorer.pipeline.run_check`; parts that turn out to be in the cache, or that the
models are not fit for, leave the plan while it runs (`explorer.pipeline.progress`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from explorer.alignment import (
    CHEAP,
    DRAWS,
    HAAR_DRAWS,
    LEAST_ROWS_PER_DIMENSION,
    MORE_DRAWS,
    POWERS,
    SHUFFLES,
    SPARE,
    TOKENS,
    UNTRAINED_SEEDS,
    arms,
    portion_step,
    rungs,
    seams,
)
from explorer.features import CHOOSING, EDITED, SUBSTITUTION_ROWS
from explorer.models import LONGEST, ModelShape, Site, first_middle_last
from explorer.pipeline.check_options import CheckOptions
from explorer.pipeline.progress import PlannedPart
from explorer.sae import POOL, ROWS, check_recipe
from explorer.steering import CARRIED, DOSES, PROMPTS, RANDOM_DIRECTIONS
from explorer.text import DEFAULT

FIT, VALIDATION, TEST = 0.6, 0.2, 0.2
"""Shares of the text."""
LIBRARIES, MODEL_BYTES, TEXT_TOKENS, REPORT = 6.0, 4e8, 1.5e4, 0.5
"""Seconds for loading libraries; bytes of weights and tokens of text that are read in a second; seconds for a report."""
DECOMPOSITION = 25.0
"""Operations of a singular value decomposition, in units of d³."""
FITTED = 12
"""Decompositions of fitting all maps of a site."""
LOOKED = 20
"""Decompositions of a look at a site."""
TESTED = 20
"""Decompositions at a site beside those of its shuffled pairings and Haar draws."""
DIALLED = 43 * 4096
"""Rows that a dictionary reads for the dial: 4,096 at each of 21 positions of two maps, and the source's own."""
CLASS_TOKENS = 16_000
"""Tokens of the texts from which a ready contrast of Tales is made."""
READS = len(DOSES) * (RANDOM_DIRECTIONS + len(DEFAULT.contrasts()) * (len(CARRIED) + 1))
"""Readings of the prompts under vectors: random ones, and every arm of every ready contrast."""
GRAMMAR_VOCABULARY = 8192
"""Models of a larger vocabulary were trained on other text than Tales: its contrasts are not measured on them."""
UNPAIRED_ROWS, UNPAIRED_SECONDS = 24_576, 60.0
"""Rows that are read to find R without pairs, and how long it takes at a site."""
MIXTURES, WEIGHED = 47 * 2048, 20_000_000
"""Tokens that models between the two are judged on, and parameters of the largest model for which a check does it."""
IN_CHECK = 30
"""Matches of each site that a check tries by substitution."""
EDITS_EACH = 11
"""Kinds of edit of each: nothing, the match and four wrong neighbours where it fires, and these beside it."""
ANSWERED = 60
"""Windows that both models answer for the talk."""


@dataclass(frozen=True)
class PlannedCheck:
    """What decides how long the parts of a check take."""

    source: ModelShape
    """A."""
    target: ModelShape
    """B."""
    options: CheckOptions
    """Text, dictionaries."""
    sites: Sequence[Site]
    """Where the pair is measured."""
    speed: float
    """Operations a second of this machine's matrix products."""

    def parts(self) -> tuple[PlannedPart, ...]:
        """Every part, in order."""
        if self.options.tokens is None:
            groups = (self._reading(), self._growing(), self._dictionaries(), self._pair(), self._rest())
        else:
            groups = (self._reading(), self._dictionaries(), self._controls(), self._pair(), self._rest())
        last = {f"nulls at {site.label}": site.label for site in self.sites}
        return tuple(PlannedPart(step, cost, last.get(step, "")) for group in groups for step, cost in group)

    def _seconds(
        self, network: float = 0.0, dictionary: float = 0.0, moments: float = 0.0, factors: float = 0.0
    ) -> float:
        """Operations of networks, dictionaries, sums of products and decompositions as time.

        The shares of the measured speed that they reach were measured at d = 128 and 512; small matrices wait for
        memory, dictionaries are faster still where bfloat16 is.
        """
        d = self.source.d_model
        reached = 0.75 * d / (d + 128), min(0.8, d / 300), d / (d + 150), min(0.38, 0.13 + d / 2048)
        return (
            sum(n / share for n, share in zip((network, dictionary, moments, factors), reached, strict=True))
            / self.speed
        )

    @property
    def _tokens(self) -> tuple[float, float, float]:
        """Tokens to fit, to validate and to test on."""
        count = float(self.options.budget)
        return FIT * count, VALIDATION * count, TEST * count

    @property
    def _both(self) -> float:
        """Operations of both models' blocks on a token."""
        return 2.0 * (self.source.blocks + self.target.blocks)

    @property
    def _unembed(self) -> float:
        """Operations of both unembeddings on a token."""
        return 4.0 * self.source.d_model * self.source.vocabulary

    @property
    def _square(self) -> float:
        """Operations of one product of rows of all sites, on a token."""
        return 2.0 * self.source.d_model**2 * len(self.sites)

    def _own(self, wish: str) -> list[Site]:
        """Sites of a model's dictionaries."""
        return [] if wish == "none" else first_middle_last(list(self.sites))

    def _coded(self, readings: float) -> float:
        """Operations of encoding and decoding the test rows of one site so many times."""
        d = self.source.d_model
        return 4.0 * d * check_recipe(d).width * self._tokens[2] * readings

    def _reading(self) -> Iterator[tuple[str, float]]:
        weights = 4.0 * (self.source.parameters + self.target.parameters)
        yield "reading the models", LIBRARIES + weights / MODEL_BYTES
        yield "reading the text", self.options.budget / TEXT_TOKENS

    def _dictionaries(self) -> Iterator[tuple[str, float]]:
        d, fit = self.source.d_model, self._tokens[0]
        # Forward and backward through encoder and decoder.
        training = 12.0 * d * check_recipe(d).width * ROWS
        wishes = ("A", "", self.options.sae, self.source), ("B", " of B", self.options.sae_target, self.target)
        for _, suffix, wish, shape in wishes:
            for site in self._own(wish) if wish == "train" else ():
                read = 2.0 * shape.blocks * (fit if fit <= POOL else ROWS)
                yield f"dictionary at {site.label}{suffix}", self._seconds(network=read, dictionary=training)
        for name, _, wish, shape in wishes:
            if own := self._own(wish):
                # Once for contexts, once for labels.
                read, coded = 2.0 * 2.0 * shape.blocks * self._tokens[2] * len(own), self._coded(4.0) * len(own)
                yield f"catalogue of features of {name}", self._seconds(network=read, dictionary=coded)

    def _growing(self) -> Iterator[tuple[str, float]]:
        """The portions of a text that grows; those that are not needed leave the plan."""
        d, budget = self.source.d_model, float(self.options.budget)
        first = min(budget, SPARE * LEAST_ROWS_PER_DIMENSION * d / FIT)
        ends = [first]
        while ends[-1] < budget:
            ends.append(2 * ends[-1] if 3 * ends[-1] < budget else budget)
        for number, (begin, end) in enumerate(zip([0.0, *ends], ends, strict=False), 1):
            tokens, site = end - begin, d**3 * DECOMPOSITION * LOOKED
            passes = 2 * self._both * tokens
            rows = (2 * SHUFFLES + 9) * self._square * tokens
            yield portion_step(number), self._seconds(passes, moments=rows, factors=site * len(self.sites))
        rows = 7.0 * d
        yield "positive control", self._seconds(4.0 * self.source.blocks * rows, moments=3 * self._square * rows)

    def _controls(self) -> Iterator[tuple[str, float]]:
        d = self.source.d_model
        null_rows = min(float(self.options.budget), 140.0 * d)
        null = self._seconds(network=self._both * null_rows, moments=3 * self._square * null_rows)
        for number in range(UNTRAINED_SEEDS):
            yield f"null: untrained target {number + 1} of {UNTRAINED_SEEDS}", null
        rows = min(float(self.options.budget), 25.0 * d)
        turned = self._seconds(4.0 * self.source.blocks * rows, moments=3 * self._square * rows)
        yield "positive control", turned + self._seconds(factors=DECOMPOSITION * d**3 * (len(self.sites) + 1))

    def _pair(self) -> Iterator[tuple[str, float]]:
        d, (fit, validation, test) = self.source.d_model, self._tokens
        if self.options.tokens:
            few = self._seconds(self._both * validation, moments=3 * self._square * validation)
            yield "reading validation text", few
            yield "reading fit text", self._seconds(self._both * fit, moments=(SHUFFLES + 3) * self._square * fit)
        for site in self.sites:
            yield f"fitting maps at {site.label}", self._seconds(factors=DECOMPOSITION * d**3 * FITTED)
        read = len(arms()) + 1
        coded = self._coded(read) * len(self._own(self.options.sae))
        scored = (len(rungs()) + 5) * self._square * test
        yield "scoring test text", self._seconds(self._both * test, coded, scored)
        stitched = min(test, float(TOKENS)) * (self._both + self._unembed) * (len(seams()) + 1.5)
        draws = MORE_DRAWS if d <= CHEAP else HAAR_DRAWS
        for number, site in enumerate(self.sites):
            yield f"stitching at {site.label}", self._seconds(stitched)
            # The first site makes the Haar draws for all.
            haar = POWERS * draws if number == 0 else 0
            factors = d**3 * (DECOMPOSITION * (2 * SHUFFLES + DRAWS + TESTED) + haar)
            dialled = 4.0 * d * check_recipe(d).width * DIALLED if site in self._own(self.options.sae) else 0.0
            yield f"nulls at {site.label}", self._seconds(dictionary=dialled, factors=factors)
        yield "comparing predictions", self._seconds((self._both + self._unembed) * test)
        # Twice the singular values of every pairing, without vectors.
        alike = DECOMPOSITION * d**3 * (SHUFFLES + 2) * len(self.sites)
        yield "similarity indices", self._seconds(factors=alike)

    def _unpaired(self) -> Iterator[tuple[str, float]]:
        if self.options.pairs == "text":
            return
        yield "reading text without pairs", self._seconds(2.0 * self._both * min(self.options.budget, UNPAIRED_ROWS))
        for site in self.sites:
            yield f"R without pairs at {site.label}", UNPAIRED_SECONDS

    def _between(self) -> Iterator[tuple[str, float]]:
        a, b = self.source, self.target
        if a.parameters <= WEIGHED and (a.blocks, a.vocabulary) == (b.blocks, b.vocabulary):
            yield "loss between the weights", self._seconds(MIXTURES * (self._both + self._unembed) / 2)

    def _substituted(self) -> Iterator[tuple[str, float]]:
        d, read = self.source.d_model, min(self._tokens[2], float(SUBSTITUTION_ROWS))
        edits = IN_CHECK * EDITED * EDITS_EACH + 2.0 * d * CHOOSING
        for site in self._own(self.options.sae) if self._own(self.options.sae_target) else ():
            # Once in both for what fires; twice in B as it is, and once more beside the edits.
            run = 2.0 * self._both * read + self.target.blocks * 2.0 * (2 * read + edits) + self._unembed * edits
            yield f"substitution at {site.label}", self._seconds(run, 4.0 * d * check_recipe(d).width * read)

    def _rest(self) -> Iterator[tuple[str, float]]:
        test = self._tokens[2]
        if own := self._own(self.options.sae):
            shared = len(set(own) & set(self._own(self.options.sae_target)))
            coded = self._coded(len(arms()) + 2) * shared
            yield "correspondences of features", self._seconds(3 * self._both * test * shared, coded)
            coded = self._coded(len(arms()) + 1) * len(own)
            yield "readings of features", self._seconds(self._both * test * len(own), coded)
        if self.options.text is None and self.source.vocabulary <= GRAMMAR_VOCABULARY:
            # Vectors are made in both models; from the middle site on the target alone is run.
            made = 2.0 * len(DEFAULT.contrasts()) * CLASS_TOKENS
            yield "contrasts in A", self._seconds(made * self.source.blocks)
            yield "contrasts in B", self._seconds(made * self.target.blocks)
            steered = READS * PROMPTS * DEFAULT.prompt_tokens * (self.target.blocks + self._unembed / 2)
            yield "dose–response of contrasts", self._seconds(steered)
        yield "writing the study", REPORT
        answered = min(test, ANSWERED * float(self.options.context or LONGEST))
        yield "answers of both models", self._seconds(answered * (self._both + self._unembed))
        yield from self._substituted()
        yield from self._unpaired()
        yield from self._between()
        yield "writing the report", REPORT
