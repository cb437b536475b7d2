"""Take over weights that were trained elsewhere: a model or a set of dictionaries, written as a study holds them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from explorer.errors import InputError
from explorer.models import all_sites
from explorer.sae import SAE
from explorer.sae.formats import save_sae
from explorer.training.pretraining import save_half
from explorer.training.tales.recipe import Workshop


def adopt_model(workshop: Workshop, weights: Path, name: str) -> None:
    """Write a model's folder, half precision, from a safetensors file with the names of `LlamaForCausalLM`."""
    state = load_file(weights)
    model = workshop.recipe.model.build(len(state["lm_head.weight"]), 0)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"'{weights}' holds no model of this recipe's shape: {error}") from error
    save_half(model, workshop.model_folder(name))


def adopt_dictionaries(workshop: Workshop, weights: Path, name: str) -> None:
    """Write the folders of a model's TopK dictionaries from one safetensors file: `0.W_enc`, … for every site."""
    recipe, tensors = workshop.recipe, load_file(weights)

    def parts(number: int) -> Iterator[Tensor]:
        return (tensors[f"{number}.{part}"].float() for part in ("W_enc", "b_enc", "W_dec", "b_dec"))

    for site in all_sites(recipe.model.n_layers):
        W_enc, b_enc, W_dec, b_dec = parts(site.index)
        # Half precision has left the decoder rows up to a thousandth off unit length.
        W_dec = W_dec / W_dec.norm(dim=1, keepdim=True)
        sae = SAE("topk", recipe.sae.k, W_enc, b_enc, W_dec, b_dec, site.name)
        save_sae(sae, workshop.sae_folder(name, site), name, recipe.model.context)
