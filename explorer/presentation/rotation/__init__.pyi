from . import (
    captions as captions,
    carried as carried,
    dictionary_bars as dictionary_bars,
    one_space as one_space,
    over_training as over_training,
    questions as questions,
    randomness as randomness,
    similarity as similarity,
    sites as sites,
    substitution as substitution,
    warm_start as warm_start,
    weights as weights,
)
from .dial_figure import dial as dial
from .dictionary_bars import NAMES as NAMES, TITLES as TITLES, mark_cut as mark_cut
from .opening_picture import opening as opening
