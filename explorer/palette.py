"""Colours: each means one thing on every page (Okabe–Ito, as in the paper's figures), in a light and a dark version."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Palette:
    """The colours of one theme."""

    source: str
    """The source model A."""
    raw: str
    """The target read raw."""
    translated: str
    """The target with its mean moved: raw's hue, lighter."""
    rotated: str
    """The target read through R."""
    native: str
    """The target's own vector or dictionary."""
    affine: str
    """The target read through the affine map."""
    null: str
    """Shuffled and random controls."""
    ink: str
    """Text, axes and the ceiling."""
    faint: str
    """Grid lines."""
    paper: str
    """Background."""
    highlight: str
    """Token highlighting, as r, g, b; its opacity is the activation."""

    def arm(self, name: str) -> str:
        """The colour of a map or lane."""
        found: str = {
            "ceiling": self.ink,
            "source": self.source,
            "none": self.null,
            "random": self.null,
            "shuffled": self.null,
        }.get(name) or getattr(self, name)
        return found


def mixed(a: str, b: str, share: float) -> str:
    """The colour that lies at a share of the way from `a` to `b`, each as #RRGGBB."""
    pairs = [(int(a[i : i + 2], 16), int(b[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(x + (y - x) * share):02X}" for x, y in pairs)


LIGHT = Palette(
    source="#0072B2",
    raw="#D55E00",
    translated="#E69F00",
    rotated="#009E73",
    native="#CC79A7",
    affine="#56B4E9",
    null="#8A8F94",
    ink="#1F2428",
    faint="#E3E5E7",
    paper="#FCFCFB",
    highlight="0,114,178",
)

DARK = Palette(
    source="#4FA3DC",
    raw="#F07C35",
    translated="#EDB64A",
    rotated="#2BC295",
    native="#DE9DC0",
    affine="#86CDF5",
    null="#8F969C",
    ink="#E8EAEC",
    faint="#30363B",
    paper="#14171A",
    highlight="79,163,220",
)

HATCH = {"shuffled": "/", "random": "x"}
"""Second channel of the controls, beside colour."""

DASHES = {"raw": "dot", "translated": "dashdot", "rotated": "solid", "affine": "dash", "native": "solid"}
"""Second channel of lines."""
