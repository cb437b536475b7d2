"""The dictionaries behind the "98 %": ReLU with an L1 penalty, from equal and from independent initial weights.

Like the paper's replication code: ReLU, bias subtracted on input, unit decoder rows (the radial part of their gradient
removed), Adam, mean squared error plus 1e-3 times Σ|a|, batches drawn with replacement from rows collected once, and
for every model the same initial weights and the same batches. Unlike it: 4 features per dimension, not 8; rows of unit
mean square and errors divided by their variance; the encoder starts as the decoder's transpose, the bias as the
mean row; a warm-up and a decay; and 1,500 batches of 128 at a peak rate of 2e-3 in place of 6,000 of 4,096 at 5e-4.
Rate times batches, which bounds how far Adam can move a weight, is the same, and one core needs minutes.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from explorer.activation_buffer import after_first, read_rows
from explorer.errors import InputError
from explorer.files import encode, write_bytes, write_json
from explorer.models import LanguageModel
from explorer.recipe import Log, Workshop, make_corpus
from explorer.sae import SAE
from explorer.sae_format_saelens import save_sae
from explorer.sae_training import SAERecipe, SAETrainer
from explorer.sites import Site, first_middle_last
from explorer.study import Study, open_study

RELU = {"relu": "light", "relu_sparse": "strong"}
"""Families of ReLU dictionaries, and the penalty of the recipe that makes each."""
FOLDER = "dictionaries_relu"


@dataclass(frozen=True)
class MatchRecipe:
    """Everything that decides the dictionaries of the comparison, apart from the models."""

    source: str = "seed0"
    """Model whose dictionaries are compared with the other's."""
    target: str = "seed1"
    """The other model."""
    width: int = 512
    """Features of each dictionary."""
    light: float = 1e-3
    """The paper's weight of the penalty."""
    strong: float = 1e-2
    """A penalty under which few features fire."""
    learning_rate: float = 2e-3
    """Peak rate of Adam."""
    batch: int = 128
    """Rows in a batch."""
    batches: int = 1500
    """Batches for each dictionary."""
    text_rows: int = 400
    """Training rows of tokens whose activations are drawn from."""

    def sae_recipe(self, family: str) -> SAERecipe:
        """How a family is trained."""
        return SAERecipe(self.width, None, getattr(self, RELU[family]), self.learning_rate, self.batch)


@dataclass(frozen=True)
class Plan:
    """One dictionary to make."""

    family: str
    """relu or relu_sparse."""
    model: str
    """Name of the model whose rows it reads."""
    start: int
    """Seed of the initial weights and of the order of the batches: equal starts are equal in both."""


@dataclass(frozen=True)
class Bench:
    """Where the comparison of one study is made."""

    study: Study
    """A study whose pair is measured."""
    recipe: MatchRecipe
    """What to make."""
    note: Path
    """File that remembers what the dictionaries were made from."""

    @property
    def sites(self) -> list[Site]:
        """Where dictionaries are compared."""
        return first_middle_last(self.study.sites)

    @property
    def plans(self) -> list[Plan]:
        """Of each family: source and target from one start, the target from another, the source from a third."""
        a, b = self.recipe.source, self.recipe.target
        return [Plan(f, m, start) for f in RELU for m, start in ((a, 0), (b, 0), (b, 1), (a, 2))]

    def folder(self, plan: Plan, site: Site) -> Path:
        """Where a dictionary lies in the study."""
        return self.study.folder / FOLDER / plan.family / f"{plan.model}-{plan.start}" / site.name

    def fingerprint(self) -> bytes:
        """What the dictionaries are made from."""
        hashes = [self.study.model_entry(name).sha256 for name in (self.recipe.source, self.recipe.target)]
        return encode({"models": hashes, "recipe": asdict(self.recipe)})


