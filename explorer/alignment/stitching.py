"""Stitching: one model up to a site, a map, the other model from there; how much of its loss is recovered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from explorer import estimates, metrics, ranks
from explorer.alignment.map_registry import seams
from explorer.alignment.map_results import Stitch, StitchScores
from explorer.alignment.maps import ResidualMap
from explorer.alignment.pairing import PairedRows, paired_rows
from explorer.alignment.site_maps import SiteMaps
from explorer.models import BATCH, LanguageModel, NormLimits, Site, start_at
from explorer.progress import Report, counted, silent
from explorer.text import Chunks

TOKENS = 4096
LOGITS = 2**25
"""Entries of a batch of logits (128 MiB)."""


def shared_vocabulary(source: LanguageModel, target: LanguageModel) -> int:
    """Tokens that both models have a row for: one may have rows of padding, or a token more, behind them."""
    return min(source.vocabulary, target.vocabulary)


def batch_size(model: LanguageModel, chunks: Chunks) -> int:
    """Windows whose logits fit into memory beside each other."""
    return max(1, min(BATCH, LOGITS // (model.vocabulary * chunks.ids.shape[1])))


def unigram(fit: Chunks, vocabulary: int) -> Float[Tensor, " v"]:
    """log P of every token by its count in the fit text; Good and Turing's share, n₁/N, is left to tokens not seen."""
    counts = torch.bincount(fit.ids[fit.own], minlength=vocabulary).double()
    total, unseen = counts.sum(), int((counts == 0).sum())
    once = float((counts == 1).sum())
    left = min(0.5, max(0.5, once) / float(total)) if unseen else 0.0
    p = counts / total * (1 - left)
    p[counts == 0] = left / max(1, unseen)
    return p.log()


class _Losses:
    """Σ CE and tokens by document, for every arm of one direction at one site."""

    def __init__(self, n_documents: int) -> None:
        self.n = torch.zeros(n_documents, dtype=torch.float64)
        self.sums: dict[str, Tensor] = {}

    def parts(self, arms: Iterable[str]) -> list[ranks.Part]:
        """What is summed of these arms."""
        return [self.n, *(self.sums.setdefault(arm, torch.zeros_like(self.n)) for arm in arms)]

    def add(self, arm: str, loss: Float[Tensor, " m"], document: Tensor) -> None:
        found = self.sums.setdefault(arm, torch.zeros_like(self.n))
        found.index_add_(0, document, loss.double())

    def scores(self) -> StitchScores:
        present = self.n > 0
        weights = metrics.bootstrap_weights(int(present.sum()))
        mean = {arm: (weights @ s[present] / (weights @ self.n[present])).numpy() for arm, s in self.sums.items()}
        # One base for all draws: which of the two is smaller is decided on all documents.
        base = min(("mean", "unigram"), key=lambda arm: float(mean[arm][0]))
        room = mean[base] - mean["own"]
        recovered = {
            arm: estimates.interval((mean[base] - mean[arm]) / room)
            for arm in self.sums
            if arm not in ("own", "unigram")
        }
        return StitchScores(
            recovered,
            loss=float(mean["own"][0]),
            base=float(mean[base][0]),
            unigram=float(mean["unigram"][0]),
        )


class Stitcher:
    """Stitches two models on one sample of test text, site by site."""

    def __init__(
        self,
        source: LanguageModel,
        target: LanguageModel,
        fit: Chunks,
        test: Chunks,
        n_documents: int,
        limits: NormLimits,
    ) -> None:
        """Documents of `test` are numbered below `n_documents`; the unigram model is counted on `fit`."""
        per_window = float(test.own.sum()) / len(test)
        count = min(len(test), max(1, round(TOKENS / per_window)))
        # Evenly spaced, so that every part of the test text is there.
        self.sample = test[torch.linspace(0, len(test) - 1, count).round().long().unique()].by_length()
        self.source, self.target, self.n_documents, self.limits = source, target, n_documents, limits
        self.shared = shared_vocabulary(source, target)
        self.unigram = unigram(fit, self.shared)
        self.size = batch_size(source, test)
        self.own: dict[tuple[str, int], Tensor] = {}

    def site(
        self, site: Site, fitted: SiteMaps, report: Report = silent, through: Sequence[str] | None = None
    ) -> Stitch:
        """Both directions at one site, through every seam or through some."""
        chosen = {name: m for name, m in seams().items() if through is None or name in through}
        # By side, not by name: a model may be stitched to itself.
        losses = {side: _Losses(self.n_documents) for side in ("A", "B")}
        tokens = 0
        read = counted(report, f"stitching at {site.label}", len(self.sample))
        for number, (batch, rows) in enumerate(self._batches(site)):
            read(len(batch) * ranks.count())
            predicted = batch.predicted
            document = batch.document[:, None].expand_as(batch.valid)[:, 1:][predicted]
            tokens += len(document)
            for side, receiver, sender, own in (
                ("B", self.target, rows.source, rows.target),
                ("A", self.source, rows.target, rows.source),
            ):
                found = losses[side]
                found.n.index_add_(0, document, torch.ones(len(document), dtype=torch.float64))
                found.add("unigram", -self.unigram[batch.ids[:, 1:][predicted]], document)
                if (side, number) not in self.own:
                    self.own[side, number] = self._loss(receiver, batch)
                found.add("own", self.own[side, number], document)
                mean = fitted["rotated"].mean_target if side == "B" else fitted["rotated"].mean_source
                passed = {"mean": mean.expand_as(sender)}
                passed |= {s: carried(fitted[m.name], sender, to_target=side == "B") for s, m in chosen.items()}
                for seam, rebuilt in passed.items():
                    # What was left out of the fit goes on as the receiver has it; so do padding and left context.
                    hidden = torch.where(rows.keep[..., None], rebuilt, own)
                    with start_at(receiver, site, hidden.to(receiver.device)):
                        found.add(seam, self._loss(receiver, batch), document)
        ranks.add_up(part for side in losses.values() for part in side.parts(("unigram", "own", "mean", *chosen)))
        tokens = sum(ranks.gathered(tokens))
        return Stitch(losses["B"].scores(), losses["A"].scores(), tokens)

    def _batches(self, site: Site) -> Iterator[tuple[Chunks, PairedRows]]:
        for batch in ranks.share(self.sample.batches(self.size)):
            with ranks.alone():
                rows = next(paired_rows(self.source, self.target, batch, [site], self.limits))
            yield batch, rows[site]

    @torch.inference_mode()
    def _loss(self, receiver: LanguageModel, batch: Chunks) -> Float[Tensor, " m"]:
        """CE of every predicted token."""
        logits = receiver.logits(batch.ids)[:, :-1, : self.shared]
        here = batch.to(logits.device)
        truth = here.ids[:, 1:][here.predicted]
        return torch.nn.functional.cross_entropy(logits[here.predicted], truth, reduction="none").cpu()


def carried(fitted: ResidualMap, rows: Float[Tensor, "*b d"], to_target: bool) -> Float[Tensor, "*b d"]:
    """f(x_B) on the way to the source; (x_A − μ_A) · forward + μ_B on the way to the target."""
    if not to_target:
        return fitted(rows)
    return (rows - fitted.mean_source) @ fitted.forward + fitted.mean_target
