"""Texts of the Claims page that no number goes into."""

from __future__ import annotations

from explorer.models import BAD_UPLOADS

HELP = r"""
**What is compared.** The paper (*Polymorphism Is Rotation*, McCann 2026) reports numbers on its own toy and on Pythia models; here
the same quantities are measured on the study that is shown, at every site, for every independent target of the source. The claims
about the toy are measured on the study *dyck3*, whichever study is shown.

**When it agrees.** Each claim has a rule with a threshold, in `explorer/narrative/claim_rules.py`: for instance *One rotation repairs it*
agrees where the rotated EV is within 0.025 of the ceiling at every site (the paper's own margin), and partly where it beats both
raw and shuffled pairs by 0.05 at every site. A number that agrees only in a test without power, or that shuffled pairs give as
well, agrees in part.

**The control.** A number can agree and still not mean what it seems to: the control beside it says what else would give the same
number. *Restored* puts the EV of a dictionary between what an R of shuffled pairs gives (0) and what the dictionary does on its own
model (1), so that it can be compared across dictionaries; *faithful* asks for what A itself had at the token. EV here is paper-style ($\mathrm{SAE}_A(f(x_B))$ against $f(x_B)$) and, where said, of the rows themselves.
"""

POLY_PYTHIAS = (
    "PolyPythias: the same Pythia trained from nine seeds. The check downloads both models once (it needs the network), "
    "measures them, and writes a report and a study that opens here. Prepare it on its page, or run the command. "
    + BAD_UPLOADS
)
