"""One causal language model: loading, sites, one residual stream read and edited under a lock, tokens, logit lens."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
