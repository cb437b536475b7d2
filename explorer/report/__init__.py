"""report.json, HTML and CSV of a measured pair, and the comparison of reports."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
