from . import axis as axis, captions as captions, progress_captions as progress_captions
