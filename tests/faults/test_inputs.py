"""A share of the hostile input of `python -m tests.faults.inputs`: every loader, other damage than in its first run."""

import pytest
from faults.inputs import run, table

SHARE = 1_500
"""Examples in CI; the whole is 12,000."""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_damaged_files_are_read_or_refused_in_a_sentence() -> None:
    found = run(SHARE, first=100_000)
    other = {name: tally.examples for name, tally in found.items() if tally.other}
    assert not other, table(found)
    assert sum(tally.refused for tally in found.values()) > SHARE / 2, "most damage is noticed"
    assert all(tally.tried for tally in found.values())
