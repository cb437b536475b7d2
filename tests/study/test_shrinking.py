"""What is left out of a shipped study's files: digits that no page shows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from explorer.study.feature_tables import shrink_table
from explorer.study.library import open_study, shipped_studies


def test_tables_keep_three_digits_and_histograms_their_shape(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 10 ** rng.integers(1, 6, (500, 25)))
    frame = pd.DataFrame(
        {
            "feature": np.arange(500, dtype=np.int32),
            "r_raw": rng.uniform(-1, 1, 500).astype(np.float32),
            "density_raw": (10 ** rng.uniform(-5, 0, 500)).astype(np.float32),
            "histogram_raw": list(counts.astype(np.int32)),
            "contexts_raw": list(rng.integers(0, 99, (500, 6)).astype(np.int32)),
        }
    )
    path = tmp_path / "readings.parquet"
    frame.to_parquet(path, index=False, compression="zstd")
    size = path.stat().st_size
    shrink_table(path)
    found = pd.read_parquet(path)
    assert path.stat().st_size < size
    assert (found.dtypes == frame.dtypes).all() and list(found) == list(frame)
    np.testing.assert_array_equal(found.feature, frame.feature)
    np.testing.assert_array_equal(np.stack(found.contexts_raw), np.stack(frame.contexts_raw))
    np.testing.assert_allclose(found.r_raw, frame.r_raw, atol=5.1e-4)
    np.testing.assert_allclose(found.density_raw, frame.density_raw, rtol=4e-3)
    kept = np.stack(found.histogram_raw)
    np.testing.assert_allclose(kept, counts, rtol=0.07)
    np.testing.assert_array_equal(kept[counts < 21], counts[counts < 21])


@pytest.mark.parametrize("name", shipped_studies())
def test_what_every_feature_does_is_kept_once_a_pair_and_not_for_controls_that_must_fail(name: str) -> None:
    study, seen = open_study(name), set()
    for pair in study.file.pairs:
        back = (pair.target, pair.source) in seen
        control = study.model_entry(pair.target).kind in ("early", "untrained")
        assert (study.pair_path(pair.source, pair.target) / "readings.parquet").exists() == (not back and not control)
        seen.add((pair.source, pair.target))
