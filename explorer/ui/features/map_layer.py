"""A layer above the twin maps: rings around what is chosen or pointed at, and lines from A's dots to their partners.

It is drawn in the browser and follows the dots while they move and while the map is zoomed, so that neither a click nor
the motion nor the pointer asks the server for anything. Pointing at a row of the list rings its dots, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

_JS = """
export default function (component) {
  const { data, parentElement } = component;
  const ns = "http://www.w3.org/2000/svg";
  const svg = parentElement.querySelector("svg");
  let frame = 0, seen = "", plot = null, ends = null, pointed = null;

  // Where each feature stands in its trace, and whose partner it is; made once for a figure.
  const index = (traces) => {
    if (ends && ends.of === traces[0].customdata) return ends;
    const a = new Map(), b = new Map();
    traces[0].customdata.forEach((c, i) => a.set(c[1], i));
    (traces[1].customdata || []).forEach((c, i) => b.set(c[1], i));
    return (ends = { of: traces[0].customdata, a, b });
  };
  const pair = (trace, i) => {
    const traces = plot._fullData, found = index(traces), partner = traces[trace].customdata[i][2];
    const other = (trace ? found.a : found.b).get(partner);
    return other === undefined ? { [trace]: i } : { [trace]: i, [1 - trace]: other };
  };
  const point = (what) => { pointed = what; seen = ""; };
  const over = (event) => {
    const p = event.points && event.points[0];
    if (p && p.curveNumber < 2) point(pair(p.curveNumber, p.pointNumber));
  };
  const out = () => point(null);

  // The list is drawn on a canvas: the table that it keeps for screen readers says which feature a row shows.
  const row = (event) => {
    const list = event.target.closest && event.target.closest(".st-key-finder .st-key-list [data-testid=stDataFrame]");
    if (!list) { if (pointed && pointed.row) point(null); return; }
    const canvas = list.querySelector("canvas"), scroller = list.querySelector(".dvn-scroller");
    if (!canvas || !scroller || !plot || !plot._fullData) return;
    const y = event.clientY - canvas.getBoundingClientRect().top - data.head;
    const at = y < 0 ? -1 : Math.floor((y + scroller.scrollTop) / data.row);
    const head = [...canvas.querySelectorAll("[role=columnheader]")].find((h) => h.textContent.trim() === "#");
    const column = head && head.getAttribute("aria-colindex");
    const cell = column && canvas.querySelector(
      `[role=row][aria-rowindex="${at + 2}"] [role=gridcell][aria-colindex="${column}"]`);
    const feature = cell ? Number(cell.textContent.replace(/[^0-9]/g, "")) : NaN;
    const i = index(plot._fullData).a.get(feature);
    if (i === undefined) { if (pointed) point(null); return; }
    if (!pointed || pointed[0] !== i) point({ ...pair(0, i), row: true });
  };
  document.addEventListener("mousemove", row);

  const attach = (graph) => {
    if (graph === plot) return;
    plot = graph;
    plot.on("plotly_hover", over);
    plot.on("plotly_unhover", out);
  };
  const draw = () => {
    frame = requestAnimationFrame(draw);
    const graph = document.querySelector(`.st-key-${data.key} .js-plotly-plot`);
    const full = graph && graph._fullLayout, traces = graph && graph._fullData;
    if (!full || !traces || traces.length < 2 || !full.xaxis || !full.xaxis.l2p) return;
    attach(graph);
    const bx = traces[1].x, by = traces[1].y;
    const last = bx ? bx.length - 1 : 0;
    const moved = bx && bx.length ? [bx[0], by[0], bx[last], by[last]] : "";
    const box = graph.getBoundingClientRect(), home = svg.getBoundingClientRect();
    const state = [full.width, full.height, moved, full.xaxis.range, full.yaxis.range,
                   box.left - home.left, box.top - home.top].join();
    if (state === seen) return;
    seen = state;
    const left = box.left - home.left, top = box.top - home.top;
    const at = (trace, i) => {
      const name = (axis) => full[(traces[trace][axis + "axis"] || axis).replace(axis, axis + "axis")];
      const x = name("x"), y = name("y"), px = x.l2p(traces[trace].x[i]), py = y.l2p(traces[trace].y[i]);
      const inside = px >= 0 && py >= 0 && px <= x._length && py <= y._length;
      const within = (v, most) => Math.max(0, Math.min(most, v));
      return [left + x._offset + within(px, x._length), top + y._offset + within(py, y._length), inside];
    };
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
      const [cx, cy, inside] = at(trace, i);
      const look = { fill: "none", stroke: data.ink, "stroke-width": strong ? 2.5 : 1.6 };
      if (inside) add("circle", { cx, cy, r: strong ? 9 : 6, ...look });
    }
    if (!pointed) return;
    const look = { stroke: data.hover, fill: "none", class: "pointed" };
    if (pointed[0] !== undefined && pointed[1] !== undefined) {
      const [x1, y1] = at(0, pointed[0]), [x2, y2] = at(1, pointed[1]);
      add("path", { d: `M${x1} ${y1}L${x2} ${y2}`, "stroke-width": 1.6, "stroke-dasharray": "2 3", ...look });
    }
    for (const trace of [0, 1]) {
      if (pointed[trace] === undefined) continue;
      const [cx, cy, inside] = at(trace, pointed[trace]);
      const feature = traces[trace].customdata[pointed[trace]][1];
      const named = { "data-feature": feature, "data-trace": trace };
      if (inside) add("circle", { cx, cy, r: 11, "stroke-width": 3, ...named, ...look });
    }
  };
  draw();
  return () => {
    cancelAnimationFrame(frame);
    document.removeEventListener("mousemove", row);
    if (plot && plot.removeListener) {
      plot.removeListener("plotly_hover", over);
      plot.removeListener("plotly_unhover", out);
    }
  };
}
"""
_LAYER = st.components.v2.component(
    "map_layer",
    html="<svg width='100%' height='100%' aria-hidden='true'></svg>",
    css="svg { overflow: visible; display: block; }",
    js=_JS,
    isolate_styles=False,
)
ROW, HEAD = 30, 35
"""Pixels of a row of the list, and of its head: how the layer finds the row under the pointer."""


def map_layer(
    key: str,
    lines: Sequence[tuple[int, int, bool]],
    rings: Sequence[tuple[int, int, bool]],
    ink: str,
    line: str,
    hover: str,
) -> None:
    """Draw over the figure in the container `key`: lines (point of A, of B, dashed), rings (trace, point, strong)."""
    data = {
        "key": key,
        "lines": [list(x) for x in lines],
        "rings": [list(x) for x in rings],
        "ink": ink,
        "line": line,
        "hover": hover,
        "row": ROW,
        "head": HEAD,
    }
    _LAYER(data=data, key=f"{key}_layer")
