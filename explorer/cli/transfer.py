"""Rotate what was made for the source for the target: a dictionary, SAE_B(x) = f⁻¹(SAE_A(f(x))), as a folder that
SAELens loads; or a linear probe or a lens, with its scores on both models.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from explorer.cli import carry
from explorer.cli.finetune import add_finetune_option, check_finetune, finetune
from explorer.cli.output import output_folder
from explorer.errors import InputError

if TYPE_CHECKING:
    from explorer.models import Site
    from explorer.sae import SAE

HELP = "rotate a dictionary (SAELens format), a probe or a lens of the source for the target"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The study's pair and site, what is rotated, and where the new one goes."""
    parser.add_argument("study", metavar="STUDY", help="a study's folder or name")
    parser.add_argument(
        "--site", help="index or name, e.g. 2 or blocks.2.hook_resid_pre; of lenses all that there are unless given"
    )
    parser.add_argument("--source", required=True, help="model that it belongs to, as the study names it")
    parser.add_argument("--target", required=True, help="model that it is rotated for")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--sae",
        metavar="PATH",
        help="folder or file of a dictionary, of any format of README, or owner/name/folder on the hub",
    )
    carry.add_options(parser, what)
    add_finetune_option(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write; must not exist, or be empty")
    parser.add_argument(
        "--json", action="store_true", help="of a probe or lens: print one JSON object and nothing else"
    )


def _of_site(saes: tuple[SAE, ...], site: Site) -> SAE:
    """The dictionary of a site, of several; the first where none is of it, so that it is said which there are."""
    from explorer.models import residual_index

    return next((sae for sae in saes if residual_index(sae.site) == site.index), saes[0])


def run(options: argparse.Namespace) -> int:
    """Read, rotate, write, and say what was written."""
    import torch

    from explorer.sae.formats import at_site, load_saes, save_sae
    from explorer.study import open_study

    out = output_folder(options.out)
    if out.exists() and any(out.iterdir()):
        raise InputError(f"--out '{out}' is not an empty folder: name another")
    check_finetune(options.finetune)
    study = open_study(options.study)
    if options.probe is not None:
        return carry.carry_probe_file(options, study, out)
    if options.lens is not None:
        return carry.carry_lens_file(options, study, out)
    if options.site is None:
        raise InputError("--sae needs --site: the site whose rows the dictionary reads")
    if options.json:
        raise InputError("--json says how a probe or a lens does: leave it out with --sae, which has no scores")
    site = study.site(options.site)
    rotated = study.site_maps(options.source, options.target, site)["rotated"]
    sae = at_site(_of_site(load_saes(options.sae).saes, site), site, study.file.d_model, options.sae)
    trained = None if options.finetune is None else finetune(study, options, site, sae)
    carried = sae.rotated_for_target(rotated.matrix, rotated.mean_source, rotated.mean_target)
    save_sae(carried, out, options.target, study.file.text.context, torch.float32, study.file.text.bos)
    kind = sae.architecture + (f" with k = {sae.k}" if sae.k else "")
    print(f"{out}: {kind}, {sae.n_features} features of width {sae.d_in}, for {options.target} at {site.name}")
    if trained is not None:
        trained.write(out, study, options.target)
    return 0
