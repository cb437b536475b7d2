"""Sites: the places in a transformer where the residual stream is read or steered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from explorer.errors import InputError


@dataclass(frozen=True, order=True)
class Site:
    """The input of block `index`, or, where index = n_layers, the output of the last block BEFORE the final norm."""

    index: int
    """Position in the model: 0 is the embedding's output, n_layers the end of the last block."""
    n_layers: int
    """Number of blocks of the model that the site belongs to."""

    @property
    def name(self) -> str:
        """The field's name, e.g. blocks.2.hook_resid_pre."""
        if self.index < self.n_layers:
            return f"blocks.{self.index}.hook_resid_pre"
        return f"blocks.{self.n_layers - 1}.hook_resid_post"

    @property
    def label(self) -> str:
        """Short words for axes: input, after 1, …, end."""
        if self.index == 0:
            return "input"
        return "end" if self.index == self.n_layers else f"after {self.index}"


def all_sites(n_layers: int) -> list[Site]:
    """Every site of a model with n_layers blocks, from the input to the end."""
    return [Site(i, n_layers) for i in range(n_layers + 1)]


def parse_site(text: str, n_layers: int) -> Site:
    """The site that an index, a name or a short label means. Raises InputError with the allowed ones."""
    for site in all_sites(n_layers):
        if text.strip() in (str(site.index), site.name, site.label):
            return site
    names = ", ".join(f"{s.index} ({s.name})" for s in all_sites(n_layers))
    raise InputError(f"no site '{text}': this model has {names}")


def parse_sites(text: str, n_layers: int) -> list[Site]:
    """Sites from `all` or a comma-separated list of indices or names. Raises InputError."""
    if text.strip() == "all":
        return all_sites(n_layers)
    return sorted({parse_site(part, n_layers) for part in text.split(",")})


def first_middle_last(sites: Sequence[Site]) -> list[Site]:
    """Where dictionaries are trained and compared when not everywhere."""
    return sorted({sites[0], sites[len(sites) // 2], sites[-1]})


_FOREIGN = (
    (re.compile(r"(?:blocks\.(\d+)\.hook_resid_pre|resid_pre_layer_(\d+))"), 0),
    (re.compile(r"(?:blocks\.(\d+)\.hook_resid_post|resid_post_layer_(\d+)|(?:\w+\.)*(?:layers|h|blocks)\.(\d+))"), 1),
)
_EMBEDDING = re.compile(r"(?:\w+\.)*(?:embed_in|embed_tokens|wte|hook_embed)")


def residual_index(hook: str) -> int | None:
    """The site's index that another library's name for a hook means, or None if it is not the residual stream.

    Known are TransformerLens (blocks.3.hook_resid_post), sparsify (layers.3, a block's output), and
    dictionary_learning (resid_post_layer_3).
    """
    for pattern, after in _FOREIGN:
        if found := pattern.fullmatch(hook):
            return int(next(group for group in found.groups() if group)) + after
    return 0 if _EMBEDDING.fullmatch(hook) else None
