"""Two models and a text become a study: the check, its options, queue, estimate and recording."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
