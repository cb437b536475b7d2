"""Which tokens are marked, against a plain loop; and that the weight is what the loss says."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from explorer.training.recall_objective import RARE, flagged, recall_objective, repeats, tokens_of

ROWS = np.random.default_rng(3).integers(0, 200, (40, 60)).astype(np.uint16)
ROWS[:, 30:45] = ROWS[:, 0:15]
ROWS[:, 7] = 5


def by_a_loop(rows: np.ndarray) -> np.ndarray:
    share = np.array([np.mean([(row == token).any() for row in rows]) for token in range(rows.max() + 1)])
    marks = np.zeros(rows.shape, dtype=bool)
    for r, row in enumerate(rows):
        seen: set[int] = set()
        for t, token in enumerate(row.tolist()):
            if token == 0:
                seen = set()
            elif share[token] < RARE:
                marks[r, t] = token in seen
                seen.add(token)
    return marks


def test_marks_are_those_of_a_loop() -> None:
    found = repeats(ROWS, 0)
    assert np.array_equal(found, by_a_loop(ROWS))
    assert found.any() and not found[:, :7].all()
    assert not found[ROWS == 5].any(), "a token of every row is not rare"


def test_marks_are_taken_away_again() -> None:
    rows = torch.from_numpy(flagged(ROWS, 0).astype(np.int64))
    assert torch.equal(tokens_of(rows), torch.from_numpy(ROWS.astype(np.int64)))
    assert int((rows >= 1 << 15).sum()) == int(repeats(ROWS, 0).sum())
    with pytest.raises(ValueError, match="32768"):
        flagged(ROWS + np.uint16(1 << 15), 0)


def test_a_marked_token_counts_several_times() -> None:
    rows = torch.from_numpy(flagged(ROWS, 0).astype(np.int64))
    logits = torch.randn(*rows.shape, 200, generator=torch.Generator().manual_seed(0))
    truth = tokens_of(rows)[:, 1:]
    plain = cross_entropy(logits[:, :-1].flatten(0, 1), truth.flatten())
    assert torch.allclose(recall_objective(1.0)(logits, rows), plain)
    losses = cross_entropy(logits[:, :-1].transpose(1, 2), truth, reduction="none")
    marks = torch.from_numpy(repeats(ROWS, 0))[:, 1:]
    thrice = torch.cat([losses.flatten(), *[losses[marks]] * 2]).mean()
    assert torch.allclose(recall_objective(3.0)(logits, rows), thrice)
