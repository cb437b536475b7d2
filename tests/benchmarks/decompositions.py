"""R by matrix products against scipy's SVD on this machine's CPU: how far they are apart, and the time of both."""

from __future__ import annotations

import time

import torch
from rows import Row

D, REPEATS = 512, 3


def rows() -> list[Row]:
    """The difference from scipy's orthogonal_procrustes, and the time of R beside scipy's, as it is found on a CPU."""
    from scipy.linalg import orthogonal_procrustes

    from explorer.alignment.orthogonal import orthogonal_factor
    from explorer.alignment.polar import polar_factors

    apart, times = [], []
    for seed in range(REPEATS):
        generator = torch.Generator().manual_seed(seed)
        x, y = (torch.randn(4 * D, D, generator=generator, dtype=torch.float64) for _ in range(2))
        began = time.process_time()
        theirs = torch.from_numpy(orthogonal_procrustes(y.numpy(), x.numpy())[0])
        middle = time.process_time()
        ours = orthogonal_factor(y.T @ x)
        times.append((time.process_time() - middle) / (middle - began))
        apart.append(max(float((r - theirs).abs().max()) for r in (ours, polar_factors((y.T @ x)[None])[0])))
    return [
        Row(f"R at d = {D} by products and by SVD, largest difference from scipy's", 1e-6, tuple(apart)),
        Row(f"time of R at d = {D} from its rows, over scipy's orthogonal_procrustes", 1.1, tuple(times)),
    ]
