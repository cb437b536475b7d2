"""The token ids of a Dyck-3 model's labels (see `explorer.text.dyck.heads`)."""

from __future__ import annotations

from explorer.text.dyck import language as dyck

N_TEXT = 1 + len(dyck.BRACKETS)
COPY = slice(N_TEXT, N_TEXT + len(dyck.BRACKETS))
"""Label tokens that name the bracket just read (the paper's bracket head)."""
DEPTH = slice(COPY.stop, COPY.stop + dyck.MAX_DEPTH + 1)
"""Label tokens for the number of open brackets."""
VALIDITY = slice(DEPTH.stop, DEPTH.stop + 2)
"""valid, broken."""
VOCABULARY = VALIDITY.stop
LABEL_TOKENS = (
    *(f"is {b}" for b in dyck.BRACKETS),
    *(f"depth {i}" for i in range(dyck.MAX_DEPTH + 1)),
    "valid",
    "broken",
)
