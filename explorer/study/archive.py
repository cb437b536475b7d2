"""A study as one zip archive, and back. An archive is somebody else's file: nothing in it is trusted, and a broken one
leaves nothing behind.
"""

from __future__ import annotations

import re
import shutil
import stat
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from explorer.errors import InputError
from explorer.files import encode
from explorer.intake import MOST_JSON, read_settings, read_table, tensor_claims
from explorer.study.library import OwnStudy, adopt, check_room, open_study, unfinished_folder
from explorer.study.schema import StudyFile

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIXES = frozenset((".json", ".jsonl", ".safetensors", ".parquet", ".csv", ".txt", ".model"))
"""What an imported archive may hold: data that is read without executing anything. Never pickle, never a web page."""
EXPORTED = SUFFIXES | {".html"}
MAX_FILES = 5_000
MAX_BYTES = 8 << 30
"""Limits of what an archive may unfold to."""
CHUNK = 1 << 20

AGAIN = "it came in an archive: export the study again"
_WORD = re.compile(r"[A-Za-z0-9][\w.-]*")


def archive_size(entry: OwnStudy, weights: bool) -> int:
    """Bytes that an archive of the study holds before it is packed."""
    return sum(path.stat().st_size for path, _ in _members(entry, open_study(entry.folder / "study").file, weights))


def export_study(entry: OwnStudy, out: IO[bytes], weights: bool) -> None:
    """Write a study with its outputs; models that lie elsewhere are copied in, their weights only if asked for.

    Without weights the numbers, figures and tables open anywhere; what runs a model does not. Raises InputError.
    """
    file = open_study(entry.folder / "study").file
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
        archive.writestr("study/study.json", encode(_relocated(file)))
        for path, name in _members(entry, file, weights):
            # Weights are nearly random bytes: packing them costs minutes and saves nothing.
            how = zipfile.ZIP_STORED if path.suffix == ".safetensors" else zipfile.ZIP_DEFLATED
            archive.write(path, name, how)


def _model_folders(file: StudyFile) -> dict[str, str]:
    """Path as study.json has it → where the archive has it: models in the study stay, others come in."""
    names: dict[str, str] = {}
    for model in file.models:
        inside = not Path(model.path).is_absolute() and ".." not in Path(model.path).parts
        names.setdefault(model.path, model.path if inside else f"models/{model.name}")
    return names


def _relocated(file: StudyFile) -> StudyFile:
    folders = _model_folders(file)
    return replace(file, models=tuple(replace(m, path=folders[m.path]) for m in file.models))


def _members(entry: OwnStudy, file: StudyFile, weights: bool) -> Iterator[tuple[Path, str]]:
    """(file, name in the archive) of everything but study.json."""
    study, folders = entry.folder / "study", _model_folders(file)
    inside = [study / path for path in folders.values()]
    for path in sorted(entry.folder.rglob("*")):
        if path.is_file() and path.suffix in EXPORTED and path != study / "study.json":
            weight = path.suffix == ".safetensors" and path.parent in inside
            if weights or not weight:
                yield path, path.relative_to(entry.folder).as_posix()
    for given, placed in folders.items():
        if given == placed:
            continue
        if not (folder := Path(study, given)).is_dir():
            raise InputError(f"the model folder '{folder}' of this study is gone: put it back, then export again")
        for path in sorted(folder.iterdir()):
            if path.suffix in (".json", ".txt", ".model") or (weights and path.suffix == ".safetensors"):
                yield path, f"study/{placed}/{path.name}"


def import_study(archive: IO[bytes]) -> OwnStudy:
    """A study from an archive that `export_study` wrote, under a free name. Raises InputError, leaving nothing."""
    check_room()
    folder = unfinished_folder()
    try:
        _unfold(archive, folder)
        check_study(folder / "study")
        return adopt(folder, open_study(folder / "study").file.name)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _unfold(archive: IO[bytes], folder: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as packed:
            members = [info for info in packed.infolist() if info.filename and not info.is_dir()]
            if len(members) > MAX_FILES:
                raise InputError(f"the archive holds {len(members):,} files: a study has at most {MAX_FILES:,}")
            seen: set[str] = set()
            room = MAX_BYTES
            for info in members:
                # A report in HTML is left behind: a page written by somebody else is not for this user's browser.
                if (name := _safe_name(info)).lower() in seen:
                    raise InputError(f"the archive holds '{name}' twice: export the study again")
                seen.add(name.lower())
                if not name.endswith(".html"):
                    room = _write(packed, info, folder / name, room)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"this is no archive of a study, or it is damaged ({error}): export the study again"
        ) from error


def _safe_name(info: zipfile.ZipInfo) -> str:
    """The member's name. Raises InputError for what must not be unfolded."""
    name, path = info.filename, PurePosixPath(info.filename)
    plain = "\\" not in name and ":" not in name and not path.is_absolute() and str(path) == name
    if not plain or any(part in ("..", "") or part.startswith(".") for part in path.parts) or len(name) > 300:
        raise InputError(f"the archive holds '{name[:80]}', which would be written outside the study: it is refused")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise InputError(f"the archive holds the link '{name[:80]}': a study has plain files only")
    if path.suffix not in EXPORTED:
        raise InputError(
            f"the archive holds '{name[:80]}': a study has only {', '.join(sorted(SUFFIXES))} files, and never pickle"
        )
    return name


def _write(packed: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, room: int) -> int:
    """Write one member; how many bytes are left. What the archive says of sizes is not believed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with packed.open(info) as source, path.open("xb") as target:
        while piece := source.read(CHUNK):
            room -= len(piece)
            if room < 0:
                raise InputError(f"the archive unfolds to more than {MAX_BYTES >> 30} GB: it is refused")
            target.write(piece)
    return room


def check_study(folder: Path) -> None:
    """Raise InputError unless a foreign study is whole and names nothing outside its own folder."""
    study = open_study(folder)
    file = study.file
    words = [m.name for m in file.models] + [w for p in file.pairs for w in (p.source, p.target)]
    if bad := [w for w in words if not _WORD.fullmatch(w)]:
        raise InputError(f"the archive names a model '{bad[0][:60]}': names are letters, digits, '-', '_' and '.'")
    for given in (*(m.path for m in file.models), *(d.path for d in file.dictionaries), *study.corpus.files()):
        named = PurePosixPath(given)
        if named.is_absolute() or ".." in named.parts or "\\" in given or not (folder / given).exists():
            raise InputError(
                f"the study names '{given[:120]}', which is not in the archive: export it again, with its models"
            )
    for pair in file.pairs:
        study.pair(pair.source, pair.target)
    for path in sorted(folder.parent.rglob("*")):
        if path.suffix == ".safetensors":
            tensor_claims(path, AGAIN)
        elif path.suffix == ".json":
            read_settings(path, object, AGAIN, MOST_JSON)
        elif path.suffix == ".parquet":
            read_table(path, {}, AGAIN, columns=[])
    _check_weights(study.folder, file)


def _check_weights(folder: Path, file: StudyFile) -> None:
    """Weights that came along must be those on which the study was measured."""
    from explorer.models import digest

    for model in file.models:
        place = folder / model.path
        if any(place.glob("*.safetensors")) and digest(place) != model.sha256:
            raise InputError(
                f"the weights of {model.name} are not those that the study was measured on: export it again"
            )
