"""What is said of a dictionary wherever its scores stand: whose it is, on which rows, and its EV beside what came back."""

from __future__ import annotations

from explorer.alignment import PairResult, Reading, Scores, SiteResult, restored
from explorer.number_text import interval, number

READ_AS: dict[Reading, str] = {
    "faithful": "faithful (against what the source itself had at the token)",
    "paper": "paper-style (against the row that it was given)",
}
"""What each reading holds the dictionary's output against."""


def whose(result: PairResult, site: SiteResult) -> str:
    """The dictionary of a site by its model and name."""
    return f"{result.source}'s dictionary" + (f" ({site.dictionary_name})" if site.dictionary_name else "")


def on_rows(result: PairResult, site: SiteResult) -> str:
    """Whose dictionary was scored, and on how many rows of what."""
    return f"{whose(result, site)}, scored on {site.rows_test:,} rows of test text at the site {site.label}"


def came_back(scores: Scores, arm: str, reading: Reading = "faithful") -> str:
    """What comes back under a map, with its interval where one is stored."""
    e = restored(scores, arm, reading)
    return number(None) if e is None else interval(e)


def evs(scores: Scores, reading: Reading, arms: tuple[tuple[str, str], ...]) -> str:
    """EV of some arms in one reading, each after its word."""
    return ", ".join(f"{word} {number(getattr(scores[arm], reading).value)}" for arm, word in arms)
