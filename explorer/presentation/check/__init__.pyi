from . import axis as axis, captions as captions
