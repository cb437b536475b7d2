from . import (
    arm_names as arm_names,
    captions as captions,
    cohorts as cohorts,
    counts as counts,
    dose as dose,
    dose_captions as dose_captions,
    strip as strip,
)
from .cohorts import Pair as Pair
