"""What happens to the target when features of the source stand in for its own, at one site, in sentences."""

from __future__ import annotations

from explorer.alignment import PairSubstitution
from explorer.narrative import substitution_definition, substitution_told
from explorer.number_text import minus, sentence_case


def facts(found: PairSubstitution | None, site: str) -> list[str]:
    """The sentence and the definition (HTML); nothing where it was not measured."""
    here = None if found is None else found.at(site)
    if here is None:
        return []
    head, _, rest = sentence_case(substitution_told(here.summary)).partition(":")
    told = [f"<b>{head}:</b>{rest}."]
    return [minus(line) for line in (*told, f"<span class='quiet'>{substitution_definition(here)}</span>")]
