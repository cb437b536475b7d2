"""The command line: the app, training, and the list of studies."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from explorer import __version__
from explorer.errors import InputError

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 if it worked, 2 for bad input (one line on stderr)."""
    options = _parser().parse_args(arguments)
    try:
        command = options.command or "app"
        return {"app": _app, "train": _train, "studies": _studies}[command](options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m explorer", description="Two transformers, one function, rotated coordinates."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="{app,train,studies}")
    commands.add_parser("app", help="start the app (the default)")
    commands.add_parser("studies", help="list studies and where they are")
    train = commands.add_parser("train", help="remake the shipped models and dictionaries")
    train.add_argument("study", choices=["tales"], help="which study")
    train.add_argument("--seeds", default="0,1,2,3", help="seeds to train, e.g. 0,1 (default: 0,1,2,3)")
    train.add_argument("--out", default="tales", help="folder to make the study in (default: tales)")
    train.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    train.add_argument("--resume", action="store_true", help="go on with what --out already holds")
    train.add_argument("--models-only", action="store_true", help="stop after the language models")
    return parser


def _app(_options: argparse.Namespace) -> int:
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "explorer" / "app.py")]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def _studies(_options: argparse.Namespace) -> int:
    from explorer.study import open_study, shipped_studies

    for name in shipped_studies():
        study = open_study(name)
        print(f"{name}\t{study.file.title}\t{study.folder}")
    return 0


def _seeds(text: str) -> tuple[int, ...]:
    try:
        seeds = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError as error:
        raise InputError(f"--seeds '{text}': give whole numbers separated by commas, e.g. 0,1") from error
    if not seeds or min(seeds) < 0:
        raise InputError(f"--seeds '{text}': seeds are 0 or more")
    return seeds


def _device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda", "mps"):
        raise InputError(f"--device '{name}': auto, cpu, cuda or mps")
    return name


def _train(options: argparse.Namespace) -> int:
    from explorer.recipe import TalesRecipe, Workshop, make_dictionaries, make_models

    out = Path(options.out).expanduser().resolve()
    seeds, device = _seeds(options.seeds), _device(options.device)
    if not options.models_only and (0 not in seeds or len(seeds) < 2):
        raise InputError("a study needs seed 0 and at least one other: --seeds 0,1")
    if out.exists() and any(out.iterdir()) and not options.resume:
        raise InputError(f"--out '{out}' is not empty: add --resume to go on with it, or name another folder")
    (out / "work").mkdir(parents=True, exist_ok=True)
    began = time.strftime("%Y-%m-%d %H:%M:%S")
    path = out / "work" / f"train-{os.getpid()}.log"

    def log(line: str) -> None:
        stamped = f"{time.strftime('%H:%M:%S')} {line}"
        print(stamped, flush=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(stamped + "\n")

    recipe = replace(TalesRecipe(), seeds=tuple(sorted({0, *seeds})) if options.models_only else seeds)
    workshop = Workshop(out, recipe, log, device)
    log(f"began {began}: {options.study}, seeds {seeds}, into {out}")
    make_models(workshop, seeds)
    if options.models_only:
        return 0
    for seed in seeds:
        make_dictionaries(workshop, f"seed{seed}", seed)
    from explorer.build import build_study

    build_study(workshop)
    log("done")
    return 0
