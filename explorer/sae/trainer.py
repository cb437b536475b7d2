"""Train dictionaries on residual-stream rows: TopK with an auxiliary loss that revives dead features, or L1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag

from explorer import ranks
from explorer.models import bfloat16_pays
from explorer.sae.sae import SAE, top_k

LARGE = 2**27
"""Multiplications of one product from which on its precision is worth a choice."""


@dataclass(frozen=True)
class SAERecipe:
    """How a dictionary is made."""

    width: int = 1024
    """Number of features."""
    k: int | None = 16
    """Features kept for each row; None trains a ReLU dictionary with an L1 penalty."""
    l1: float = 0.0
    """Weight of Σ|a| for ReLU dictionaries, on rows scaled to unit mean square per dimension."""
    learning_rate: float = 2e-3
    """Peak learning rate of Adam; linear warm-up over 5 % and linear decay over the last 30 % of the batches."""
    batch: int = 1024
    """Rows in a batch."""
    dead_after: int = 100
    """Batches without a firing after which a feature counts as dead and joins the auxiliary loss."""
    k_auxiliary: int = 64
    """Dead features that may rebuild the error (Gao et al. 2024, 2406.04093)."""


def _weighted_sums(
    table: Float[Tensor, "f d"], index: Int[Tensor, "n k"], weights: Float[Tensor, "n k"]
) -> Float[Tensor, "n d"]:
    """The product of an n × f matrix with k places a row and a table, without the n × f matrix."""
    return embedding_bag(index, table, per_sample_weights=weights, mode="sum")


@cache
def _bfloat16_pays() -> bool:
    """Asked once a process, so that all dictionaries of one run are made the same way."""
    return ranks.agreed(bfloat16_pays())


def _spread(rows: Float[Tensor, "n d"]) -> tuple[int, Float[Tensor, " d"], float]:
    """Of the rows on all ranks: how many there are, their mean, and the mean squared distance of an entry from it."""
    if ranks.count() == 1:
        mean = rows.mean(0)
        return len(rows), mean, float((rows - mean).pow(2).mean())
    x = rows.double()
    sums = torch.stack([torch.full_like(x.sum(0), len(x)), x.sum(0), x.pow(2).sum(0)])
    ranks.add_up([sums])
    n = int(sums[0, 0])
    mean = sums[1] / n
    return n, mean.float(), float((sums[2] / n - mean**2).mean())


class SAETrainer:
    """Trains one dictionary batch by batch; `finish` gives it back in the scale of the raw rows.

    Gradients are written out by hand, into memory that is kept: the same as autograd's (a test compares), but without
    its temporary n × f matrices, each of which costs a fresh page fault for every 4 KiB. On a GPU, and on a CPU that
    has units for it, the dense products of wide dictionaries are in bfloat16; weights, optimiser, errors and losses
    stay float32. Of several ranks each gives its own rows of a batch, possibly none; gradients are
    those of all, so that every rank has the same weights.
    """

    def __init__(
        self, recipe: SAERecipe, sample: Float[Tensor, "n d"], batches: int, seed: int, site: str = ""
    ) -> None:
        """`sample` sets the decoder bias and the rows' scale; `batches` is how many will come (for the schedule)."""
        generator = torch.Generator().manual_seed(seed)
        d = sample.shape[1]
        self.recipe, self.batches, self.site, self.done = recipe, batches, site, 0
        _, mean, variance = _spread(sample)
        self.scale = variance**0.5
        device = sample.device
        directions = torch.randn(recipe.width, d, generator=generator).to(device)
        self.W_dec = directions / directions.norm(dim=1, keepdim=True)
        self.W_enc = self.W_dec.T.clone().contiguous()
        self.b_enc = torch.zeros(recipe.width, device=device)
        self.b_dec = mean / self.scale
        self.parameters = [self.W_enc, self.b_enc, self.W_dec, self.b_dec]
        for p in self.parameters:
            p.grad = torch.zeros_like(p)
        self.optimiser = torch.optim.Adam(self.parameters, lr=recipe.learning_rate, betas=(0.9, 0.999), fused=True)
        self.silent = torch.zeros(recipe.width, dtype=torch.long, device=device)
        large = recipe.batch * d * recipe.width >= LARGE
        pays = large and (device.type == "cuda" or (device.type == "cpu" and _bfloat16_pays()))
        self.dtype = torch.bfloat16 if pays else torch.float32
        self._kept: dict[tuple[str, tuple[int, ...], torch.dtype], Tensor] = {}

    def _rate(self) -> float:
        warm, decay = 0.05 * self.batches, 0.7 * self.batches
        rise = min(1.0, (self.done + 1) / warm)
        fall = min(1.0, max(0.0, (self.batches - self.done) / (self.batches - decay)))
        return self.recipe.learning_rate * min(rise, fall)

    def _memory(self, name: str, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Memory that stays from batch to batch; its content is what was left in it."""
        key = (name, shape, dtype or self.dtype)
        if key not in self._kept:
            self._kept[key] = torch.empty(shape, dtype=key[2], device=self.W_enc.device)
        return self._kept[key]

    def _low(self, name: str, t: Float[Tensor, "a b"]) -> Float[Tensor, "a b"]:
        """A matrix in the precision of the products."""
        return t if t.dtype == self.dtype else self._memory(name, *t.shape).copy_(t)

    def _turned(self, name: str, t: Float[Tensor, "a b"]) -> Float[Tensor, "b a"]:
        return self._memory(name, *t.T.shape).copy_(t.T)

    @torch.no_grad()
    def step(self, rows: Float[Tensor, "n d"]) -> float:
        """One batch; returns the fraction of the batch's variance that stays unexplained."""
        unexplained = self._gradients(rows / self.scale)
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate()
        # The decoder rows stay on the unit sphere: remove the radial part of their gradient, then normalise.
        gradient = self.W_dec.grad
        assert gradient is not None
        gradient.addcmul_(self.W_dec, (gradient * self.W_dec).sum(1, keepdim=True), value=-1)
        self.optimiser.step()
        self.W_dec /= self.W_dec.norm(dim=1, keepdim=True)
        self.done += 1
        return unexplained

    def _gradients(self, x: Float[Tensor, "n d"]) -> float:
        """Write the gradients of the loss on scaled rows; returns the fraction of variance that stays unexplained."""
        n, _, variance = _spread(x)
        weight = n * x.shape[1] * variance
        error = self._write_gradients(x, weight, n) if len(x) else self._no_gradients(x)
        left = error.pow(2).sum()
        ranks.add_up([left, *(p.grad for p in self.parameters if p.grad is not None)])
        return float(left) / weight

    def _no_gradients(self, x: Float[Tensor, "0 d"]) -> Float[Tensor, "0 d"]:
        """Those of no rows, on a rank that has none of a batch."""
        for p in self.parameters:
            assert p.grad is not None
            p.grad.zero_()
        if self.recipe.k is not None:
            self._note_fired(torch.zeros(0, dtype=torch.long, device=x.device))
        return x

    def _write_gradients(self, x: Float[Tensor, "n d"], weight: float, count: int) -> Float[Tensor, "n d"]:
        """Write the gradients of the loss on this rank's rows, of `count` on all; returns what stays unexplained.

        The squared error is divided by `weight`: the entries of all rows, times their variance.
        """
        n, f = len(x), self.recipe.width
        centred = x - self.b_dec
        low = self._low("centred", centred)
        before = self._memory("before", n, f, dtype=torch.float32)
        before.copy_(torch.mm(low, self._low("W_enc", self.W_enc), out=self._memory("product", n, f))).add_(self.b_enc)
        if self.recipe.k is None:
            error = self._relu_gradients(before, centred, weight, count)
        else:
            error = self._topk_gradients(before, centred, weight)
        gb_enc, gb_dec = self.b_enc.grad, self.b_dec.grad
        assert gb_enc is not None and gb_dec is not None
        torch.sum(error, 0, out=gb_dec).mul_(-2 / weight)
        gb_dec -= self.W_enc @ gb_enc
        return error

    def _note_fired(self, features: Int[Tensor, " m"]) -> None:
        """Count the batches since each feature fired last, on any rank."""
        self.silent += 1
        if ranks.count() > 1:
            fired = torch.zeros_like(self.silent)
            fired[features] = 1
            ranks.add_up([fired])
            features = fired.nonzero().squeeze(1)
        self.silent[features] = 0

    def _topk_gradients(
        self, before: Float[Tensor, "n f"], centred: Float[Tensor, "n d"], weight: float
    ) -> Float[Tensor, "n d"]:
        """Write the gradients of a TopK dictionary, but for the decoder bias; returns what stays unexplained.

        Of each row's f activations k are not 0, and only these are touched.
        """
        assert self.recipe.k is not None
        gW_enc, gb_enc, gW_dec = (p.grad for p in (self.W_enc, self.b_enc, self.W_dec))
        assert gW_enc is not None and gb_enc is not None and gW_dec is not None
        values, index = top_k(before, self.recipe.k)
        fires = values > 0
        with torch.enable_grad():
            W_dec, weights = self.W_dec.detach().requires_grad_(), values.relu_().requires_grad_()
            rebuilt = _weighted_sums(W_dec, index, weights)
        error = centred - rebuilt.detach()
        found, back = torch.autograd.grad(rebuilt, (W_dec, weights), error * (-2 / weight))
        gW_dec.copy_(found)
        chosen = back * fires
        gb_enc.zero_().index_add_(0, index.flatten(), chosen.flatten())
        with torch.enable_grad():
            table = torch.zeros_like(self.W_dec, requires_grad=True)
            nothing = _weighted_sums(table, index, chosen)
        gW_enc.copy_(torch.autograd.grad(nothing, table, centred)[0].T)
        self._note_fired(index[fires])
        self._add_auxiliary(before, error, centred, weight)
        return error

    def _relu_gradients(
        self, before: Float[Tensor, "n f"], centred: Float[Tensor, "n d"], weight: float, count: int
    ) -> Float[Tensor, "n d"]:
        """Write the gradients of a ReLU dictionary, but for the decoder bias; returns what stays unexplained."""
        (n, d), f = centred.shape, self.recipe.width
        gW_enc, gb_enc, gW_dec = (p.grad for p in (self.W_enc, self.b_enc, self.W_dec))
        assert gW_enc is not None and gb_enc is not None and gW_dec is not None
        W_dec = self._low("W_dec", self.W_dec)
        # One matrix serves the activations and then their gradient.
        a = self._memory("a", n, f)
        torch.clamp_min(before, 0, out=before)
        a.copy_(before)
        error = centred - torch.mm(a, W_dec)
        g = self._low("g", error * (-2 / weight))
        # Turning the small matrix and the result is much cheaper than turning the n × f one.
        gW_dec.copy_(torch.mm(self._turned("gT", g), a, out=self._memory("gW", d, f)).T)
        back = torch.mm(g, W_dec.T, out=self._memory("product", n, f))
        back.add_(self.recipe.l1 / count).mul_(before > 0)
        a.copy_(back)
        gb_enc.copy_(torch.mm(torch.ones(1, n, dtype=self.dtype, device=a.device), a).squeeze(0))
        centred = self._low("centred", centred)
        gW_enc.copy_(torch.mm(self._turned("centredT", centred), a, out=self._memory("gW", d, f)))
        return error

    def _add_auxiliary(
        self, before: Float[Tensor, "n f"], error: Float[Tensor, "n d"], centred: Float[Tensor, "n d"], weight: float
    ) -> None:
        """Add the gradient of the auxiliary loss: dead features rebuild what the others left."""
        dead = torch.nonzero(self.silent > self.recipe.dead_after).squeeze(1)
        if len(dead) == 0:
            return
        gW_enc, gb_enc, gW_dec, _ = (p.grad for p in self.parameters)
        assert gW_enc is not None and gb_enc is not None and gW_dec is not None
        values, index = before[:, dead].topk(min(self.recipe.k_auxiliary, len(dead)), dim=-1, sorted=False)
        a = torch.zeros(len(error), len(dead), device=error.device).scatter_(1, index, values.relu())
        W = self.W_dec[dead]
        g = (a @ W - error) * (2 / (weight * 32))
        gW_dec.index_add_(0, dead, a.T @ g)
        back = (g @ W.T) * (a > 0)
        gW_enc.index_add_(1, dead, centred.T @ back)
        gb_enc.index_add_(0, dead, back.sum(0))

    def state(self) -> dict[str, Tensor]:
        """Everything that further steps depend on, under names; on the trainer's device."""
        named = zip(("W_enc", "b_enc", "W_dec", "b_dec"), self.parameters, strict=True)
        found = {"done": torch.tensor(self.done), "scale": torch.tensor(self.scale).double(), "silent": self.silent}
        for name, p in named:
            found |= {name: p, **{f"{name}.{key}": value for key, value in self.optimiser.state[p].items()}}
        return found

    def resume(self, state: Mapping[str, Tensor]) -> None:
        """Go on from the `state` of a trainer of the same recipe."""
        self.done, self.scale = int(state["done"]), float(state["scale"])
        self.silent.copy_(state["silent"])
        for name, p in zip(("W_enc", "b_enc", "W_dec", "b_dec"), self.parameters, strict=True):
            p.copy_(state[name])
            kept = {key: state[f"{name}.{key}"].clone() for key in ("step", "exp_avg", "exp_avg_sq")}
            self.optimiser.state[p] = {k: v.to(p.device) for k, v in kept.items()}

    def finish(self) -> SAE:
        """The trained dictionary, for rows in their own units, on the CPU."""
        with torch.no_grad():
            return SAE(
                "standard" if self.recipe.k is None else "topk",
                self.recipe.k,
                self.W_enc.detach().cpu().clone(),
                (self.b_enc.detach() * self.scale).cpu(),
                self.W_dec.detach().cpu().clone(),
                (self.b_dec.detach() * self.scale).cpu(),
                self.site,
            )


def train_sae(recipe: SAERecipe, batches: Iterable[Float[Tensor, "n d"]], count: int, seed: int, site: str = "") -> SAE:
    """A dictionary trained on `count` batches of rows; the first batch sets its bias and scale."""
    trainer: SAETrainer | None = None
    for rows in batches:
        if trainer is None:
            trainer = SAETrainer(recipe, rows, count, seed, site)
        trainer.step(rows)
    if trainer is None:
        raise ValueError("no rows to train a dictionary on")
    return trainer.finish()
