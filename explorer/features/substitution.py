"""Features of the source stand in for those of the target: a match judged by what it does to the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.alignment import ResidualMap, SiteSubstitution
from explorer.features.correspondence import LEAST_FIRINGS, unit
from explorer.features.fired_tokens import PairFiring, read_firing
from explorer.models import BranchEffects, LanguageModel, Site, branch_effects, residuals
from explorer.progress import Report, counted, silent
from explorer.sae import SAE
from explorer.text import Chunks, sample

if TYPE_CHECKING:
    import pandas as pd

STRONGEST = 200
"""Matches that are tried: those whose removal from the target moves its predictions most."""
NEIGHBOURS = 2
"""Wrong neighbours by cosine through R, and as many more by firing r."""
EDITED = 24
"""Tokens that are edited at most, of those at which the target's feature fires; as many of those at which only the
stand-in fires."""
CHOOSING = 8
"""Tokens on which features of the target are compared to find the strongest; the harm is of others, drawn anew."""
SUBSTITUTION_ROWS = 16_384
"""Tokens of text on which firing is counted."""
NULL_SHARE = 0.99
"""A match must be nearer than this share of features have their nearest through an R of shuffled pairs."""
DIGITS = 4
_SEED = 210_300


@dataclass
class _Edits:
    """Edits, each at one token: which feature of a dictionary is removed there, and which of the other stands in."""

    token: list[int] = field(default_factory=list)
    """Number of the token."""
    removed: list[int] = field(default_factory=list)
    """Feature that is removed."""
    off: list[float] = field(default_factory=list)
    """Its activation."""
    stand_in: list[int] = field(default_factory=list)
    """Feature that stands in."""
    on: list[float] = field(default_factory=list)
    """Its activation; 0 where nothing stands in."""

    def add(self, *values: float) -> int:
        """Note an edit; returns its number."""
        for column, value in zip(fields(self), values, strict=True):
            getattr(self, column.name).append(value)
        return len(self.token) - 1

    def measured(
        self,
        model: LanguageModel,
        chunks: Chunks,
        site: Site,
        firing: PairFiring,
        rows: tuple[Float[Tensor, "f d"], Float[Tensor, "g d"]],
        report: Report,
    ) -> BranchEffects:
        """What every edit does to a model's predictions; `rows` are the decoder rows of what stands in and of what is
        removed, in the model's coordinates.
        """
        token, removed, stand_in = (torch.tensor(c) for c in (self.token, self.removed, self.stand_in))
        off, on = torch.tensor(self.off)[:, None], torch.tensor(self.on)[:, None]
        window = firing.window[token]
        out = BranchEffects(torch.zeros(len(token)), torch.zeros(len(token)))
        read = counted(report, f"substitution at {site.label}", len(chunks))
        for number in range(len(chunks)):
            read(1)
            here = (window == number).nonzero()[:, 0]
            if not len(here):
                continue
            part = chunks[number : number + 1].trimmed()
            own = residuals(model, part.ids, [site])[site][0]
            change = on[here] * rows[0][stand_in[here]] - off[here] * rows[1][removed[here]]
            found = branch_effects(model, site, part.ids[0], own, firing.position[token[here]], change)
            out.loss[here], out.kl[here] = found
        return out


@dataclass(frozen=True)
class _Arm:
    """The edits of one stand-in for one feature: where that feature fires, and where only the stand-in does."""

    where: list[int]
    """Numbers of edits at tokens at which the target's feature fires."""
    beside: list[int]
    """At tokens at which only the stand-in fires."""
    ratio: float
    """Tokens of the second kind in the text / tokens of the first."""

    def harm(self, effect: Float[Tensor, " e"]) -> tuple[float, float]:
        """Mean over the first kind, plus ratio × mean over the second; and its standard error."""
        value, variance = 0.0, 0.0
        for edits, weight in ((self.where, 1.0), (self.beside, self.ratio)):
            if edits:
                found = effect[torch.tensor(edits)].double()
                value += weight * float(found.mean())
                variance += weight**2 * float(found.var(unbiased=len(edits) > 1)) / len(edits)
        return value, variance**0.5


class _Plan:
    """Which edits the features need."""

    def __init__(self, firing: PairFiring) -> None:
        self.firing, self.edits = firing, _Edits()
        self._random = torch.Generator().manual_seed(_SEED)

    def arms(self, partner: int, stand_ins: Sequence[int]) -> list[_Arm]:
        """The edits of removing a feature of the target, then of every stand-in for it."""
        own = self.firing.target.of(partner)
        drawn = self._draw(list(own), EDITED)
        removed = {t: self.edits.add(t, partner, own[t], 0, 0.0) for t in drawn}
        found = [_Arm(list(removed.values()), [], 0.0)]
        for k in stand_ins:
            theirs = self.firing.source.of(k)
            # Where the stand-in is silent, it is the same as removing.
            where = [self.edits.add(t, partner, own[t], k, theirs[t]) if t in theirs else removed[t] for t in drawn]
            alone = [t for t in theirs if t not in own]
            beside = [self.edits.add(t, partner, 0.0, k, theirs[t]) for t in self._draw(alone, EDITED)]
            found.append(_Arm(where, beside, len(alone) / len(own)))
        return found

    def alone(self, feature: int) -> list[int]:
        """A few edits that remove a feature of the target."""
        own = self.firing.target.of(feature)
        return [self.edits.add(t, feature, own[t], 0, 0.0) for t in self._draw(list(own), CHOOSING)]

    def _draw(self, tokens: list[int], count: int) -> list[int]:
        order = torch.randperm(len(tokens), generator=self._random)[:count]
        return [tokens[i] for i in order.tolist()]


