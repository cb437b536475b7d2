"""A study, and links, whose every word tries to be more than a word, and how to tell whether one has become it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from explorer.alignment import decode_result
from explorer.errors import InputError
from explorer.intake import read_json
from explorer.steering import DoseResponse, ReadingShares
from explorer.study import StageMaterial, StudyFile, open_study
from explorer.study.recordings import Recording

HOST = "marked.invalid"
"""Who must never be asked for anything."""
NAME = "<b class=marked onclick=hit()>![marked](m)$$marked^9$$:red[marked]"
"""What stands behind the names of models: it can be part of a folder's name."""
MARK = (
    f"<img src='http://{HOST}/img' class=marked onerror='window.hit=1'>"
    f"<a class=marked href='javascript:window.hit=2'>m</a><script class=marked>window.hit=3</script>"
    f"![m](http://{HOST}/md.png) [m](javascript:window.hit=4) [m](http://{HOST}/link) $$marked^9$$ :red[marked] "
    f":material/home: http://{HOST}/auto <style class=marked>@import url(http://{HOST}/css)</style>"
)
"""What stands behind every other word."""

FOUND = f"""() => {{
    const found = [...document.querySelectorAll(
        ".marked, [src^='http://{HOST}'], [href^='http://{HOST}'], [href^='javascript:'], [alt=marked], " +
        ".katex annotation, .stMarkdownColoredText")]
        .filter((node) => !node.matches(".katex *, .stMarkdownColoredText") || node.textContent.includes("marked"))
        .map((node) => `${{node.outerHTML.slice(0, 200)}} in ${{node.parentElement?.outerHTML.slice(0, 300)}}`);
    if (window.hit) found.push(`ran: ${{window.hit}}`);
    return found;
}}"""
"""In the browser: the elements that a mark has become, and whether one ran."""


def mark_study(shipped: Path, into: Path, source: str, target: str) -> list[str]:
    """Copy a study, marked, for one pair; the groups of words that its readers refuse and that stay as they were."""
    pair = shipped / "pairs" / f"{source}-{target}"
    names = {source: source + NAME, target: target + NAME}
    ignored = shutil.ignore_patterns("pairs")
    shutil.copytree(shipped, into, ignore=ignored, copy_function=_copy)
    shutil.copytree(pair, into / "pairs" / f"{names[source]}-{names[target]}", copy_function=_copy)
    for old, new in names.items():
        for path in into.glob(f"features/{old}.parquet"):
            path.rename(path.with_name(f"{new}.parquet"))
    refused = []
    for path in sorted((*into.glob("*.json"), *into.glob("pairs/*/*.json"))):
        plain = _renamed(msgspec.json.decode(path.read_bytes()), names, path.name == "study.json")
        if path.name == "study.json":
            plain["pairs"] = [{"source": names[source], "target": names[target]}]
        refused += [f"{path.name}: {group}" for group in _mark(path, plain)]
    for path in sorted(into.rglob("*.parquet")):
        frame = pd.read_parquet(path)
        for column in frame.select_dtypes(("object", "str")):
            if column != "side":
                frame[column] = frame[column].map(_marked)
        frame.to_parquet(path)
    open_study(into)
    return refused


def _copy(source: str, into: str) -> None:
    """A copy, but for weights, which hold no words."""
    if source.endswith(".safetensors"):
        Path(into).symlink_to(Path(source).resolve())
    else:
        shutil.copyfile(source, into)


READERS: dict[str, Callable[[Path], Any]] = {
    "study.json": lambda path: _opened(path),
    "result.json": lambda path: decode_result(path.read_bytes()),
    "steering.json": lambda path: read_json(path, list[DoseResponse], ""),
    "reading.json": lambda path: read_json(path, list[ReadingShares], ""),
    "stage.json": lambda path: read_json(path, StageMaterial, ""),
    "story.json": lambda path: read_json(path, Recording, ""),
    "decoder_match.json": lambda path: open_study(path.parent).decoder_story(),
}


def _opened(path: Path) -> StudyFile:
    study = open_study(path.parent)
    assert study.corpus and study.sources()
    return study.file


def _mark(path: Path, plain: Any) -> Iterator[str]:
    """Write a file with every group of its words marked that its reader takes; the others."""
    reader = READERS.get(path.name, lambda path: None)
    path.write_bytes(msgspec.json.encode(plain))
    for group in sorted(set(_groups(plain))):
        tried = _at(plain, group.split("/"), _marked)
        path.write_bytes(msgspec.json.encode(tried))
        try:
            reader(path)
            plain = tried
        except (InputError, ValueError, KeyError):
            yield group
    path.write_bytes(msgspec.json.encode(plain))


FIXED = (
    "path",
    "site",
    "dictionaries/*/model",
    "models/*/name",
    "source",
    "target",
    "pairs/*/source",
    "pairs/*/target",
)
"""Words by which a study finds its own parts: renamed already, or no study without them."""


def _groups(plain: Any, place: str = "") -> Iterator[str]:
    """Where the words are, with * for every index of a list and every key of a table."""
    if isinstance(plain, str) and not place.endswith(FIXED):
        yield place
    elif isinstance(plain, dict):
        for key, inner in plain.items():
            yield from _groups(inner, f"{place}/{key}".removeprefix("/"))
    elif isinstance(plain, list):
        for inner in plain:
            yield from _groups(inner, f"{place}/*".removeprefix("/"))


def _at(plain: Any, place: list[str], change: Callable[[Any], Any]) -> Any:
    if not place:
        return change(plain)
    first, *rest = place
    if isinstance(plain, dict) and first in plain:
        return {**plain, first: _at(plain[first], rest, change)}
    if isinstance(plain, list) and first == "*":
        return [_at(inner, rest, change) for inner in plain]
    return plain


def _marked(word: Any) -> Any:
    if isinstance(word, str):
        return word + MARK
    return [_marked(inner) for inner in word] if isinstance(word, list | np.ndarray) else word


def _renamed(plain: Any, names: dict[str, str], is_study: bool) -> Any:
    """The same with the models' new names, wherever one is a whole word."""
    if isinstance(plain, str):
        return names.get(plain, plain)
    if isinstance(plain, dict):
        return {k if is_study else names.get(k, k): _renamed(v, names, is_study) for k, v in plain.items()}
    return [_renamed(inner, names, is_study) for inner in plain] if isinstance(plain, list) else plain
