"""Read a dictionary from disk, in any format of one table.

The architecture is read from the file, never guessed: a TopK dictionary read as ReLU rebuilds terribly, and would fake
the headline of this whole project.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from explorer.errors import InputError
from explorer.intake import told
from explorer.models import Site, converted_file, residual_index
from explorer.sae.formats import dictionary_learning, gemma_scope, plain_safetensors, saelens, sparsify
from explorer.sae.formats.hub_dictionaries import dictionary_path
from explorer.sae.formats.stored_sae import REMEDY
from explorer.sae.sae import SAE

FORMATS = (
    saelens.FORMAT,
    sparsify.FORMAT,
    gemma_scope.FORMAT,
    gemma_scope.FORMAT_2,
    dictionary_learning.FORMAT,
    plain_safetensors.FORMAT,
)
"""Every format that is read. The first that a path has is taken."""
PICKLES = (".pt", ".pth", ".bin", ".pkl", ".ckpt")
DEEPEST = 5
"""How many folders below the one that is given dictionaries are looked for."""


class Dictionaries(NamedTuple):
    """What a path holds."""

    saes: tuple[SAE, ...]
    """The dictionaries of the residual stream, by the names of their folders; no two of one site."""
    skipped: tuple[str, ...]
    """Those that were left out, each with why."""


def load_sae(path: str | Path) -> SAE:
    """A dictionary from a folder, a file or a name on the hub. Raises InputError for what cannot be read or carried."""
    path = dictionary_path(path)
    if path.is_file() and path.suffix in PICKLES:
        with told(path, REMEDY):
            return plain_safetensors.read_arrays(converted_file(path), path).sae(path)
    for form in FORMATS:
        with told(path, REMEDY):
            if form.is_at(path):
                return form.read(path).sae(path)
    raise InputError(_unreadable(path))


def load_saes(path: str | Path) -> Dictionaries:
    """The dictionary that a path is, or those below it: one for each site. What is no dictionary of the residual stream
    is named among the skipped.

    Raises InputError where nothing can be used, and for two dictionaries of one site.
    """
    root = dictionary_path(path)
    if root.is_file() or any(form.is_at(root) for form in FORMATS):
        return Dictionaries((load_sae(root),), ())
    places = _places(root)
    if not places:
        return Dictionaries((load_sae(root),), ())
    found: dict[str, tuple[str, SAE]] = {}
    skipped, first = [], None
    for place in places:
        name = str(place.relative_to(root))
        try:
            sae = load_sae(place)
        except InputError as error:
            first = first or error
            why = str(error).replace(f"'{place}'", "it")
            skipped.append(f"{name}: {why}")
            continue
        key = str(residual_index(sae.site)) if sae.site else name
        if key in found:
            raise InputError(
                f"'{path}' holds several dictionaries of one site ({found[key][0]}, {name}): give one of them"
            )
        found[key] = name, sae
    if first is not None and not found:
        raise first
    return Dictionaries(tuple(sae for _, sae in found.values()), tuple(skipped))


def _places(root: Path, depth: int = DEEPEST) -> list[Path]:
    """Folders and files below a folder that look like dictionaries."""
    places: list[Path] = []
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        if (path.is_dir() and any(form.is_at(path) for form in FORMATS)) or (path.is_file() and _is_file_of_one(path)):
            places.append(path)
        if path.is_dir() and depth > 1:
            places += _places(path, depth - 1) if path not in places else _inside(path, depth - 1)
    return places


def _inside(folder: Path, depth: int) -> list[Path]:
    """Dictionaries in folders of a folder that is one itself: its own files are its weights."""
    return [place for inner in sorted(folder.iterdir()) if inner.is_dir() for place in [inner, *_places(inner, depth)]
            if any(form.is_at(place) for form in FORMATS)]  # fmt: skip


def _is_file_of_one(path: Path) -> bool:
    return (path.suffix == ".safetensors" and path.stem != "sparsity") or (
        path.suffix in PICKLES and path.stem.startswith("sae")
    )


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
            f"'{path}' holds a pickle ({pickles[0]}) and no settings: give config.json beside ae.pt, the paper's "
            "sae_*.pt, or the same arrays as safetensors (W_enc, b_enc, W_dec, b_dec)"
        )
    found = ", ".join(sorted(p.name for p in path.iterdir())[:6]) or "nothing"
    return f"'{path}' is no dictionary folder (it holds {found}): expected " + ", or ".join(f.looks for f in FORMATS)
