"""One safetensors file with named arrays; its metadata say what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from explorer.errors import InputError
from explorer.intake import tensor_claims, told
from explorer.sae.formats.paper import is_papers, papers_sae
from explorer.sae.formats.stored_sae import REMEDY, SAEFormat, StoredSAE


def _read(path: Path) -> StoredSAE:
    return read_arrays(path, path)


def read_arrays(path: Path, named: Path) -> StoredSAE:
    """The dictionary in a safetensors file; `named` is what a person called it, before it was converted."""
    from safetensors import safe_open

    tensor_claims(path, REMEDY)
    with told(path, REMEDY), safe_open(path, framework="pt") as file:
        settings: dict[str, Any] = dict(file.metadata() or {})
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for name in ("k", "apply_b_dec_to_input", "architecture"):
        if isinstance(settings.get(name), str):
            settings[name] = _parsed(settings[name])
    site = settings.get("hook_name") or settings.get("site") or ""
    if is_papers(tensors):
        return papers_sae(tensors, named, site)
    architecture = settings.get("architecture") or ("topk" if "k" in settings else None)
    if architecture is None:
        raise InputError(
            f"'{named}' does not say its architecture: write it into the file's metadata, e.g. "
            '{"architecture": "topk", "k": "32", "hook_name": "blocks.3.hook_resid_pre"}'
        )
    return StoredSAE(architecture, settings.get("k"), tensors, site, centred=settings.get("apply_b_dec_to_input", True))


def _parsed(text: str) -> Any:
    """A value of a safetensors header, which holds strings only."""
    try:
        return json.loads(text.lower() if text in ("True", "False") else text)
    except (ValueError, RecursionError):
        return text


FORMAT = SAEFormat("a .safetensors file", Path.is_file, _read)
