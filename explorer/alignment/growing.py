"""Measure a pair on text that grows until the verdict on every site can no longer change.

What is read is added to what was read before, and nothing is read twice. A site whose verdict is settled is left out of
the moments of later portions; its test rows go on being read, so that all sites are scored on the same text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from explorer import ranks
from explorer.alignment.bootstrap_units import bootstrap_units
from explorer.alignment.control_runs import UNTRAINED_SEEDS, Controls, known_digests, positive_control
from explorer.alignment.early_verdict import NUMBERS, Outlook, settled, stitch_decides
from explorer.alignment.first_pass import SiteMoments, add_moments
from explorer.alignment.grounds import ROTATION, UNTURNED, Grounds, worse_way
from explorer.alignment.growing_nulls import FreshTargets, NullMoments
from explorer.alignment.growing_rows import GrowingRows
from explorer.alignment.look import SiteLook
from explorer.alignment.moments import SUMS, Moments
from explorer.alignment.pair_verdict import WORST_FIRST
from explorer.alignment.portions import draw_portions
from explorer.alignment.results import ReadText, VerdictName
from explorer.alignment.site_maps import LEAST_ROWS_PER_DIMENSION, fit_maps
from explorer.alignment.stitching import TOKENS, Stitcher
from explorer.models import BATCH, MASSIVE, LanguageModel, NormLimits, Site
from explorer.progress import Report, counted
from explorer.text import Chunks

POSITIVE_ROWS = 5
"""Rows for each dimension of the positive control: Q is exact, so that more would not find it better."""
FIRST_NULLS = 1
"""Fresh initialisations that are read at once; the others only where the verdict could hang on them."""


@dataclass(frozen=True)
class Grown:
    """What was read of a pair, for the measurement to go on from."""

    chunks: Chunks
    """The text that was read."""
    moments: dict[Site, SiteMoments]
    """Pass 1."""
    limits: NormLimits
    """The norms from which rows were left out."""
    rows: GrowingRows
    """The rows of the test text."""
    controls: Controls
    """The controls, as far as the verdict needed them."""
    read: ReadText
    """How much that was, and why it was enough."""


class _Site:
    """One site on its way to a verdict."""

    def __init__(self, site: Site, moments: SiteMoments, d: int, device: torch.device) -> None:
        self.site, self.moments = site, moments
        self.test = Moments.zero(d, device)
        self.untrained: list[NullMoments] = []
        self.verdict: VerdictName | None = None
        self.gain = 0.0


class _Growth:
    """A pair that is being read, of several ranks by all of them: each sees the sums of all, and the first decides."""

    def __init__(
        self,
        source: LanguageModel,
        target: LanguageModel,
        chunks: Chunks,
        sites: Sequence[Site],
        digests: tuple[str, str],
        report: Report,
        massive: float,
        whole: bool,
    ) -> None:
        self.source, self.target, self.chunks, self.report, self.massive = source, target, chunks, report, massive
        self.all_sites = whole
        self.limits = NormLimits(factor=massive)
        self.portions = draw_portions(chunks, source.d_model)
        self.whole = {name: chunks.split(name) for name in ("fit", "test")}
        d, device = source.d_model, source.device
        self.sites = [_Site(s, SiteMoments(d, self.whole["fit"], device=device), d, device) for s in sites]
        self.rows = GrowingRows(source, target, sites, self.limits)
        self.fresh = FreshTargets(source, target, known_digests(source, target, digests), massive)
        self.done = self.settled_after = 0
        self.late: tuple[str, ...] = ()

    @property
    def open(self) -> list[_Site]:
        """The sites whose verdict may still change."""
        return [s for s in self.sites if s.verdict is None]

    @property
    def wanted(self) -> list[_Site]:
        """The sites for which a portion is read."""
        return self.sites if self.all_sites else self.open

    def within(self, low: float, high: float) -> Report:
        """Reports a part of the portion that is read, under its one name."""
        return lambda _step, share: self.report(portion_step(self.done), low + (high - low) * share)

    def share(self, name: str) -> float:
        """Share of a split's rows that was read."""
        read = sum(int(getattr(p, name).scored.sum()) for p in self.portions[: self.done])
        return min(1.0, read / max(1, int(self.whole[name].scored.sum())))

    @torch.inference_mode()
    def read(self) -> None:
        """The next portion, for the sites that are open."""
        portion = self.portions[self.done]
        self.done += 1
        still = {s.site: s.moments for s in self.wanted}
        told = self.within(0.0, 0.5)
        add_moments(self.source, self.target, portion.fit, portion.validation, still, self.limits, told)
        heard = counted(self.within(0.5, 0.6), "", len(portion.test))
        tests = [part for s in self.sites for part in ranks.fields(s.test, *SUMS)]
        ranks.leave_to_first(tests)
        for rows in self.rows.add(portion.test):
            heard(BATCH * ranks.count())
            for s in self.sites:
                pair = rows[s.site]
                s.test.add(pair.source[pair.keep], pair.target[pair.keep])
        ranks.add_up(tests)
        for number in range(len(self.fresh)):
            self.read_null(number, self.done - 1)
        if not len(self.fresh):
            self.begin_nulls(FIRST_NULLS)

    def begin_nulls(self, upto: int) -> None:
        """Fresh initialisations up to a number, on all that was read, for the sites that are read on."""
        for number in range(len(self.fresh), upto):
            self.fresh.add()
            for s in self.wanted:
                s.untrained.append(NullMoments.zero(self.source.d_model, self.source.device))
            for portion in range(self.done):
                self.read_null(number, portion)

    def read_null(self, number: int, portion: int) -> None:
        """A portion under a fresh initialisation."""
        found = {s.site: s.untrained[number] for s in self.wanted}
        self.fresh.read(number, self.portions[portion], found, self.within(0.6, 0.8))

    @torch.inference_mode()
    def look(self) -> None:
        """Settle the verdicts that can no longer change, where enough rows were not left out for their norm."""
        test, unit = bootstrap_units(self.chunks[self.windows()].split("test"))
        self.late = tuple(s.site.label for s in self.open)
        fitted = [s for s in self.open if s.moments.fit.n >= LEAST_ROWS_PER_DIMENSION * self.source.d_model]
        looks = {s.site: SiteLook(s.moments, s.test, self.share("fit"), unit.count) for s in fitted}
        for rows in self.rows:
            for site, look in looks.items():
                look.add(rows[site])
        ranks.add_up(part for look in looks.values() for part in look.sums)
        for number, s in enumerate(fitted):
            self.within(0.8, 1.0)("", number / len(self.sites))
            self.look_at(s, looks[s.site], test, unit.count)

    def look_at(self, s: _Site, look: SiteLook, test: Chunks, documents: int) -> None:
        """Settle a site's verdict, if it can no longer change; with more nulls, where these alone keep it open."""
        tests = len(self.portions) * len(self.sites) * NUMBERS
        for _ in range(2):
            grounds = look.grounds(s.untrained)
            outlook = look.outlook(grounds, s.untrained, tests, self.share("test"), UNTRAINED_SEEDS)
            s.gain = outlook.gains[ROTATION].high if outlook.gains else 0.0
            s.verdict = self.judge(s, grounds, outlook, test, documents)
            if s.verdict is not None or len(self.fresh) == UNTRAINED_SEEDS:
                return
            certain = look.outlook(grounds, s.untrained, tests, self.share("test"), len(self.fresh))
            if self.judge(s, grounds, certain, test, documents) is None:
                return
            self.begin_nulls(UNTRAINED_SEEDS)

    def judge(self, s: _Site, grounds: Grounds, outlook: Outlook, test: Chunks, documents: int) -> VerdictName | None:
        """The settled verdict of a site; it is stitched if that would settle it. All ranks say what the first says."""
        found = settled(grounds, outlook)
        found, decides = ranks.agreed((found, found is None and stitch_decides(grounds, outlook)))
        if not decides:
            return found
        stitcher = Stitcher(self.source, self.target, self.whole["fit"], test, documents, self.limits)
        stitch = stitcher.site(s.site, fit_maps(s.moments), self.within(0.9, 0.9), (ROTATION, *UNTURNED))
        whole = min(float(TOKENS), float(self.whole["test"].own.sum()))
        recovered = {seam: worse_way(stitch, seam) for seam in (ROTATION, *UNTURNED)}
        stitched = replace(grounds, recovered=recovered), replace(outlook, stitched=stitch.tokens / whole)
        return ranks.agreed(settled(*stitched))

    def windows(self) -> torch.Tensor:
        """Which windows of the text were read, in their order."""
        return torch.cat([p.windows for p in self.portions[: self.done]]).sort().values

    def end(self) -> None:
        """What is read and made after the last look."""
        self.settled_after = self.done
        if self.open:
            self.begin_nulls(UNTRAINED_SEEDS)
        else:
            self.report(f"the verdict is settled: {self.verdict}", 0.0)
        while self.all_sites and self.done < len(self.portions):
            self.read()

    @property
    def verdict(self) -> VerdictName:
        """The settled verdict of the pair: of its least favourable site, the embedding left out if there are others."""
        named = [s.verdict for s in self.sites if s.site.index > 0 or len(self.sites) == 1]
        known = [v for v in named if v is not None and v in WORST_FIRST]
        return min(known, key=WORST_FIRST.index, default="not assessable")

    def grown(self) -> Grown:
        """What was read, with the controls."""
        chunks = self.chunks[self.windows()]
        positive = positive_control(
            self.source, chunks, [s.site for s in self.sites], self.report, self.massive, POSITIVE_ROWS
        )
        untrained = {s.site.name: [n.splits for n in s.untrained] for s in self.sites}
        moments = {s.site: s.moments for s in self.sites}
        for m in moments.values():
            m.tokens.leave_out_rare()
        return Grown(chunks, moments, self.limits, self.rows, Controls(untrained, positive), ranks.agreed(self.told()))

    def told(self) -> ReadText:
        """How much was read, and why that was enough."""
        own = [int(self.chunks[p.windows].own.sum()) for p in self.portions]
        return ReadText(
            sum(own[: self.settled_after]),
            sum(own),
            self.settled_after,
            self.late if self.settled_after == len(self.portions) else (),
            self.done == len(self.portions),
            max(s.gain for s in self.sites),
            len(self.fresh),
        )


def portion_step(number: int) -> str:
    """The name of a portion's step."""
    return f"portion {number} of the text"


def grow(
    source: LanguageModel,
    target: LanguageModel,
    chunks: Chunks,
    sites: Sequence[Site],
    digests: tuple[str, str],
    report: Report,
    massive: float = MASSIVE,
    whole: bool = False,
) -> Grown:
    """Read text portion by portion until the verdict on every site is settled, or all of it is read.

    `whole` reads the rest for all sites afterwards, for what is measured beside the verdict.
    """
    growth = _Growth(source, target, chunks, sites, digests, report, massive, whole)
    while growth.open and growth.done < len(growth.portions):
        growth.read()
        if growth.done < len(growth.portions):
            growth.look()
    growth.end()
    return growth.grown()
