"""Check pairs of checkpoints: an honest verdict with its reasons, a report, the rotations, and a study to open.

The example texts that Story plays are not recorded here, which may take longer than the check: `preflight` of the study
does it, or the page Check a pair.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from explorer import ranks
from explorer.cli.output import output_folder, report_folder
from explorer.cli.pair_lines import print_report
from explorer.cli.processes import run_processes
from explorer.errors import InputError, in_words
from explorer.number_text import duration, number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from explorer.alignment import SiteResult
    from explorer.pipeline import CheckOptions, Checkpoint

HELP = "measure a pair of checkpoints and write a report"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The pair, the text, and what to spend on it."""
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="folder or hub id (owner/name[@revision]) of the model whose dictionary is carried over",
    )
    parser.add_argument("targets", metavar="TARGET", nargs="+", help="folder or hub id; of several, each is checked")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the report")
    parser.add_argument("--revision-source", metavar="R", help="revision of a hub id")
    parser.add_argument("--revision-target", metavar="R", help="revision of a hub id (of every target)")
    parser.add_argument(
        "--text",
        metavar="FILE",
        help="txt, jsonl or parquet, or hf://…; tales reads held-out Tales even where neither model knows them "
        "(default: held-out Tales where one does)",
    )
    parser.add_argument("--sites", default="all", help="all, or indices or names separated by commas (default: all)")
    parser.add_argument(
        "--sae",
        default="train",
        help="train, none, a folder of dictionaries, or owner/name[/folder][@revision] on the hub (default: train)",
    )
    parser.add_argument("--sae-target", default="none", metavar="SAE", help="the same for the target (default: none)")
    parser.add_argument(
        "--tokens", type=int, metavar="N", help="tokens of text (default: until settled, at most 65536)"
    )
    parser.add_argument(
        "--context", type=tokens_or_auto, metavar="N", help="tokens of a window (default: auto, at most 512)",
    )  # fmt: skip
    parser.add_argument(
        "--bos",
        choices=("auto", "yes", "no"),
        default="auto",
        help="a BOS before documents (default: as the tokenizer)",
    )
    _add_computing(parser)
    parser.add_argument("--seed", type=int, default=0, help="seed of the dictionaries (default: 0)")
    parser.add_argument("--copy-models", action="store_true", help="copy the models into the study")
    parser.add_argument("--keep-massive", action="store_true", help="keep rows of more than 10 × the median norm")
    parser.add_argument("--force", action="store_true", help="try a check that this machine has no room for")
    parser.add_argument(
        "--pairs",
        choices=("text", "none"),
        default="text",
        help="none: find R also without pairs, from rows of different documents (default: text)",
    )
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object, and nothing else")


def _add_computing(parser: argparse.ArgumentParser) -> None:
    """Where and how it is computed."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16"), default="float32",
        help="what the models compute in; the report says what bfloat16 changes (default: float32)",
    )  # fmt: skip
    parser.add_argument(
        "--processes",
        type=int,
        default=1,
        metavar="N",
        help="processes on this machine that share the text, a GPU each where there are several (default: 1)",
    )
    parser.add_argument(
        "--split-models",
        action="store_true",
        help="split each model between the processes (transformers' tensor parallelism), instead of the text",
    )


def tokens_or_auto(text: str) -> int | None:
    return None if text == "auto" else int(text)


def run(options: argparse.Namespace) -> int:
    """Check every target; the worst exit code of them.

    Of several ranks (`--processes`, torchrun) the first alone writes and speaks. torchrun takes any other exit code
    than 0 for a rank that broke: there it is 0 whatever the verdict.
    """
    if options.processes < 1:
        raise InputError(f"--processes {options.processes}: give at least 1")
    started = "WORLD_SIZE" in os.environ
    if options.pairs == "none" and (started or options.processes > 1):
        raise InputError("--pairs none: R is found without pairs by one process only; leave --processes out")
    if options.processes > 1 and not started:
        return run_processes(options.processes, options.arguments)
    with ranks.joined(_on_gpu(options.device), options.split_models):
        code = _run(options)
    return 0 if started and ranks.QUIET not in os.environ and code < 2 else code


def _on_gpu(device: str) -> bool:
    if device not in ("auto", "cuda") or "WORLD_SIZE" not in os.environ:
        return False
    import torch

    return torch.cuda.is_available()


def _run(options: argparse.Namespace) -> int:
    from explorer.models import choose_device
    from explorer.pipeline import Checkpoint

    folders = _folders(options) if ranks.first() else []
    choose_device(options.device)
    chosen = _chosen(options)
    source = Checkpoint.named(options.source, options.revision_source)
    if not ranks.first():
        _follow(source, [Checkpoint.named(target, options.revision_target) for target in options.targets], chosen)
        return 0
    return _check(options, source, chosen, folders)


def _folders(options: argparse.Namespace) -> list[Path]:
    """Where each target's report goes: can be written, and is not made yet."""
    from explorer.report import folder_names

    names, out = folder_names(options.targets), report_folder(options.out)
    return [report_folder(out / name) for name in names] if len(names) > 1 else [out]


