"""The pages of the app, in one table. A new one is its script, its folder here, and one line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from explorer import PROJECT

FOLDER = PROJECT / "pages"
"""Where the scripts are."""


@dataclass(frozen=True)
class Page:
    """One page of the app."""

    name: str
    """Its path in the address, and the name of its script and of its folder in explorer/ui/."""
    title: str
    """What the navigation and the browser's tab call it."""
    icon: str
    """Strokes on a 20 × 20 grid, as SVG: Streamlit's own icons would make the browser ask another host."""
    shows_pair: bool = False
    """Whether a new study's verdict leads on to it, because it shows the pair that was checked."""

    @property
    def script(self) -> Path:
        """The script that draws it."""
        return FOLDER / f"{self.name}.py"


_TABLE = (
    # First, because both who come without a link want the whole idea before a panel of it: newcomer and lecturer.
    Page("story", "Story", "<rect x='2' y='3' width='16' height='11' rx='1'/><path d='M8.5 6v5l4-2.5zM6 18h8'/>"),
    Page("rotation", "Rotation", "<path d='M16.5 10a6.5 6.5 0 1 1-2-4.7'/><path d='M15 2v4h-4'/>", shows_pair=True),
    Page(
        "features", "Features",
        "<circle cx='5' cy='13' r='2'/><circle cx='10' cy='5' r='2'/><circle cx='15.5' cy='14.5' r='2'/>"
        "<path d='M6 11l3-4M7 13.4l6.5 .8'/>",
        shows_pair=True,
    ),
    Page(
        "steering", "Steering",
        "<path d='M3 10h6c4 0 3-6 8-6M9 10c4 0 3 6 8 6'/><path d='M15 2l2 2-2 2M15 14l2 2-2 2'/>", shows_pair=True,
    ),
    Page("check", "Check a pair", "<rect x='3' y='3' width='14' height='14' rx='2'/><path d='M6.5 10l2.5 3 5-6'/>"),
    Page(
        "claims", "Claims",
        "<path d='M10 3v14M6 17h8M4 6h12'/>"
        "<path d='M2 11l2-5 2 5a2 2 0 0 1-4 0M14 11l2-5 2 5a2 2 0 0 1-4 0'/>",
    ),
)  # fmt: skip

PAGES = {page.name: page for page in _TABLE}
"""Every page by its name, in the order of the navigation; the app opens with the first."""
