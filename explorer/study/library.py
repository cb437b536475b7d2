"""Which studies there are: those that come with the project, and the user's own; opened, listed, renamed, deleted.

The user's own are folders in the cache directory, made by a check or imported. Each holds what a check writes:
`study/`, and beside it the report, the table and the rotations.
"""

from __future__ import annotations

import re
import shutil
import stat
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import msgspec

from explorer import PROJECT
from explorer.cache import cache_folder
from explorer.errors import InputError
from explorer.files import user_path, write_json
from explorer.intake import MOST_SETTINGS, decode_json, read_bytes, read_table, tensor_claims
from explorer.policy import GB, policy
from explorer.study.owners import NOBODY, owner
from explorer.study.schema import SCHEMA, StudyFile
from explorer.study.study import Study
from explorer.text import CORPORA, DEFAULT
from explorer.unfinished import make_unfinished, sweep

SHIPPED = PROJECT / "assets"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
"""What a study of one's own may be called: it is a folder's name and a word in links."""

_UNFINISHED, _VISITORS = ".unfinished-", "visitors"
DELETE = "delete this study and make it again, or bring it in again"
"""What helps when a study.json is damaged."""


@dataclass(frozen=True)
class OwnStudy:
    """One entry of the list."""

    name: str
    """Name of its folder, and what the frame of every page calls it."""
    folder: Path
    """Where its outputs lie, `study/` among them."""
    title: str
    """One line for people; where it cannot be opened, why."""
    models: tuple[str, ...]
    """Titles of its models."""
    made: float
    """When it was made, seconds since 1970."""
    size: int
    """Bytes of its folder."""
    whole: bool
    """Whether it can be opened."""
    damage: str = ""
    """What is wrong with it, in a sentence; empty where nothing is that its list can tell."""


class _Version(msgspec.Struct):
    """What every version of study.json has."""

    schema: object = None


def open_study(where: str | Path) -> Study:
    """A study from its folder, or by the name of a shipped one or of one's own. Raises InputError."""
    folder = study_folder(where)
    path = folder / "study.json"
    if not path.is_file():
        names = ", ".join(shipped_studies()) or "none"
        raise InputError(f"there is no study '{where}': give a folder with a study.json, or a shipped study ({names})")
    raw = read_bytes(path, DELETE, MOST_SETTINGS)
    schema = decode_json(raw, _Version, path, DELETE).schema
    if schema != SCHEMA:
        raise InputError(f"study '{where}' has schema {schema}; this version of the explorer reads schema {SCHEMA}")
    file = decode_json(raw, StudyFile, path, DELETE)
    try:
        file.check()
    except InputError as error:
        raise InputError(f"'{path}' is damaged: {error}; {DELETE}") from error
    return Study(folder.resolve(), file)


def study_folder(where: str | Path) -> Path:
    """The folder that a study's name or folder stands for; the path itself where there is no study."""
    places = (user_path(where), SHIPPED / str(where), studies_folder() / str(where) / "study")
    return next((place for place in places if (place / "study.json").is_file()), places[0])


def shipped_studies() -> list[str]:
    """Names of the studies that come with the project, in the order of their corpora; pages open the first."""
    order = {kind: i for i, kind in enumerate(CORPORA)}
    names = (p.parent.name for p in SHIPPED.glob("*/study.json"))
    return sorted(names, key=lambda name: (order.get(name, len(order)), name))


def shipped_pair() -> tuple[Path, Path]:
    """Folders of two shipped seeds: a pair that can be checked without a network."""
    models = SHIPPED / DEFAULT.kind / "models"
    return models / "seed0", models / "seed1"


def studies_folder() -> Path:
    """Where one's own studies lie, each in a folder of its name; it may not exist yet."""
    who = owner()
    return cache_folder() / "studies" if who == NOBODY else cache_folder() / _VISITORS / who / "studies"


def check_room(besides: int = 0) -> None:
    """Raise InputError unless one more study may be kept; `besides`: those that are on their way already."""
    rules, root = policy(), studies_folder()
    if rules.studies is not None and len(own_studies()) + besides >= rules.studies:
        raise InputError(
            f"you have {rules.studies} studies, and may keep no more here: export what you need, delete one"
        )
    for most, folder, whose in (
        (rules.visitor_bytes, root, "your studies take"),
        (rules.total_bytes, cache_folder(), "this server's studies and finished steps take"),
    ):
        if most is not None and (taken := _size(folder)) >= most:
            raise InputError(
                f"{whose} {taken / GB:.1f} GB of the {most / GB:.0f} GB that they may: delete a study, or try later"
            )


def _size(folder: Path) -> int:
    """Bytes of all files below a folder; those that go meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def own_studies() -> list[OwnStudy]:
    """The user's studies, the newest first; a damaged one is listed with what is wrong with it. What a process that is
    gone has left unfinished is removed.
    """
    root = studies_folder()
    sweep(root, _UNFINISHED)
    folders = [f for f in root.iterdir() if NAME.fullmatch(f.name) and f.is_dir()] if root.is_dir() else []
    return sorted((_entry(folder) for folder in folders), key=lambda entry: (-entry.made, entry.name))


def own_names() -> list[str]:
    """Names of those that have a study.json, in order of the alphabet."""
    return sorted(path.parent.parent.name for path in studies_folder().glob("[!.]*/study/study.json"))


def own_study(name: str) -> OwnStudy:
    """One of the user's studies by name. Raises InputError."""
    folder = studies_folder() / name
    if not NAME.fullmatch(name) or not folder.is_dir():
        names = ", ".join(own_names()) or "none"
        raise InputError(f"there is no study of yours named '{name}': there are {names}")
    return _entry(folder)


