"""The first pass: what it accumulates at one site, whatever the text's length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from explorer import ranks
from explorer.alignment.moments import CROSS_SUMS, SUMS, CrossMoments, Moments
from explorer.alignment.orthogonal import orthogonal_factor
from explorer.alignment.pairing import PairedRows, paired_rows
from explorer.alignment.ridge import Ridge
from explorer.alignment.token_means import TokenMeans
from explorer.models import BATCH, MASSIVE, LanguageModel, NormLimits, Site
from explorer.progress import Report, counted
from explorer.text import Chunks, Split, number_by_content, sample, shuffle

SHUFFLES = 19
NULL_ROWS: tuple[tuple[Split, int], ...] = (("fit", 100), ("validation", 20), ("test", 20))
"""Rows, for each dimension, on which the null of another target is fitted and scored."""


class SiteMoments:
    """What pass 1 accumulates at one site: moments of the true pairs by half and split, of wrong pairs, by token."""

    def __init__(self, d: int, fit: Chunks, shuffles: int = SHUFFLES, device: torch.device | None = None) -> None:
        self.halves = (Moments.zero(d, device), Moments.zero(d, device))
        """True pairs of the fit split, documents of even and of odd number."""
        self.validation = Moments.zero(d, device)
        """True pairs of the validation split."""
        self.shuffled = [CrossMoments.zero(d, device) for _ in range(shuffles)]
        """Deranged pairs of the fit split, one for each cyclic shift."""
        self.tokens = TokenMeans(fit if shuffles else fit[:0], d, device)
        """Means by token id."""
        self.curve: list[tuple[int, Tensor, Tensor]] = []
        """Rows, R and affine W after 2d, 4d, 8d, … rows of the fit split."""
        self.dropped = 0
        """Rows left out for their norm."""
        self.read = 0
        """Fit rows that were added, on all ranks."""
        self._centre: tuple[Tensor, Tensor] | None = None

    @property
    def fit(self) -> Moments:
        """True pairs of the fit split."""
        return self.halves[0] + self.halves[1]

    def add_validation(self, pair: PairedRows) -> None:
        """Add a batch of validation rows."""
        self.dropped += pair.dropped
        self.validation.add(pair.source[pair.keep], pair.target[pair.keep])

    def add_fit(self, pair: PairedRows, kept: Sequence[int] = ()) -> None:
        """Add a batch of fit rows, noting the maps whenever the number of rows has doubled.

        Without shuffles only the moments of the true pairs are kept. Every rank adds a batch at the same time; `kept`
        says how many rows each adds, if there are several.
        """
        a, b, document = pair.source[pair.keep], pair.target[pair.keep], pair.document[pair.keep]
        self.dropped += pair.dropped
        if not self.shuffled:
            self.halves[0].add(a, b)
            return
        self.settle(a, b)
        self.tokens.add(a, b, pair.ids[pair.keep])
        start, d = 0, a.shape[1]
        before = self.read + sum(kept[: ranks.rank()])
        self.read += sum(kept) if kept else len(a)
        while (upto := 2 * d * 2 ** len(self.curve)) <= self.read:
            stop = min(len(a), max(0, upto - before))
            self._add_true(a[start:stop], b[start:stop], document[start:stop])
            start = stop
            self._note_curve(upto)
        self._add_true(a[start:], b[start:], document[start:])
        self.add_shuffled(pair)

    def settle(self, a: Float[Tensor, "n d"], b: Float[Tensor, "n d"]) -> None:
        """Take the means of the first rows for centres: sums around a mean keep their digits in float32."""
        if self._centre is None:
            # Those of all ranks are around one.
            centre = ranks.agreed((a.mean(0).cpu(), b.mean(0).cpu()))
            self._centre = self.tokens.centre = (centre[0].to(a.device), centre[1].to(a.device))

    def _add_true(self, a: Float[Tensor, "n d"], b: Float[Tensor, "n d"], document: Int[Tensor, " n"]) -> None:
        for number, half in enumerate(self.halves):
            mine = document % 2 == number
            half.add(a[mine], b[mine])

    def _note_curve(self, rows: int) -> None:
        """The maps of all rows so far; rank 0 alone keeps them."""
        fit = self.fit
        ranks.add_up(ranks.fields(fit, *SUMS))
        r = affine = torch.zeros_like(fit.cross).float()
        if ranks.rank() == 0:
            r = orthogonal_factor(fit.cross).float()
            affine = Ridge(fit, self.validation).best().float() if self.validation.n else affine
        self.curve.append((rows, r, affine))

    @property
    def every_sum(self) -> list[ranks.Part]:
        """What is summed."""
        return [*self.sums, *ranks.fields(self.validation, *SUMS)]

    @property
    def sums(self) -> list[ranks.Part]:
        """What is summed, but for the validation split."""
        true = [part for half in self.halves for part in ranks.fields(half, *SUMS)]
        wrong = [part for pairing in self.shuffled for part in ranks.fields(pairing, *CROSS_SUMS)]
        tokens = ranks.fields(self.tokens, "n", "count", "source", "target", "target_source")
        return [*true, *wrong, *tokens, (self, "dropped")]

    def add_shuffled(self, pair: PairedRows) -> None:
        """Pair every chunk with others of the batch at equal position, where these have read something else.

        Never with its own document or one of the same tokens, nor where what both have read so far is the same.
        """
        assert self._centre is not None
        a, b = (pair.source - self._centre[0]).flatten(0, 1), (pair.target - self._centre[1]).flatten(0, 1)
        chunks, length = pair.keep.shape
        document = pair.document[:, 0]
        for shift, moments in enumerate(self.shuffled, 1):
            if shift >= chunks:
                return
            other = (pair.ids.roll(shift, 0) != pair.ids).cumsum(1) > 0
            keep = pair.keep & pair.keep.roll(shift, 0) & other & (document.roll(shift) != document)[:, None]
            row = keep.flatten().nonzero().squeeze(1)
            partner = (row - shift * length) % (chunks * length)
            moments.add(a[row], b[partner], len(row))


def collect_moments(
    source: LanguageModel,
    target: LanguageModel,
    chunks: Chunks,
    sites: Sequence[Site],
    limits: NormLimits,
    report: Report,
    shuffles: int = SHUFFLES,
) -> dict[Site, SiteMoments]:
    """Pass 1 over validation and fit text. Chunks come in random order, so that a batch holds many documents."""
    fit, validation = number_by_content(shuffle(chunks.split("fit"))), chunks.split("validation")
    found = {site: SiteMoments(source.d_model, fit, shuffles, source.device) for site in sites}
    add_moments(source, target, fit, validation, found, limits, report)
    return found


def add_moments(
    source: LanguageModel,
    target: LanguageModel,
    fit: Chunks,
    validation: Chunks,
    found: Mapping[Site, SiteMoments],
    limits: NormLimits,
    report: Report,
) -> None:
    """Read validation and fit text, and add it to the moments of some sites, on all ranks."""
    ranks.leave_to_first(part for moments in found.values() for part in moments.every_sum)
    read = counted(report, "reading validation text", len(validation))
    for rows in paired_rows(source, target, validation, list(found), limits):
        read(BATCH * ranks.count())
        for site, pair in rows.items():
            found[site].add_validation(pair)
    ranks.add_up(part for moments in found.values() for part in ranks.fields(moments.validation, *SUMS))
    read = counted(report, "reading fit text", len(fit))
    for rows in paired_rows(source, target, fit, list(found), limits):
        read(BATCH * ranks.count())
        kept = ranks.gathered({s: int(pair.keep.sum()) for s, pair in rows.items()} if ranks.count() > 1 else {})
        for site, pair in rows.items():
            found[site].add_fit(pair, [each[site] for each in kept if site in each])
    ranks.add_up(part for moments in found.values() for part in moments.sums)


def plain_moments(
    source: LanguageModel,
    target: LanguageModel,
    chunks: Chunks,
    sites: Sequence[Site],
    report: Report,
    step: str,
    massive: float = MASSIVE,
) -> dict[Site, tuple[Moments, Moments, Moments]]:
    """Moments of the true pairs of the fit, validation and test split: all that a null of another target needs.

    On at most 100·d, 20·d and 20·d rows: that many fix a d×d map to a per cent, well within the gate's margin.
    """
    limits = NormLimits(factor=massive)
    d = source.d_model
    parts = [sample(chunks.split(s), rows * d) for s, rows in NULL_ROWS]
    read = counted(report, step, sum(len(p) for p in parts))
    at = source.device
    found = {site: (Moments.zero(d, at), Moments.zero(d, at), Moments.zero(d, at)) for site in sites}
    for number, part in enumerate(parts):
        for rows in paired_rows(source, target, part, sites, limits):
            for site, pair in rows.items():
                found[site][number].add(pair.source[pair.keep], pair.target[pair.keep])
            read(BATCH * ranks.count())
    ranks.add_up(part for splits in found.values() for sums in splits for part in ranks.fields(sums, *SUMS))
    return found
