"""Rows of both models on test text that grows: kept in memory as far as it is small, else read again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from explorer.alignment.bootstrap_units import grouped
from explorer.alignment.pairing import PairedRows, paired_rows
from explorer.models import LanguageModel, NormLimits, Site
from explorer.text import Chunks

KEPT_ROWS = 2**29
"""Bytes of rows that are kept."""


class GrowingRows:
    """The rows of a growing test text at some sites, of several ranks each one's share; documents are numbered as the
    bootstrap draws them.
    """

    def __init__(self, source: LanguageModel, target: LanguageModel, sites: Sequence[Site], limits: NormLimits) -> None:
        self.source, self.target, self.sites, self.limits = source, target, list(sites), limits
        self.chunks: list[Chunks] = []
        self.kept: list[dict[Site, PairedRows]] = []
        self._bytes: float = 0.0

    def add(self, test: Chunks) -> Iterator[dict[Site, PairedRows]]:
        """Read more text; its rows batch by batch, documents under the numbers of the text."""
        self.chunks.append(test)
        self._bytes += 8.0 * test.ids.numel() * self.source.d_model * len(self.sites)
        for rows in paired_rows(self.source, self.target, test, self.sites, self.limits):
            if self.is_kept:
                self.kept.append(dict(rows))
            yield rows
        if not self.is_kept:
            self.kept.clear()

    @property
    def is_kept(self) -> bool:
        """Whether all rows are in memory."""
        return self._bytes <= KEPT_ROWS

    def __iter__(self) -> Iterator[dict[Site, PairedRows]]:
        """All rows so far, documents under the numbers of the bootstrap's units."""
        documents = torch.cat([c.document for c in self.chunks]).unique()
        for rows in self._all():
            yield {
                site: replace(
                    pair,
                    document=grouped(
                        torch.searchsorted(documents.to(pair.document.device), pair.document.contiguous()),
                        len(documents),
                    ),
                )
                for site, pair in rows.items()
            }

    def _all(self) -> Iterator[dict[Site, PairedRows]]:
        if self.is_kept:
            yield from self.kept
            return
        for test in self.chunks:
            yield from paired_rows(self.source, self.target, test, self.sites, self.limits)
