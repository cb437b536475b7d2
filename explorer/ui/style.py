"""Style sheets, and what they cannot know by themselves: the colours of the current theme and the pages' icons."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

import streamlit as st

from explorer.palette import DARK, Palette
from explorer.ui.pages import PAGES

_UI = Path(__file__).parent


def apply_style(palette: Palette) -> None:
    """The style that every page has, in the colours of the current theme."""
    st.html(_UI / "style.css")
    on_primary = "#0B0E11" if palette is DARK else "#FFFFFF"
    st.html(f"{colours(palette)}<style>:root {{ --on-primary: {on_primary}; }} {_icons()}</style>")


def page_style(name: str) -> None:
    """The style of one page, `style.css` of its folder."""
    st.html(_UI / name / "style.css")


def colours(palette: Palette) -> str:
    """Custom properties, by which style sheets name the palette's colours: its `paper` is `var(--paper)`."""
    return f"<style>:root {{ {' '.join(f'--{name}: {value};' for name, value in asdict(palette).items())} }}</style>"


def _icons() -> str:
    """CSS that draws each page's icon beside its name in the navigation, in the colour of the name."""
    rules = [
        '[data-testid="stSidebarNavLink"]::before { content: ""; flex: 0 0 auto; width: 1.1rem; height: 1.1rem; '
        "margin-right: .1rem; background: currentColor; opacity: .8; }"
    ]
    for page in PAGES.values():
        svg = (
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 20 20' fill='none' stroke='black' stroke-width='1.6' "
            f"stroke-linecap='round' stroke-linejoin='round'>{page.icon}</svg>"
        )
        image = f'url("data:image/svg+xml,{quote(svg)}") center / contain no-repeat'
        rules.append(f'[data-testid="stSidebarNavLink"][href*="/{page.name}"]::before {{ mask: {image}; }}')
    return " ".join(rules)
