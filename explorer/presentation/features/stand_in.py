"""What one feature does to the target in the place of its match, as a line of the card."""

from __future__ import annotations

import html

from explorer.alignment import PairSubstitution
from explorer.narrative import stands_in
from explorer.number_text import minus

HELP = (
    "The rise of the target's loss, in the mean over the words that it expects, for each token at which the match fires: "
    "its contribution is removed and that of the feature, carried through R, is added. ± is a standard error; the wrong "
    "neighbour is the best of four; nothing is the ceiling."
)


def line(found: PairSubstitution | None, site: str, feature: int, target: str) -> str:
    """The line (HTML); empty for a feature that was not tried."""
    here = None if found is None else found.at(site)
    known = None if here is None else here.of(feature)
    if known is None:
        return ""
    words = f"<b>In {html.escape(target)}</b> it {stands_in(known)}."
    return minus(f'<span title="{html.escape(HELP)}">{words}</span>')