def _follow(source: Checkpoint, targets: Sequence[Checkpoint], options: CheckOptions) -> None:
    from explorer.pipeline import follow

    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        for target in targets:
            follow(source, target, options)


def _check(options: argparse.Namespace, source: Checkpoint, chosen: CheckOptions, folders: Sequence[Path]) -> int:
    from explorer.alignment import exit_code
    from explorer.files import encode
    from explorer.pipeline import Checkpoint, check
    from explorer.report import Checked, folder_names, write_overview

    names, out = folder_names(options.targets), output_folder(options.out)
    command = "python -m explorer " + shlex.join(options.arguments)
    found: list[Checked] = []
    for target, name, folder in zip(options.targets, names, folders, strict=True):
        line = ProgressLine(target if len(options.targets) > 1 else "")
        try:
            pair = source, Checkpoint.named(target, options.revision_target)
            made = check(*pair, folder, chosen, command, line.progress)
        except Exception as error:  # of several targets the others are checked all the same
            if len(options.targets) == 1 or "WORLD_SIZE" in os.environ:
                raise
            found.append(Checked(target, name, None, in_words(error)))
            print(f"error: {target}: {found[-1].error}", file=sys.stderr)
        else:
            found.append(Checked(target, name, made, None))
            if not options.json:
                print_report(made, options.source, target, folder)
        finally:
            line.close()
    if len(options.targets) == 1:
        report = found[0].report
        assert report is not None
        if options.json:
            sys.stdout.buffer.write(encode(report))
        return exit_code(report.verdict)
    if any(c.report is not None for c in found):
        overview = write_overview(out, options.source, found, command)
        if options.json:
            sys.stdout.buffer.write(encode(overview))
        if "WORLD_SIZE" not in os.environ:
            _one_space(out, options, {c.folder: out / c.folder for c in found if c.report is not None})
    return max(2 if c.report is None else exit_code(c.report.verdict) for c in found)


def _chosen(options: argparse.Namespace) -> CheckOptions:
    """What the options say of the measurement."""
    from explorer.pipeline import CheckOptions
    from explorer.text import DEFAULT

    insisted = options.text == DEFAULT.kind
    return CheckOptions(
        text=None if insisted else options.text,
        sites=options.sites,
        sae=options.sae,
        sae_target=options.sae_target,
        tokens=options.tokens,
        context=options.context,
        bos=options.bos,
        device=options.device,
        dtype=options.dtype,
        seed=options.seed,
        copy_models=options.copy_models,
        pairs=options.pairs,
        keep_massive=options.keep_massive,
        insisted=insisted,
        force=options.force,
    )


def _one_space(out: Path, options: argparse.Namespace, checked: Mapping[str, Path]) -> None:
    """Measure the source and its targets in one space, where they are three or more, and say how at the middle site."""
    from explorer.narrative import one_space_told
    from explorer.pipeline import check_one_space

    line = ProgressLine("one space")
    try:
        found = check_one_space(out, options.source, checked, line.progress)
    finally:
        line.close()
    if found is not None and not options.json:
        print(f"{len(found.models)} models in one space: {one_space_told(found.sites[len(found.sites) // 2])}")


class ProgressLine:
    """On stderr: step, share and time left, and a line for each site as soon as it is measured.

    On a terminal one line of progress is written over; elsewhere each step has a line, told when the next one begins,
    and what is only read has none, so that bad input is the only line.
    """

    def __init__(self, title: str = "") -> None:
        from explorer.pipeline import CheckProgress

        self.head, self.step, self.told, self.width = f"{title}: " if title else "", "", "", 0
        self.terminal = sys.stderr.isatty()
        self.progress = CheckProgress(self._hear, self._tell)

    def _hear(self, step: str, share: float) -> None:
        text, left = f"{self.head}{share:4.0%} {step}", self.progress.left
        if self.terminal:
            line = text + (f", about {duration(left)} left" if left is not None else "")
            print("\r" + line.ljust(self.width), end="", file=sys.stderr, flush=True)
            self.width = len(line)
        elif step != self.step:
            self._print(self.told)
            self.step, self.told = step, "" if step.startswith(("looking", "reading the")) else text

    def _tell(self, site: SiteResult) -> None:
        self.close()
        self._print(self.told)
        self.told = ""
        self._print(f"{self.head}     {site_line(site)}")

    @staticmethod
    def _print(line: str) -> None:
        if line:
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave a clean line."""
        if self.terminal and self.width:
            print("\r" + " " * self.width + "\r", end="", file=sys.stderr, flush=True)
            self.width = 0


def site_line(site: SiteResult) -> str:
    """A site's verdict and the numbers that decide it, in one line."""
    from explorer.alignment import ROTATION, recovered

    verdict = f"{site.verdict.verdict}; " if site.verdict is not None else ""
    found = [("EV of R with one scale", site.ladder[ROTATION].value), ("affine", site.ladder["affine"].value)]
    if site.stitch is not None:
        found.append(("CE recovered", recovered(site).estimate.value))
    return f"{site.label}: {verdict}" + ", ".join(f"{name} {number(value)}" for name, value in found)
