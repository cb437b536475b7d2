"""Plotly figures of a dose–response: effect and loss over the dose, and shares of generations. Imports no model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from explorer.number_text import minus, signed
from explorer.palette import DASHES, Palette
from explorer.presentation.plots import base_layout
from explorer.presentation.steering.arm_names import said
from explorer.steering import BAND, MAX_LOSS_RISE, DoseResponse

if TYPE_CHECKING:
    import pandas as pd

    from explorer.steering import ArmCurve, ReadingShares

MARKS = {
    "shuffled": ("x", "✕"),
    "affine": ("square", "■"),
    "raw": ("triangle-down", "▼"),
    "native": ("diamond", "◆"),
    "rotated": ("circle", "●"),
}
"""Shape of each arm (Plotly's name, and as a character), the second channel."""
ORDER = tuple(MARKS)
"""The last is drawn on top."""
_RANDOM = ("random",)
TICKS = (-0.8, -0.4, -0.1, 0.0, 0.1, 0.4, 0.8)


def _at(dose: float) -> float:
    """Where a dose stands: signed square root, so that small doses have room."""
    return math.copysign(math.sqrt(abs(dose)), dose)


def _tick(dose: float) -> str:
    return minus(f"{dose:+g}") if dose else "0"


def dose_figure(
    response: DoseResponse,
    palette: Palette,
    chosen: str = "",
    now: float | None = None,
    beside: DoseResponse | None = None,
) -> go.Figure:
    """Effect above, loss rise below (and accuracy, where labels are known), against dose; one line for each arm.

    `chosen` is the arm that is drawn thick, `now` the dose of the controls; `beside` is another response on whose
    scale this one is drawn.
    """
    heads = response.accuracy is not None
    heights = [0.5, 0.25, 0.25] if heads else [0.66, 0.34]
    figure = make_subplots(len(heights), 1, shared_xaxes=True, vertical_spacing=0.05, row_heights=heights)
    base_layout(figure, palette, 560 if heads else 470)
    _effect_panel(figure, response, beside, palette, chosen)
    _loss_panel(figure, response, beside, palette, chosen)
    if heads:
        _accuracy_panel(figure, response, palette, chosen)
    _shade_unusable(figure, response, palette)
    if now is not None and abs(now) <= max(response.doses):
        figure.add_vline(_at(now), line={"color": palette.source, "width": 1, "dash": "dot"})
    figure.update_xaxes(range=[-0.95, 0.95], tickvals=[_at(c) for c in TICKS], ticktext=[_tick(c) for c in TICKS])
    figure.update_xaxes(title={"text": "dose c, in median norms"}, row=len(heights), col=1)
    figure.update_layout(
        title={"text": _key(response, palette), "x": 0, "xref": "container", "y": 1, "yanchor": "top", "pad": {"t": 20},
               "font": {"size": 14}},
        margin={"l": 68, "r": 12, "t": 70, "b": 48},
    )  # fmt: skip
    return figure


def _effect_panel(
    figure: go.Figure, response: DoseResponse, beside: DoseResponse | None, palette: Palette, chosen: str
) -> None:
    """The effect of every arm, with the intervals of the bold ones, over the band of random directions."""
    x = _with_zero([_at(c) for c in response.doses])
    low, high = np.percentile(np.array(response.random), BAND, axis=0)
    figure.add_trace(
        go.Scatter(
            x=[*x, *x[::-1]], y=[*_with_zero(high.tolist()), *_with_zero(low.tolist())[::-1]],
            fill="toself", mode="none", fillcolor=palette.null, opacity=0.28, hoverinfo="skip", name="random",
        ), 1, 1,
    )  # fmt: skip
    for curve in _drawn(response):
        bars = None
        if curve.arm in ("native", "rotated"):
            up = [h - e for h, e in zip(curve.high, curve.effect, strict=True)]
            down = [e - b for b, e in zip(curve.low, curve.effect, strict=True)]
            bars = {"array": _with_zero(up), "arrayminus": _with_zero(down), "thickness": 1, "width": 3}
        line = _line(response, curve.arm, _with_zero(curve.effect), palette, chosen)
        figure.add_trace(line.update(error_y=bars), 1, 1)
    figure.add_hline(0, line={"color": palette.ink, "width": 1}, row=1, col=1)
    figure.update_yaxes(title={"text": "effect m(c) − m(0)"}, row=1, col=1)
    if beside is not None:
        figure.update_yaxes(range=_span([response, beside]), row=1, col=1)


def _loss_panel(
    figure: go.Figure, response: DoseResponse, beside: DoseResponse | None, palette: Palette, chosen: str
) -> None:
    """By how many per cent the loss of every arm rises, with the rise from which a dose counts no more."""
    for curve in _drawn(response):
        rise = _with_zero([100 * r for r in curve.loss_rise])
        figure.add_trace(_line(response, curve.arm, rise, palette, chosen), 2, 1)
    figure.add_hline(100 * MAX_LOSS_RISE, line={"color": palette.ink, "width": 1, "dash": "dot"}, row=2, col=1)
    shown = [response, beside] if beside is not None else [response]
    largest = max((abs(100 * r) for s in shown for a in s.arms for r in a.loss_rise), default=1.0)
    figure.update_yaxes(
        title={"text": "loss rise, %"},
        range=[min(-4.0, -0.08 * min(largest, 60)), min(largest * 1.05, 60)],
        row=2,
        col=1,
    )


def _accuracy_panel(figure: go.Figure, response: DoseResponse, palette: Palette, chosen: str) -> None:
    """How often the label is right in every arm, in per cent."""
    for curve in _drawn(response):
        if curve.accuracy is not None and response.accuracy is not None:
            right = _with_zero([100 * a for a in curve.accuracy], 100 * response.accuracy)
            figure.add_trace(_line(response, curve.arm, right, palette, chosen), 3, 1)
    figure.update_yaxes(title={"text": "label right, %"}, range=[-3, 103], row=3, col=1)


def _drawn(response: DoseResponse) -> list[ArmCurve]:
    """The curves of a response in the order in which they are drawn."""
    return [curve for arm in ORDER if (curve := response.arm(arm)) is not None]


def _line(response: DoseResponse, arm: str, values: list[float], palette: Palette, chosen: str) -> go.Scatter:
    """One arm's values over the doses, 0 among them; the same look in every panel."""
    doses = _with_zero(response.doses)
    return go.Scatter(
        x=[_at(c) for c in doses], y=values, mode="lines+markers", name=arm,
        line={"color": palette.arm(arm), "width": 4 if arm == chosen else 2, "dash": DASHES.get(arm, "dash")},
        marker={"symbol": MARKS[arm][0], "size": 9 if arm == chosen else 7},
        text=[f"{said(arm)}, c = {c:+g}" for c in doses], hovertemplate="%{text}: %{y:.2f}<extra></extra>",
    )  # fmt: skip


def _span(shown: Sequence[DoseResponse]) -> list[float]:
    """Lowest and highest effect of some responses, the band and the intervals of the bold arms included."""
    lows, highs = [0.0], [0.0]
    for response in shown:
        for curve in response.arms:
            bars = curve.arm in ("native", "rotated")
            lows += curve.low if bars else curve.effect
            highs += curve.high if bars else curve.effect
        low, high = np.percentile(np.array(response.random), BAND, axis=0)
        lows, highs = [*lows, *low], [*highs, *high]
    room = 0.05 * (max(highs) - min(lows))
    return [float(min(lows) - room), float(max(highs) + room)]


def _with_zero(values: Sequence[float], zero: float = 0.0) -> list[float]:
    """A curve over the doses with its point at dose 0."""
    half = len(values) // 2
    return [*values[:half], zero, *values[half:]]


def _shade_unusable(figure: go.Figure, response: DoseResponse, palette: Palette) -> None:
    """Doses that the areas leave out, on a faint ground."""
    for sign in (-1, 1):
        side = sorted(abs(c) for c in response.doses if sign * c > 0)
        used = [
            abs(c) for c, u in zip(response.doses, response.usable, strict=True) if u and sign * c > 0
        ]  # fmt: skip
        if len(used) == len(side):
            continue
        nearest = side[len(used)]
        edge = (_at(max(used, default=0.0)) + _at(nearest)) / 2
        figure.add_vrect(
            *sorted((sign * edge, sign * 0.95)), fillcolor=palette.faint, opacity=0.55, layer="below", line_width=0
        )


def _key(response: DoseResponse, palette: Palette) -> str:
    """The legend as coloured text: Plotly's own takes half of a narrow figure."""
    marks = [
        f"<span style='color:{palette.arm(a)}'>{MARKS[a][1]}</span> {said(a)}"
        for a in reversed(ORDER)
        if response.arm(a)
    ]
    band = f"<span style='color:{palette.null}'>▬</span> random, 5–95 %"
    return "   ".join(marks) + "<br>" + band + "   shaded: loss rises over 10 %"


def share_figure(found: ReadingShares, palette: Palette, chosen: str = "") -> go.Figure:
    """Share of continuations that count as the class, against dose, for every arm; under each dose B's loss rise."""
    figure = base_layout(go.Figure(), palette, 320)
    native = found.arm("native") or found.arms[0]
    for arm in sorted(found.arms, key=lambda a: (*_RANDOM, *ORDER).index(a.arm)):
        figure.add_trace(
            go.Scatter(
                x=[0.0, *found.doses], y=[100 * found.untouched, *(100 * v for v in arm.shares)],
                mode="lines+markers", name=arm.arm,
                line={"color": palette.arm(arm.arm), "width": 4 if arm.arm == chosen else 2,
                      "dash": DASHES.get(arm.arm, "dash")},
                marker={"symbol": MARKS[arm.arm][0] if arm.arm in MARKS else "cross", "size": 8},
                customdata=[0.0, *(100 * r for r in arm.loss_rise)],
                hovertemplate=f"{said(arm.arm)}: %{{y:.0f}} %, loss %{{customdata:+.0f}} %<extra></extra>",
            )
        )  # fmt: skip
    if found.suggested is not None:
        figure.add_vline(found.suggested, line={"color": palette.ink, "width": 1, "dash": "dot"})
    rises = [signed(100 * r, 0) for r in native.loss_rise]
    ticks = [f"{c:g}<br>{r} %" for c, r in zip(found.doses, rises, strict=True)]
    figure.update_yaxes(title={"text": "count as the class, %"}, range=[-4, 104])
    figure.update_xaxes(
        title={"text": "dose c, and the loss rise of B’s own vector"}, tickvals=[0.0, *found.doses],
        ticktext=["0", *ticks],
    )  # fmt: skip
    figure.update_layout(margin={"l": 68, "r": 12, "t": 12, "b": 64})
    return figure


def share_table(found: ReadingShares) -> pd.DataFrame:
    """Every share, one row for each arm and dose: what the CSV holds."""
    import pandas as pd

    rows = [
        {
            "vector": found.vector, "site": found.site, "arm": arm.arm, "dose": c, "share": share,
            "loss_rise": rise, "texts": found.texts, "untouched": found.untouched, "suggested": found.suggested,
            "accuracy_positive": found.accuracy[0], "accuracy_negative": found.accuracy[1],
        }
        for arm in found.arms
        for c, share, rise in zip(found.doses, arm.shares, arm.loss_rise, strict=True)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def dose_table(response: DoseResponse) -> pd.DataFrame:
    """Every number of a response, one row for each arm and dose: what the CSV holds."""
    import pandas as pd

    rows = []
    for curve in response.arms:
        for i, c in enumerate(response.doses):
            rows.append(
                {
                    "vector": response.vector, "site": response.site, "arm": curve.arm, "dose": c,
                    "dose_norm": c * response.norm, "effect": curve.effect[i], "low": curve.low[i],
                    "high": curve.high[i], "loss_rise": curve.loss_rise[i], "usable": response.usable[i],
                    "accuracy": None if curve.accuracy is None else curve.accuracy[i],
                }
            )  # fmt: skip
    for number, values in enumerate(response.random):
        for i, c in enumerate(response.doses):
            rows.append(
                {
                    "vector": response.vector, "site": response.site, "arm": f"random {number}", "dose": c,
                    "dose_norm": c * response.norm, "effect": values[i], "loss_rise": None,
                    "usable": response.usable[i],
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def _transfer(response: DoseResponse | None) -> float | None:
    return None if response is None or response.transfer is None else response.transfer.value


def transfer_grid(responses: Sequence[DoseResponse], sites: Mapping[str, str], site: str) -> pd.DataFrame:
    """One row for each vector: verdict and regime at a site, and TE at every site, best at that site first.

    `sites`: label of each site by its name. A feature belongs to the dictionary of one site.
    """
    import pandas as pd

    by_vector: dict[str, dict[str, DoseResponse]] = {}
    for r in responses:
        # Feature 5 of one site is another feature than feature 5 of another.
        key = r.vector if r.is_contrast else f"{r.vector} {r.site}"
        by_vector.setdefault(key, {})[r.site] = r
    rows = []
    for found in by_vector.values():
        here = found.get(site) or next(iter(found.values()))
        title = here.title if here.is_contrast else f"{here.title}, {sites[here.site]}"
        rows.append(
            {
                "vector": title,
                "verdict": here.verdict.value if site in found else None,
                "raw arm": here.regime.value if site in found else None,
                **{label: _transfer(found.get(name)) for name, label in sites.items()},
                "raw / own": here.raw_share if site in found else None,
                "name": here.vector,
                "site": here.site,
            }
        )  # fmt: skip
    frame = pd.DataFrame(rows)
    return frame.sort_values(sites[site], ascending=False, na_position="last", kind="stable", ignore_index=True)
