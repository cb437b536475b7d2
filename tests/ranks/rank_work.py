"""What one rank of a test does: `WORK TOKENIZER OUT [ARGUMENT]`; rank 0 leaves what it has found.

Run, this starts ranks: one that has its libraries already takes seconds less. It reads a line of JSON for each group of
ranks, of each its environment and what it does, forks them, and answers with their exit codes and what they said.
"""

import faulthandler
import json
import os
import pickle
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import tiny
import torch
from test_sae import random_sae

from explorer import ranks
from explorer.alignment.control_runs import controls
from explorer.alignment.fresh_models import fresh_model
from explorer.alignment.growing import grow
from explorer.alignment.pair import measure_pair
from explorer.cache import Cache
from explorer.models.hooks import residuals
from explorer.models.language_model import load_model
from explorer.models.massive import MASSIVE
from explorer.models.slices import own
from explorer.progress import silent
from explorer.sae.fit import fit_dictionary
from explorer.sae.trainer import SAERecipe, SAETrainer


def pair(tokenizer: Any, windows: str) -> object:
    """A pair with its controls and a dictionary, of so many windows of text; limits leave some rows out."""
    from dataclasses import replace

    a, b = tiny.model("llama", tokenizer), tiny.model("llama", tokenizer, seed=1, name="B")
    chunks = tiny.chunks(int(windows))
    random = random_sae("topk", 6, d=a.d_model, f=50)
    sae = replace(random, W_enc=0.5 * random.W_dec.T.contiguous(), b_enc=torch.zeros(50))
    cache = Cache(Path(os.environ["CACHE"]) if "CACHE" in os.environ else None)
    shared = controls(a, b, chunks, a.sites, ("x", "y"), silent, cache, massive=1.5)
    found = measure_pair(a, b, chunks, a.sites, {a.sites[2].name: sae}, ("x", "y"), silent, shared, cache, massive=1.5)
    maps = {name: fitted["rotated"].matrix for name, fitted in found.maps.items()}
    firing = {arm: f.r for arm, f in found.firing[a.sites[2].name].items()}
    clouds = {name: cloud.target for name, cloud in found.clouds.items()}
    return found.result, maps, firing, clouds


def grown(tokenizer: Any, windows: str) -> object:
    """A pair on text that grows, of so many windows; limits leave some rows out."""
    a, b = tiny.model("llama", tokenizer), tiny.other_end("llama", tokenizer)
    chunks, sites = tiny.chunks(int(windows)), a.sites[1:]
    read = grow(a, b, chunks, sites, ("x", "y"), silent, 2.0)
    found = measure_pair(a, b, chunks, sites, {}, ("x", "y"), massive=2.0, grown=read)
    halves = {site.name: [(half.n, half.cross) for half in m.halves] for site, m in read.moments.items()}
    curves = {site.name: m.curve for site, m in read.moments.items()}
    return found.result, halves, curves, found.similarity


def dictionary(tokenizer: Any, windows: str) -> object:
    """A dictionary trained by the ranks together."""
    model, chunks = tiny.model("llama", tokenizer), tiny.chunks(int(windows))
    sae = fit_dictionary(model, model.sites[2], chunks, SAERecipe(width=48, k=6, batch=2048), 0, silent, MASSIVE)
    return {name: getattr(sae, name) for name in ("W_enc", "b_enc", "W_dec", "b_dec")}


def gradients(_tokenizer: Any) -> object:
    """A few steps of training of either kind, on rows of which the last rank has none."""
    rows = torch.randn(6, 60, 16, generator=torch.Generator().manual_seed(3)) + 2
    others = max(1, ranks.count() - 1)
    mine = slice(ranks.rank(), None, others) if ranks.rank() < others else slice(0, 0)
    found = []
    for k in (5, None):
        recipe = SAERecipe(width=40, k=k, l1=0.1, batch=60, dead_after=2, k_auxiliary=4)
        trainer = SAETrainer(recipe, rows[0][mine], 6, 0)
        left = [trainer.step(batch[mine]) for batch in rows]
        found.append((left, trainer.W_enc, trainer.b_enc, trainer.W_dec, trainer.b_dec, trainer.silent))
    return found


def split(_tokenizer: Any, folder: str) -> object:
    """What a model that is split between the ranks computes, and the share of its weights that a rank holds."""
    model = load_model(folder)
    ids = torch.randint(0, 300, (3, 20), generator=torch.Generator().manual_seed(0))
    held = sum(own(p).numel() for p in model.network.parameters()) / sum(p.numel() for p in model.network.parameters())
    assert ranks.slices() == 1 or held < 0.8
    rows = {site.name: rows for site, rows in residuals(model, ids, model.sites).items()}
    fresh = residuals(fresh_model(model, 5), ids, model.sites[-1:])[model.sites[-1]]
    return rows, model.logits(ids), model.unembedding, fresh


def dies(_tokenizer: Any, how: str, which: str = "2") -> object:
    """One rank of three ends in the middle of the work, or fails."""
    if ranks.rank() == int(which):
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise ValueError("only this rank fails")
    ranks.add_up([torch.ones(3)])
    return None


def main(work: str, tokenizer: str, out: str, *argument: str) -> int:
    """Do it, and return the exit code."""
    from transformers import AutoTokenizer

    torch.set_num_threads(1)
    # Ranks that wait for each other for ever say where.
    faulthandler.dump_traceback_later(float(os.environ.get("PATIENCE", "200")), exit=True)
    try:
        with ranks.joined(cuda=False, split=work == "split"):
            found = globals()[work](AutoTokenizer.from_pretrained(tokenizer), *argument)
            if ranks.first():
                Path(out).write_bytes(pickle.dumps(found))
    except ranks.RankLostError:
        return 2
    except Exception as error:
        if "TRACE" in os.environ:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def fork(environment: dict[str, str], work: list[str], said: Path) -> int:
    """One rank; its number among processes. Whatever its libraries print goes to the file, too."""
    if child := os.fork():
        return child
    code = 1
    try:
        file = os.open(said, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, 2)
        os.environ.update(environment)
        code = main(*work)
    finally:
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    """Start ranks until nobody asks for more."""
    for line in sys.stdin:
        group: list[tuple[dict[str, str], list[str]]] = json.loads(line)
        with tempfile.TemporaryDirectory() as folder:
            places = [Path(folder) / str(i) for i in range(len(group))]
            children = [fork(*rank, place) for rank, place in zip(group, places, strict=True)]
            codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
            print(json.dumps([(c, p.read_text()) for c, p in zip(codes, places, strict=True)]), flush=True)


if __name__ == "__main__":
    serve()
