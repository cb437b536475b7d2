"""What `check` prints of a pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from explorer.report import Report


def print_report(made: Report, source: str, target: str, folder: Path) -> None:
    """The verdict on a pair with what it rests on."""
    from explorer.narrative import similarity_told, unpaired_told

    print(f"{source} → {target}: {made.verdict}")
    related = None if made.lineage is None else made.lineage.sentence
    reasons = filter(None, (related, *made.reasons, made.reading))
    print("".join(f"  {reason}\n" for reason in reasons) + f"  next: {made.next}")
    if made.similarity is not None:
        print(f"  at the best site of each: {similarity_told(made.similarity)}")
    for site in made.sites:
        if site.unpaired is not None:
            print(f"  {site.site} {unpaired_told(site.unpaired)}")
    print(f"  {folder / 'report.html'}")
