"""What `transfer` does with probes and lenses: carry them through R, score them on the target, write both."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.errors import InputError
from explorer.number_text import number

if TYPE_CHECKING:
    from explorer.alignment import LensTransfer, ProbeTransfer
    from explorer.metrics import Estimate
    from explorer.study import Study

FIT, LOGIT = "fit", "logit"
SCORES = "scores.json"
NAMES = {
    "home": "{a}'s own, on {a}",
    "own": "{b}'s own, on {b}",
    "rotated": "{a}'s through R, on {b}",
    "affine": "{a}'s through the affine map",
    "raw": "{a}'s as it is, on {b}",
    "translated": "{a}'s, mean moved",
    "shuffled": "{a}'s through a shuffled R",
    "random": "{a}'s through a random R",
    "logit": "{b}'s logit lens",
}
"""Lines of the table, in order."""


def add_options(parser: argparse.ArgumentParser, what: argparse._MutuallyExclusiveGroup) -> None:
    """A probe with its labels, or a lens with its form."""
    what.add_argument(
        "--probe", metavar="FILE", help="linear probe of the source (safetensors), or 'fit' to fit one first"
    )
    what.add_argument(
        "--lens", metavar="FILE", help="lens of the source, a matrix a layer (safetensors), or 'fit', or 'logit'"
    )
    parser.add_argument(
        "--labels",
        metavar="FILE",
        help='of a probe: jsonl with {"text": …, "label": …} or "labels" a token, or a label of the study\'s own text, '
        "e.g. genre or slot=people",
    )
    parser.add_argument(
        "--lens-form",
        choices=("affine", "residual"),
        default="affine",
        help="what the lens makes of a row x: x Wᵀ + b, or x + x Wᵀ + b as tuned-lens stores it (default: affine)",
    )


def carry_probe_file(options: argparse.Namespace, study: Study, out: Path) -> int:
    """Carry a probe and say how it does."""
    from explorer.alignment import as_torch, carry_probes, read_probe
    from explorer.files import write_json
    from explorer.pipeline import labelled_tokens

    if options.labels is None:
        raise InputError("--probe needs --labels: a jsonl file, or a label of the study's text, such as genre")
    if options.site is None:
        raise InputError("--probe needs --site: the site whose rows it reads")
    site = study.site(options.site)
    fitted = {site.name: study.site_maps(options.source, options.target, site)}
    stored = None if options.probe == FIT else read_probe(options.probe, study.file.d_model)
    tokens = labelled_tokens(study, options.labels)
    count = 0 if stored is None else len(stored.probe.bias)
    if count and len(tokens.classes) != (2 if count == 1 else count):
        raise InputError(
            f"the probe '{options.probe}' has {count} rows, and --labels {len(tokens.classes)} classes "
            f"({', '.join(tokens.classes)[:200]}): one row for two classes, else one for each, in this order"
        )
    models = study.load_model(options.source), study.load_model(options.target)
    made = carry_probes(*models, tokens, [site], fitted, None if stored is None else stored.probe)[site]
    form = stored or as_torch(made.source)
    form.write(out / "probe.safetensors", made.carried)
    if stored is None:
        form.write(out / "probe_source.safetensors", made.source)
    write_json(out / SCORES, made.found)
    if options.json:
        _print_json(made.found)
    else:
        _print_probe(made.found, options)
        print(f"{out / 'probe.safetensors'}")
    return 0


def carry_lens_file(options: argparse.Namespace, study: Study, out: Path) -> int:
    """Carry a lens, or those of several layers, and say how they do."""
    from explorer.alignment import CarriedReaders, as_affine, carry_lenses, logit_lens, read_lenses
    from explorer.files import write_json
    from explorer.models import all_sites

    end = all_sites(study.file.n_layers)[-1]
    chosen = [s for s in study.sites if s != end] if options.site in (None, "all") else [study.site(options.site)]
    stored = None
    if options.lens not in (FIT, LOGIT):
        stored = read_lenses(options.lens, study.file.d_model, study.file.n_layers, options.lens_form)
        held = [s for s in stored.lenses if s in chosen or (options.site is None and s == end)]
        if not held:
            has = ", ".join(s.name for s in stored.lenses)
            raise InputError(f"'{options.lens}' has no lens of {chosen[0].name}: it has {has}; choose one by --site")
        chosen = held
    maps = {s.name: study.site_maps(options.source, options.target, s) for s in (*chosen, end)}
    models = study.load_model(options.source), study.load_model(options.target)
    given = stored.lenses if stored else {s: logit_lens(study.file.d_model) for s in chosen}
    lenses = None if options.lens == FIT else {s: given[s] for s in chosen}
    made = carry_lenses(*models, study.chunks(), chosen, maps, lenses)
    form = stored or as_affine({s: m.source for s, m in made.items()})
    form.write(out / "lens.safetensors", {s: m.carried for s, m in made.items()})
    if options.lens == FIT:
        form.write(out / "lens_source.safetensors", {s: m.source for s, m in made.items()})
    found = CarriedReaders((), tuple(m.found for m in made.values()))
    write_json(out / SCORES, found)
    if options.json:
        _print_json(found)
    else:
        for lens in found.lenses:
            _print_lens(lens, options)
        print(f"{out / 'lens.safetensors'}")
    return 0


def _print_json(found: object) -> None:
    from explorer.files import encode_line

    print(encode_line(found).decode())


def _between(e: Estimate, digits: int = 2) -> str:
    return f"{number(e.value, digits)} [{number(e.low, digits)}, {number(e.high, digits)}]"


def _print_table(head: tuple[str, str], rows: Mapping[str, tuple[str, str]], options: argparse.Namespace) -> None:
    said = {key: NAMES[key].format(a=options.source, b=options.target) for key in NAMES if key in rows}
    wide = max(map(len, said.values()))
    print(f"  {'':{wide}}  {head[0]:22}{head[1]}")
    for key, name in said.items():
        print(f"  {name:{wide}}  {rows[key][0]:22}{rows[key][1]}")


def _print_probe(found: ProbeTransfer, options: argparse.Namespace) -> None:
    print(
        f"{found.labels} ({', '.join(found.classes)[:120]}) at {found.label}, {found.rows_test:,} tokens of held-out "
        "documents"
    )
    rows = {key: (_between(s.accuracy), number(s.auc)) for key, s in found.scores.items()}
    _print_table(("accuracy", "AUC"), rows, options)
    print(f"  the best of 19 random R {number(found.random_best)}, the commonest class {number(found.majority)}")
    print(f"  restored, from shuffled R (0) to {options.target}'s own (1): {number(found.restored)}")


def _print_lens(found: LensTransfer, options: argparse.Namespace) -> None:
    print(f"lens at {found.label}, {found.rows_test:,} test rows")
    rows = {key: (_between(s.kl), _between(s.top1)) for key, s in found.scores.items()}
    _print_table(("KL to the end, nats", "same first choice"), rows, options)
    print(f"  restored, from shuffled R (0) to {options.target}'s own (1), of first choices: {number(found.restored)}")
