"""Steer one model with one vector, through one arm, and print what it writes."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.errors import InputError
from explorer.steering import ARMS, CARRIED, Arm

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from explorer.alignment import SiteMaps
    from explorer.models import LanguageModel, Site
    from explorer.study import Study

HELP = "steer a model with a vector of another and print what it writes"


@dataclass(frozen=True)
class SteeredText:
    """What the command prints with --json."""

    text: str
    """The continuation, without the prompt."""
    tokens: tuple[int, ...]
    """Its token ids."""
    kl: float
    """Mean KL(steered‖unsteered) over these tokens, nats, both after the same text."""
    dose: float
    """c, in median residual norms of the target at the site."""
    dose_norm: float
    """Length of what is added, with the sign of c: c times that norm; 0 for the arm none."""
    arm: Arm
    """How the vector reached the target."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """What is steered, with what, and how the text is written."""
    parser.add_argument("study", metavar="STUDY", help="a study's folder or name")
    parser.add_argument("--source", required=True, help="model that the vector belongs to, as the study names it")
    parser.add_argument("--target", required=True, help="model that is steered; may be the source")
    parser.add_argument("--site", required=True, help="index or name, e.g. 2 or blocks.2.hook_resid_pre")
    parser.add_argument("--vector", required=True, help="feature:417, contrast:sea, or a npy, safetensors or gguf file")
    parser.add_argument("--arm", required=True, choices=ARMS, help="how the vector reaches the target")
    parser.add_argument(
        "--dose", type=float, default=0.4, metavar="C", help="in median norms of the target (default: 0.4)"
    )
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="what the model continues")
    parser.add_argument("--new-tokens", type=int, default=60, help="tokens to write (default: 60)")
    parser.add_argument("--temperature", type=float, default=0.8, help="0 is greedy (default: 0.8)")
    parser.add_argument("--seed", type=int, default=0, help="of the sampling, and of the random arm (default: 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(options: argparse.Namespace) -> int:
    """Steer and print."""
    from explorer.files import encode_line

    steered = steer(options)
    if options.json:
        print(encode_line(steered).decode())
        return 0
    print(options.prompt + steered.text)
    print(
        f"\n[{options.target}, arm {steered.arm}, dose {steered.dose:+g} = length {steered.dose_norm:.3g}; "
        f"{len(steered.tokens)} tokens, mean KL from unsteered {steered.kl:.3f} nats]"
    )
    return 0


def steer(options: argparse.Namespace) -> SteeredText:
    """What the target writes. Raises InputError for a name, number, file or pair that cannot be used."""
    from explorer.steering import NORM_DOCUMENTS, Sampling, Steering, build_lanes, median_norm, stream
    from explorer.study import open_study

    sampling = Sampling(options.temperature, options.seed, options.new_tokens)
    sampling.check()
    study = open_study(options.study)
    site = study.site(options.site)
    fitted = _maps(study, options, site)
    source = study.load_model(options.source)
    target = source if options.target == options.source else study.load_model(options.target)
    vector, native = _vectors(study, source, target, site, options.vector, options.arm)
    chunks = study.chunks(NORM_DOCUMENTS)
    norms = (median_norm(source, site, chunks), median_norm(target, site, chunks))
    lanes = build_lanes(
        Steering(source, target, site, vector, fitted, norms, native), [options.arm], options.dose, options.seed
    )
    lane = next(lane for lane in lanes[2:] if lane.key == options.arm)
    tokens, divergences, text = [], [], ""
    for (token,) in stream([lane], site, options.prompt, sampling, watched=True):
        tokens.append(token.id)
        divergences.append(token.kl or 0.0)
        text = token.text
    length = 0.0 if lane.vector is None else options.dose * norms[1]
    return SteeredText(text, tuple(tokens), sum(divergences) / len(divergences), options.dose, length, options.arm)


def _maps(study: Study, options: argparse.Namespace, site: Site) -> SiteMaps:
    """The pair's maps; the identity alone where the arm needs none, so that the pair need not be measured."""
    import torch

    from explorer.alignment import ResidualMap, SiteMaps

    if options.arm in CARRIED and options.arm != "raw":
        return study.site_maps(options.source, options.target, site)
    eye, zero = torch.eye(study.file.d_model), torch.zeros(study.file.d_model)
    return SiteMaps({"raw": ResidualMap(eye, zero, zero, eye)})


def _vectors(
    study: Study, source: LanguageModel, target: LanguageModel, site: Site, text: str, arm: Arm
) -> tuple[Float[Tensor, " d"], Float[Tensor, " d"] | None]:
    """The vector of the source that a text names, and the target's own for the native arm (None for a file's)."""
    from explorer.steering import SUFFIXES, load_vector, parse_vector
    from explorer.study import native_vector, own_vector

    if Path(text).suffix.lower() in SUFFIXES:
        return load_vector(text, study.file.d_model, site), None
    try:
        spec = parse_vector(text)
    except InputError as error:
        kinds = ", ".join(SUFFIXES)
        raise InputError(f"--vector '{text[:60]}': give feature:417, contrast:sea, or a {kinds} file") from error
    native = native_vector(study, spec, source, target, site, study.chunks()) if arm == "native" else None
    return own_vector(study, spec, source, site), native
