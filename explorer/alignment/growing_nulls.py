"""Fresh initialisations of the target on text that grows: how many, and how much of it, as a verdict needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from explorer import ranks
from explorer.alignment.first_pass import NULL_ROWS
from explorer.alignment.fresh_models import untrained_target
from explorer.alignment.moments import SUMS, Moments
from explorer.alignment.pairing import paired_rows
from explorer.alignment.portions import Portion
from explorer.models import BATCH, LanguageModel, NormLimits, Site
from explorer.progress import Report, counted
from explorer.text import Chunks


@dataclass
class NullMoments:
    """The source against one fresh initialisation of the target at one site."""

    halves: tuple[Moments, Moments]
    """Fit rows, batches of even and of odd number."""
    validation: Moments
    """Validation rows."""
    test: Moments
    """Test rows."""

    @classmethod
    def zero(cls, d: int, device: torch.device) -> NullMoments:
        """No rows yet."""
        zero = [Moments.zero(d, device) for _ in range(4)]
        return cls((zero[0], zero[1]), zero[2], zero[3])

    @property
    def splits(self) -> tuple[Moments, Moments, Moments]:
        """Fit, validation and test."""
        return self.halves[0] + self.halves[1], self.validation, self.test

    @property
    def sums(self) -> list[ranks.Part]:
        """What is summed."""
        return [part for m in (*self.halves, self.validation, self.test) for part in ranks.fields(m, *SUMS)]


class FreshTargets:
    """The fresh initialisations that are compared with the source so far. One of them at a time is in memory."""

    def __init__(self, source: LanguageModel, target: LanguageModel, digests: tuple[str, str], massive: float) -> None:
        self.source, self.target, self.digests, self.massive = source, target, digests, massive
        self.limits: list[NormLimits] = []
        self._made: tuple[int, LanguageModel] | None = None

    def __len__(self) -> int:
        return len(self.limits)

    def add(self) -> None:
        """One more."""
        self.limits.append(NormLimits(factor=self.massive))

    def _model(self, number: int) -> LanguageModel:
        if self._made is None or self._made[0] != number:
            self._made = None
            self._made = number, untrained_target(self.source, self.target, self.digests, number)
        return self._made[1]

    def read(self, number: int, portion: Portion, found: Mapping[Site, NullMoments], report: Report) -> None:
        """Add a portion under one of them to its moments, up to the rows that a null needs."""
        first, d = next(iter(found.values())), self.source.d_model
        left = [most * d - m.n for (_, most), m in zip(NULL_ROWS, first.splits, strict=True)]
        sums = [part for null in found.values() for part in null.sums]
        ranks.leave_to_first(sums)
        for (name, _), rows in zip(NULL_ROWS, left, strict=True):
            part: Chunks = getattr(portion, name)
            windows = int((part.scored.sum(1).cumsum(0) <= rows).sum())
            self._add(number, name, part[:windows], found, counted(report, "", max(1, windows)))
        ranks.add_up(sums)

    def _add(
        self, number: int, name: str, part: Chunks, found: Mapping[Site, NullMoments], read: Callable[[float], None]
    ) -> None:
        if not len(part):
            return
        batches = paired_rows(self.source, self._model(number), part, list(found), self.limits[number])
        for turn, rows in enumerate(batches):
            read(BATCH * ranks.count())
            half = (turn * ranks.count() + ranks.rank()) % 2
            for site, pair in rows.items():
                null = found[site]
                into = {"fit": null.halves[half], "validation": null.validation, "test": null.test}[name]
                into.add(pair.source[pair.keep], pair.target[pair.keep])
