"""Where a number comes from: study and hashes, seeds, version, command."""

from __future__ import annotations

import hashlib

from explorer import __version__
from explorer.study.study import Study

DIGITS = 12


def provenance(study: Study, source: str, target: str, site: str, arm: str) -> tuple[str, ...]:
    """Lines that go with every exported figure: enough to make it again, or to see that it was not made alike."""
    digest = hashlib.sha256((study.folder / "study.json").read_bytes()).hexdigest()[:DIGITS]
    models = []
    for role, name in (("source", source), ("target", target)):
        entry = study.model_entry(name)
        models.append(f"{role} {name} ({entry.kind}, seed {entry.seed}, sha256 {entry.sha256[:DIGITS]})")
    made = study.file.recipe.get("command") or f"python -m explorer train {study.file.text.kind}"
    return (
        f"Polymorphism Explorer {__version__}, study {study.file.name}, study.json sha256 {digest}",
        ", ".join(models),
        f"site {site}, map {arm}",
        f"study made by: {made}",
    )
