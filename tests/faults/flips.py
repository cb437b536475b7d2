"""Bits are flipped in every file of a study: whoever reads it says so in one sentence, or reads on.

`python -m tests.faults.flips [FLIPS]` (24 a file unless given). The study is of a real check with a dictionary. Each
damaged file is read as the pages and `python -m explorer` read it: all that a study holds is loaded.
"""

from __future__ import annotations

import random
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from .tiny_check import begin, ended, place


def main() -> int:
    """Flip, read, put back; 0 if nothing but an InputError was raised."""
    flips = int(sys.argv[1]) if len(sys.argv) > 1 else 24
    chance = random.Random(0)
    counts: Counter[tuple[str, str]] = Counter()
    places: Counter[str] = Counter()
    with place() as made:
        arguments = [*made.arguments("a", "b", made.root / "out"), "--copy-models", "--sae", "train"]
        ended(begin(arguments, made.root / "cache", made.root / "log"))
        study = made.root / "out" / "study"
        for path in sorted(p for p in made.root.joinpath("out").rglob("*") if p.is_file()):
            whole = path.read_bytes()
            for _ in range(flips if whole else 0):
                data = bytearray(whole)
                # Heads say how the rest is read: half of the flips are there.
                end = min(len(data), 400) if chance.random() < 0.5 else len(data)
                data[chance.randrange(end)] ^= 1 << chance.randrange(8)
                path.write_bytes(data)
                told, where = read_all(study)
                counts[path.suffix, told] += 1
                if where:
                    places[f"{path.name}: {where}"] += 1
            path.write_bytes(whole)
    kinds, tolds = sorted({k for k, _ in counts}), sorted({t for _, t in counts})
    print(f"{'':14}" + "  ".join(tolds))
    for kind in kinds:
        print(f"{kind:14}" + "  ".join(f"{counts[kind, t]:{len(t)}}" for t in tolds))
    for where, count in places.most_common(40):
        print(f"{count:5} {where}")
    return int(bool(places))


def read_all(folder: Path) -> tuple[str, str]:
    """Read everything of a study; how that ended, and where an error came from that was no InputError."""
    from explorer.errors import InputError

    try:
        for read in readers(folder):
            read()
    except InputError:
        return "sentence", ""
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)
        ours = [f for f in last if "/explorer/" in f.filename][-1:]
        place = f"{ours[0].filename.partition('/explorer/')[2]}:{ours[0].name}" if ours else "elsewhere"
        return "OTHER ERROR", f"{type(error).__name__} in {place}"
    return "read", ""


def readers(folder: Path) -> list[Callable[[], object]]:
    """What the pages read, each by itself."""
    from explorer.report.outputs import provenance_of
    from explorer.report.overview import read_report
    from explorer.study import open_study, read_material, read_recording, rotation_draws

    study = open_study(folder)
    found: list[Callable[[], object]] = [
        lambda: read_report(folder.parent),
        lambda: provenance_of(study),
        study.decoder_story,
        study.chunks,
        lambda: rotation_draws(study),
    ]
    for pair in study.file.pairs:
        names = (pair.source, pair.target)
        found += [
            lambda n=names: study.pair(*n),
            lambda n=names: study.maps(*n),
            lambda n=names: study.arms(*n),
            lambda n=names: study.clouds(*n),
            lambda n=names: study.responses(*n),
            lambda n=names: study.reading_shares(*n),
            lambda n=names: read_material(study, *n),
            lambda n=names: read_recording(study, *n),
        ]  # type: ignore[misc]
        for name in names:
            found.append(lambda n=name: study.load_model(n))  # type: ignore[misc]
    if study.file.dictionaries:
        for pair in study.file.pairs:
            found += [lambda p=pair: study.features(p.source), lambda p=pair: study.correspondence(p.source, p.target)]  # type: ignore[misc]
        for entry in study.file.dictionaries:
            site = study.site(entry.site)
            found.append(lambda e=entry, s=site: study.load_dictionary(e.model, s))  # type: ignore[misc]
    return found


if __name__ == "__main__":
    raise SystemExit(main())
