"""Read a dictionary from disk, in any format of one table.

The architecture is read from the file, never guessed: a TopK dictionary read as ReLU rebuilds terribly, and would fake
the headline of this whole project.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from explorer.errors import InputError
from explorer.files import user_path
from explorer.models import Site, residual_index
from explorer.sae.formats import dictionary_learning, plain_safetensors, saelens, sparsify
from explorer.sae.sae import SAE

FORMATS = (saelens.FORMAT, sparsify.FORMAT, dictionary_learning.FORMAT, plain_safetensors.FORMAT)
"""Every format that is read. The first that a path has is taken."""
PICKLES = (".pt", ".pth", ".bin", ".pkl", ".ckpt")


def load_sae(path: str | Path) -> SAE:
    """A dictionary from a folder or a safetensors file. Raises InputError for what cannot be read or carried."""
    path = user_path(path)
    if path.is_file() and path.suffix in PICKLES:
        raise InputError(f"'{path}' is a pickle, which can run any code and is never loaded: save it with safetensors")
    for form in FORMATS:
        if form.is_at(path):
            return form.read(path).sae(path)
    raise InputError(_unreadable(path))


def load_saes(path: str | Path) -> list[SAE]:
    """The dictionary that a path is, or those of a folder's subfolders (one for each site), by folder name."""
    path = user_path(path)
    inner = sorted(p for p in path.iterdir() if p.is_dir() and any(p.glob("*.safetensors"))) if path.is_dir() else []
    if inner and not any(path.glob("*.safetensors")):
        return [load_sae(p) for p in inner]
    return [load_sae(path)]


def at_site(sae: SAE, site: Site, d_model: int, path: str | Path) -> SAE:
    """The dictionary as one of a model's site. Raises InputError, with what was expected, if it does not fit."""
    if sae.d_in != d_model:
        raise InputError(f"'{path}' reads rows of width {sae.d_in}, the model's residual stream has width {d_model}")
    if sae.site and residual_index(sae.site) != site.index:
        raise InputError(
            f"'{path}' was trained at {sae.site} (site {residual_index(sae.site)}), not at {site.name} "
            f"(site {site.index}): choose that site, or another dictionary"
        )
    return replace(sae, site=site.name)


def _unreadable(path: Path) -> str:
    """Why a path is no dictionary."""
    if not path.is_dir():
        return f"there is no dictionary '{path}': give a folder or a .safetensors file"
    if pickles := sorted(p.name for p in path.iterdir() if p.suffix in PICKLES):
        return (
            f"'{path}' holds its weights as a pickle ({pickles[0]}), which can run any code and is never loaded: "
            "save its state_dict with safetensors (ae.pt as ae.safetensors beside config.json)"
        )
    found = ", ".join(sorted(p.name for p in path.iterdir())[:6]) or "nothing"
    return f"'{path}' is no dictionary folder (it holds {found}): expected " + ", or ".join(f.looks for f in FORMATS)
