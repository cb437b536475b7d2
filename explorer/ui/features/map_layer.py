"""A layer above the twin maps: rings around what is chosen and lines from A's dots to their partners in B.

It is drawn in the browser and follows the dots while they move, so that neither a click nor the motion asks the server
for a new figure.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

_JS = """
export default function (component) {
  const { data, parentElement } = component;
  const ns = "http://www.w3.org/2000/svg";
  const svg = parentElement.querySelector("svg");
  let frame = 0, seen = "";
  const draw = () => {
    frame = requestAnimationFrame(draw);
    const plot = document.querySelector(`.st-key-${data.key} .js-plotly-plot`);
    const full = plot && plot._fullLayout, traces = plot && plot._fullData;
    if (!full || !traces || traces.length < 2 || !full.xaxis || !full.xaxis.l2p) return;
    const bx = traces[1].x, by = traces[1].y;
    const last = bx ? bx.length - 1 : 0;
    const state = [full.width, full.height, bx && bx.length ? [bx[0], by[0], bx[last], by[last]] : ""].join();
    const box = plot.getBoundingClientRect(), home = svg.getBoundingClientRect();
    const place = state + [box.left - home.left, box.top - home.top].join();
    if (place === seen) return;
    seen = place;
    const left = box.left - home.left + full._size.l, top = box.top - home.top + full._size.t;
    const at = (trace, i) => [left + full.xaxis.l2p(traces[trace].x[i]), top + full.yaxis.l2p(traces[trace].y[i])];
    svg.replaceChildren();
    const add = (kind, set) => {
      const made = document.createElementNS(ns, kind);
      for (const [name, value] of Object.entries(set)) made.setAttribute(name, value);
      svg.appendChild(made);
    };
    for (const [i, j, dashed] of data.lines) {
      const [x1, y1] = at(0, i), [x2, y2] = at(1, j);
      const look = dashed ? { "stroke-width": 1.4, "stroke-dasharray": "4 4" } : { "stroke-width": 2 };
      add("line", { x1, y1, x2, y2, stroke: data.line, "data-from": i, "data-to": j, ...look });
    }
    for (const [trace, i, strong] of data.rings) {
      const [cx, cy] = at(trace, i);
      add("circle", { cx, cy, r: strong ? 9 : 6, fill: "none", stroke: data.ink, "stroke-width": strong ? 2.5 : 1.6 });
    }
  };
  draw();
  return () => cancelAnimationFrame(frame);
}
"""
_LAYER = st.components.v2.component(
    "map_layer",
    html="<svg width='100%' height='100%' aria-hidden='true'></svg>",
    css="svg { overflow: visible; display: block; }",
    js=_JS,
    isolate_styles=False,
)


def map_layer(
    key: str,
    lines: Sequence[tuple[int, int, bool]],
    rings: Sequence[tuple[int, int, bool]],
    ink: str,
    line: str,
) -> None:
    """Draw over the figure in the container `key`: lines (point of A, of B, dashed), rings (trace, point, strong)."""
    data = {"key": key, "lines": [list(x) for x in lines], "rings": [list(x) for x in rings], "ink": ink, "line": line}
    _LAYER(data=data, key=f"{key}_layer")
