"""How far a check is: shares of its steps, so that one number rises from 0 to 1."""

from __future__ import annotations

from explorer.progress import Report

WEIGHTS = {
    "reading the models": 3.0,
    "dictionary at": 60.0,
    "catalogue": 6.0,
    "null: untrained target": 24.0,
    "positive control": 2.0,
    "reading validation text": 6.0,
    "reading fit text": 30.0,
    "scoring test text": 10.0,
    "stitching at": 40.0,
    "nulls and tests": 10.0,
    "comparing predictions": 5.0,
    "correspondences of features": 4.0,
    "contrasts in": 8.0,
    "dose–response of contrasts": 8.0,
    "writing the study": 2.0,
}
"""Usual cost of each kind of step, relative; in order. Steps of one kind share its cost."""


class CheckPlan:
    """Turns (step, share of the step) into (step, share of the whole)."""

    def __init__(self, report: Report, repeats: dict[str, int], without: tuple[str, ...] = ()) -> None:
        """`repeats`: how many steps of a kind there are, where not one; `without`: how kinds begin that do not come."""
        self.report, self.repeats = report, repeats
        self.weights = {kind: w for kind, w in WEIGHTS.items() if not kind.startswith(without)}
        self.seen: dict[str, list[str]] = {}
        self.high = 0.0

    def __call__(self, step: str, share: float) -> None:
        """Pass a step's progress on."""
        kind = next((k for k in self.weights if step.startswith(k)), None)
        if kind is not None:
            names = self.seen.setdefault(kind, [])
            if step not in names:
                names.append(step)
            count = self.repeats.get(kind, 1)
            inside = min(1.0, (len(names) - 1 + share) / count)
            order = list(self.weights)
            before = sum(self.weights[k] for k in order[: order.index(kind)])
            done = (before + inside * self.weights[kind]) / sum(self.weights.values())
            self.high = max(self.high, min(0.999, done))
        self.report(step, self.high)
