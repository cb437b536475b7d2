"""What a check leaves in its folder: written beside it, then the whole folder changes places with the old one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from explorer.alignment import PairResult
from explorer.files import encode, replacing, write_tensors
from explorer.report import Report, report_html, sites_csv
from explorer.study import Study
from explorer.unfinished import exchange, make_unfinished, sweep

OUTPUTS = ("report.json", "report.html", "sites.csv", "rotations.safetensors", "study")


def write_outputs(folder: Path, study: Study, made: Report, result: PairResult) -> None:
    """Write the report, the table, the rotations and the study. Killed at any time, it leaves the old or the new."""
    with _beside(folder.resolve()) as new:
        (new / "report.json").write_bytes(encode(made))
        (new / "sites.csv").write_text(sites_csv(made), encoding="utf-8")
        (new / "report.html").write_text(report_html(made, result), encoding="utf-8")
        tensors = {}
        for site, m in study.maps("A", "B").items():
            tensors[f"{site}.R"] = m["rotated"].matrix
            tensors[f"{site}.mean_source"] = m["rotated"].mean_source
            tensors[f"{site}.mean_target"] = m["rotated"].mean_target
        write_tensors(new / "rotations.safetensors", tensors)
        shutil.copytree(study.folder, new / "study")


def sweep_outputs(folder: Path) -> None:
    """Remove what killed checks left beside a folder, or in it."""
    for parent in (folder.resolve().parent, folder):
        sweep(parent, _prefix(folder))


def _prefix(folder: Path) -> str:
    return f".unfinished-{folder.resolve().name}-"


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A folder to write to; it becomes `folder`, with what else was in there, or is removed if the block raises."""
    whole = not folder.is_dir() or not (os.path.ismount(folder) or Path.cwd().is_relative_to(folder))
    new = make_unfinished(folder.parent if whole else folder, _prefix(folder))
    try:
        yield new
        if not folder.is_dir():
            os.replace(new, folder)
        elif whole:
            _keep_others(folder, new)
            shutil.copymode(folder, new)
            exchange(new, folder)
        else:
            # What somebody stands in, or what is mounted, cannot be another folder: one output after the other.
            for name in reversed(OUTPUTS):
                with replacing(folder / name) as partial:
                    (new / name).rename(partial)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _keep_others(old: Path, new: Path) -> None:
    """Let the new folder hold what else lies in the old one: the same files, whoever writes them meanwhile."""
    for path in old.iterdir():
        if path.name in OUTPUTS or path.name.startswith(".unfinished-"):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, new / path.name, symlinks=True, copy_function=_link)
        else:
            _link(path, new / path.name)


def _link(source: str | Path, into: str | Path) -> None:
    with suppress(OSError):
        os.link(source, into, follow_symlinks=False)
        return
    shutil.copy2(source, into, follow_symlinks=False)
