from . import (
    captions as captions,
    dial_figure as dial_figure,
    over_training as over_training,
    questions as questions,
    sites as sites,
)
from .dial_figure import dial as dial, thinned as thinned
