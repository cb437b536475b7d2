"""The numbers of a figure as CSV, with lines that say where they come from."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("step", "series", "x", "y", "z", "low", "high", "text")


def figure_csv(figure: go.Figure, provenance: Sequence[str]) -> str:
    """One row for each drawn value: step of an animation, series, coordinates, interval, text; comment lines first."""
    out = io.StringIO()
    for line in provenance:
        out.write(f"# {line}\n")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for trace in figure.data:
        if trace.visible is not False:
            writer.writerows(("", *row) for row in _rows(trace, trace.name))
    names = [trace.name for trace in figure.data]
    for frame in figure.frames:
        for number, trace in zip(frame.traces or range(len(frame.data)), frame.data, strict=True):
            writer.writerows((frame.name, *row) for row in _rows(trace, trace.name or names[number]))
    return out.getvalue()


def table_csv(table: pd.DataFrame, provenance: Sequence[str]) -> str:
    """A table under the same comment lines: for figures whose rows say more than their marks."""
    return "".join(f"# {line}\n" for line in provenance) + table.to_csv(index=False, lineterminator="\n")


def _rows(trace: Any, name: str | None) -> Iterable[tuple[Any, ...]]:
    label = name or trace.type
    if trace.type == "heatmap":
        z = np.asarray(trace.z)
        xs = range(z.shape[1]) if trace.x is None else trace.x
        ys = range(z.shape[0]) if trace.y is None else trace.y
        return [(label, x, y, z[i][j], "", "", "") for i, y in enumerate(ys) for j, x in enumerate(xs)]
    x, y = (list(values) if values is not None else [] for values in (trace.x, trace.y))
    n = max(len(x), len(y))
    value, error = (x, trace.error_x) if getattr(trace, "orientation", None) == "h" else (y, trace.error_y)
    if trace.type != "bar" and not (error and error.array is not None):
        value, error = x, trace.error_x
    low, high = _interval(value, error, n)
    text = trace.text if isinstance(trace.text, (list, tuple, np.ndarray)) else [trace.text or ""] * n
    pad: list[Any] = [""] * n
    return zip([label] * n, x or pad, y or pad, pad, low, high, text, strict=True)


def _interval(values: Sequence[Any], error: Any, n: int) -> tuple[list[Any], list[Any]]:
    if error is None or error.array is None:
        return [""] * n, [""] * n
    above = list(error.array)
    below = above if error.arrayminus is None else list(error.arrayminus)
    return [v - e for v, e in zip(values, below, strict=True)], [v + e for v, e in zip(values, above, strict=True)]
