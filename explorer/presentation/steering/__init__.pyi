from . import captions as captions, cohorts as cohorts, dose as dose, dose_captions as dose_captions
from .cohorts import Pair as Pair
