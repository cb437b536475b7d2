"""Figures of the report as inline SVG: no script, no network; colours are CSS variables, so that both themes fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape

from explorer.alignment import (
    ROTATION,
    FunctionResult,
    PairResult,
    SiteResult,
    recovered,
    restored,
    rotation_nulls,
    rungs,
    seams,
    shown,
)
from explorer.estimates import Estimate
from explorer.number_text import number
from explorer.report.schema import RESTORED, AxisMark

WIDTH, HEIGHT = 720, 316
LEFT, RIGHT, TOP, BOTTOM = 72, 140, 16, 58


class _Axes:
    """A plot area: data coordinates to pixels, with horizontal grid lines and the titles of both axes."""

    def __init__(self, low: float, high: float, columns: int, across: str, up: str) -> None:
        self.low, self.high, self.columns = low, high, max(1, columns)
        self.parts: list[str] = []
        self.names: list[tuple[float, str, str]] = []
        self.cut: Counter[int] = Counter()
        for tick in _ticks(low, high):
            y = self.y(tick)
            self.parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            self.parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_number(tick)}</text>')
        middle, centre = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
        self.parts.append(
            f'<text class="axis" x="{middle:.0f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(across)}</text>'
            f'<text class="axis" transform="translate(16 {centre:.0f}) rotate(-90)" text-anchor="middle">'
            f"{escape(up)}</text>"
        )

    def x(self, column: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (column + 0.5) / self.columns

    def y(self, value: float) -> float:
        share = (max(self.low, min(self.high, value)) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    def labels(self, names: Sequence[str]) -> None:
        for i, name in enumerate(names):
            self.parts.append(
                f'<text x="{self.x(i):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{escape(name)}</text>'
            )

    def line(self, values: Sequence[float | None], css: str, name: str) -> None:
        points = [(self.x(i), self.y(v)) for i, v in enumerate(values) if v is not None]
        if not points:
            return
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline class="line {css}" points="{path}"/>')
        for i, v in enumerate(values):
            if v is not None:
                self.parts.append(self._dot(i, v, css))
        self.names.append((points[-1][1], css, name))

    def _dot(self, column: int, value: float, css: str) -> str:
        """A point; where it lies below the axis an arrow at its end, with the number."""
        x, y = self.x(column), self.y(value)
        if value >= self.low:
            return f'<circle class="dot {css}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
        above = 15 * self.cut[column]
        self.cut[column] += 1
        return (
            f'<path class="dot {css}" d="M{x - 6:.1f} {y - 10:.1f}h12l-6 10z"/>'
            f'<text class="{css}" x="{x + 9:.1f}" y="{y - 1 - above:.1f}">{number(value)}</text>'
        )

    def bars(self, estimates: Sequence[Estimate | None], css: str) -> None:
        for i, e in enumerate(estimates):
            if e is not None and e.high >= self.low:  # bounds that nobody kept are NaN, and no bar
                x, low, high = self.x(i), self.y(e.low), self.y(e.high)
                self.parts.append(f'<line class="bar {css}" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>')

    def done(self, alt: str) -> str:
        # Names beside the last point, pushed apart where they would touch.
        last = -1e9
        for y, css, name in sorted(self.names):
            last = max(y, last + 16)
            self.parts.append(
                f'<text class="name {css}" x="{WIDTH - RIGHT + 10}" y="{last + 4:.1f}">{escape(name)}</text>'
            )
        return (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(alt)}"><title>{escape(alt)}</title>'
            + "".join(self.parts)
            + "</svg>"
        )


def _ticks(low: float, high: float) -> list[float]:
    step = next(s for s in (0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 1e9) if (high - low) / s <= 7)
    first = int(low / step) - 1
    return [t for i in range(first, first + 12) if low - 1e-9 <= (t := i * step) <= high + 1e-9]


def _number(value: float) -> str:
    return number(value).rstrip("0").rstrip(".")


def _range(values: Sequence[float | None]) -> tuple[float, float]:
    numbers = [v for v in values if v is not None]
    low = min([0.0, *numbers])
    return max(-2.5, low - 0.05 if low < 0 else 0.0), max([1.0, *numbers])


def verdict_axis(marks: Sequence[AxisMark]) -> str:
    """The number on which the verdict rests, in the first row, and its references below it, on one axis; empty without
    marks.
    """
    if not marks:
        return ""
    left, right, row = 250, 60, 26
    height = 44 + row * len(marks)
    low = max(-1.0, min(0.0, *(m.ev for m in marks)))

    def x(value: float) -> float:
        return left + (WIDTH - left - right) * (min(1.0, max(low, value)) - low) / (1 - low)

    parts = []
    for tick in _ticks(low, 1.0):
        at, bottom = f"{x(tick):.1f}", height - 40
        parts.append(f'<line class="grid" x1="{at}" x2="{at}" y1="4" y2="{bottom}"/>')
        parts.append(f'<text x="{at}" y="{bottom + 16}" text-anchor="middle">{_number(tick)}</text>')
    for i, m in enumerate(marks):
        y, css = 4 + row * (i + 0.5), "rotated" if i == 0 else "null"
        parts.append(f'<text x="{left - 12}" y="{y + 5:.1f}" text-anchor="end">{escape(m.name)}</text>')
        if m.low is not None and m.high is not None:
            parts.append(
                f'<line class="bar {css}" x1="{x(m.low):.1f}" x2="{x(m.high):.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
            )
        end = x(m.ev)
        if m.ev < low:
            parts.append(f'<path class="dot {css}" d="M{end + 4:.1f} {y - 6:.1f}v12l-10 -6z"/>')
        else:
            parts.append(f'<circle class="dot {css}" cx="{end:.1f}" cy="{y:.1f}" r="{6 if i == 0 else 4.5}"/>')
        parts.append(f'<text x="{x(m.ev) + 12:.1f}" y="{y + 5:.1f}">{number(m.ev)}</text>')
    centre = (left + WIDTH - right) / 2
    title = "explained variance of A's rows"
    parts.append(f'<text x="{centre:.0f}" y="{height - 4}" text-anchor="middle">{title}</text>')
    alt = "The number on which the verdict rests, beside its references"
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{alt}"><title>{alt}</title>{"".join(parts)}</svg>'
    )


def ladder(result: PairResult) -> str:
    """EV of the maps by site, R with one scale as in the verdict, and its largest gate null."""
    sites = result.sites
    drawn = {rung: m for rung, m in rungs().items() if rung == ROTATION or (m.is_arm and rung != "orthogonal")}
    values = {name: [s.ladder[name] for s in sites] for name in drawn}
    null = [rotation_nulls(s).gate for s in sites]
    everything = [e.value for row in values.values() for e in row] + null
    axes = _Axes(*_range(everything), len(sites), "site", "EV of the source's rows")
    axes.labels([s.label for s in sites])
    axes.line(null, "null", "largest gate null")
    axes.line([s.token.lookup.value for s in sites], "source", "token lookup")
    for name, m in drawn.items():
        axes.line([e.value for e in values[name]], m.colour, m.title)
        axes.bars(values[name], m.colour)
    return axes.done("Explained variance of the source's rows by each map, site by site")


def dictionary(result: PairResult) -> str | None:
    """How much of the dictionary comes back under the maps, faithful, site by site; None without a dictionary."""
    sites = [s for s in result.sites if s.dictionary is not None]
    if not sites:
        return None
    values = {arm: [restored(s.dictionary or {}, arm) for s in sites] for arm in RESTORED}
    axes = _Axes(
        *_range([e.value for row in values.values() for e in row if e is not None]),
        len(sites),
        "site",
        "restored, faithful",
    )
    axes.labels([s.label for s in sites])
    axes.line([1.0] * len(sites), "ceiling", "at home")
    axes.line([0.0] * len(sites), "null", "shuffled pairs")
    for arm in RESTORED:
        axes.line([None if e is None else e.value for e in values[arm]], arm, arm)
        axes.bars(values[arm], arm)
    return axes.done("How much of the source's dictionary comes back on the target, by map and site")


def stitching(result: PairResult) -> str | None:
    """CE recovered in the worse direction, by arm and site."""
    sites = [s for s in result.sites if s.stitch is not None]
    if not sites:
        return None
    values = {seam: [recovered(s, seam).estimate.value for s in sites] for seam in shown(seams())}
    axes = _Axes(*_range([v for row in values.values() for v in row]), len(sites), "site", "CE recovered")
    axes.labels([s.label for s in sites])
    for seam, m in shown(seams()).items():
        axes.line(values[seam], m.colour, m.title)
    return axes.done("Cross-entropy recovered by stitching, in the worse direction, by arm and site")


def by_position(function: FunctionResult) -> str | None:
    """Losses and KL against the position in the window; None where they were not measured."""
    bins = function.by_position
    if not bins:
        return None
    losses = [[p.loss_source for p in bins], [p.loss_target for p in bins], [p.kl for p in bins]]
    axes = _Axes(0.0, 1.05 * max(map(max, losses)), len(bins), "position in the window", "nats per token")
    every = -(-len(bins) // 8)
    axes.labels([str(p.first) if i % every == 0 else "" for i, p in enumerate(bins)])
    for values, css, name in zip(losses, ("source", "rotated", "null"), ("loss of A", "loss of B", "KL"), strict=True):
        axes.line(values, css, name)
    return axes.done("Nats per token against the position in the window")


def fit_curve(site: SiteResult) -> str:
    """EV against the number of rows that the map was fitted on."""
    c = site.fit_curve
    axes = _Axes(*_range([*c.orthogonal, *c.affine]), len(c.rows), "rows fitted", "EV of the source's rows")
    axes.labels([f"{n / 1000:.1f}k" if n >= 1000 else str(n) for n in c.rows])
    axes.line(list(c.affine), "affine", "affine")
    axes.line(list(c.orthogonal), "rotated", "rotation R")
    return axes.done(f"Explained variance on test against the number of fit rows, at {site.label}")


def spectrum(site: SiteResult) -> str:
    """Histogram of eigen-angles with the band of Haar draws."""
    s = site.rotation.spectrum
    bins, top = len(s.counts), max(*s.counts, *s.haar_high) * 1.15
    axes = _Axes(0.0, top, bins, "angle of an eigenvalue of R", "eigenvalues")
    width = (WIDTH - LEFT - RIGHT) / bins
    for i, count in enumerate(s.counts):
        x, zero = axes.x(i) - width / 2, axes.y(0)
        low, high = axes.y(s.haar_low[i]), axes.y(s.haar_high[i])
        axes.parts.append(
            f'<rect class="band" x="{x:.1f}" y="{high:.1f}" width="{width:.1f}" height="{max(0.5, low - high):.1f}"/>'
            f'<rect class="fill rotated" x="{x + 2:.1f}" y="{axes.y(count):.1f}" width="{width - 4:.1f}" '
            f'height="{zero - axes.y(count):.1f}"/>'
        )
    for share, name in ((0.0, "0"), (0.5, "π/2"), (1.0, "π")):
        x = LEFT + (WIDTH - LEFT - RIGHT) * share
        axes.parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{name}</text>')
    axes.names = [(axes.y(s.haar_high[-1]), "null", "Haar, 95 %"), (axes.y(s.counts[-1]) + 20, "rotated", "R")]
    return axes.done(f"Eigen-angles of R at {site.label}, against Haar draws")


def cross_site(result: PairResult) -> str:
    """EV at the site of the column with the R of the site of the row, as a table of shaded cells."""
    labels, n = [s.label for s in result.sites], len(result.sites)
    cell, left, top = min(64, 480 // n), 136, 58
    size_x, size_y = left + cell * n, top + cell * n
    parts = [
        f'<text class="axis" x="{left + cell * n / 2:.0f}" y="18" text-anchor="middle">read at the site</text>',
        f'<text class="axis" transform="translate(16 {top + cell * n / 2:.0f}) rotate(-90)" text-anchor="middle">'
        "with the R of</text>",
    ]
    for i, row in enumerate(result.ev_cross_site):
        middle = cell * (i + 0.5)
        parts.append(f'<text x="{left - 10}" y="{top + middle + 4:.0f}" text-anchor="end">{escape(labels[i])}</text>')
        parts.append(f'<text x="{left + middle:.0f}" y="{top - 12}" text-anchor="middle">{escape(labels[i])}</text>')
        for j, value in enumerate(row):
            x, y = left + cell * j, top + cell * i
            opacity = max(0.0, min(1.0, value)) * 0.6
            parts.append(
                f'<rect class="cell" x="{x}" y="{y}" width="{cell - 2}" height="{cell - 2}" '
                f'style="fill-opacity:{opacity:.2f}"/><text x="{x + cell / 2 - 1:.0f}" y="{y + cell / 2 + 4:.0f}" '
                f'text-anchor="middle">{number(value)}</text>'
            )
    alt = "Explained variance at one site with the rotation of another"
    return (
        f'<svg viewBox="0 0 {size_x} {size_y}" style="max-width:{size_x}px" role="img" aria-label="{alt}">'
        f"<title>{alt}</title>{''.join(parts)}</svg>"
    )
