"""Remake a shipped study: its models, its dictionaries and its measurements, deterministic given the seeds."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from explorer import MAX_SEED
from explorer.cli.output import output_folder
from explorer.errors import InputError
from explorer.models import choose_device
from explorer.text.dyck import Dyck3
from explorer.text.tales import Tales
from explorer.training import OPTIMISERS, has_own_text, held_out_of

if TYPE_CHECKING:
    from explorer.training import OptimiserKind, TrainingText

HELP = "remake the shipped models and dictionaries"
OWN_TOKENS = 15_000_000
"""Tokens of a text of one's own that are read at most."""


@dataclass(frozen=True)
class Order:
    """What a person asked to train."""

    out: Path
    """Folder to make the study in."""
    seeds: tuple[int, ...]
    """Seeds to train, ascending."""
    device: str
    """cpu, cuda or mps."""
    models_only: bool
    """Whether to stop after the language models."""
    optimiser: OptimiserKind | None
    """How to train; None makes a cohort of each kind."""
    log: Callable[[str], None]
    """Takes one line of progress."""
    text: TrainingText | None = None
    """Text of one's own in the place of Tales."""


@dataclass(frozen=True)
class Trainable:
    """A study that can be trained."""

    seeds: str
    """Default of --seeds."""
    complaint: Callable[[tuple[int, ...], bool], str | None]
    """What is wrong with (seeds, models_only), in words, or None; asked before anything is written."""
    make: Callable[[Order], None]
    """Does it, or goes on with it."""
    takes_text: bool = False
    """Whether it can train on a text of one's own, and with either optimiser."""


def _tales_complaint(seeds: tuple[int, ...], models_only: bool) -> str | None:
    if not models_only and (0 not in seeds or len(seeds) < 2):
        return "a study needs seed 0 and at least one other: --seeds 0,1"
    return None


def _make_tales(order: Order) -> None:
    from explorer.training.tales import TalesRecipe, Workshop, make_dictionaries, make_models, own_text_recipe

    recipe = (own_text_recipe() if order.text else TalesRecipe()).of(order.seeds, order.optimiser)
    documents = order.text.documents if order.text else None
    # The CPU that trains leaves one process to the text; a GPU needs text faster than that.
    processes = 1 if order.device == "cpu" else max(1, (os.cpu_count() or 2) - 2)
    workshop = Workshop(order.out, recipe, order.log, order.device, True, processes, documents)
    make_models(workshop)
    if order.models_only:
        return
    for name in recipe.names:
        make_dictionaries(workshop, name)
    if order.text is not None:
        held_out = held_out_of(order.out)
        first, second = (order.out / "models" / name for name in recipe.names[:2])
        dictionaries = order.out / "dictionaries" / first.name
        order.log(f"next: python -m explorer check {first} {second} --text {held_out} --sae {dictionaries} --out DIR")
        return
    from explorer.training import make_match_dictionaries, make_training_table, write_decoder_match
    from explorer.training.tales import build_study

    make_match_dictionaries(workshop)
    build_study(workshop)
    write_decoder_match(workshop)
    make_training_table(workshop)


def _dyck_complaint(seeds: tuple[int, ...], _models_only: bool) -> str | None:
    if 0 not in seeds or len(seeds) < 3:
        return "cohort B has all seeds but the last, and each cohort needs seed 0 and another: --seeds 0,1,2"
    return None


def _make_dyck(order: Order) -> None:
    from explorer.training.dyck import DyckRecipe, DyckWorkshop, make_dictionaries, make_models

    recipe = replace(DyckRecipe(), seeds=order.seeds)
    workshop = DyckWorkshop(order.out, recipe, order.log)
    make_models(workshop)
    if order.models_only:
        return
    for name in recipe.names:
        make_dictionaries(workshop, name)
    from explorer.training.dyck import build_study

    build_study(workshop)


STUDIES = {
    Tales.kind: Trainable("0,1,2", _tales_complaint, _make_tales, takes_text=True),
    Dyck3.kind: Trainable("0,1,2,3", _dyck_complaint, _make_dyck),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which study, which seeds, where."""
    defaults = ", ".join(f"{name}: {study.seeds}" for name, study in STUDIES.items())
    parser.add_argument("study", choices=list(STUDIES), help="which study")
    parser.add_argument(
        "--text",
        nargs="+",
        metavar="FILE",
        help="train on a text of your own (txt, jsonl, parquet) with the Tales recipe",
    )
    parser.add_argument(
        "--optimiser",
        choices=OPTIMISERS,
        help="how to train Tales: without a preferred basis of the residual stream, or with AdamW "
        "(default: a study of both, with two seeds of AdamW; of your own text, equivariant)",
    )
    parser.add_argument("--seeds", help=f"seeds to train, e.g. 0,1 (default: {defaults})")
    parser.add_argument("--out", help="folder to make the study in (default: a folder of the study's name)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--resume", action="store_true", help="go on with what --out already holds")
    parser.add_argument("--models-only", action="store_true", help="stop after the language models")


def run(options: argparse.Namespace) -> int:
    """Train; the log also goes to work/train-PID.log in the study's folder."""
    study = STUDIES[options.study]
    out = output_folder(options.out or options.study).resolve()
    seeds = parse_seeds(study.seeds if options.seeds is None else options.seeds)
    device = choose_device(options.device)
    if complaint := study.complaint(seeds, options.models_only):
        raise InputError(complaint)
    if options.text and not study.takes_text:
        able = ", ".join(name for name, other in STUDIES.items() if other.takes_text)
        raise InputError(f"--text goes with the recipe '{able}': {options.study} is a language of its own")
    if options.optimiser and not study.takes_text:
        raise InputError(f"--optimiser goes with the recipe 'tales': {options.study} is always trained with AdamW")
    text = _read_text(options.text) if options.text else None
    if out.exists() and any(out.iterdir()) and not options.resume:
        raise InputError(f"--out '{out}' is not empty: add --resume to go on with it, or name another folder")
    if text is None and has_own_text(out):
        raise InputError(f"'{out}' was begun with a text of its own: give the same --text again")
    (out / "work").mkdir(parents=True, exist_ok=True)
    if text is not None:
        text.put_into(out)
    path = out / "work" / f"train-{os.getpid()}.log"

    def log(line: str) -> None:
        stamped = f"{time.strftime('%H:%M:%S')} {line}"
        print(stamped, flush=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(stamped + "\n")

    log(f"began {time.strftime('%Y-%m-%d %H:%M:%S')}: {options.study}, seeds {seeds}, into {out}")
    study.make(Order(out, seeds, device, options.models_only, options.optimiser, log, text))
    if not options.models_only:
        log("done")
    return 0


def _read_text(paths: list[str]) -> TrainingText:
    from explorer.training import read_training_text

    return read_training_text(paths, OWN_TOKENS)


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds, ascending, from a comma-separated list. Raises InputError."""
    try:
        seeds = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError as error:
        raise InputError(f"--seeds '{text}': give whole numbers separated by commas, e.g. 0,1") from error
    if min(seeds) < 0 or max(seeds) > MAX_SEED:
        raise InputError(f"--seeds '{text}': seeds are 0 or more, at most {MAX_SEED}")
    return seeds
