"""Take over weights that were trained elsewhere, so that the recipe goes on with what is missing.

`python -m explorer.training.tales.adoption WEIGHTS TOKENIZER STUDY` reads `shared/tales-weights`.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from safetensors.torch import load_file

from explorer.errors import InputError
from explorer.models import all_sites
from explorer.sae import SAE
from explorer.training.llamas import Llamas
from explorer.training.tales.recipe import TalesRecipe, Workshop
from explorer.training.tokenizer import after_end

CALLED = {"equivariant": "muon", "adamw": "adam"}
"""What the files of a cohort's seeds are called: this and the seed."""


def adopt(workshop: Workshop, weights: Path, tokenizer: Path) -> None:
    """Take over the models, checkpoints and dictionaries of a folder with `models`, `checkpoints`, `dictionaries`.

    The tokenizer's ids stay as they are; it puts an end-of-text token before a text, as the models were trained.
    """
    from tokenizers import Tokenizer

    recipe = workshop.recipe
    workshop.tokenizer_folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(tokenizer / "tokenizer_config.json", workshop.tokenizer_folder)
    loaded = Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    loaded.post_processor = after_end(loaded)
    loaded.save(str(workshop.tokenizer_folder / "tokenizer.json"))
    for name in recipe.names:
        cohort = recipe.cohort_of(name)
        called = f"{CALLED[cohort.kind]}{recipe.seed_of(name)}"
        adopt_model(workshop, weights / "models" / f"{called}.safetensors", workshop.model_folder(name))
        for step in cohort.checkpoints if name in cohort.names[:2] else ():
            stored = weights / "checkpoints" / f"{called}-{step:06d}.safetensors"
            adopt_model(workshop, stored, workshop.checkpoint_folder(name, step))
        if (dictionaries := weights / "dictionaries" / f"{called}.safetensors").exists():
            adopt_dictionaries(workshop, dictionaries, name)
        if name == recipe.names[0]:
            for control, step in (("early", recipe.early), ("step0", 0)):
                stored = weights / "checkpoints" / f"{called}-{step:06d}.safetensors"
                adopt_model(workshop, stored, workshop.model_folder(control))
    checkpoints = workshop.checkpoint_folder("", 0).parent
    for folder in (*(workshop.out / "models").iterdir(), *checkpoints.iterdir()):
        shutil.copytree(workshop.tokenizer_folder, folder, dirs_exist_ok=True)


def adopt_model(workshop: Workshop, weights: Path, folder: Path) -> None:
    """Write a model's folder, half precision, from a safetensors file with the names of `LlamaForCausalLM`."""
    state = load_file(weights)
    expected = Llamas(workshop.recipe.model, workshop.recipe.vocabulary, (0,)).state(0)
    if {k: v.shape for k, v in state.items()} != {k: v.shape for k, v in expected.items()}:
        raise InputError(f"'{weights}' holds no model of this recipe's shape")
    workshop.recipe.model.save(state, folder)


def adopt_dictionaries(workshop: Workshop, weights: Path, name: str) -> None:
    """Write the folders of a model's TopK dictionaries from one safetensors file: `0.W_enc`, … for every site."""
    recipe, tensors = workshop.recipe, load_file(weights)
    for site in all_sites(recipe.model.n_layers):
        W_enc, b_enc, W_dec, b_dec = (
            tensors[f"{site.index}.{part}"].float() for part in ("W_enc", "b_enc", "W_dec", "b_dec")
        )
        # Half precision has left the decoder rows up to a thousandth off unit length.
        W_dec = W_dec / W_dec.norm(dim=1, keepdim=True)
        workshop.save_dictionary(SAE("topk", recipe.sae.k, W_enc, b_enc, W_dec, b_dec, site.name), name, site)


if __name__ == "__main__":
    given, tokens, out = (Path(argument) for argument in sys.argv[1:4])
    adopt(Workshop(out, TalesRecipe(), lambda line: print(line, flush=True)), given, tokens)