def strongest(
    target: LanguageModel,
    chunks: Chunks,
    site: Site,
    firing: PairFiring,
    W_dec: Float[Tensor, "g d"],
    among: Sequence[int],
) -> list[int]:
    """Some features of the target, first those whose removal moves its predictions most: by mean KL where they fire."""
    plan = _Plan(firing)
    edits = [plan.alone(j) for j in among]
    kl = plan.edits.measured(target, chunks, site, firing, (W_dec, W_dec), silent).kl
    mean = torch.tensor([float(kl[torch.tensor(e)].mean()) for e in edits])
    return [among[i] for i in mean.argsort(descending=True, stable=True).tolist()]


def matches_of(table: pd.DataFrame, site: Site) -> dict[int, int]:
    """The source's features that have a match at a site, with it: each is the other's nearest through R, and nearer
    than 99 % of features have their nearest through an R of shuffled pairs. `table`: see `correspondence`.
    """
    here = table[table["site"] == site.index]
    if "partner" not in here:
        return {}
    found = here[here["mutual"] & (here["cosine_rotated"] > here["cosine_shuffled"].quantile(NULL_SHARE))]
    return {int(i): int(j) for i, j in zip(found["feature"], found["partner"], strict=True)}


def wrong_neighbours(cosine: Float[Tensor, " f"], r: Float[Tensor, " f"], right: int) -> list[int]:
    """The features other than the right one that are nearest by cosine, then those that fire most alike."""
    found: list[int] = []
    for likeness in (cosine, r.nan_to_num(-2.0)):
        order = likeness.argsort(descending=True, stable=True).tolist()
        found += [k for k in order if k != right and k not in found and float(likeness[k]) > -2][:NEIGHBOURS]
    return found


@torch.inference_mode()
def substitute(
    source: LanguageModel,
    target: LanguageModel,
    text: Chunks,
    site: Site,
    saes: tuple[SAE, SAE],
    rotation: ResidualMap,
    matches: Mapping[int, int],
    count: int = STRONGEST,
    report: Report = silent,
) -> SiteSubstitution:
    """The strongest features of the source stand in for their `matches` in the target's dictionary at one site.

    h ← h − a_j d_j + a_i d_i Rᵀ at one token: a_j and d_j are activation and decoder row of the target's feature j on
    the target's row, a_i and d_i those of the source's feature i on the source's row of the same token.
    Harm = Σ KL(before‖after) of the next token over the tokens at which i or j fires / number at which j fires.
    So what stands in also pays for firing elsewhere, and all stand-ins for j have one unit. Beside it the same with the
    features next nearest to j (hard negatives), and with nothing (a_i = 0). Both sums are estimated from drawn tokens.
    """
    chunks = sample(text, SUBSTITUTION_ROWS)
    firing = read_firing(source, target, chunks, site, saes)
    often = (firing.source.counts >= LEAST_FIRINGS).tolist(), (firing.target.counts >= LEAST_FIRINGS).tolist()
    among = [i for i, j in matches.items() if often[0][i] and often[1][j]]
    columns: dict[str, list[float]] = {name: [] for name in _COLUMNS}
    losses = torch.zeros(3)
    if among:
        back = {matches[i]: i for i in among}
        partners = strongest(target, chunks, site, firing, saes[1].W_dec, list(back))[:count]
        tried = [back[j] for j in partners]
        r = firing.r(partners)
        carried = saes[0].W_dec @ rotation.forward.to(saes[0].W_dec)
        cosine = unit(carried) @ unit(saes[1].W_dec[torch.tensor(partners)]).T
        cosine[firing.source.counts == 0] = -2.0
        plan = _Plan(firing)
        wrong = [wrong_neighbours(cosine[:, m], r[:, m], i) for m, i in enumerate(tried)]
        arms = [plan.arms(j, [i, *ks]) for i, j, ks in zip(tried, partners, wrong, strict=True)]
        effects = plan.edits.measured(target, chunks, site, firing, (carried, saes[1].W_dec), report)
        for m, i in enumerate(tried):
            removed, match, *others = (arm.harm(effects.kl) for arm in arms[m])
            best = min(range(len(others)), key=lambda k: others[k][0])
            losses += torch.tensor([arms[m][k].harm(effects.loss)[0] for k in (1, 2 + best, 0)]) / len(tried)
            found = (i, partners[m], float(r[i, m]), *match, wrong[m][best], *others[best], *removed)
            for column, value in zip(columns.values(), found, strict=True):
                column.append(round(value, DIGITS))
    kept = {name: tuple(column) for name, column in columns.items()}
    means = [round(value, DIGITS) for value in losses.tolist()]
    return SiteSubstitution(site.name, len(among), len(firing), EDITED, *means, **kept)  # type: ignore[arg-type]


_COLUMNS = (
    *("feature", "partner", "r", "match", "match_error", "wrong_feature", "wrong", "wrong_error"),
    *("ablation", "ablation_error"),
)
