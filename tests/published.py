"""A pair, a dictionary and a text as the paper's are published, but tiny: for the stand-in of the hub."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tiny
import torch
from safetensors.torch import load_file, save_file
from stand_in import Repository

SEED1, SEED2 = "EleutherAI/pythia-70m-seed1", "EleutherAI/pythia-70m-seed2"
STEP = "step143000"
PILE = "datasets/NeelNanda/pile-10k"
SAES = "EleutherAI/sae-pythia-70m-32k"
LAYER = f"{SAES}/layers.1"
WIDTH, ACTIVE = 60, 5


def as_pickle(folder: Path, into: Path, shards: int = 1) -> Path:
    """The same model with its weights as public step branches have them: half precision, and with buffers."""
    shutil.copytree(folder, into, ignore=shutil.ignore_patterns("*.safetensors"))
    state = {name: t.half() for name, t in load_file(folder / "model.safetensors").items()}
    state["gpt_neox.layers.0.attention.bias"] = torch.ones(1, 1, 8, 8).tril().bool()
    state["tied"] = state[min(state)]  # shares its memory, as tied weights do
    for i, names in enumerate([sorted(state)[i::shards] for i in range(shards)], 1):
        name = "pytorch_model.bin" if shards == 1 else f"pytorch_model-{i:05d}-of-{shards:05d}.bin"
        torch.save({name: state[name] for name in names}, into / name)
    return into


def write_parquet(texts: Sequence[str | None], path: Path, row_group: int = 16) -> Path:
    """A file of a data set: a column of texts, and what else such files have."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"text": pa.array(list(texts), pa.string()), "meta": ["x"] * len(texts)})
    pq.write_table(table, path, row_group_size=row_group)
    return path


def write_sparsify(folder: Path, d: int, seed: int = 0) -> Path:
    """One dictionary in the format of sparsify."""
    random = torch.Generator().manual_seed(seed)
    encoder = torch.randn(WIDTH, d, generator=random)
    folder.mkdir(parents=True)
    settings = {"k": ACTIVE, "d_in": d, "num_latents": WIDTH, "signed": False, "normalize_decoder": True}
    (folder / "cfg.json").write_text(json.dumps(settings))
    theirs = {"encoder.weight": encoder, "encoder.bias": torch.zeros(WIDTH), "b_dec": torch.zeros(d)}
    save_file({**theirs, "W_dec": encoder / encoder.norm(dim=1)[:, None]}, folder / "sae.safetensors")
    return folder


def published(root: Path, tokenizer: Any) -> dict[str, Repository]:
    """Two PolyPythias whose main holds no weights and whose steps are pickles, a repository of dictionaries, a pile."""
    empty = root / "empty"
    empty.mkdir(parents=True)
    (empty / "README.md").write_text("# PolyPythias\n")
    found = {}
    for seed, name in ((1, SEED1), (2, SEED2)):
        whole = tiny.save("gpt_neox", tokenizer, root / f"whole{seed}", seed)
        branch = as_pickle(whole, root / f"pickled{seed}")
        found[name] = Repository({"main": empty, "step0": branch, STEP: branch})
    for layer in ("layers.1", "layers.1.mlp", "layers.2"):
        write_sparsify(root / "saes" / layer, tiny.SHAPE["hidden_size"])
    found[SAES] = Repository({"main": root / "saes"})
    texts = [None, *tiny.stories(9000)]
    write_parquet(texts, root / "pile" / "data" / "train-00000-of-00001.parquet")
    (root / "pile" / "README.md").write_text("# A pile")
    found[PILE] = Repository({"main": root / "pile"})
    return found