def make_decoder_story(bench: Bench, rows: Int[np.ndarray, "n t"], log: Log, stop_after: int | None = None) -> None:
    """Train the dictionaries of the comparison on rows of tokens, and write decoder_match.json into the study.

    Finished dictionaries are kept; those of other models or another recipe are removed. After `stop_after` dictionaries
    the call ends early, as if interrupted. Raises InputError if the pair is not measured.
    """
    from explorer.match_story import decoder_story

    study, a, b = bench.study, bench.recipe.source, bench.recipe.target
    if not (study.pair_path(a, b) / "maps.safetensors").is_file():
        raise InputError(f"study '{study.file.name}' has no maps of {a} → {b}: measure that pair first")
    _remove_stale(bench, log)
    if _train(bench, rows, log, stop_after):
        log("decoder_match.json: cosines, EV, L0, dead features")
        write_json(study.folder / "decoder_match.json", decoder_story(bench))


def make_match_dictionaries(workshop: Workshop) -> None:
    """The comparison of the Tales study, to be made after `build_study`."""
    note = workshop.out / "work" / "match.json"
    bench = Bench(open_study(workshop.out), MatchRecipe(), note)
    make_decoder_story(bench, make_corpus(workshop), workshop.log)


def _remove_stale(bench: Bench, log: Log) -> None:
    if bench.note.is_file() and bench.note.read_bytes() == bench.fingerprint():
        return
    if (old := bench.study.folder / FOLDER).exists():
        log("match: the ReLU dictionaries are of other models or another recipe: made anew")
        shutil.rmtree(old)
    (bench.study.folder / "decoder_match.json").unlink(missing_ok=True)
    write_bytes(bench.note, bench.fingerprint())


def _train(bench: Bench, rows: Int[np.ndarray, "n t"], log: Log, stop_after: int | None) -> bool:
    """Every dictionary that is not there yet; False if it was stopped before the end."""
    recipe = bench.recipe
    missing = [(p, s) for p in bench.plans for s in bench.sites if not bench.folder(p, s).exists()]
    began, done = time.monotonic(), 0
    for name in (recipe.source, recipe.target):
        mine = [(p, s) for p, s in missing if p.model == name]
        if not mine:
            log(f"match: {name}'s dictionaries already trained")
            continue
        model = bench.study.load_model(name)
        activations = collect(model, rows[: recipe.text_rows], sorted({s for _, s in mine}))
        for plan, site in mine:
            if done == stop_after:
                return False
            sae = train_relu(recipe.sae_recipe(plan.family), activations[site], recipe.batches, plan.start, site.name)
            save_sae(sae, bench.folder(plan, site), name, bench.study.file.text.context)
            done += 1
            left = (time.monotonic() - began) / done * (len(missing) - done)
            made = f"match: {plan.family}, {name} from start {plan.start}, {site.label}"
            log(f"{made}: {done}/{len(missing)}, {left:.0f} s left")
    return True


def collect(model: LanguageModel, rows: Int[np.ndarray, "n t"], sites: list[Site]) -> dict[Site, Float[Tensor, "m d"]]:
    """The residual rows of some text at some sites, in the text's order, without position 0 of each row."""
    parts = (after_first(rows[i : i + 32]) for i in range(0, len(rows), 32))
    return {site: found.cpu() for site, found in read_rows(model, parts, sites).items()}


def train_relu(recipe: SAERecipe, rows: Float[Tensor, "n d"], batches: int, start: int, site: str = "") -> SAE:
    """A dictionary whose initial weights and order of batches `start` alone decides, whatever the rows are."""
    trainer = SAETrainer(recipe, rows, batches, start, site)
    order = torch.Generator().manual_seed(start)
    for _ in range(batches):
        trainer.step(rows[torch.randint(len(rows), (recipe.batch,), generator=order)])
    return trainer.finish()


def starting_rows(recipe: SAERecipe, d: int, start: int) -> Float[Tensor, "f d"]:
    """The decoder rows that `train_relu` starts from."""
    # Only the scale and the bias look at the sample; the directions do not.
    return SAETrainer(recipe, torch.eye(d), 1, start).W_dec.detach()
