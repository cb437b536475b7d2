"""What results mean in words: the talk's scenes and notes, the paper's claims, the rehearsal."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