def _entry(folder: Path) -> OwnStudy:
    held = _files(folder)
    size, made = sum(length for _, length, _ in held), max((changed for *_, changed in held), default=0) / 1e9
    try:
        if not (folder / "study" / "study.json").is_file():
            raise InputError(f"it has no study.json: {DELETE}")
        file = open_study(folder / "study").file
    except InputError as error:
        said = _within(folder, error)
        return OwnStudy(folder.name, folder, said, (), made, size, False, said)
    made = next((changed / 1e9 for path, _, changed in held if path == "study/study.json"), made)
    titles = tuple(m.title for m in file.models)
    return OwnStudy(folder.name, folder, file.title, titles, made, size, True, _damage(folder, held))


def _files(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """(path, bytes, time of change) of every file of a folder that is still there when it is looked at."""
    found = []
    for path in sorted(folder.rglob("*")):
        with suppress(OSError):
            if stat.S_ISREG((told := path.stat()).st_mode):
                found.append((path.relative_to(folder).as_posix(), told.st_size, told.st_mtime_ns))
    return tuple(found)


@lru_cache(maxsize=256)
def _damage(folder: Path, _held: tuple[tuple[str, int, int], ...]) -> str:
    """What is wrong with the files of a study that pages need, as far as results and headers tell; kept until one of
    them changes.
    """
    try:
        study = open_study(folder / "study")
        for pair in study.file.pairs:
            study.pair(pair.source, pair.target), study.arms(pair.source, pair.target)
            study.responses(pair.source, pair.target)
        for path in sorted((folder / "study").rglob("*")):
            if path.suffix == ".safetensors":
                tensor_claims(path, DELETE)
            elif path.suffix == ".parquet":
                read_table(path, {}, DELETE)
    except InputError as error:
        return _within(folder, error)
    return ""


def _within(folder: Path, error: InputError) -> str:
    """What is wrong, its files named from the study's own folder: the list says whose they are."""
    return str(error).replace(f"{folder / 'study'}/", "").replace(f"{folder}/", "")


def rename(name: str, new: str) -> OwnStudy:
    """Give a study another name. Links with the old name lead nowhere after that. Raises InputError."""
    entry, new = own_study(name), new.strip()
    if new == name:
        return entry
    check_name(new)
    if taken(new):
        raise InputError(f"there is a study named '{new}' already: choose another name, or delete that one first")
    target = entry.folder.rename(entry.folder.with_name(new))
    _write_name(target, new)
    return own_study(new)


def delete(name: str) -> None:
    """Remove a study with all that lies in its folder. Models outside of it stay. Raises InputError."""
    # Renamed first, so that nobody sees half a study while its files go.
    entry, going = own_study(name), unfinished_folder()
    entry.folder.rename(going / name)
    shutil.rmtree(going)


def check_name(name: str) -> None:
    """Raise InputError unless a study may be called so."""
    if not NAME.fullmatch(name):
        raise InputError(
            f"'{name[:60]}' cannot be a study's name: use up to 60 letters, digits, '-', '_' and '.', "
            "the first a letter or a digit"
        )


def taken(name: str) -> bool:
    """Whether a study, shipped or one's own, has this name. Case does not count: some file systems ignore it."""
    root = studies_folder()
    own = [f.name for f in root.iterdir()] if root.is_dir() else []
    return name.lower() in {n.lower() for n in (*shipped_studies(), *own)}


def free_name(wish: str, besides: Collection[str] = ()) -> str:
    """A name that no study has, nor any of `besides`: the wish made fit for a folder, with a number if it is taken."""
    base = re.sub(r"[^A-Za-z0-9._-]+", "-", wish).strip("-._")[:80] or "study"
    name, number = base, 2
    while taken(name) or name in besides:
        name, number = f"{base}-{number}", number + 1
    return name


def unfinished_folder() -> Path:
    """A fresh folder beside the studies, in no list until `adopt` renames it. Removes those whose process is gone."""
    root = studies_folder()
    try:
        sweep(root, _UNFINISHED)
        return make_unfinished(root, _UNFINISHED)
    except OSError as error:
        raise InputError(
            f"cannot write into '{root}' ({error.strerror}): set EXPLORER_CACHE to a folder that can be written"
        ) from error


def adopt(folder: Path, wish: str) -> OwnStudy:
    """Turn an unfinished folder that holds a whole `study/` into a study of a free name. Raises InputError."""
    open_study(folder / "study")
    name = free_name(wish)
    _write_name(folder, name)
    return own_study(folder.rename(studies_folder() / name).name)


def _write_name(folder: Path, name: str) -> None:
    path = folder / "study"
    study = open_study(path)
    write_json(path / "study.json", replace(study.file, name=name))
