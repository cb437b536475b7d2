from . import captions as captions
