"""What `check` prints of a pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from explorer.report import Report


def print_report(made: Report, source: str, target: str, folder: Path) -> None:
    """The verdict on a pair with what it rests on."""
    from explorer.narrative import similarity_told, substitution_told, unpaired_told, weights_told

    print(f"{source} → {target}: {made.verdict}")
    related = None if made.lineage is None else made.lineage.sentence
    reasons = filter(None, (related, *made.reasons, made.reading))
    print("".join(f"  {reason}\n" for reason in reasons) + f"  next: {made.next}")
    if made.similarity is not None:
        print(f"  at the best site of each: {similarity_told(made.similarity)}")
    for site in made.sites:
        if site.substitution is not None:
            print(f"  {site.site} {substitution_told(site.substitution)}")
        if site.unpaired is not None:
            print(f"  {site.site} {unpaired_told(site.unpaired)}")
    if made.weight_space is not None:
        print(f"  {weights_told(made.weight_space)}")
    print(f"  {folder / 'report.html'}")
