"""Maps between two residual streams: one registry of maps, moments, nulls, scores, results, verdict, twin."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
