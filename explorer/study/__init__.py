"""What lies on disk and how it is read: the study's schema, its files, the library of studies, the archive."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
