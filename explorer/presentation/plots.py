"""What every figure is made of: its look, text at a place, intervals, and motion in the browser. Imports no model.

Imports pandas before plotly looks for it: where another thread is at that moment importing it, plotly finds a half of it
and fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas  # noqa: F401
import plotly.graph_objects as go

from explorer.palette import Palette

if TYPE_CHECKING:
    from explorer.metrics import Estimate

CONFIG = {
    "displaylogo": False,
    "toImageButtonOptions": {"format": "svg"},
    "modeBarButtonsToRemove": ["lasso2d", "select2d"],
}
"""Export from the browser as SVG: works without a network and without Chrome on the server."""
_SETTLING = Lock()


def base_layout(figure: go.Figure, palette: Palette, height: int) -> go.Figure:
    """The look that all figures share: transparent, large type, calm axes."""
    figure.update_layout(
        height=height,
        margin={"l": 64, "r": 24, "t": 36, "b": 48},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={
            "family": "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif",
            "size": 14,
            "color": palette.ink,
        },
        showlegend=False,
        hoverlabel={"bgcolor": palette.paper, "font": {"color": palette.ink, "size": 14}},
        bargap=0.25,
        bargroupgap=0.08,
    )
    axes = {"gridcolor": palette.faint, "linecolor": palette.ink, "zeroline": False, "tickfont": {"size": 14}}
    figure.update_xaxes(**axes, showgrid=False)
    figure.update_yaxes(**axes)
    return figure


def settle(figure: go.Figure) -> None:
    """Let a figure be drawn once: call it when the figure is whole.

    Streamlit gives Plotly each figure twice, the second time as a copy. Plotly then draws only what is new, if the data
    have a revision and are lists: NumPy's arrays travel as typed ones, of which each copy counts as new. Frames may
    keep them.
    """
    with _SETTLING:  # one figure may be shown to several people at once
        if figure.layout.datarevision is not None:
            return
        for trace in figure.data:
            _unpack(trace, trace.to_plotly_json())
        figure.update_layout(datarevision=1)


def _unpack(part: Any, values: dict[str, Any]) -> None:
    """What holds arrays holds lists; single precision with six digits, as many as it surely has."""
    for key, value in values.items():
        if isinstance(value, dict):
            _unpack(part[key], value)
        elif isinstance(value, np.ndarray):
            single = value.dtype.kind == "f" and value.dtype.itemsize < 8
            part[key] = None  # an equal list would leave the array where it is
            part[key] = (np.char.mod("%.6g", value).astype(float) if single else value).tolist()


def text_at(
    figure: go.Figure, text: str, x: float, y: float | str, colour: str | None = None, size: int = 14, **place: Any
) -> None:
    """Add text at a place, in ink unless a colour is given; `place` is Plotly's: anchors, shifts, axes."""
    figure.add_annotation(text=text, x=x, y=y, showarrow=False, font={"size": size, "color": colour}, **place)


def legend_line(figure: go.Figure, marks: Sequence[tuple[str, str]], per_line: int, yshift: int = -34) -> None:
    """The legend as words in the colours of their marks, below the axis; `marks`: colour, mark and word of each."""
    words = [f"<span style='color:{colour}'>{said}</span>" for colour, said in marks]
    lines = ["  ".join(words[i : i + per_line]) for i in range(0, len(words), per_line)]
    place: dict[str, Any] = {"xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "top", "align": "left"}
    text_at(figure, "<br>".join(lines), 0, 0, yshift=yshift, **place)


def whiskers(found: Sequence[Estimate | None], palette: Palette) -> dict[str, Any]:
    """The intervals of some values, as Plotly's error_x or error_y; none where there is no value."""
    return {
        "type": "data",
        "array": [None if e is None else e.high - e.value for e in found],
        "arrayminus": [None if e is None else e.value - e.low for e in found],
        "color": palette.ink,
        "thickness": 1.2,
        "width": 3,
    }


def motion(
    figure: go.Figure, title: str, labels: Sequence[str], active: int, palette: Palette,
    milliseconds: int, redraw: bool, **slider: Any,
) -> None:  # fmt: skip
    """A button that plays the figure's frames, named 0, 1, …, and a slider with a labelled stop for each.

    They move the figure in the browser, without asking the server. `slider` is Plotly's: where it lies.
    """
    steps = [str(i) for i in range(len(labels))]
    still = {"mode": "immediate", "transition": {"duration": 0}}
    quick, slow = ({**still, "frame": {"duration": t, "redraw": redraw}} for t in (0, milliseconds))
    look = {"bordercolor": palette.null, "font": {"size": 14, "color": palette.ink}}
    button = {"label": title, "method": "animate", "args": [steps, {**slow, "fromcurrent": False}]}
    figure.update_layout(
        updatemenus=[
            {
                "type": "buttons", "x": 0, "y": slider["y"], "xanchor": "left", "yanchor": "top",
                "pad": {"t": slider["pad"]["t"] - 3}, "showactive": False, "bgcolor": palette.paper,
                "buttons": [button], **look,
            }
        ],
        sliders=[
            {
                "active": active, "len": round(1 - slider["x"], 3), "currentvalue": {"visible": False},
                "bgcolor": palette.faint, "activebgcolor": palette.rotated,
                "steps": [
                    {"method": "animate", "label": said, "args": [[step], quick]}
                    for step, said in zip(steps, labels, strict=True)
                ],
                **slider, **look,
            }
        ],
    )  # fmt: skip
