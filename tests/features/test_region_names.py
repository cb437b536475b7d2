"""Names of the map's regions: a planted label is found with its count, and what is random is not more than chance."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import hypergeom

from explorer.features.region_names import FAMILIES, RegionName, name_regions
from explorer.presentation.features.captions import region_word, regions_said

SIZE = 400


@pytest.fixture
def scattered() -> pd.DataFrame:
    """Four regions; labels and words have nothing to do with them."""
    rng = np.random.default_rng(0)
    words = np.array(["sea", "egg", "ship", "the", "and", "hen", "of", "letter"])
    return pd.DataFrame(
        {
            "region": np.repeat(["p", "q", "r", "s"], SIZE // 4),
            "label": rng.choice(["slot=days", "slot=people", "genre=log"], SIZE),
            "f1": rng.choice([0.1, 0.5], SIZE, p=[0.8, 0.2]),
            "fires_on": [list(rng.choice(words, 2, replace=False)) for _ in range(SIZE)],
        }
    )


def test_random_regions_have_no_name_that_is_more_than_chance(scattered: pd.DataFrame) -> None:
    found = name_regions(scattered)
    assert [r.region for r in found] == ["p", "q", "r", "s"] and not any(r.is_more_than_chance for r in found)
    assert "None of the 4 regions" in regions_said(found)


def test_a_planted_label_names_its_region(scattered: pd.DataFrame) -> None:
    planted = scattered.copy()
    planted.loc[100:129, "label"], planted.loc[100:129, "f1"] = "slot=villages", 0.6
    planted.loc[300:301, "label"], planted.loc[300:301, "f1"] = "slot=villages", 0.6
    planted.loc[305:310, "label"], planted.loc[305:310, "f1"] = "slot=villages", 0.1  # not clear: it does not count
    found = {r.region: r for r in name_regions(planted)}
    named = found["q"]
    assert (named.kind, named.name, named.count, named.everywhere, named.size) == (
        "label",
        "slot=villages",
        30,
        32,
        100,
    )
    # Chance by a second way: draws of as many features.
    rng = np.random.default_rng(1)
    draws = [int((rng.permutation(SIZE)[:32] < 100).sum()) for _ in range(2000)]
    assert max(draws) < named.count and named.is_more_than_chance
    labels = 4  # villages, days, people, log: each is clear at least five times
    assert named.p == pytest.approx(hypergeom.sf(29, SIZE, 32, 100) * labels * 4 * FAMILIES)
    assert region_word(named) == "villages" and "villages has 30 of 32 among 100 features" in regions_said(
        list(found.values())
    )
    assert len({r.name for r in found.values() if r.name}) == sum(bool(r.name) for r in found.values())


def test_a_region_without_anything_frequent_has_no_name() -> None:
    bare = pd.DataFrame({"region": ["p"] * 4, "label": "", "f1": np.nan, "fires_on": [[w] for w in "abcd"]})
    assert name_regions(bare) == [RegionName("p", "", "", 0, 0, 4, 1.0)]
