"""Which studies there are: those that come with the project, and the user's own; opened, listed, renamed, deleted.

The user's own are folders in the cache directory, made by a check or imported. Each holds what a check writes:
`study/`, and beside it the report, the table and the rotations.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from explorer import PROJECT
from explorer.cache import cache_folder
from explorer.errors import InputError
from explorer.files import user_path, write_json
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


def open_study(where: str | Path) -> Study:
    """A study from its folder, or by the name of a shipped one or of one's own. Raises InputError."""
    folder = study_folder(where)
    path = folder / "study.json"
    if not path.is_file():
        names = ", ".join(shipped_studies()) or "none"
        raise InputError(f"there is no study '{where}': give a folder with a study.json, or a shipped study ({names})")
    try:
        raw = path.read_bytes()
        schema = msgspec.json.decode(raw).get("schema")
        if schema != SCHEMA:
            raise InputError(f"study '{where}' has schema {schema}; this version of the explorer reads schema {SCHEMA}")
        return Study(folder.resolve(), msgspec.json.decode(raw, type=StudyFile))
    except (msgspec.DecodeError, AttributeError, OSError, RecursionError) as error:
        raise InputError(f"'{path}' is damaged: {error}") from error


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
    """The user's studies, the newest first; a damaged one is listed with what is wrong with it."""
    root = studies_folder()
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
    size = _size(folder)
    made = folder.stat().st_mtime
    try:
        path = folder / "study"
        file = open_study(path).file
        made = (path / "study.json").stat().st_mtime
        return OwnStudy(folder.name, folder, file.title, tuple(m.title for m in file.models), made, size, True)
    except InputError as error:
        return OwnStudy(folder.name, folder, str(error), (), made, size, False)


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
