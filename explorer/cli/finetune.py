"""`transfer --finetune ROWS`: the rotated dictionary is trained on with the target's rows, and what that is worth."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from explorer.errors import InputError

if TYPE_CHECKING:
    from explorer.alignment import SiteWarmStart
    from explorer.models import Site
    from explorer.sae import SAE
    from explorer.study import Study

FOLDER, CURVE = "finetuned", "warm_start.json"
"""Where the dictionary lies in --out, and the curve beside it."""


class Finetuned(NamedTuple):
    """A rotated dictionary that was trained on."""

    sae: SAE
    """The dictionary."""
    told: SiteWarmStart
    """What it was worth at growing rows."""

    def write(self, out: Path, study: Study, target: str) -> None:
        """Write it in SAELens format into a folder of `out`, with the curve beside it, and print the curve."""
        import torch

        from explorer.files import write_json
        from explorer.narrative import warm_start_told
        from explorer.sae.formats import save_sae

        save_sae(self.sae, out / FOLDER, target, study.file.text.context, torch.float32, study.file.text.bos)
        write_json(out / CURVE, self.told)
        print(f"{out / FOLDER}: {warm_start_told(self.told)}")
        print("      rows  from R  from nothing   (EV on test rows)")
        for rows, warm, cold in zip(self.told.rows, self.told.warm, self.told.cold, strict=True):
            print(f"{rows:10,}  {warm:6.3f}  {cold:12.3f}")


def add_finetune_option(parser: argparse.ArgumentParser) -> None:
    """--finetune ROWS."""
    parser.add_argument(
        "--finetune",
        type=int,
        metavar="ROWS",
        help=f"also train it on with so many rows of the target, beside one from nothing; into DIR/{FOLDER}",
    )


def check_finetune(rows: int | None) -> None:
    """Raise InputError for a number of rows that is too small or too large."""
    from explorer.alignment import curve_rows

    if rows is not None:
        curve_rows(rows)


def finetune(study: Study, options: argparse.Namespace, site: Site, sae: SAE) -> Finetuned:
    """Train the dictionary on, and one from nothing. Raises InputError for one that is not TopK."""
    from explorer.pipeline import train_on

    if sae.k is None:
        raise InputError(f"--finetune trains topk dictionaries, not {sae.architecture} ones: leave it out")
    made = train_on(study, options.source, study.load_model(options.target), site, sae, options.finetune)
    return Finetuned(made.trained, made.told)
