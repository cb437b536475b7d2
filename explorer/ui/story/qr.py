"""The QR code of the talk: phones in the room open the same story as one page, where they can reach this app at all."""

from __future__ import annotations

import os
import socket
from html import escape
from urllib.parse import urlencode, urlsplit

import streamlit as st

from explorer.ui.frame import kept

ADDRESS = "EXPLORER_ADDRESS"
"""Environment variable: how others reach this app, e.g. behind a proxy."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ELSEWHERE = ("192.0.2.1", 9)
"""An address that nobody has (RFC 5737): a datagram socket that is aimed at it sends nothing, and tells our own."""


def stack_link(parameter: str) -> str | None:
    """The address of this story as one page, for phones; None where the app listens on this machine only."""
    base = reachable(str(st.context.url or ""), str(st.get_option("server.address") or ""), os.environ.get(ADDRESS, ""))
    return None if base is None else f"{base}/story?{urlencode({**kept(), parameter: '1'})}"


def reachable(url: str, listens: str, told: str) -> str | None:
    """How others reach the app that a visitor sees at `url`: as told, as the visitor does, or by our own address.

    listens: the address that the server listens on, empty for all.
    """
    if told:
        return told.rstrip("/")
    seen = urlsplit(url)
    if seen.hostname not in LOOPBACK:
        return f"{seen.scheme}://{seen.netloc}" if seen.hostname else None
    if listens in LOOPBACK:
        return None
    host = listens if listens not in ("", "0.0.0.0", "::") else _own_address()
    return None if host is None else f"{seen.scheme}://{host}:{seen.port or 80}"


def _own_address() -> str | None:
    """This machine's address in its network; None without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return None
        found = str(probe.getsockname()[0])
    return None if found.startswith("127.") else found


def code(link: str) -> str:
    """The QR code of a link, black on white whatever the theme: phones read nothing else reliably."""
    import segno

    image = segno.make(link, error="m").svg_data_uri(scale=4, border=2, dark="#000", light="#fff", omitsize=True)
    words = escape(f"QR code: this talk on a phone, {link}", quote=True)
    return f"<div class='qr'><img src='{escape(image, quote=True)}' alt='{words}'></div>"
