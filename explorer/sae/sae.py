"""Sparse dictionaries of the residual stream (SAEs): encode, decode, carry to another model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256

import torch
from jaxtyping import Float, Int
from torch import Tensor

from explorer.errors import InputError
from explorer.sae.architecture import KINDS, Architecture

GROUPS_OF = 8


def top_k(x: Float[Tensor, "*n f"], k: int) -> tuple[Float[Tensor, "*n k"], Int[Tensor, "*n k"]]:
    """The k largest of each row and where they are, in no order: `x.topk`, in a third of its time on a CPU.

    The k largest lie in the k groups with the largest maxima, so that only these are searched.
    """
    f = x.shape[-1]
    if x.device.type != "cpu" or f % GROUPS_OF or f // GROUPS_OF < 2 * k:
        values, index = x.topk(k, dim=-1, sorted=False)
        return values, index
    groups = x.unflatten(-1, (GROUPS_OF, f // GROUPS_OF))
    best = groups.amax(-2).topk(k, dim=-1, sorted=False).indices
    among = best[..., None, :].expand(*best.shape[:-1], GROUPS_OF, k)
    values, found = groups.gather(-1, among).flatten(-2).topk(k, dim=-1, sorted=False)
    return values, found // k * (f // GROUPS_OF) + best.gather(-1, found % k)


@dataclass(frozen=True)
class SAE:
    """A dictionary: x ≈ a @ W_dec + b_dec with a = act((x − b_dec) @ W_enc + b_enc); act is TopK, ReLU or JumpReLU."""

    architecture: Architecture
    """"topk" (the k largest pre-activations, then ReLU), "standard" (ReLU) or "jumprelu" (ReLU above a threshold)."""
    k: int | None
    """Features kept for each row; None unless topk."""
    W_enc: Float[Tensor, "d f"]
    """Encoder, one column for each feature."""
    b_enc: Float[Tensor, " f"]
    """Encoder bias."""
    W_dec: Float[Tensor, "f d"]
    """Decoder, one row (direction) for each feature; of unit norm in dictionaries trained here."""
    b_dec: Float[Tensor, " d"]
    """Decoder bias, subtracted from the input too."""
    site: str = ""
    """Name of the site whose rows it reads; empty where its file does not say."""
    threshold: Float[Tensor, " f"] | None = None
    """Pre-activation at or below which a feature is silent; None unless jumprelu."""

    def __post_init__(self) -> None:
        if (self.architecture == "topk") != (self.k is not None):
            raise InputError(f"a {self.architecture} dictionary with k = {self.k}: k belongs to topk, and only to it")
        if (self.architecture == "jumprelu") != (self.threshold is not None):
            raise InputError(f"a {self.architecture} dictionary: a threshold belongs to jumprelu, and only to it")

    def to(self, device: torch.device | str) -> SAE:
        """The same dictionary on a device."""
        if self.W_enc.device == torch.device(device):
            return self
        threshold = None if self.threshold is None else self.threshold.to(device)
        w_enc, b_enc, w_dec, b_dec = (t.to(device) for t in (self.W_enc, self.b_enc, self.W_dec, self.b_dec))
        return replace(self, W_enc=w_enc, b_enc=b_enc, W_dec=w_dec, b_dec=b_dec, threshold=threshold)

    @property
    def d_in(self) -> int:
        """Width of the residual stream that it reads."""
        return self.W_enc.shape[0]

    @property
    def n_features(self) -> int:
        """Number of dictionary features."""
        return self.W_enc.shape[1]

    @cached_property
    def name(self) -> str:
        """What it is called wherever its scores stand: kind, size, and the first digits of a hash of its weights."""
        digest = sha256()
        for tensor in (self.W_enc, self.b_enc, self.W_dec, self.b_dec, self.threshold):
            if tensor is not None:
                digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
        k = "" if self.k is None else f", k = {self.k}"
        return f"{KINDS[self.architecture]} of {self.n_features:,} features{k}, {digest.hexdigest()[:6]}"

    def encode(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n f"]:
        """Feature activations of residual rows."""
        before = (x - self.b_dec) @ self.W_enc + self.b_enc
        if self.threshold is not None:
            return before.relu() * (before > self.threshold)
        if self.k is None:
            return before.relu()
        values, index = top_k(before, self.k)
        return torch.zeros_like(before).scatter_(-1, index, values.relu())

    def decode(self, activations: Float[Tensor, "*n f"]) -> Float[Tensor, "*n d"]:
        """Residual rows rebuilt from feature activations."""
        return activations @ self.W_dec + self.b_dec

    def __call__(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """decode(encode(x))."""
        return self.decode(self.encode(x))

    def rotated_for_target(
        self, rotation: Float[Tensor, "d d"], mean_source: Float[Tensor, " d"], mean_target: Float[Tensor, " d"]
    ) -> SAE:
        """The dictionary for the target: SAE_B(x) = f⁻¹(SAE_A(f(x))) with f(x) = (x − mean_target) R + mean_source.

        W_enc′ = R W_enc, W_dec′ = W_dec Rᵀ, b_dec′ = (b_dec − μ_A) Rᵀ + μ_B;
        b_enc stays, as b_dec is subtracted on input. Computed in double precision and rounded once.
        """
        r, source, target = rotation.double(), mean_source.double(), mean_target.double()
        return replace(
            self,
            W_enc=(r @ self.W_enc.double()).float(),
            W_dec=(self.W_dec.double() @ r.T).float(),
            b_dec=((self.b_dec.double() - source) @ r.T + target).float(),
        )
