"""The Polymorphism Explorer: two transformers, one function, rotated coordinates."""

from pathlib import Path

__version__ = "0.1.0"

PROJECT = Path(__file__).resolve().parent.parent
"""The checkout: pages/ and assets/ lie in it, and README.md."""
MAX_SEED = 2**31 - 1
"""The largest seed that a person may give: every generator takes it, a hundred thousand times over."""
